"""Range vectors over all steps: samples of many series, and a window into them for each step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np

from tidecast.promql.block import Block, Bools
from tidecast.promql.segments import segment_sums
from tidecast.samples.batch import Float64s, Int64s
from tidecast.samples.columns import Columns, own_columns
from tidecast.samples.points import PointBatch
from tidecast_collector.labels import Labels

Tick = Callable[[], None]

CHUNK = 1 << 21
_BENIGN_SPREAD = 1e15
_EXACT_INTEGERS = 2.0**53
_OVERFLOWS = 1e290


@dataclass(frozen=True)
class Windows:
    """For series i and step j the samples `first[i, j]` up to (not with) `last[i, j]`.

    Windows are left-open: sample times lie in (start_ms[j], end_ms[j]]. Staleness markers are gone.
    Where they begin and end is told once for all series that share their timestamps: `begins` and
    `ends` [columns x steps], counted from the start of a series. With a `boundary` ("anchored" or
    "smoothed") the samples that found their ends are there too. Where tiers answer, `points` are
    what stands at the same places, and windows begin and end with buckets; then `asked_ms` is how
    long they were asked to be. Long work calls `tick` now and then, which raises when the query's
    time is up.
    """

    labels: Sequence[Labels]
    offsets: Int64s
    drop_name: Bools
    timestamps: Int64s
    values: Float64s
    columns: Columns
    begins: Int64s
    ends: Int64s
    start_ms: Int64s
    end_ms: Int64s
    tick: Tick
    boundary: str = ""
    points: PointBatch | None = None
    asked_ms: int = 0

    @cached_property
    def first(self) -> Int64s:
        """The place of the first sample of each window [series x steps]."""
        return self.offsets[:-1, None] + self.begins[self.columns.of]

    @cached_property
    def last(self) -> Int64s:
        """The place behind the last sample of each window [series x steps]."""
        return self.offsets[:-1, None] + self.ends[self.columns.of]

    @cached_property
    def counts(self) -> Int64s:
        """The number of samples in each window [series x steps]."""
        return (self.ends - self.begins)[self.columns.of]

    def with_places(self, first: Int64s, last: Int64s, boundary: str) -> Windows:
        """The same samples with other windows into them, given for each series."""
        starts = self.offsets[:-1, None]
        columns = own_columns(len(self.labels))
        return replace(
            self, columns=columns, begins=first - starts, ends=last - starts, boundary=boundary
        )

    def block(self, values: Float64s, present: Bools, *, drop_name: bool = True) -> Block:
        """One value for each window, as an instant vector."""
        drop = np.ones(len(self.labels), dtype=bool) if drop_name else self.drop_name
        return Block(self.labels, values, present, drop).with_present(present)

    def at(self, indices: Int64s, source: Float64s | None = None) -> Float64s:
        """The values at these places; 0 where the place lies behind the end."""
        data = self.values if source is None else source
        return data.take(indices, mode="clip") if len(data) else np.zeros(indices.shape)

    def times_at(self, indices: Int64s) -> Float64s:
        """The times at these places in milliseconds, as floats."""
        if not len(self.timestamps):
            return np.zeros(indices.shape)
        return self.timestamps.take(indices, mode="clip").astype(np.float64)


def window_sums(
    values: Float64s, offsets: Int64s, first: Int64s, last: Int64s, tick: Tick
) -> Float64s:
    """The compensated sum of `values[first:last]` for each window [series x steps].

    The windows of row i lie within `values[offsets[i]:offsets[i + 1]]`.
    """
    if _benign(values, int(np.diff(offsets).max(initial=0))):
        return _prefix_sums(values, offsets, first, np.maximum(last, first))
    flat_first, flat_last = first.ravel(), last.ravel()
    result = np.zeros(len(flat_first))
    for part, ids, indices in expand(flat_first, flat_last, tick):
        result[part] = segment_sums(values[indices], ids, part.stop - part.start)
    return result.reshape(first.shape)


def _benign(values: Float64s, longest: int) -> bool:
    """Whether differences of compensated prefix sums are as exact as a sum of each window.

    They hold about 106 bits of the largest sum; that must leave 53 for the smallest value.
    """
    size = np.abs(values)
    nonzero = size[size > 0]
    if not len(nonzero):
        return not np.isnan(size).any()
    largest, smallest = float(size.max()), float(nonzero.min())
    if not largest < _OVERFLOWS:
        return False
    if largest * longest < _EXACT_INTEGERS and bool((values == np.rint(values)).all()):
        return True
    return largest / smallest * longest * longest < _BENIGN_SPREAD


def _prefix_sums(values: Float64s, offsets: Int64s, first: Int64s, last: Int64s) -> Float64s:
    rows = np.arange(len(offsets) - 1)
    # Each series begins with a zero: its prefix sums start anew, and stay small and exact.
    addends = np.insert(values, offsets[:-1], 0.0)
    bounds = offsets + np.arange(len(offsets))
    sums, error_sums = np.empty_like(addends), np.empty_like(addends)
    for low, high in pairwise(bounds.tolist()):
        np.cumsum(addends[low:high], out=sums[low:high])
    before = np.concatenate(([0.0], sums[:-1]))
    before[bounds[:-1]] = 0.0
    # Knuth's TwoSum of each step of the running sum: its rounding errors are summed beside it.
    back = sums - before
    errors = (before - (sums - back)) + (addends - back)
    for low, high in pairwise(bounds.tolist()):
        np.cumsum(errors[low:high], out=error_sums[low:high])
    begin, end = first + rows[:, None], last + rows[:, None]
    total: Float64s = (sums[end] - sums[begin]) + (error_sums[end] - error_sums[begin])
    return total


def window_extremes(values: Float64s, first: Int64s, last: Int64s, better: np.ufunc) -> Float64s:
    """The least (`np.fmin`) or greatest (`np.fmax`) value of each window; NaN loses to any number.

    Two overlapping runs of a power of two cover any window: log2(longest window) passes.
    """
    if first.shape[1] == 1 and len(values):
        return _extremes_of_rows(values, first[:, 0], last[:, 0], better)[:, None]
    result = np.full(first.shape, np.nan)
    counts = last - first
    level = np.where(counts > 0, np.frexp(np.maximum(counts, 1).astype(np.float64))[1] - 1, -1)
    table = values
    for power in range(int(level.max(initial=-1)) + 1):
        if power:
            half = 1 << (power - 1)
            table = better(table[:-half], table[half:])
        here = level == power
        result[here] = better(table[first[here]], table[last[here] - (1 << power)])
    return result


def _extremes_of_rows(values: Float64s, first: Int64s, last: Int64s, better: np.ufunc) -> Float64s:
    """The same of a single window of each series, one behind the other."""
    result = np.full(len(first), np.nan)
    filled = np.flatnonzero(last > first)
    if len(filled):
        # Every second stretch is what lies between two windows.
        borders = np.stack((first[filled], last[filled]), axis=1).ravel()
        inside = borders[:-1] if borders[-1] == len(values) else borders
        result[filled] = better.reduceat(values, inside)[::2]
    return result


def expand(first: Int64s, last: Int64s, tick: Tick) -> Iterator[tuple[slice, Int64s, Int64s]]:
    """The samples of all windows one behind the other, in chunks of bounded memory.

    Yields (which windows, the window of each sample counted from the first of the chunk, the
    place of each sample). `first` and `last` are flat.
    """
    counts = np.maximum(last - first, 0)
    ends = np.cumsum(counts)
    start = 0
    while start < len(counts):
        tick()
        before = int(ends[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + CHUNK, side="right")))
        lengths = counts[start:stop]
        ids = np.repeat(np.arange(stop - start), lengths)
        skip = np.repeat(first[start:stop] - (np.cumsum(lengths) - lengths), lengths)
        yield slice(start, stop), ids, np.arange(len(ids)) + skip
        start = stop
