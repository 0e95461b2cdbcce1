"""The samples of located series, read some series at a time into arrays that stay in the cache.

Times, which many series share, are looked up once; values are decoded where they are to stand.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from tidecast.samples.batch import EMPTY_BATCH, Float64s, Int64s, SampleBatch, distinct
from tidecast.samples.columns import shared_columns
from tidecast.samples.kept import BEFORE_ALL_MS
from tidecast.samples.locating import Located, Part
from tidecast.samples.merge import Run, merge_runs, without
from tidecast.samples.protocol import LimitExceeded, SelectLimits
from tidecast.samples.value_codec import Reading

SAMPLES_AT_ONCE = 1 << 17

Bools = npt.NDArray[np.bool_]


def check_limits(series: int, samples: int, limits: SelectLimits) -> None:
    """Raises `LimitExceeded` where a selection touches more."""
    if series > limits.series:
        raise LimitExceeded(
            f"the selection touches {series} series, at most {limits.series} are allowed: "
            "narrow its matchers"
        )
    if samples > limits.samples:
        raise LimitExceeded(
            f"the selection touches more than {limits.samples} samples: "
            "narrow its matchers or its time range"
        )


def read(located: Located, start_ms: int, end_ms: int, limits: SelectLimits) -> SampleBatch:
    """The located samples in [start, end], by series, sorted by labels; raises `LimitExceeded`."""
    gathering = Gathering(located, start_ms, end_ms, limits)
    batches = gathering.batches()
    first = next(batches, EMPTY_BATCH)
    second = next(batches, None)
    if second is None:
        return first
    joined = _Joined(gathering.most_samples)
    for batch in (first, second, *batches):
        joined.put(batch)
    return joined.batch()


class Gathering:
    """The located samples in [start, end], series by series in the order of their labels.

    Raises `LimitExceeded` before any value is decoded.
    """

    def __init__(self, located: Located, start_ms: int, end_ms: int, limits: SelectLimits) -> None:
        self._located = located
        series = len(located.labels)
        check_limits(series, 0, limits)
        if sum(part.segment.most_samples(part.numbers) for part in located.parts) > limits.samples:
            # What is too much is mostly seen without looking at any time.
            least = (p.segment.least_samples(p.numbers, start_ms, end_ms) for p in located.parts)
            check_limits(0, sum(least), limits)
        self._looks = [_Look(part, start_ms, end_ms) for part in located.parts]
        self._in_time = sorted(self._looks, key=lambda look: look.part.segment.meta.first_ms)
        # The newest write of a series comes last, as `merge_runs` wants it.
        self._recent = sorted(located.recent, key=lambda one: one[0])
        self._recent_places = np.array([place for place, _ in self._recent], dtype=np.int64)
        self._tangled = _tangled(located, self._in_time)
        counts = np.zeros(series, dtype=np.int64)
        for look in self._looks:
            counts[look.part.places] += look.counts
        np.add.at(counts, self._recent_places, [len(run[0]) for _, run in self._recent])
        self._counts = counts
        self.most_samples = int(counts.sum())
        """So many there are, unless some series have samples twice."""
        check_limits(0, self.most_samples, limits)
        self._columns = self._told_apart()
        self._times = self._times_of_columns()

    def batches(self) -> Iterator[SampleBatch]:
        """`SAMPLES_AT_ONCE`, about, in whole series; those without samples are left out.

        Series of equal `columns` have the same timestamps in all batches.
        """
        ends = np.cumsum(self._counts)
        low, series = 0, len(ends)
        while low < series:
            before = int(ends[low - 1]) if low else 0
            high = max(low + 1, int(np.searchsorted(ends, before + SAMPLES_AT_ONCE, side="right")))
            batch = self._batch(low, high)
            if len(batch):
                yield batch
            low = high

    def _batch(self, low: int, high: int) -> SampleBatch:
        merged = self._merged(low, high)
        lengths = self._counts[low:high].copy()
        for place, (times, _) in merged.items():
            lengths[place - low] = len(times)
        offsets = np.append(0, np.cumsum(lengths))
        values = Reading(int(offsets[-1]))
        following = offsets[:-1].copy()
        for look in self._in_time:
            look.read(low, high, self._tangled, values, following)
        for place, run in self._recent_within(low, high):
            if place not in merged:
                values.put(int(following[place - low]), run[1])
                following[place - low] += len(run[0])
        for place, (times, numbers) in merged.items():
            self._times[int(self._columns[place])] = times
            values.put(int(offsets[place - low]), numbers)
        filled = np.flatnonzero(lengths)
        labels = self._located.labels[low:high]
        if len(filled) < len(lengths):
            labels = [labels[i] for i in filled.tolist()]
            offsets = np.append(offsets[filled], offsets[-1])
        columns = self._columns[low:high][filled]
        timestamps = np.concatenate([_NO_TIMES, *(self._times[c] for c in columns.tolist())])
        return SampleBatch(labels, offsets, timestamps, values.values(), columns)

    def _recent_within(self, low: int, high: int) -> Sequence[tuple[int, Run]]:
        if not self._recent:
            return ()
        first, behind = np.searchsorted(self._recent_places, (low, high)).tolist()
        return self._recent[first:behind]

    def _merged(self, low: int, high: int) -> dict[int, Run]:
        """The tangled series of this part as one run each."""
        places = np.flatnonzero(self._tangled[low:high]) + low
        if not len(places):
            return {}
        runs: dict[int, list[Run]] = {place: [] for place in places.tolist()}
        for look in self._looks:
            look.read_apart(low, high, runs)
        for place, run in self._recent_within(low, high):
            if place in runs:
                runs[place].append(run)
        return {place: merge_runs(pieces) for place, pieces in runs.items()}

    def _told_apart(self) -> Int64s:
        """A number for each series, equal where all pieces have the same timestamps."""
        codes = np.zeros(len(self._counts), dtype=np.int64)
        if len(codes) == 1:
            return codes
        for look in self._in_time:
            codes = _refined(codes, look.part.places, look.column + 1)
        for group in _once_each(self._recent):
            runs = [run[0] for _, run in group]
            offsets = np.cumsum([0, *map(len, runs)])
            shared = shared_columns(offsets, np.concatenate(runs))
            codes = _refined(codes, np.array([place for place, _ in group]), shared.of + 1)
        own = np.flatnonzero(self._tangled)
        codes[own] = int(codes.max(initial=0)) + 1 + np.arange(len(own))
        return codes

    def _times_of_columns(self) -> dict[int, Int64s]:
        """The timestamps of each column but those of tangled series."""
        columns, examples = np.unique(self._columns, return_index=True)
        simple = ~self._tangled[examples]
        pieces: dict[int, list[Int64s]] = {place: [] for place in examples[simple].tolist()}
        for look in self._in_time:
            look.tell_times(examples[simple], pieces)
        for place, run in self._recent:
            if place in pieces:
                pieces[place].append(run[0])
        return {
            column: found[0] if len(found) == 1 else np.concatenate([_NO_TIMES, *found])
            for column, found in zip(columns[simple].tolist(), pieces.values(), strict=True)
        }


_NO_TIMES = EMPTY_BATCH.timestamps


class _Look:
    """How many samples in a range each series of a part has, and how many are before them."""

    def __init__(self, part: Part, start_ms: int, end_ms: int) -> None:
        self.part = part
        columns = part.segment.columns(part.numbers)
        used = distinct(columns)
        found = part.segment.times_within(used, start_ms, end_ms)
        self._times = [times for _, times in found]
        self.column: Int64s = np.searchsorted(used, columns)
        self.lows = np.array([low for low, _ in found], dtype=np.int64)[self.column]
        self.counts = np.array([len(times) for times in self._times], dtype=np.int64)[self.column]

    def spans(self) -> tuple[Int64s, Int64s]:
        """The first and the last time of each series that has samples."""
        ends = [(int(t[0]), int(t[-1])) if len(t) else (0, 0) for t in self._times]
        spans = np.array(ends, dtype=np.int64).reshape(-1, 2)[self.column[self.counts > 0]]
        return spans[:, 0], spans[:, 1]

    def _within(self, low: int, high: int) -> slice:
        first, behind = np.searchsorted(self.part.places, (low, high)).tolist()
        return slice(first, behind)

    def read(self, low: int, high: int, tangled: Bools, values: Reading, following: Int64s) -> None:
        """Reads what is not tangled of the series at these places, each behind what it has."""
        within = self._within(low, high)
        owners, counts, lows = self.part.places[within], self.counts[within], self.lows[within]
        numbers = self.part.numbers[within]
        chosen = (counts > 0) & ~tangled[owners]
        if not chosen.all():
            owners, counts, lows = owners[chosen], counts[chosen], lows[chosen]
            numbers = numbers[chosen]
        if len(owners):
            self.part.segment.read_values(numbers, lows, counts, values, following[owners - low])
            following[owners - low] += counts

    def read_apart(self, low: int, high: int, runs: dict[int, list[Run]]) -> None:
        """Reads what of it may be seen, for those of the series that are asked for."""
        part = self.part
        for i in range(*self._within(low, high).indices(len(part.places))):
            place, count = int(part.places[i]), int(self.counts[i])
            if count and place in runs:
                number, first = int(part.numbers[i]), int(self.lows[i])
                found = part.segment.values(number, slice(first, first + count))
                run = self._times[int(self.column[i])], found
                runs[place].append(without(run, part.hidden_ms.get(number, ())))

    def tell_times(self, series: Int64s, pieces: dict[int, list[Int64s]]) -> None:
        """Adds the times of those of the series that have some here."""
        places = self.part.places
        at = np.minimum(np.searchsorted(places, series), len(places) - 1)
        for place, here in zip(series.tolist(), at.tolist(), strict=True) if len(places) else ():
            if places[here] == place:
                pieces[place].append(self._times[int(self.column[here])])


def _refined(codes: Int64s, places: Int64s, others: Int64s) -> Int64s:
    """Numbers that differ where these do, or those of the places do."""
    more = np.zeros(len(codes), dtype=np.int64)
    more[places] = others
    both = codes * (int(more.max(initial=0)) + 1) + more
    found: Int64s = np.unique(both, return_inverse=True)[1].reshape(-1)
    return found


def _once_each(recent: Sequence[tuple[int, Run]]) -> Iterator[list[tuple[int, Run]]]:
    """The runs in groups in which no series is twice."""
    groups: list[list[tuple[int, Run]]] = []
    met: dict[int, int] = defaultdict(int)
    for place, run in recent:
        if met[place] == len(groups):
            groups.append([])
        groups[met[place]].append((place, run))
        met[place] += 1
    yield from groups


def _tangled(located: Located, looks: Sequence[_Look]) -> Bools:
    """Which series have something hidden, or pieces that do not follow each other in time."""
    tangled = np.zeros(len(located.labels), dtype=np.bool_)
    until = np.full(len(located.labels), BEFORE_ALL_MS, dtype=np.int64)
    for look in looks:
        part = look.part
        if part.hidden_ms:
            hidden = np.array(list(part.hidden_ms), dtype=np.int64)
            tangled[part.places[np.isin(part.numbers, hidden)]] = True
        places, (first_ms, last_ms) = part.places[look.counts > 0], look.spans()
        tangled[places[first_ms <= until[places]]] = True
        until[places] = np.maximum(until[places], last_ms)
    for place, run in located.recent:
        if len(run[0]):
            tangled[place] |= run[0][0] <= until[place]
            until[place] = max(int(until[place]), int(run[0][-1]))
    return tangled


class _Joined:
    """Batches of one selection one behind the other, with room for so many samples."""

    def __init__(self, room: int) -> None:
        self._labels: list[tuple[tuple[str, str], ...]] = []
        self._offsets: list[Int64s] = []
        self._columns: list[Int64s] = []
        self._timestamps: Int64s = np.empty(room, dtype=np.int64)
        self._values: Float64s = np.empty(room, dtype=np.float64)
        self._size = 0

    def put(self, batch: SampleBatch) -> None:
        """Adds the batch, which has columns."""
        assert batch.columns is not None
        self._labels += batch.labels
        self._offsets.append(batch.offsets[:-1] + self._size)
        self._columns.append(batch.columns)
        where = slice(self._size, self._size + len(batch.timestamps))
        self._timestamps[where], self._values[where] = batch.timestamps, batch.values
        self._size = where.stop

    def batch(self) -> SampleBatch:
        """All of them as one."""
        return SampleBatch(
            self._labels,
            np.append(np.concatenate(self._offsets), self._size),
            self._timestamps[: self._size],
            self._values[: self._size],
            np.concatenate(self._columns),
        )
