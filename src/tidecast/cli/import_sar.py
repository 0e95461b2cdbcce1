"""`tidecast import sar`: sysstat's own files, read by sysstat's own `sadf`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from tidecast.cli.client import TidecastServer, server_options
from tidecast.cli.send_history import SentUsage, send_usage
from tidecast.journeys.imports.sysstat import SysstatHistory
from tidecast_collector.errors import TidecastError

SOURCE = "sar"
DEFAULT_ROOT = Path("/var/log/sysstat")
DATA_FILE = re.compile(r"sa([0-9]{2}|[0-9]{8})")
COMPRESSED_FILE = re.compile(r"sa([0-9]{2}|[0-9]{8})\.(xz|gz|bz2|lz4|zst|lzma)")
MAX_SADF_BYTES = 512 << 20
SADF_TIMEOUT_SECONDS = 600
SECTIONS = ("-u", "ALL", "-r", "ALL", "-S", "-F", "MOUNT", "-n", "DEV", "-d", "-q")


class SysstatUnreadable(TidecastError):
    """sysstat's files cannot be read here; the message says what to do."""


@dataclass(frozen=True, slots=True)
class SysstatImport:
    """What an import of sysstat's files brought."""

    hosts: Sequence[str]
    files: int
    records: int
    first_ms: int
    last_ms: int
    restarts: int
    sent: SentUsage

    @property
    def days(self) -> int:
        """The days from the first record to the last, begun ones included."""
        return -(-(self.last_ms - self.first_ms) // 86_400_000)


def find_sysstat_history(root: Path = DEFAULT_ROOT) -> list[Path]:
    """sysstat's data files in that directory, oldest first; none where there is no such directory.

    They are ordered by when they were last written: `sa05` of this month is newer than `sa28`.
    """
    if not root.is_dir():
        return []
    found = [path for path in root.iterdir() if DATA_FILE.fullmatch(path.name) and path.is_file()]
    return sorted(found, key=lambda path: (path.stat().st_mtime_ns, path.name))


def read_sadf(path: Path) -> bytes:
    """What `sadf -j` writes of that file, in UTC whatever the machine's time zone."""
    sadf = shutil.which("sadf")
    if sadf is None:
        raise SysstatUnreadable("no `sadf` on this machine: install the package sysstat")
    command = [sadf, "-j", str(path.absolute()), "--", *SECTIONS]
    environment = {**os.environ, "TZ": "UTC", "LC_ALL": "C", "S_TIME_FORMAT": "ISO"}
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        try:
            done = subprocess.run(  # noqa: S603 - no shell, a fixed program, an absolute path
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                env=environment,
                timeout=SADF_TIMEOUT_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise SysstatUnreadable(
                f"{path}: sadf took longer than {SADF_TIMEOUT_SECONDS} s"
            ) from error
        errors.seek(0)
        if done.returncode:
            said = errors.read(1000).decode("utf-8", "replace").strip().replace("\n", "; ")
            raise SysstatUnreadable(f"{path}: sadf ended with {done.returncode}: {said}")
        if output.tell() > MAX_SADF_BYTES or output.seek(0, os.SEEK_END) > MAX_SADF_BYTES:
            raise SysstatUnreadable(f"{path}: more than {MAX_SADF_BYTES} bytes of history")
        output.seek(0)
        return output.read()


def import_sysstat(
    server: TidecastServer, files: Sequence[Path], now_ms: int, instance: str | None = None
) -> SysstatImport:
    """Reads all of these files, then sends their usage records."""
    history = SysstatHistory(instance)
    with click.progressbar(files, label="reading sysstat's files") as bar:
        for path in bar:
            history.add(read_sadf(path), str(path))
    series = history.usage(now_ms)
    if not series:
        return SysstatImport(history.hosts, len(files), 0, 0, 0, history.restarts, SentUsage(0, 0))
    return SysstatImport(
        history.hosts,
        len(files),
        sum(len(each.usage.hours_ms) for each in series),
        min(int(each.usage.hours_ms[0]) for each in series),
        max(int(each.usage.hours_ms[-1]) for each in series),
        history.restarts,
        send_usage(server, SOURCE, series),
    )


@click.command(name="sar")
@click.argument("path", type=click.Path(exists=True, path_type=Path), default=DEFAULT_ROOT)
@click.option("--instance", help="The host the records are of.  [default: as the files say]")
@server_options
def import_sar(server: TidecastServer, path: Path, instance: str | None) -> None:
    """Bring in sysstat's history: one of its data files, or a directory of them.

    It becomes hourly records of cpu, memory, swap, load, filesystems, inodes, disks and network.
    Filesystems are there only if sysstat collects them (SADC_OPTIONS="-S XDISK").

    \b
    Examples:
      tidecast import sar /var/log/sysstat
      tidecast import sar sa17 --instance web-3
    """
    files = find_sysstat_history(path) if path.is_dir() else [path]
    compressed = (
        [entry.name for entry in path.iterdir() if COMPRESSED_FILE.fullmatch(entry.name)]
        if path.is_dir()
        else []
    )
    if compressed:
        names = ", ".join(sorted(compressed))
        click.echo(f"left out, as they are compressed (unpack them first): {names}", err=True)
    if not files:
        raise click.ClickException(f"{path} holds no data file of sysstat (sa01, sa20260131, ...)")
    done = import_sysstat(server, files, time.time_ns() // 1_000_000, instance)
    if not done.records:
        click.echo(f"{len(files)} files tell of no hour that is over; nothing to import yet")
        return
    again = "" if done.sent.sent else " (nothing new: all of it was imported before)"
    click.echo(
        f"imported {done.records:,} records of {', '.join(done.hosts)} from {len(files)} files,"
        f" {done.days} days, {done.restarts} restarts{again}"
    )
