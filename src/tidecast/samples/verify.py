"""Whether a store's files are as they were written, and what is missing where they are not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from tidecast.samples.durable import CheckedJson, DamagedFile
from tidecast.samples.log import LogReading, log_paths, read_log
from tidecast.samples.segment import Segment, parse_segment_name
from tidecast_collector.labels import Labels


@dataclass(frozen=True, slots=True)
class Damage:
    """A damaged file; samples in [start, end) may be missing (None: it is not known which).

    `series` are those concerned, none where that is not known.
    """

    path: Path
    what: str
    start_ms: int | None = None
    end_ms: int | None = None
    series: tuple[Labels, ...] = ()


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
        *sorted(directory.rglob("*.seg")),
        *sorted(directory.rglob("*.bad")),
        *log_paths(directory / "log"),
        directory / "forgotten.json",
        directory / "kept.json",
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
        yield from _damage_of_segment(path)


def _damage_of_segment(path: Path) -> Iterator[Damage]:
    """One damage for all series of which something cannot be read."""
    try:
        segment = Segment(path)
        columns = [
            {segment.column(number, time) for time in range(segment.meta.times)}
            for number in range(len(segment))
        ]
    except DamagedFile as error:
        yield Damage(path, str(error), *_window(path))
        return
    bad_columns = {
        column: fault
        for column in sorted(set().union(*columns))
        if (fault := _fault_of(partial(segment.timestamps, column)))
    }
    lost, faults = [], dict.fromkeys(bad_columns.values())
    for number, used in enumerate(columns):
        found = {
            fault
            for field in range(segment.meta.fields)
            if (fault := _fault_of(partial(segment.blob, number, field)))
        }
        faults |= dict.fromkeys(sorted(found))
        if found or not used.isdisjoint(bad_columns):
            lost.append(number)
    if lost:
        series = segment.labels(np.array(lost, dtype=np.int64))
        yield Damage(path, "; ".join(faults), *_window(path), tuple(series))


def _fault_of(reading: Callable[[], object]) -> str:
    try:
        reading()
    except DamagedFile as error:
        return str(error)
    return ""


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
