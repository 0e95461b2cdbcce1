"""Functions over windows of points that need more of each than one value.

Over whole buckets they give what their namesakes in `range_functions` give of the samples: a point
knows its oldest and newest sample, how many there are, and what a counter lost to resets among
them; what it lost between two points is told by their ends.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tidecast.promql.block import Block
from tidecast.promql.rates import Spread
from tidecast.promql.windows import Windows, window_sums
from tidecast.samples.batch import Float64s, Int64s
from tidecast.samples.points import Field, PointBatch

PointFunction = Callable[[Windows, PointBatch], Block]


def avg_over_time(windows: Windows, points: PointBatch) -> Block:
    """The mean of all samples of each window."""
    counts = _total(windows, points.stats[Field.COUNT])
    sums = _total(windows, points.stats[Field.SUM])
    return windows.block(sums / np.maximum(counts, 1), counts > 0)


def count_over_time(windows: Windows, points: PointBatch) -> Block:
    """The number of samples in each window."""
    counts = _total(windows, points.stats[Field.COUNT])
    return windows.block(counts, counts > 0)


def resets(windows: Windows, points: PointBatch) -> Block:
    """How often the value fell within each window."""
    fell = _falls(points).astype(np.float64)
    found = _total(windows, points.stats[Field.RESETS]) + _between(windows, fell)
    return windows.block(found, windows.counts > 0)


def rate(windows: Windows, points: PointBatch) -> Block:
    """The increase of a counter a second."""
    return _difference(windows, points, _seconds(windows), counter=True)


def increase(windows: Windows, points: PointBatch) -> Block:
    """The increase of a counter, as much as windows of the length asked for would have."""
    return _difference(windows, points, _as_asked(windows), counter=True)


def delta(windows: Windows, points: PointBatch) -> Block:
    """The difference of a gauge, as much as windows of the length asked for would have."""
    return _difference(windows, points, _as_asked(windows), counter=False)


def irate(windows: Windows, points: PointBatch) -> Block:
    """The increase a second between the newest samples of the last two points."""
    newest, previous = windows.last - 1, windows.last - 2
    apart = windows.times_at(newest) - windows.times_at(previous)
    # In the last point the counter may have fallen several times, once on its way there.
    lost = windows.at(newest, points.stats[Field.LOST]) + windows.at(newest, _lost_before(points))
    rise = windows.at(newest, points.stats[Field.LAST]) + lost
    found = rise - windows.at(previous, points.stats[Field.LAST])
    return windows.block(found / (apart / 1000), windows.counts >= 2)


POINT_FUNCTIONS: dict[str, PointFunction] = {
    function.__name__: function
    for function in (avg_over_time, count_over_time, delta, increase, irate, rate, resets)
}
"""By name, where points need a function of their own."""


def _difference(windows: Windows, points: PointBatch, divisor: Float64s, *, counter: bool) -> Block:
    first, last = windows.first, windows.last - 1
    counts = _total(windows, points.stats[Field.COUNT]).astype(np.int64)
    lost = None
    if counter:
        lost = _total(windows, points.stats[Field.LOST]) + _between(windows, _lost_before(points))
    spread = Spread.of(
        windows,
        windows.at(first, points.first_ms.astype(np.float64)),
        windows.at(last, points.last_ms.astype(np.float64)),
        counts,
    )
    oldest = windows.at(first, points.stats[Field.FIRST])
    newest = windows.at(last, points.stats[Field.LAST])
    found = spread.extrapolate(oldest, newest, lost, divisor)
    return windows.block(found, counts >= 2)


def _seconds(windows: Windows) -> Float64s:
    seconds: Float64s = (windows.end_ms - windows.start_ms) / 1000
    return seconds


def _as_asked(windows: Windows) -> Float64s:
    return _seconds(windows) / (windows.asked_ms / 1000)


def _total(windows: Windows, values: Float64s) -> Float64s:
    """The sum over all points of each window."""
    return window_sums(values, windows.offsets, windows.first, windows.last, windows.tick)


def _between(windows: Windows, values: Float64s) -> Float64s:
    """The sum over all points of each window but its first: of what was before each of them."""
    first = np.minimum(windows.first + 1, windows.last)
    return window_sums(values, windows.offsets, first, windows.last, windows.tick)


def _falls(points: PointBatch) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which points begin lower than the one before of the same series ended."""
    fell = np.zeros(len(points.end_ms), dtype=np.bool_)
    fell[1:] = points.stats[Field.FIRST][1:] < points.stats[Field.LAST][:-1]
    begins: Int64s = points.offsets[:-1]
    fell[begins[begins < len(fell)]] = False
    return fell


def _lost_before(points: PointBatch) -> Float64s:
    """What a counter lost between each point and the one before."""
    before = np.concatenate(([0.0], points.stats[Field.LAST][:-1]))[: len(points.end_ms)]
    return np.where(_falls(points), before, 0.0)
