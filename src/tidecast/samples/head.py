"""The newest samples, in memory, before they are written into segments.

They stand in chunks (see `chunks`). The rare series that does not rise (late samples, corrected
ones) is kept as one run of its own until then, in front of its chunks.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, KeysView, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tidecast.samples.batch import Float64s, Int64s, SampleBatch, distinct
from tidecast.samples.catalogue import PerSeries
from tidecast.samples.chunks import CHUNK_SLOTS, FREE_MS, Chunks, selection
from tidecast.samples.index import GrowingIndex
from tidecast.samples.merge import Run, last_write_wins, within
from tidecast.samples.shared_rows import RowsElsewhere
from tidecast_collector.labels import Labels

SAMPLES_AT_ONCE = 1 << 17
"""Arrays of so many samples stay in the processor's cache."""
_BEFORE_ALL_MS = -(2**63)
_NOBODY = -1
_LABELS_AT_ONCE = 10_000
"""So many are packed without letting other threads run."""


@dataclass(frozen=True, slots=True)
class HeadSeries:
    """One series of a head: its labels and its samples, ascending."""

    labels: Labels
    run: Run


@dataclass(frozen=True, slots=True)
class HeadElsewhere:
    """The samples of another process' head, which must not change meanwhile, as plain data."""

    labels: Sequence[bytes]
    chunks: Sequence[RowsElsewhere]
    mended: Mapping[int, Run]

    def read(self) -> HeadSamples:
        """Those samples; raises `NotShared` where that memory cannot be read from here."""
        labels = [each for part in self.labels for each in pickle.loads(part)]  # noqa: S301 (ours)
        return HeadSamples(labels, Chunks.read(self.chunks), dict(self.mended))


