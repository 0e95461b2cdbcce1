"""CPU time by mode, from /proc/stat."""

from __future__ import annotations

import os

from tidecast_collector.model import COUNTER, Family, Sample
from tidecast_collector.sources.reading import Root

_MODES = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def cpu(root: Root) -> list[Family]:
    """Seconds each CPU spent in each mode; guests' time stands apart (and also counts as user)."""
    modes: list[Sample] = []
    guests: list[Sample] = []
    for line in root.read("proc/stat").split(b"\n"):
        if not line.startswith(b"cpu"):
            break
        name, *ticks = line.split()
        number = name[3:].decode()
        if not number:
            continue
        seconds = [int(tick) / _TICKS_PER_SECOND for tick in ticks]
        modes += [
            ((("cpu", number), ("mode", mode)), value)
            for mode, value in zip(_MODES, seconds, strict=False)
        ]
        guests += [
            ((("cpu", number), ("mode", mode)), value)
            for mode, value in zip(("user", "nice"), seconds[8:10], strict=False)
        ]
    return [
        Family("node_cpu_seconds_total", COUNTER, "Seconds the CPUs spent in each mode.", modes),
        Family(
            "node_cpu_guest_seconds_total",
            COUNTER,
            "Seconds the CPUs spent running guests, by mode.",
            guests,
        ),
    ]
