"""What was acknowledged, back from the log when a store is opened."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tidecast.samples.batch import Int64s, distinct
from tidecast.samples.durable import sync_directory
from tidecast.samples.head import Head
from tidecast.samples.log import MAGIC, LogReading, read_log
from tidecast.samples.log_record import LogRecord, one_each
from tidecast_collector.labels import Labels

_LARGE = 1000
"""Smaller records are better sorted together than put one by one."""
_TOGETHER = 200_000
_NAMELESS = -1


def replay_logs(paths: Sequence[Path], head: Head) -> list[str]:
    """Fills the head from the log files, oldest first; returns what was damaged in them.

    Torn tails, which were never acknowledged, are cut back; empty files are removed. A damaged file
    keeps a second name, so that what is missing is still known when its samples are in segments.
    """
    problems: list[str] = []
    for path in paths:
        reading = LogReading(path)
        nameless = replay_file(path, reading, head)
        if nameless:
            reading.problems.append(
                f"{path}: {nameless} samples are lost, their series stood in a damaged part"
            )
        problems += reading.problems
        if reading.problems:
            _keep_beside(path)
        elif reading.good_end <= len(MAGIC):
            path.unlink()
        elif reading.good_end < reading.size:
            os.truncate(path, reading.good_end)
    return problems


def _keep_beside(path: Path) -> None:
    kept = path.with_name(path.name + ".bad")
    if not kept.exists():
        kept.hardlink_to(path)
        sync_directory(path.parent)


def replay_file(path: Path, reading: LogReading, head: Head) -> int:
    """Fills the head from one file, which stays as it is.

    Returns how many samples are lost because the series they are of stood in a damaged part.
    """
    replay = _Replay(head)
    for record in read_log(path, reading):
        replay.name(record.definitions)
        replay.take(record)
    replay.finish()
    return replay.nameless


class _Replay:
    """Records on their way into a head, gathered so that many go into it together.

    Hosts that are scraped together come in records of the same series again and again: as long as
    no series is in records of different ones, their samples are put series by series without being
    sorted.
    """

    def __init__(self, head: Head) -> None:
        self._head = head
        self._own = np.full(1024, _NAMELESS, dtype=np.int64)
        self._small: list[LogRecord] = []
        self._large: dict[bytes, list[LogRecord]] = {}
        self._met = np.zeros(1024, dtype=np.bool_)
        self._samples = 0
        self.nameless = 0
        """How many samples had no known series."""

    def name(self, definitions: dict[int, Labels]) -> None:
        """Learns the labels of the series of these numbers."""
        if definitions:
            largest = max(definitions)
            if largest >= len(self._own):
                more = np.full(largest + 1, _NAMELESS, dtype=np.int64)
                self._own = np.concatenate([self._own, more])
            self._own[list(definitions)] = [
                self._head.number(each) for each in definitions.values()
            ]

    def take(self, record: LogRecord) -> None:
        """Takes the samples of the record, whose order among others is kept."""
        if len(record.timestamps) < _LARGE:
            if self._large:
                self.finish()
            self._small.append(record)
        else:
            if self._small:
                self.finish()
            self._take_large(record)
        self._samples += len(record.timestamps)
        if self._samples >= _TOGETHER:
            self.finish()

    def _take_large(self, record: LogRecord) -> None:
        key = record.numbers.tobytes()
        alike = self._large.get(key)
        if alike is not None:
            alike.append(record)
            return
        if self._is_met(record):
            self.finish()
        self._met[record.numbers] = True
        self._large[key] = [record]
        if len(distinct(record.numbers)) < len(record.numbers):
            # A series stands in it twice: what comes later must stay behind both.
            self.finish()

    def _is_met(self, record: LogRecord) -> bool:
        """Whether a series of the record is in one that was gathered before."""
        most = int(record.numbers.max(initial=0))
        if most >= len(self._met):
            self._met = np.concatenate([self._met, np.zeros(most + 1, dtype=np.bool_)])
        return bool(self._met[record.numbers].any())

    def finish(self) -> None:
        """Puts what was gathered into the head."""
        if self._small:
            owners = np.concatenate([self._owners(record) for record in self._small])
            self._add(owners, _joined(self._small))
        for alike in self._large.values():
            self._met[alike[0].numbers] = False
            record = _series_by_series(alike)
            self._add(self._owners(record), record)
        self._small, self._large, self._samples = [], {}, 0

    def _owners(self, record: LogRecord) -> Int64s:
        """The number in the head of each series of the record."""
        if int(record.numbers.max(initial=0)) < len(self._own):
            return self._own[record.numbers]
        known = record.numbers < len(self._own)
        return np.where(known, self._own[np.where(known, record.numbers, 0)], _NAMELESS)

    def _add(self, owners: Int64s, record: LogRecord) -> None:
        offsets, timestamps, values = record.offsets, record.timestamps, record.values
        named = owners >= 0
        if not named.all():
            counts = offsets[1:] - offsets[:-1]
            kept = np.repeat(named, counts)
            self.nameless += int(np.count_nonzero(~kept))
            owners, timestamps, values = owners[named], timestamps[kept], values[kept]
            offsets = np.concatenate([offsets[:1], np.cumsum(counts[named])])
        self._head.add_numbered(owners, offsets, timestamps, values)


def _series_by_series(alike: Sequence[LogRecord]) -> LogRecord:
    """Records of the same series as one, each series' samples one behind the other."""
    first = alike[0]
    series, samples = len(first.numbers), len(first.timestamps)
    if len(alike) == 1:
        return first
    each = samples // series
    if not all(_is_even(record, each) for record in alike):
        return _joined(alike)

    def turned(arrays: Sequence[np.ndarray[Any, Any]]) -> Any:
        table = np.concatenate(arrays).reshape(len(alike), series, each)
        return table.transpose(1, 0, 2).ravel()

    return LogRecord(
        {},
        first.numbers,
        np.arange(0, samples * len(alike) + 1, each * len(alike)),
        turned([record.timestamps for record in alike]),
        turned([record.values for record in alike]),
    )


def _is_even(record: LogRecord, each: int) -> bool:
    """Whether each series of the record has so many samples."""
    if each == 1 and record.offsets is one_each(len(record.numbers)):
        return True
    return bool((np.diff(record.offsets) == each).all())


def _joined(records: Sequence[LogRecord]) -> LogRecord:
    """The records as one, their order kept."""
    counts = np.concatenate([record.offsets[1:] - record.offsets[:-1] for record in records])
    return LogRecord(
        {},
        np.concatenate([record.numbers for record in records]),
        np.concatenate([[0], np.cumsum(counts)]),
        np.concatenate([record.timestamps for record in records]),
        np.concatenate([record.values for record in records]),
    )
