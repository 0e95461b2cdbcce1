"""Whether a store's files are as they were written, and what is missing where they are not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tidecast.samples.durable import CheckedJson, DamagedFile
from tidecast.samples.log import LogReading, log_paths, read_log
from tidecast.samples.segment import Segment, parse_segment_name


@dataclass(frozen=True, slots=True)
class Damage:
    """A damaged file; samples in [start, end) may be missing (None: it is not known which)."""

    path: Path
    what: str
    start_ms: int | None = None
    end_ms: int | None = None


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """How many files were read, and the damage found."""

    files: int
    damage: tuple[Damage, ...]


def verify(directory: Path) -> VerifyReport:
    """Reads every byte of the store in the directory and checks all checksums; changes nothing.

    A store in use may be verified; files that its upkeep removes meanwhile are left out.
    """
    paths = [
        *sorted((directory / "segments").glob("*.seg")),
        *sorted(directory.rglob("*.bad")),
        *log_paths(directory / "log"),
        directory / "forgotten.json",
        directory / "metadata.json",
    ]
    damage: list[Damage] = []
    files = 0
    for path in paths:
        try:
            damage += _damage_of(path)
        except FileNotFoundError:
            continue
        files += path.exists()
    return VerifyReport(files, tuple(damage))


def _damage_of(path: Path) -> Iterator[Damage]:
    if path.suffix == ".bad":
        yield Damage(path, "set aside when its damage was found", *_window(path))
    elif path.suffix == ".json":
        yield from _damage_of_json(path)
    elif path.suffix == ".log":
        reading = LogReading(path)
        for _ in read_log(path, reading):
            pass
        if reading.good_end < reading.size and not reading.problems:
            reading.problems.append(f"the last {reading.size - reading.good_end} bytes are torn")
        for problem in reading.problems:
            yield Damage(path, problem)
    else:
        try:
            Segment(path).check()
        except DamagedFile as error:
            yield Damage(path, str(error), *_window(path))


def _damage_of_json(path: Path) -> Iterator[Damage]:
    try:
        _, problems = CheckedJson(path).load()
    except DamagedFile as error:
        problems = [str(error)]
    for problem in problems:
        yield Damage(path, problem)


def _window(path: Path) -> tuple[int | None, int | None]:
    if ".seg" not in path.name:
        return None, None
    start_ms, end_ms, _ = parse_segment_name(path.name)
    return start_ms, end_ms
