"""A process and all it started: their processor time, and the memory they take together."""

from __future__ import annotations

import os
import threading
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
_WATCH_SECONDS = 0.5


class ProcessTree:
    """A process and its descendants; one that has ended counts as nothing."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._peak_mb = 0.0
        self._watched = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def cpu_seconds(self) -> float:
        """User and system time so far, of descendants that have ended too."""
        return sum(_cpu_seconds(pid) for pid in self._pids())

    def memory_mb(self) -> float:
        """What is in memory now; pages that several processes share count once."""
        return sum(_proportional_mb(pid) for pid in self._pids())

    def peak_mb(self) -> float:
        """The most seen so far, looking twice a second, or by any one process at any time."""
        return round(max(self._peak_mb, *(_peak_mb(pid) for pid in self._pids())), 1)

    def _pids(self) -> list[int]:
        found = [self.pid]
        for pid in found:
            found += _children(pid)
        return found

    def _watch(self) -> None:
        while Path(f"/proc/{self.pid}").exists():
            self._peak_mb = max(self._peak_mb, self.memory_mb())
            self._watched.wait(_WATCH_SECONDS)


def _children(pid: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return []


def _cpu_seconds(pid: int) -> float:
    fields = _read(pid, "stat").rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / TICKS if fields else 0.0


def _proportional_mb(pid: int) -> float:
    return _kilobytes(_read(pid, "smaps_rollup"), "Pss:") / 1024


def _peak_mb(pid: int) -> float:
    return _kilobytes(_read(pid, "status"), "VmHWM:") / 1024


def _kilobytes(text: str, name: str) -> int:
    for line in text.splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    return 0


def _read(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text()
    except OSError:
        return ""
