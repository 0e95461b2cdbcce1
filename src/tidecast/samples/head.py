"""The newest samples, in memory, before they are written into segments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tidecast.samples.batch import Float64s, Int64s, SampleBatch
from tidecast.samples.index import GrowingIndex
from tidecast.samples.merge import Run, ascending, last_write_wins
from tidecast_collector.labels import Labels

_FIRST_CAPACITY = 16
_BEFORE_ALL_MS = -(2**63)


class _Series:
    """Growing arrays of one series, ascending in time.

    Samples already in place are never written again (what changes them builds new arrays), so a
    run once handed out stays as it was.
    """

    __slots__ = ("capacity", "count", "labels", "last_ms", "timestamps", "values")

    def __init__(self, labels: Labels) -> None:
        self.labels = labels
        self.count = 0
        self.capacity = _FIRST_CAPACITY
        self.last_ms = _BEFORE_ALL_MS
        self.timestamps: Int64s = np.empty(_FIRST_CAPACITY, dtype=np.int64)
        self.values: Float64s = np.empty(_FIRST_CAPACITY, dtype=np.float64)

    def run(self) -> Run:
        return self.timestamps[: self.count], self.values[: self.count]

    def extend(self, timestamps: Int64s, values: Float64s, last_ms: int) -> None:
        """Adds an ascending run that begins after the last sample and ends at `last_ms`."""
        end = self.count + len(timestamps)
        if end > self.capacity:
            self._grow(max(end, 2 * self.capacity))
        self.timestamps[self.count : end] = timestamps
        self.values[self.count : end] = values
        self.count = end
        self.last_ms = last_ms

    def _grow(self, capacity: int) -> None:
        more = capacity - self.count
        timestamps, values = self.run()
        self.timestamps = np.concatenate([timestamps, np.empty(more, dtype=np.int64)])
        self.values = np.concatenate([values, np.empty(more, dtype=np.float64)])
        self.capacity = capacity

    def insert(self, timestamps: Int64s, values: Float64s) -> int:
        """Adds samples in any order and returns how many were there before with the same bits."""
        duplicates = self._duplicates(timestamps, values)
        own_timestamps, own_values = self.run()
        self.timestamps, self.values = last_write_wins(
            np.concatenate([own_timestamps, timestamps]), np.concatenate([own_values, values])
        )
        self.count = self.capacity = len(self.timestamps)
        self.last_ms = int(self.timestamps[-1])
        return duplicates

    def _duplicates(self, timestamps: Int64s, values: Float64s) -> int:
        if not self.count:
            return 0
        own_timestamps, own_values = self.run()
        at = np.minimum(np.searchsorted(own_timestamps, timestamps), self.count - 1)
        same = (own_timestamps[at] == timestamps) & (
            own_values[at].view(np.uint64) == values.view(np.uint64)
        )
        return int(np.count_nonzero(same))


@dataclass(frozen=True, slots=True)
class HeadSeries:
    """One series of a head: its labels and its samples, ascending."""

    labels: Labels
    run: Run


class Head:
    """Samples in memory by series. Not safe for several threads: its owner holds a lock."""

    def __init__(self) -> None:
        self.index = GrowingIndex()
        self.samples = 0
        self._numbers: dict[Labels, int] = {}
        self._series: list[_Series] = []

    def __len__(self) -> int:
        return len(self._series)

    def __iter__(self) -> Iterator[HeadSeries]:
        return (HeadSeries(series.labels, series.run()) for series in self._series)

    def __contains__(self, labels: Labels) -> bool:
        return labels in self._numbers

    def number(self, labels: Labels) -> int:
        """The number of this series, which is added if it is new."""
        number = self._numbers.get(labels)
        if number is None:
            number = self.index.add(labels)
            self._numbers[labels] = number
            self._series.append(_Series(labels))
        return number

    def series(self, number: int) -> HeadSeries:
        """The series of that number."""
        series = self._series[number]
        return HeadSeries(series.labels, series.run())

    def add(self, batch: SampleBatch) -> int:
        """Takes the samples and returns how many of them it had before, bit for bit."""
        numbers = [self.number(labels) for labels in batch.labels]
        return self.add_numbered(numbers, batch.offsets, batch.timestamps, batch.values)

    def add_numbered(
        self, numbers: Sequence[int], offsets: Int64s, timestamps: Int64s, values: Float64s
    ) -> int:
        """As `add`, for series known by number."""
        if not len(timestamps):
            return 0
        bounds = offsets.tolist()
        ends = np.maximum(offsets[1:] - 1, 0)
        firsts = timestamps[np.minimum(offsets[:-1], ends)].tolist()
        lasts = timestamps[ends].tolist()
        duplicates = added = 0
        whole_ascends = _ascends_within(offsets, timestamps)
        for i, number in enumerate(numbers):
            low, high = bounds[i], bounds[i + 1]
            if low == high:
                continue
            series = self._series[number]
            before = series.count
            part = timestamps[low:high]
            if firsts[i] > series.last_ms and (whole_ascends or ascending(part)):
                series.extend(part, values[low:high], lasts[i])
            else:
                duplicates += series.insert(part, values[low:high])
            added += series.count - before
        self.samples += added
        return duplicates


def _ascends_within(offsets: Int64s, timestamps: Int64s) -> bool:
    """Whether each series of the batch ascends."""
    falls = np.flatnonzero(timestamps[1:] <= timestamps[:-1]) + 1
    return bool(np.isin(falls, offsets).all())
