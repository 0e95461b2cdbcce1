"""Damage outside of the samples store: backups, the agent's spool, the records."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.soak.blow import Blow
from tests.soak.finding import Tally
from tests.soak.workload import Clock, open_store, perform, steps

from tidecast.journeys.backup_manifest import MANIFEST
from tidecast.journeys.backups import Holdings, make_backup, restore_backup, tar_stream
from tidecast.records import KnownResource, Records
from tidecast_collector.errors import TidecastError
from tidecast_collector.spool import Spool

_ROOM_BYTES = 1 << 20
Restored = dict[str, bytes]


def run(tally: Tally, plans: range, directory: Path) -> None:
    """Runs these plans, taking turns between the kinds of places."""
    places: list[tuple[str, Callable]] = [
        ("backup archive", _archive),
        ("backup directory", _backup),
        ("spool", _spool),
        ("records", _records),
    ]
    _build(directory / "built", tally.seed)
    for number in plans:
        with tally.plan(number, "exception"):
            name, strike = places[number % len(places)]
            rng = random.Random(f"{tally.seed} {name} {number}")
            copy = directory / "copy"
            shutil.rmtree(copy, ignore_errors=True)
            copy.mkdir()
            what, outcome, faults = strike(directory / "built", copy, rng)
            tally.counts[f"{name}: {outcome}"] += 1
            tally.found(number, f"{name}: {what}", faults)


def _build(built: Path, seed: int) -> None:
    built.mkdir()
    plan = steps((seed, "backup"), 60)
    clock = Clock()
    with (
        open_store(built / "raw", clock) as raw,
        open_store(built / "own", clock) as own,
        Records.open(f"sqlite:///{built / 'records.sqlite3'}") as records,
    ):
        for step in plan:
            perform(raw, clock, step)
        with records.unit() as unit:
            unit.resources.put(_RESOURCES)
            for number in range(200):
                unit.audit.add(number, "ann", "retire", f"host-{number} " * 10)
        make_backup(Holdings(raw, own, records), built / "backup", plan[-1].now_ms)
    (built / "backup.tar").write_bytes(b"".join(tar_stream(built / "backup")))
    with _opened(built / "spool") as spool:
        for payload in _PAYLOADS:
            spool.append(payload)
        spool.acknowledge(spool.read(_ACKNOWLEDGED).end)


_RESOURCES = [
    KnownResource(
        *(f"host-{number}", "filesystem", f"/srv/{number}"),
        unit="bytes",
        statistic="max",
        source="agent",
        first_seen_ms=0,
        last_seen_ms=number,
    )
    for number in range(200)
]
_PAYLOADS = [random.Random(number).randbytes(100 + 97 * number) for number in range(60)]
_ACKNOWLEDGED = 7


def _archive(built: Path, copy: Path, rng: random.Random) -> tuple[str, str, list[str]]:
    archive = copy / "backup.tar"
    shutil.copy(built / "backup.tar", archive)
    blow = Blow.on(archive.stat().st_size, rng)
    blow.strike(archive)
    return str(blow), *_restored(archive, built, copy)


def _backup(built: Path, copy: Path, rng: random.Random) -> tuple[str, str, list[str]]:
    shutil.copytree(built / "backup", copy / "backup")
    blow, victim = _strike_one(copy / "backup", rng)
    outcome, faults = _restored(copy / "backup", built, copy)
    if outcome != "refused":
        faults.append("a damaged file came back")
    return f"{victim}: {blow}", outcome, faults


def _strike_one(directory: Path, rng: random.Random) -> tuple[Blow, Path]:
    files = sorted(path for path in directory.rglob("*") if path.is_file() and path.stat().st_size)
    victim = rng.choice(files)
    blow = Blow.on(victim.stat().st_size, rng)
    blow.strike(victim)
    return blow, victim.relative_to(directory)


def _restored(source: Path, built: Path, copy: Path) -> tuple[str, list[str]]:
    """A backup is refused, or what comes back is what was saved, whatever else was struck."""
    target = copy / "restored"
    try:
        restore_backup(source, target)
    except TidecastError:
        left = [path.name for path in copy.iterdir() if path not in (source, copy)]
        return "refused", [f"{left} is left behind"] if left else []
    # A header of a tar file holds what nobody asks for: owners, times, padding.
    saved = _files(built / "backup")
    return "whole", [] if _files(target) == saved else ["what came back is not what was saved"]


def _files(directory: Path) -> Restored:
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file() and path.name != MANIFEST
    }


@contextmanager
def _opened(directory: Path) -> Iterator[Spool]:
    spool = Spool(directory, _ROOM_BYTES)
    try:
        yield spool
    finally:
        spool.close()


def _spool(built: Path, copy: Path, rng: random.Random) -> tuple[str, str, list[str]]:
    """What is read is what was appended, in order; of undamaged segments nothing is missing."""
    shutil.copytree(built / "spool", copy / "spool")
    blow, victim = _strike_one(copy / "spool", rng)
    faults = []
    with _opened(copy / "spool") as spool:
        spool.append(b"one more")
        found = _read_all(spool)
        numbers = [_NUMBER_OF.get(payload) for payload in found]
        if None in numbers:
            faults.append("a record that was never appended")
        elif numbers != sorted(numbers) or len(set(numbers)) != len(numbers):
            faults.append("records out of order, or twice")
        if found[-1:] != [b"one more"]:
            faults.append("what was appended afterwards is not there")
        expected = _PAYLOADS[_ACKNOWLEDGED:]
        whole = _read_segments(built / "spool", but=victim)
        missing = [p for p in expected if p not in found and p in whole]
        if missing:
            faults.append(f"{len(missing)} records of other segments are missing")
        lost = [p for p in expected if p not in found]
        if lost and blow.kind == "flip" and not spool.damaged_records:
            faults.append("records are missing and none is counted as damaged")
    return f"{victim}: {blow}", "records lost" if lost else "nothing lost", faults


_NUMBER_OF = {payload: number for number, payload in enumerate([*_PAYLOADS, b"one more"])}


def _read_all(spool: Spool) -> list[bytes]:
    found: list[bytes] = []
    while True:
        chunk = spool.read(10)
        if not chunk.records:
            return found
        found += chunk.records
        spool.acknowledge(chunk.end)


def _read_segments(directory: Path, but: Path) -> set[bytes]:
    """The records whose bytes stand in other segments than this one."""
    data = [path.read_bytes() for path in directory.glob("*.seg") if path.name != but.name]
    return {payload for payload in _PAYLOADS if any(payload in each for each in data)}


def _records(built: Path, copy: Path, rng: random.Random) -> tuple[str, str, list[str]]:
    """SQLite keeps no checksums: asked is a clear error wherever it notices something."""
    for path in built.glob("records.sqlite3*"):
        shutil.copy(path, copy / path.name)
    blow, victim = _strike_one(copy, rng)
    try:
        with (
            Records.open(f"sqlite:///{copy / 'records.sqlite3'}") as records,
            records.unit() as unit,
        ):
            unit.audit.recent(1000)
            unit.resources.all()
            unit.audit.add(1, "ann", "retire", "more")
    except TidecastError as error:
        return f"{victim}: {blow}", "refused", [] if str(error) else ["an error without words"]
    return f"{victim}: {blow}", "not noticed, or harmless", []
