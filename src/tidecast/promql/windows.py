"""Range vectors over all steps: samples of many series, and a window into them for each step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tidecast.promql.block import Block, Bools
from tidecast.promql.segments import segment_sums
from tidecast.samples.batch import Float64s, Int64s
from tidecast_collector.labels import Labels

_CHUNK = 1 << 21
_BENIGN_SPREAD = 1e12
_OVERFLOWS = 1e290


@dataclass(frozen=True, slots=True)
class Windows:
    """For series i and step j the samples `first[i, j]` up to (not with) `last[i, j]`.

    Windows are left-open: sample times lie in (start_ms[j], end_ms[j]]. Staleness markers are gone.
    """

    labels: Sequence[Labels]
    drop_name: Bools
    timestamps: Int64s
    values: Float64s
    first: Int64s
    last: Int64s
    start_ms: Int64s
    end_ms: Int64s

    @property
    def counts(self) -> Int64s:
        """The number of samples in each window."""
        return self.last - self.first

    def block(self, values: Float64s, present: Bools, *, drop_name: bool = True) -> Block:
        """One value for each window, as an instant vector."""
        drop = np.ones(len(self.labels), dtype=bool) if drop_name else self.drop_name
        return Block(self.labels, values, present, drop).with_present(present)

    def at(self, indices: Int64s, source: Float64s | None = None) -> Float64s:
        """The values at these places; 0 where the place lies behind the end."""
        data = self.values if source is None else source
        if not len(data):
            return np.zeros(indices.shape)
        return data[np.clip(indices, 0, len(data) - 1)]

    def times_at(self, indices: Int64s) -> Float64s:
        """The times at these places in milliseconds, as floats."""
        return self.at(indices, self.timestamps.astype(np.float64))


def find(offsets: Int64s, timestamps: Int64s, at_ms: Int64s) -> Int64s:
    """For each series and each time the place behind its last sample at or before that time.

    `at_ms` need not be sorted. One binary search over all series: the series' number is folded
    into the key. Returns [series x times].
    """
    count = len(offsets) - 1
    if not len(timestamps) or not len(at_ms):
        return np.repeat(offsets[:-1], len(at_ms)).reshape(count, len(at_ms))
    low = int(timestamps.min())
    span = int(timestamps.max()) - low + 2
    series = np.arange(count, dtype=np.int64)
    keys = np.repeat(series, np.diff(offsets)) * span + (timestamps - low + 1)
    wanted = np.clip(at_ms - low + 1, 0, span - 1)
    return np.searchsorted(keys, series[:, None] * span + wanted[None, :], side="right")


def window_sums(values: Float64s, first: Int64s, last: Int64s) -> Float64s:
    """The compensated sum of `values[first:last]` for each window, in the shape of `first`."""
    shape = first.shape
    first, last = first.ravel(), np.maximum(last, first).ravel()
    if _benign(values):
        return _prefix_sums(values, first, last).reshape(shape)
    result = np.zeros(len(first))
    for part, ids, indices in expand(first, last):
        result[part] = segment_sums(values[indices], ids, part.stop - part.start)
    return result.reshape(shape)


def _benign(values: Float64s) -> bool:
    """Whether differences of compensated prefix sums are as exact as a sum of each window."""
    size = np.abs(values)
    if not np.isfinite(size).all():
        return False
    nonzero = size[size > 0]
    if not len(nonzero):
        return True
    largest, smallest = float(nonzero.max()), float(nonzero.min())
    return largest < _OVERFLOWS and largest / smallest * len(values) < _BENIGN_SPREAD


def _prefix_sums(values: Float64s, first: Int64s, last: Int64s) -> Float64s:
    sums = np.concatenate(([0.0], np.cumsum(values)))
    before, after = sums[:-1], sums[1:]
    # Knuth's TwoSum of each step of the running sum: its rounding errors are summed beside it.
    back = after - before
    errors = (before - (after - back)) + (values - back)
    error_sums = np.concatenate(([0.0], np.cumsum(errors)))
    total: Float64s = (sums[last] - sums[first]) + (error_sums[last] - error_sums[first])
    return total


def window_extremes(
    values: Float64s, first: Int64s, last: Int64s, better: Callable[..., Float64s]
) -> Float64s:
    """The least (`np.fmin`) or greatest (`np.fmax`) value of each window; NaN loses to any number.

    Two overlapping runs of a power of two cover any window: log2(longest window) passes.
    """
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


def expand(first: Int64s, last: Int64s) -> Iterator[tuple[slice, Int64s, Int64s]]:
    """The samples of all windows one behind the other, in chunks of bounded memory.

    Yields (which windows, the window of each sample counted from the first of the chunk, the
    place of each sample). `first` and `last` are flat.
    """
    counts = np.maximum(last - first, 0)
    ends = np.cumsum(counts)
    start = 0
    while start < len(counts):
        before = int(ends[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + _CHUNK, side="right")))
        lengths = counts[start:stop]
        ids = np.repeat(np.arange(stop - start), lengths)
        skip = np.repeat(first[start:stop] - (np.cumsum(lengths) - lengths), lengths)
        yield slice(start, stop), ids, np.arange(len(ids)) + skip
        start = stop
