"""Straight lines through windows by least squares: for `deriv` and `predict_linear`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from tidecast.promql.segments import segment_sums
from tidecast.promql.windows import Windows, expand
from tidecast.samples.batch import Float64s, Int64s
from tidecast.samples.columns import MANY_TIMES

_CACHED_SAMPLES = 1 << 16
_FAR_FROM_OVERFLOW = 1e150


def lines(windows: Windows, around_ms: Float64s) -> tuple[Float64s, Float64s]:
    """Slope a second, and value at `around_ms`, of each window's least-squares line.

    All [series x steps]; `around_ms` is the same for series of the same times.
    """
    many = windows.begins.shape[1] >= MANY_TIMES
    if many and bool((np.abs(windows.values) < _FAR_FROM_OVERFLOW).all()):
        return _centred(windows, around_ms)
    return _summed(windows, around_ms)


def _summed(windows: Windows, around_ms: Float64s) -> tuple[Float64s, Float64s]:
    """Sample by sample, as Prometheus' `linearRegression` does."""
    shape = windows.first.shape
    around, oldest = around_ms.ravel(), windows.at(windows.first).ravel()
    slope, intercept = np.zeros(len(around)), np.zeros(len(around))
    for part, ids, places in expand(windows.first.ravel(), windows.last.ravel(), windows.tick):
        number = part.stop - part.start
        x = (windows.timestamps[places] - around[part][ids]) / 1000
        y = windows.values[places]
        n = np.bincount(ids, minlength=number)
        sum_x, sum_y = segment_sums(x, ids, number), segment_sums(y, ids, number)
        cov = segment_sums(x * y, ids, number) - sum_x * sum_y / n
        var = segment_sums(x * x, ids, number) - sum_x * sum_x / n
        slope[part] = cov / var
        intercept[part] = sum_y / n - slope[part] * sum_x / n
        # A constant series has no slope at all, not one of rounding errors.
        constant = segment_sums((y != oldest[part][ids]) * 1.0, ids, number) == 0
        flat = np.where(np.isfinite(oldest[part]), 0.0, np.nan)
        slope[part] = np.where(constant, flat, slope[part])
        intercept[part] = np.where(constant, oldest[part] + flat, intercept[part])
    return slope.reshape(shape), intercept.reshape(shape)


def _centred(windows: Windows, around_ms: Float64s) -> tuple[Float64s, Float64s]:
    """The same with times counted from their mean, and values from the first of each window.

    Little is lost by adding such numbers, so their sums need no compensation; what follows from
    the times is computed once for all series that share them.
    """
    shape = around_ms.shape
    slope, intercept = np.zeros(shape), np.zeros(shape)
    for rows, steps, times in _tables(windows, around_ms):
        windows.tick()
        base = windows.offsets[rows][:, None, None]
        above = windows.values[base + times.places]
        first = above[:, :, 0].copy()
        above -= first[:, :, None]
        found = np.einsum("rsn,sn->rs", above, times.centred) / times.variance
        mean = first + np.einsum("rsn,sn->rs", above, times.inside) / times.counts
        slope[rows, steps] = found
        intercept[rows, steps] = mean - found * times.mean
    return slope, intercept


class _Times:
    """The times of the windows of one column at some steps [steps x longest window].

    `places` of the samples within their series, whether they are `inside` of the window (1 or 0),
    how far in seconds from the mean of all (`centred`, 0 outside), that `mean` itself counted from
    the time that is asked for, and the sum of their squares (`variance`).
    """

    def __init__(self, windows: Windows, column: int, steps: slice, around_ms: Float64s) -> None:
        example = int(windows.columns.example[column])
        start, stop = windows.offsets[example : example + 2].tolist()
        begins, ends = windows.begins[column, steps], windows.ends[column, steps]
        self.counts = ends - begins
        places = begins[:, None] + np.arange(max(int(self.counts.max()), 1))
        self.inside: Float64s = (places < ends[:, None]).astype(np.float64)
        self.places = np.minimum(places, stop - start - 1)
        x = (windows.timestamps[start + self.places] - around_ms[example, steps][:, None]) / 1000
        self.mean: Float64s = (x * self.inside).sum(axis=1) / self.counts
        self.centred: Float64s = (x - self.mean[:, None]) * self.inside
        self.variance: Float64s = np.einsum("sn,sn->s", self.centred, self.centred)


def _tables(windows: Windows, around_ms: Float64s) -> Iterator[tuple[Int64s, slice, _Times]]:
    """Series of the same times, at so many steps as stay in the processor's cache."""
    of = windows.columns.of
    order = np.argsort(of, kind="stable")
    bounds = np.searchsorted(of[order], np.arange(len(windows.columns.example) + 1)).tolist()
    lengths = np.diff(windows.offsets)
    for column, (low, high) in enumerate(pairwise(bounds)):
        if not lengths[windows.columns.example[column]]:
            continue
        longest = max(int((windows.ends[column] - windows.begins[column]).max()), 1)
        at_once = max(1, _CACHED_SAMPLES // longest)
        for step in range(0, around_ms.shape[1], at_once):
            steps = slice(step, step + at_once)
            times = _Times(windows, column, steps, around_ms)
            rows_at_once = max(1, _CACHED_SAMPLES // times.places.size)
            for row in range(low, high, rows_at_once):
                yield order[row : min(row + rows_at_once, high)], steps, times