class HeadSamples:
    """Samples in memory by the number of their series. What is handed out is a copy."""

    def __init__(self, labels: list[Labels], chunks: Chunks, mended: dict[int, Run]) -> None:
        self._labels = labels
        self._chunks = chunks
        self._mended = mended

    def __len__(self) -> int:
        return len(self._labels)

    def elsewhere(self) -> HeadElsewhere:
        """For other processes, as long as nothing is added. Raises `NotShared`."""
        labels = [
            pickle.dumps(self._labels[at : at + _LABELS_AT_ONCE])
            for at in range(0, len(self), _LABELS_AT_ONCE)
        ]
        return HeadElsewhere(labels, self._chunks.elsewhere(), self._mended)

    def labels(self, numbers: Int64s) -> list[Labels]:
        """The labels of the series of these numbers."""
        return [self._labels[number] for number in numbers.tolist()]

    def ordered(self, key: Callable[[Labels], Any]) -> Int64s:
        """The numbers of all series, sorted by what the key gives for their labels."""
        return np.array(
            sorted(range(len(self)), key=lambda i: key(self._labels[i])), dtype=np.int64
        )

    def periods(self, width_ms: int, origin_ms: int = 0) -> Int64s:
        """Into which multiples of the width behind the origin samples fall, ascending."""
        runs = [(run[0] - origin_ms) // width_ms for run in self._mended.values()]
        return distinct(np.concatenate([self._chunks.periods(width_ms, origin_ms), *runs]))

    def recent(self, numbers: Int64s, start_ms: int, end_ms: int) -> list[HeadSeries]:
        """Those of the series that have samples in [start, end], with them, in the given order."""
        rank = np.full(len(self) + 1, _NOBODY, dtype=np.int64)
        rank[numbers] = np.arange(len(numbers))
        chunks, ranks = self._chunks.ranked(rank, start_ms, end_ms)
        counts, timestamps, values = self._chunks.samples_of(chunks, start_ms, end_ms)
        behind = np.append(0, np.cumsum(counts))
        bounds = behind[np.searchsorted(ranks, np.arange(len(numbers) + 1))].tolist()
        found = []
        for i, number in enumerate(numbers.tolist()):
            part = slice(bounds[i], bounds[i + 1])
            run = (timestamps[part], values[part])
            if number in self._mended:
                run = _behind(within(self._mended[number], start_ms, end_ms), run)
            if len(run[0]):
                found.append(HeadSeries(self._labels[number], run))
        return found

    def batches(self, numbers: Int64s, start_ms: int, end_ms: int) -> Iterator[SampleBatch]:
        """Those of the series that have samples in [start, end], with them, in the given order."""
        rank = np.full(len(self) + 1, _NOBODY, dtype=np.int64)
        rank[numbers] = np.arange(len(numbers))
        mended = rank[np.array(list(self._mended), dtype=np.int64)]
        chunks, ranks = self._chunks.ranked(rank, start_ms, end_ms)
        at = done = 0
        while done < len(numbers):
            # As many whole series as fill the chunks of one batch, and at least one.
            full = at + SAMPLES_AT_ONCE // CHUNK_SLOTS
            upto = max(int(ranks[full]), done + 1) if full < len(ranks) else len(numbers)
            end = int(np.searchsorted(ranks, upto))
            if ((mended >= done) & (mended < upto)).any():
                found = self.recent(numbers[done:upto], start_ms, end_ms)
                yield SampleBatch.of((one.labels, *one.run) for one in found)
            elif end > at:
                part = chunks[at:end]
                counts, times, values = self._chunks.samples_of(part, start_ms, end_ms)
                owners, counts = ranks[at:end][counts > 0], counts[counts > 0]
                starts = np.flatnonzero(np.append(True, owners[1:] != owners[:-1])[: len(owners)])
                offsets = np.append(0, np.cumsum(counts))[np.append(starts, len(owners))]
                yield SampleBatch(self.labels(numbers[owners[starts]]), offsets, times, values)
            at, done = end, upto


class _Directory:
    """The labels of series by number, and how they are found. Heads are large: that nothing here
    refers back to one lets it go at once."""

    def __init__(self) -> None:
        self.index = GrowingIndex()
        self.labels: list[Labels] = []
        self.numbers: dict[Labels, int] = {}

    def number(self, labels: Labels) -> int:
        number = self.numbers.get(labels)
        if number is None:
            number = self.numbers[labels] = len(self.labels)
            self.index.add(labels)
            self.labels.append(labels)
        return number

    def find(self, labels: Labels) -> int:
        return self.numbers.get(labels, _NOBODY)


class Head(HeadSamples):
    """Samples in memory by series. Not safe for several threads: its owner holds a lock."""

    def __init__(self) -> None:
        self._directory = _Directory()
        super().__init__(self._directory.labels, Chunks(), {})
        self.index = self._directory.index
        self.samples = 0
        self._number_of = PerSeries(self._directory.number)
        self._found_number = PerSeries(self._directory.find)
        self._last_ms: Int64s = np.empty(0, dtype=np.int64)

    def __contains__(self, labels: Labels) -> bool:
        return labels in self._directory.numbers

    @property
    def label_sets(self) -> KeysView[Labels]:
        """The labels of all series."""
        return self._directory.numbers.keys()

    def find(self, labels: Sequence[Labels]) -> Int64s:
        """The number of each of the series, -1 for those that are not here."""
        return self._found_number.of(labels)

    def numbers(self, labels: Sequence[Labels]) -> Int64s:
        """The number of each of the series; new ones are added."""
        return self._number_of.of(labels)

    def number(self, labels: Labels) -> int:
        """The number of this series, which is added if it is new."""
        return self._directory.number(labels)

    def settle(self) -> None:
        """From now on, as long as nothing is added, several threads may read it."""
        self._chunks.settle()

    @property
    def chunks(self) -> int:
        """In how many chunks the samples are."""
        return self._chunks.count

    def span(self) -> tuple[int, int] | None:
        """The times of the oldest and the newest sample; None where there is none."""
        first, last = self._chunks.first_ms(), int(self._last_ms.max(initial=_BEFORE_ALL_MS))
        first = min([first, *(int(run[0][0]) for run in self._mended.values())])
        return (first, last) if self.samples else None

    def add(self, batch: SampleBatch) -> int:
        """Takes the samples and returns how many of them it had before, bit for bit."""
        return self.add_numbered(
            self.numbers(batch.labels), batch.offsets, batch.timestamps, batch.values
        )

    def add_numbered(
        self, numbers: Int64s, offsets: Int64s, timestamps: Int64s, values: Float64s
    ) -> int:
        """As `add`, for series known by number."""
        if not len(timestamps):
            return 0
        counts = offsets[1:] - offsets[:-1]
        if not counts.all():
            numbers, counts = numbers[counts > 0], counts[counts > 0]
        if not _distinct(numbers):
            order = np.argsort(np.repeat(numbers, counts), kind="stable")
            timestamps, values = timestamps[order], values[order]
            numbers, owners = distinct(numbers), numbers
            totals = np.bincount(np.searchsorted(numbers, owners), weights=counts)
            counts = totals.astype(np.int64)
        self._know(int(numbers.max()) + 1)
        rising = self._rising(numbers, counts, timestamps)
        if rising.all():
            self._put(numbers, counts, timestamps, values)
            return 0
        samples = np.repeat(rising, counts)
        if rising.any():
            self._put(numbers[rising], counts[rising], timestamps[samples], values[samples])
        return self._mend(numbers[~rising], counts[~rising], timestamps[~samples], values[~samples])

    def _know(self, series: int) -> None:
        if series > len(self._last_ms):
            more = max(series, 2 * len(self._last_ms), 64) - len(self._last_ms)
            unheard = np.full(more, _BEFORE_ALL_MS, dtype=np.int64)
            self._last_ms = np.concatenate([self._last_ms, unheard])

    def _rising(self, numbers: Int64s, counts: Int64s, timestamps: Int64s) -> npt.NDArray[np.bool_]:
        """Which series rise within the batch and from what they had before."""
        which = selection(numbers)
        if len(timestamps) == len(numbers):
            later: npt.NDArray[np.bool_] = timestamps > self._last_ms[which]
            return later
        ends = np.cumsum(counts)
        starts = ends - counts
        rising: npt.NDArray[np.bool_] = timestamps[starts] > self._last_ms[which]
        rises = timestamps[1:] > timestamps[:-1]
        rises[starts[1:] - 1] = True
        if not rises.all():
            falls = (~rises).nonzero()[0]
            rising[np.searchsorted(ends, falls, side="right")] = False
        return rising

    def _put(self, numbers: Int64s, counts: Int64s, timestamps: Int64s, values: Float64s) -> None:
        self._chunks.put(numbers, counts, timestamps, values)
        newest = timestamps if len(timestamps) == len(numbers) else timestamps[counts.cumsum() - 1]
        self._last_ms[selection(numbers)] = newest
        self.samples += len(timestamps)

    def _mend(self, numbers: Int64s, counts: Int64s, timestamps: Int64s, values: Float64s) -> int:
        """Makes one run of what these series had and get; returns the samples they had before."""
        before = {
            self._directory.numbers[one.labels]: one.run
            for one in self.recent(numbers, _BEFORE_ALL_MS, FREE_MS - 1)
        }
        self._chunks.take_out(numbers)
        ends = np.cumsum(counts)
        duplicates = 0
        for number, low, high in zip(
            numbers.tolist(), (ends - counts).tolist(), ends.tolist(), strict=True
        ):
            given = (timestamps[low:high], values[low:high])
            own = before.get(number, _NOTHING)
            duplicates += _duplicates(own, given)
            run = last_write_wins(*_behind(own, given))
            self._mended[number] = run
            self._last_ms[number] = run[0][-1]
            self.samples += len(run[0]) - len(own[0])
        return duplicates


_NOTHING: Run = (np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float64))


def _distinct(numbers: Int64s) -> bool:
    return bool((numbers[1:] > numbers[:-1]).all()) or len(distinct(numbers)) == len(numbers)


def _behind(first: Run, second: Run) -> Run:
    return np.concatenate([first[0], second[0]]), np.concatenate([first[1], second[1]])


def _duplicates(own: Run, given: Run) -> int:
    """How many of the given samples are there before with the same bits."""
    if not len(own[0]):
        return 0
    at = np.minimum(np.searchsorted(own[0], given[0]), len(own[0]) - 1)
    same = (own[0][at] == given[0]) & (own[1][at].view(np.uint64) == given[1].view(np.uint64))
    return int(np.count_nonzero(same))
