"""The real server on a disk that fills up: refused with 503, nothing lost, and going on.

Root mounts a small file system in memory. Anybody else gets a limit on the size of files, beyond
which the kernel writes a part and then refuses, as a full disk does.
"""

from __future__ import annotations

import contextlib
import random
import resource
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from tests.soak.finding import Tally
from tests.soak.ledger import Ledger
from tests.soak.load import Server, Writers
from tests.soak.servers import RECOVERY_SECONDS, answers, end, holds

_DISK_BYTES = 48 << 20
_LEFT_BYTES = (0, 4096, 300_000, 1_000_000)
"""So much room is left when the disk is made full; the server takes the rest of it."""
_FILE_BYTES = 4096
_CHUNK_BYTES = 16384


class _Mounted:
    """A file system of its own, filled by a file that can be removed again."""

    kind = "tmpfs"

    def __init__(self, place: Path) -> None:
        self._ballast = place / "ballast"

    def fill(self, _: Server, left_bytes: int) -> None:
        with self._ballast.open("wb", buffering=0) as file:
            with contextlib.suppress(OSError):
                while file.write(bytes(_CHUNK_BYTES)):
                    pass
            file.truncate(max(0, file.tell() - left_bytes))

    def free(self, _: Server) -> None:
        self._ballast.unlink()


class _Limited:
    """A limit on the files of the server and of what it has started."""

    kind = "file size limit"

    def fill(self, server: Server, _: int) -> None:
        self._limit(server, _FILE_BYTES)

    def free(self, server: Server) -> None:
        self._limit(server, resource.RLIM_INFINITY)

    def _limit(self, server: Server, size: int) -> None:
        for process in [own := psutil.Process(server.pid), *own.children(recursive=True)]:
            limits = (size, resource.RLIM_INFINITY)
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, limits)


@contextmanager
def _disk(place: Path) -> Iterator[_Mounted | _Limited]:
    place.mkdir(parents=True)
    mount = shutil.which("mount")
    options = ["-t", "tmpfs", "-o", f"size={_DISK_BYTES}", "tidecast-soak", str(place)]
    done = mount and subprocess.run([mount, *options], capture_output=True, check=False)
    if not done or done.returncode:
        yield _Limited()
        return
    try:
        yield _Mounted(place)
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def run(tally: Tally, plans: range, directory: Path) -> None:
    """Each plan fills a disk of its own."""
    for number in plans:
        with tally.plan(number, "exception"), _disk(directory / str(number)) as disk:
            rng = random.Random(f"{tally.seed} disk {number}")
            tally.counts[f"disk: {disk.kind}"] += 1
            left = rng.choice(_LEFT_BYTES)
            kills = isinstance(disk, _Mounted) and number % 2 == 1
            what = f"full but for {left} bytes{', killed, started on the full disk' * kills}"
            faults = _fill(
                tally, disk, directory / str(number) / "data", left, kills=kills, rng=rng
            )
            tally.found(number, what, faults)


def _fill(
    tally: Tally,
    disk: _Mounted | _Limited,
    home: Path,
    left: int,
    *,
    kills: bool,
    rng: random.Random,
) -> list[str]:
    ledger, server = Ledger(), Server(home)
    try:
        if not server.wait_ready():
            return ["the server does not start", *server.printed()]
        writers = Writers(server, ledger, rng, 0)
        try:
            time.sleep(rng.uniform(0.5, 2))
            disk.fill(server, left)
            refused = _until(lambda: len(writers.refused) > 3)
            if refused:
                time.sleep(1)
        finally:
            writers.stop()
        if not refused:
            return ["no write was refused on the full disk", *writers.faults]
        tally.counts["writes refused"] += len(writers.refused)
        faults = [*writers.faults, *answers(server, ledger)]
        if kills:
            server.kill()
            server = Server(home)
            # It may serve what there is, or say clearly that it has no room.
            if server.wait_ready():
                faults += answers(server, ledger)
                disk.free(server)
            else:
                tally.counts["starts refused"] += 1
                faults += _refusal(server)
                disk.free(server)
                server = Server(home)
                if not server.wait_ready():
                    return [*faults, "it does not start with room again", *server.printed()]
        else:
            disk.free(server)
        faults += _goes_on(server, ledger, rng)
    finally:
        end(server)
    return [*faults, *holds(home, ledger)]


def _refusal(server: Server) -> list[str]:
    printed = server.printed()
    clear = printed and not any("Traceback" in line for line in printed)
    return [] if clear else ["started on a full disk it ends without a clear word", *printed]


def _goes_on(server: Server, ledger: Ledger, rng: random.Random) -> list[str]:
    """With room again writes are taken, soon and by the same process."""
    writers = Writers(server, ledger, rng, 1_000_000)
    try:
        taken = _until(lambda: writers.acknowledged > 3)
        time.sleep(1)
    finally:
        writers.stop()
    faults = [] if taken else ["with room again no write is taken"]
    return [*faults, *writers.faults, *answers(server, ledger)]


def _until(reached: Callable[[], bool]) -> bool:
    until = time.monotonic() + RECOVERY_SECONDS
    while not reached():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True
