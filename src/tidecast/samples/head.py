"""The newest samples, in memory, before they are written into segments.

Samples stand in chunks of a few slots; a series takes another chunk when its last one is full. So
a batch of any shape is put in its places by one scatter, whatever the number of its series, and
the samples of a selection are gathered again chunk by chunk. The rare series that does not rise
(late samples, corrected ones) is kept as one run of its own until then, in front of its chunks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, KeysView, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tidecast.samples.batch import Float64s, Int64s, SampleBatch, distinct
from tidecast.samples.catalogue import PerSeries
from tidecast.samples.index import GrowingIndex
from tidecast.samples.merge import Run, last_write_wins, within
from tidecast_collector.labels import Labels

CHUNK_SLOTS = 16
SAMPLES_AT_ONCE = 1 << 17
"""Arrays of so many samples stay in the processor's cache."""
_FREE_MS = 2**63 - 1
"""Stands in slots that hold no sample; no sample is of this time."""
_BEFORE_ALL_MS = -(2**63)
_NOBODY = -1


@dataclass(frozen=True, slots=True)
class HeadSeries:
    """One series of a head: its labels and its samples, ascending."""

    labels: Labels
    run: Run


class _Chunks:
    """Samples of numbered series, each of which only ever rises in time."""

    def __init__(self, room: int) -> None:
        self._count = 0
        self._next: Int64s = np.empty(0, dtype=np.int64)
        # Memory that is only reserved, and never written to, costs nothing.
        chunks = (room + room // 4) // CHUNK_SLOTS
        self._owner: Int64s = np.empty(chunks, dtype=np.int64)
        self._timestamps: Int64s = np.empty((chunks, CHUNK_SLOTS), dtype=np.int64)
        self._values: Float64s = np.empty((chunks, CHUNK_SLOTS), dtype=np.float64)

    def put(self, numbers: Int64s, counts: Int64s, timestamps: Int64s, values: Float64s) -> None:
        """Adds so many samples to each series, which stands in `numbers` once."""
        which = _selection(numbers)
        self._know(int(numbers.max()) + 1)
        first = self._next[which]
        if len(timestamps) == len(numbers):
            places = self._each_next(numbers, first)
            after = places + 1
        else:
            places, after = self._all_next(numbers, counts, first)
        self._timestamps.reshape(-1)[places] = timestamps
        self._values.reshape(-1)[places] = values
        self._next[which] = after

    def _each_next(self, numbers: Int64s, first: Int64s) -> Int64s:
        """The slot for one sample of each series: `first`, unless that begins another chunk."""
        full = first % CHUNK_SLOTS == 0
        if not full.any():
            return first
        places = first.copy()
        places[full] = self._allocate(numbers[full])
        return places

    def _all_next(self, numbers: Int64s, counts: Int64s, first: Int64s) -> tuple[Int64s, Int64s]:
        """The slots for so many samples of each series, and the one behind them."""
        over = np.maximum(counts - -first % CHUNK_SLOTS, 0)
        chunks = -(-over // CHUNK_SLOTS)
        fitting = counts - over
        ends = np.cumsum(chunks)
        base = self._count * CHUNK_SLOTS + (ends - chunks) * CHUNK_SLOTS
        self._allocate(np.repeat(numbers, chunks))
        # Two stretches of each series: what its last chunk has room for, and what follows.
        starts = np.cumsum(counts) - counts
        shifts = np.empty((len(numbers), 2), dtype=np.int64)
        shifts[:, 0], shifts[:, 1] = first - starts, base - starts - fitting
        stretches = np.empty_like(shifts)
        stretches[:, 0], stretches[:, 1] = fitting, over
        places = np.repeat(shifts.reshape(-1), stretches.reshape(-1))
        places += np.arange(len(places))
        return places, np.where(over > 0, base + over, first + counts)

    def take_out(self, numbers: Int64s) -> None:
        """Forgets the samples of these series."""
        self._know(int(numbers.max()) + 1)
        gone = np.zeros(len(self._next) + 1, dtype=np.bool_)
        gone[numbers] = True
        owner = self._owner[: self._count]
        owner[gone[owner]] = _NOBODY
        self._next[numbers] = 0

    def gather(self, rank: Int64s, start_ms: int, end_ms: int) -> tuple[Int64s, Int64s, Float64s]:
        """Samples in [start, end] of the series that have a rank, as (ranks, times, values).

        `rank` is by series number, negative for who is not asked for and for its last element. The
        samples come by rank, ascending in time.
        """
        chunks, ranks = self.ranked(rank, start_ms, end_ms)
        return self.samples_of(chunks, ranks, start_ms, end_ms)

    def ranked(self, rank: Int64s, start_ms: int, end_ms: int) -> tuple[Int64s, Int64s]:
        """The chunks that may have samples in [start, end], by rank, and their ranks."""
        ranks = rank[self._owner[: self._count]]
        first = self._timestamps[: self._count, 0]
        last = self._timestamps[: self._count, -1]
        chunks = np.flatnonzero((ranks >= 0) & (first <= end_ms) & (last >= start_ms))
        ranks = ranks[chunks]
        order = np.argsort(ranks, kind="stable")
        return chunks[order], ranks[order]

    def samples_of(
        self, chunks: Int64s, ranks: Int64s, start_ms: int, end_ms: int
    ) -> tuple[Int64s, Int64s, Float64s]:
        """The samples of these chunks in [start, end] as (ranks, times, values)."""
        timestamps = self._timestamps[chunks]
        inside = (timestamps >= start_ms) & (timestamps <= end_ms)
        return (
            np.repeat(ranks, np.count_nonzero(inside, axis=1)),
            timestamps[inside],
            self._values[chunks][inside],
        )

    @property
    def count(self) -> int:
        """How many chunks there are."""
        return self._count

    def first_ms(self) -> int:
        """The time of the oldest sample; far in the future where there is none."""
        held = self._owner[: self._count] != _NOBODY
        return int(self._timestamps[: self._count, 0][held].min(initial=_FREE_MS))

    def periods(self, width_ms: int, origin_ms: int) -> Int64s:
        """Into which multiples of the width behind the origin samples fall, with no order."""
        first = (self._timestamps[: self._count, 0] - origin_ms) // width_ms
        last = (self._timestamps[: self._count, -1] - origin_ms) // width_ms
        # A chunk that begins and ends in one period needs no closer look.
        astride = self._timestamps[: self._count][first != last]
        inside = distinct((astride[astride != _FREE_MS] - origin_ms) // width_ms)
        return np.concatenate([distinct(first[self._owner[: self._count] != _NOBODY]), inside])

    def _know(self, series: int) -> None:
        if series > len(self._next):
            more = np.zeros(max(series, 2 * len(self._next), 64) - len(self._next), dtype=np.int64)
            self._next = np.concatenate([self._next, more])

    def _allocate(self, owners: Int64s) -> Int64s:
        """The first slots of new chunks, one for each of these series."""
        low, high = self._count, self._count + len(owners)
        self._make_room(high)
        self._owner[low:high] = owners
        self._timestamps[low:high] = _FREE_MS
        self._count = high
        return np.arange(low, high) * CHUNK_SLOTS

    def _make_room(self, chunks: int) -> None:
        have = len(self._owner)
        if chunks <= have:
            return
        more = max(chunks, 2 * have, 256) - have
        slots = (more, CHUNK_SLOTS)
        self._owner = np.concatenate([self._owner, np.empty(more, dtype=np.int64)])
        self._timestamps = np.concatenate([self._timestamps, np.empty(slots, dtype=np.int64)])
        self._values = np.concatenate([self._values, np.empty(slots, dtype=np.float64)])


class Head:
    """Samples in memory by series. Not safe for several threads: its owner holds a lock.

    What is handed out is a copy, which stays as it was. Memory is reserved for `room` samples;
    there may be more. One that is only to be written out needs no series `findable` by labels.
    """

    def __init__(self, room: int = 0, *, findable: bool = True) -> None:
        self.index = GrowingIndex()
        self._findable = findable
        self.samples = 0
        self._labels: list[Labels] = []
        self._numbers: dict[Labels, int] = {}
        self._number_of = PerSeries(self.number)
        self._found_number = PerSeries(lambda labels: self._numbers.get(labels, _NOBODY))
        self._last_ms: Int64s = np.empty(0, dtype=np.int64)
        self._chunks = _Chunks(room)
        self._mended: dict[int, Run] = {}

    def __len__(self) -> int:
        return len(self._labels)

    def __contains__(self, labels: Labels) -> bool:
        return labels in self._numbers

    @property
    def label_sets(self) -> KeysView[Labels]:
        """The labels of all series."""
        return self._numbers.keys()

    def find(self, labels: Sequence[Labels]) -> Int64s:
        """The number of each of the series, -1 for those that are not here."""
        return self._found_number.of(labels)

    def numbers(self, labels: Sequence[Labels]) -> Int64s:
        """The number of each of the series; new ones are added."""
        return self._number_of.of(labels)

    def number(self, labels: Labels) -> int:
        """The number of this series, which is added if it is new."""
        number = self._numbers.get(labels)
        if number is None:
            number = self._numbers[labels] = len(self._labels)
            if self._findable:
                self.index.add(labels)
            self._labels.append(labels)
        return number

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

    @property
    def chunks(self) -> int:
        """In how many chunks the samples are."""
        return self._chunks.count

    def span(self) -> tuple[int, int] | None:
        """The times of the oldest and the newest sample; None where there is none."""
        first, last = self._chunks.first_ms(), int(self._last_ms.max(initial=_BEFORE_ALL_MS))
        first = min([first, *(int(run[0][0]) for run in self._mended.values())])
        return (first, last) if self.samples else None

    def recent(self, numbers: Int64s, start_ms: int, end_ms: int) -> list[HeadSeries]:
        """Those of the series that have samples in [start, end], with them, in the given order."""
        rank = np.full(len(self) + 1, _NOBODY, dtype=np.int64)
        rank[numbers] = np.arange(len(numbers))
        ranks, timestamps, values = self._chunks.gather(rank, start_ms, end_ms)
        bounds = np.searchsorted(ranks, np.arange(len(numbers) + 1)).tolist()
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
                part = slice(at, end)
                owners, times, values = self._chunks.samples_of(
                    chunks[part], ranks[part], start_ms, end_ms
                )
                starts = np.flatnonzero(np.append(True, owners[1:] != owners[:-1])[: len(owners)])
                labels = self.labels(numbers[owners[starts]])
                yield SampleBatch(labels, np.append(starts, len(owners)), times, values)
            at, done = end, upto

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
        which = _selection(numbers)
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
        self._last_ms[_selection(numbers)] = newest
        self.samples += len(timestamps)

    def _mend(self, numbers: Int64s, counts: Int64s, timestamps: Int64s, values: Float64s) -> int:
        """Makes one run of what these series had and get; returns the samples they had before."""
        before = {
            self._numbers[one.labels]: one.run
            for one in self.recent(numbers, _BEFORE_ALL_MS, _FREE_MS - 1)
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


def _selection(numbers: Int64s) -> slice | Int64s:
    """What selects these distinct numbers from an array: a slice where they are consecutive."""
    first, last = int(numbers[0]), int(numbers[-1])
    if last - first != len(numbers) - 1 or not (numbers[1:] > numbers[:-1]).all():
        return numbers
    return slice(first, last + 1)


def _behind(first: Run, second: Run) -> Run:
    return np.concatenate([first[0], second[0]]), np.concatenate([first[1], second[1]])


def _duplicates(own: Run, given: Run) -> int:
    """How many of the given samples are there before with the same bits."""
    if not len(own[0]):
        return 0
    at = np.minimum(np.searchsorted(own[0], given[0]), len(own[0]) - 1)
    same = (own[0][at] == given[0]) & (own[1][at].view(np.uint64) == given[1].view(np.uint64))
    return int(np.count_nonzero(same))
