"""Points: what is kept of the samples of a bucket of time when the samples themselves are gone.

A bucket of width w ends at a multiple of w and is left-open, as PromQL's windows are: (end - w,
end]. A point keeps enough of it for the answer over whole buckets to be that of the samples: also
for counters, since it knows the oldest and the newest sample, and what fell between them. A sample
is a point of width 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from tidecast.samples.batch import EMPTY_BATCH, Float64s, Int64s, SampleBatch, is_stale
from tidecast_collector.labels import Labels


class Field(IntEnum):
    """What a point tells of its samples, staleness markers left out.

    LOST is the sum of the values before each fall (what a counter lost to its resets), RESETS the
    number of these falls. STALE is 1 where the newest of all is a staleness marker.
    """

    COUNT = 0
    SUM = 1
    MIN = 2
    MAX = 3
    FIRST = 4
    LAST = 5
    LOST = 6
    RESETS = 7
    STALE = 8


_ADDED = (Field.COUNT, Field.SUM, Field.LOST, Field.RESETS)


@dataclass(frozen=True, slots=True)
class PointBatch:
    """Points of several series, one series behind the other, ascending within each.

    Series `i` owns the places `offsets[i]` up to `offsets[i + 1]`. `end_ms` is the end of each
    bucket, `first_ms` and `last_ms` the times of its oldest and newest sample; `stats[field]` are
    the values of a `Field`. A point of staleness markers alone has COUNT 0 and NaN for values.
    """

    labels: Sequence[Labels]
    offsets: Int64s
    end_ms: Int64s
    first_ms: Int64s
    last_ms: Int64s
    stats: tuple[Float64s, ...]

    @staticmethod
    def of(series: Iterable[tuple[Labels, PointBatch]]) -> PointBatch:
        """One batch of these series, each given as a batch of its own points."""
        parts = list(series)
        if not parts:
            return NO_POINTS
        offsets = np.zeros(len(parts) + 1, dtype=np.int64)
        np.cumsum([len(part.end_ms) for _, part in parts], out=offsets[1:])
        return PointBatch(
            [labels for labels, _ in parts],
            offsets,
            np.concatenate([part.end_ms for _, part in parts]),
            np.concatenate([part.first_ms for _, part in parts]),
            np.concatenate([part.last_ms for _, part in parts]),
            tuple(_joined([part.stats[field] for _, part in parts]) for field in Field),
        )

    def __len__(self) -> int:
        return len(self.labels)

    def __iter__(self) -> Iterator[tuple[Labels, PointBatch]]:
        for i, labels in enumerate(self.labels):
            yield labels, self._part(labels, slice(int(self.offsets[i]), int(self.offsets[i + 1])))

    def _part(self, labels: Labels, places: slice) -> PointBatch:
        return PointBatch(
            [labels],
            np.array([0, places.stop - places.start], dtype=np.int64),
            self.end_ms[places],
            self.first_ms[places],
            self.last_ms[places],
            tuple(values[places] for values in self.stats),
        )

    def only(self, kept: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> PointBatch:
        """The same series with the flagged points alone."""
        if kept.all():
            return self
        running = np.concatenate(([0], np.cumsum(kept)))
        return PointBatch(
            self.labels,
            running[self.offsets],
            self.end_ms[kept],
            self.first_ms[kept],
            self.last_ms[kept],
            tuple(_picked(values, kept) for values in self.stats),
        )


def _is_nothing(values: Float64s) -> bool:
    """Whether it is a zero that stands for all, as for fields that nobody asked for."""
    return values.strides == (0,)


def _nothing(count: int) -> Float64s:
    return np.broadcast_to(0.0, (count,))


def _picked(values: Float64s, places: npt.NDArray[Any]) -> Float64s:
    """The values at these places, or where these are true."""
    if _is_nothing(values):
        flags = places.dtype == np.bool_
        return _nothing(int(np.count_nonzero(places)) if flags else len(places))
    picked: Float64s = values[places]
    return picked


def _joined(parts: Sequence[Float64s]) -> Float64s:
    """The values of the parts one behind the other."""
    if all(map(_is_nothing, parts)):
        return _nothing(sum(map(len, parts)))
    return np.concatenate(parts)


def single_points(batch: SampleBatch) -> PointBatch:
    """Each sample as a point of its own."""
    values, times = batch.values, batch.timestamps
    stale = is_stale(values)
    nothing = _nothing(len(values))
    count, ended = (~stale).astype(np.float64), stale.astype(np.float64)
    stats = (count, values, values, values, values, values, nothing, nothing, ended)
    return PointBatch(batch.labels, batch.offsets, times, times, times, stats)


NO_POINTS = single_points(EMPTY_BATCH)


def bucket_end(times_ms: Int64s, width_ms: int) -> Int64s:
    """The end of the bucket that each time is in."""
    return -(-times_ms // width_ms) * width_ms


def coarser(points: PointBatch, width_ms: int) -> PointBatch:
    """The points (or samples) gathered into buckets of this width.

    >>> from tidecast.samples.batch import SampleBatch
    >>> times, values = np.array([10, 20, 30, 40]), np.array([7.0, 9.0, 2.0, 3.0])
    >>> points = coarser(single_points(SampleBatch.of([((), times, values)])), 30)
    >>> points.end_ms.tolist(), points.stats[Field.LOST].tolist()
    ([30, 60], [9.0, 0.0])
    """
    ends = bucket_end(points.end_ms, width_ms)
    if not len(ends):
        return points
    owner = np.repeat(np.arange(len(points)), np.diff(points.offsets))
    fresh = np.append(True, (ends[1:] != ends[:-1]) | (owner[1:] != owner[:-1]))
    starts = np.flatnonzero(fresh)
    lasts = np.append(starts[1:], len(ends)) - 1
    first_ms, last_ms = points.first_ms[starts], points.last_ms[lasts]
    stats = [np.zeros(len(starts)) for _ in Field]
    for field in (Field.MIN, Field.MAX, Field.FIRST, Field.LAST):
        stats[field][:] = np.nan
    stats[Field.STALE] = points.stats[Field.STALE][lasts]
    # Points of markers alone say only whether the series had ended.
    filled = points.stats[Field.COUNT] > 0
    group = np.cumsum(fresh) - 1
    some = points
    if not filled.all():
        some, group = points.only(filled), group[filled]
    if len(group):
        begin = np.flatnonzero(np.append(True, group[1:] != group[:-1]))
        end = np.append(begin[1:], len(group)) - 1
        into = group[begin]
        first_ms[into], last_ms[into] = some.first_ms[begin], some.last_ms[end]
        _gather(some.stats, group, begin, end, [(stats[field], into) for field in Field])
    offsets = np.searchsorted(owner[starts], np.arange(len(points) + 1))
    return PointBatch(points.labels, offsets, ends[starts], first_ms, last_ms, tuple(stats))


def _gather(
    of: tuple[Float64s, ...],
    group: Int64s,
    begin: Int64s,
    end: Int64s,
    into: list[tuple[Float64s, Int64s]],
) -> None:
    def put(field: Field, values: Float64s) -> None:
        target, places = into[field]
        target[places] = values

    with np.errstate(over="ignore", invalid="ignore"):
        for field in _ADDED:
            if not _is_nothing(of[field]):
                put(field, np.add.reduceat(of[field], begin))
        # An ordinary NaN is less than any number and any number is greater: as in PromQL. Without
        # one the plain minimum is the same, and several times as quick.
        number = not np.isnan(of[Field.SUM].sum())
        least, greatest = (np.minimum, np.maximum) if number else (np.fmin, np.fmax)
        put(Field.MIN, least.reduceat(of[Field.MIN], begin))
        put(Field.MAX, greatest.reduceat(of[Field.MAX], begin))
    put(Field.FIRST, of[Field.FIRST][begin])
    put(Field.LAST, of[Field.LAST][end])
    # A counter may also fall between the last sample of one point and the first of the next.
    before, after = of[Field.LAST][:-1], of[Field.FIRST][1:]
    falls = np.flatnonzero((after < before) & (group[1:] == group[:-1]))
    if len(falls):
        size = len(into[Field.LOST][0])
        into[Field.LOST][0][:] += np.bincount(group[falls], before[falls], size)
        into[Field.RESETS][0][:] += np.bincount(group[falls], minlength=size)


def one_series(parts: Sequence[PointBatch]) -> PointBatch:
    """The points of these batches as those of a single series, ascending."""
    every = PointBatch.of([((), part) for part in parts])
    offsets = np.array([0, len(every.end_ms)], dtype=np.int64)
    if (every.end_ms[1:] > every.end_ms[:-1]).all():
        return replace(every, labels=[()], offsets=offsets)
    order = np.lexsort((every.first_ms, every.end_ms))
    return PointBatch(
        [()],
        offsets,
        every.end_ms[order],
        every.first_ms[order],
        every.last_ms[order],
        tuple(_picked(values, order) for values in every.stats),
    )


def with_late(points: PointBatch, late: PointBatch) -> PointBatch:
    """The points of one series with those of samples that came when the others were gone.

    Points of one bucket become one. Where their times overlap the one of more samples stays: a
    sample that is sent twice must not count twice.
    """
    every = one_series([points, late])
    keep = np.ones(len(every.end_ms), dtype=np.bool_)
    count = every.stats[Field.COUNT]
    for at in np.flatnonzero(every.end_ms[1:] == every.end_ms[:-1]).tolist():
        if every.first_ms[at + 1] <= every.last_ms[at]:
            keep[at + 1 if count[at + 1] <= count[at] else at] = False
    # Of width 1 each end is its own bucket: the points of equal ends become one.
    return coarser(every.only(keep), 1)
