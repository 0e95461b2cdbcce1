"""Samples in memory, in chunks of a few slots.

A series takes another chunk when its last one is full. So a batch of any shape is put in its places
by one scatter, whatever the number of its series, and the samples of a selection are gathered again
chunk by chunk.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tidecast.samples.batch import Float64s, Int64s, distinct
from tidecast.samples.shared_rows import Rows, RowsElsewhere, SharedRows

CHUNK_SLOTS = 16
FREE_MS = 2**63 - 1
"""Stands in slots that hold no sample; no sample is of this time."""
_NOBODY = -1
_TOGETHER = 1 << 14
"""So many samples are placed at once at most; what that makes on the way stays in the cache."""

_Part = tuple[Int64s, Int64s, Int64s, Float64s]
"""Numbers of series, counts of samples, timestamps, values."""


class Chunks:
    """Samples of numbered series, each of which only ever rises in time."""

    def __init__(self) -> None:
        self._count = 0
        self._next: Int64s = np.empty(0, dtype=np.int64)
        self._waiting: list[_Part] = []
        self._waiting_samples = 0
        self._waits: npt.NDArray[np.bool_] = np.empty(0, dtype=np.bool_)
        self._bounds: tuple[Int64s, Int64s] | None = None
        self._rows = (
            SharedRows("<i8", 1),
            SharedRows("<i8", CHUNK_SLOTS),
            SharedRows("<f8", CHUNK_SLOTS),
        )
        self._take_rows(*(rows.array for rows in self._rows))

    def _take_rows(self, owners: Rows, timestamps: Rows, values: Rows) -> None:
        self._owner: Int64s = owners.reshape(-1)
        self._timestamps: Int64s = timestamps
        self._values: Float64s = values

    def elsewhere(self) -> tuple[RowsElsewhere, ...]:
        """For other processes, as long as nothing is added. Raises `NotShared`."""
        self.settle()
        return tuple(rows.elsewhere(self._count) for rows in self._rows)

    @staticmethod
    def read(elsewhere: Sequence[RowsElsewhere]) -> Chunks:
        """The chunks of another process, to be looked at only; raises `NotShared`."""
        found = Chunks()
        found._take_rows(*(rows.read() for rows in elsewhere))
        found._count = len(found._owner)
        return found

    def put(self, numbers: Int64s, counts: Int64s, timestamps: Int64s, values: Float64s) -> None:
        """Adds so many samples to each series, which stands in `numbers` once.

        Small batches wait for each other, as long as no series comes twice: placing many together
        takes hardly longer than placing one.
        """
        self._know(int(numbers.max()) + 1)
        if self._waiting and self._waits[numbers].any():
            self.settle()
        self._waits[numbers] = True
        self._waiting.append((numbers, counts, timestamps, values))
        self._waiting_samples += len(timestamps)
        if self._waiting_samples >= _TOGETHER:
            self.settle()

    def settle(self) -> None:
        """Puts what waits in its places."""
        if not self._waiting:
            return
        parts, self._waiting, self._waiting_samples = self._waiting, [], 0
        columns = zip(*parts, strict=True)
        joined = parts[0] if len(parts) == 1 else tuple(map(np.concatenate, columns))
        self._waits[joined[0]] = False
        self._place(*joined)

    def _place(self, numbers: Int64s, counts: Int64s, timestamps: Int64s, values: Float64s) -> None:
        self._bounds = None
        which = selection(numbers)
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
        self.settle()
        self._bounds = None
        self._know(int(numbers.max()) + 1)
        gone = np.zeros(len(self._next) + 1, dtype=np.bool_)
        gone[numbers] = True
        owner = self._owner[: self._count]
        owner[gone[owner]] = _NOBODY
        self._next[numbers] = 0

    def ranked(self, rank: Int64s, start_ms: int, end_ms: int) -> tuple[Int64s, Int64s]:
        """The chunks that may have samples in [start, end] of the series that have a rank.

        They come by rank, ascending in time, and their ranks beside them. `rank` is by series
        number, negative for who is not asked for and for its last element.
        """
        first, last = self._spans()
        ranks = rank[self._owner[: self._count]]
        chunks = np.flatnonzero((ranks >= 0) & (first <= end_ms) & (last >= start_ms))
        ranks = ranks[chunks]
        order = np.argsort(ranks, kind="stable")
        return chunks[order], ranks[order]

    def samples_of(
        self, chunks: Int64s, start_ms: int, end_ms: int
    ) -> tuple[Int64s, Int64s, Float64s]:
        """How many samples each of these chunks has in [start, end], and these: times, values."""
        first, last = (bounds[chunks] for bounds in self._spans())
        timestamps, values = self._timestamps[chunks], self._values[chunks]
        counts = np.full(len(chunks), CHUNK_SLOTS, dtype=np.int64)
        cut = np.flatnonzero((first < start_ms) | (last > end_ms))
        if not len(cut):
            return counts, timestamps.reshape(-1), values.reshape(-1)
        looked_at = timestamps[cut]
        inside = np.ones(timestamps.shape, dtype=np.bool_)
        inside[cut] = (looked_at >= start_ms) & (looked_at <= end_ms)
        counts[cut] = np.count_nonzero(inside[cut], axis=1)
        return counts, timestamps[inside], values[inside]

    @property
    def count(self) -> int:
        """How many chunks there are."""
        self.settle()
        return self._count

    def first_ms(self) -> int:
        """The time of the oldest sample; far in the future where there is none."""
        first, _ = self._spans()
        return int(first[self._owner[: self._count] != _NOBODY].min(initial=FREE_MS))

    def periods(self, width_ms: int, origin_ms: int) -> Int64s:
        """Into which multiples of the width behind the origin samples fall, with no order."""
        first, last = ((each - origin_ms) // width_ms for each in self._spans())
        # A chunk that begins and ends in one period needs no closer look.
        astride = self._timestamps[: self._count][first != last]
        inside = distinct((astride[astride != FREE_MS] - origin_ms) // width_ms)
        return np.concatenate([distinct(first[self._owner[: self._count] != _NOBODY]), inside])

    def _spans(self) -> tuple[Int64s, Int64s]:
        """The first and the last slot of each chunk; they are far apart in memory."""
        self.settle()
        if self._bounds is None:
            held = self._timestamps[: self._count]
            self._bounds = held[:, 0].copy(), held[:, -1].copy()
        return self._bounds

    def _know(self, series: int) -> None:
        if series > len(self._next):
            more = max(series, 2 * len(self._next), 64) - len(self._next)
            self._next = np.concatenate([self._next, np.zeros(more, dtype=np.int64)])
            self._waits = np.concatenate([self._waits, np.zeros(more, dtype=np.bool_)])

    def _allocate(self, owners: Int64s) -> Int64s:
        """The first slots of new chunks, one for each of these series."""
        low, high = self._count, self._count + len(owners)
        self._make_room(high)
        self._owner[low:high] = owners
        self._timestamps[low:high] = FREE_MS
        self._count = high
        return np.arange(low, high) * CHUNK_SLOTS

    def _make_room(self, chunks: int) -> None:
        if chunks > len(self._owner):
            self._take_rows(*(rows.reserve(chunks) for rows in self._rows))


def selection(numbers: Int64s) -> slice | Int64s:
    """What selects these distinct numbers from an array: a slice where they are consecutive."""
    first, last = int(numbers[0]), int(numbers[-1])
    if last - first != len(numbers) - 1 or not (numbers[1:] > numbers[:-1]).all():
        return numbers
    return slice(first, last + 1)
