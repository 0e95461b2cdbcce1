"""`anchored` and `smoothed` ranges: the values at a window's ends are found, not extrapolated.

Anchored: the newest sample at or before the start (within the look-back), else the oldest in the
window, stands at the start; the newest in the window stands at the end. Smoothed: both ends lie on
the straight line between the samples around them.
"""

from __future__ import annotations

import numpy as np

from tidecast.promql.block import Block, Bools
from tidecast.promql.errors import QueryError
from tidecast.promql.rates import lost_to_resets
from tidecast.promql.windows import Windows
from tidecast.samples.batch import Float64s, Int64s, SampleBatch
from tidecast.samples.columns import find

ANCHORED, SMOOTHED = "anchored", "smoothed"
_DIFFERENCES = ("delta", "increase", "rate")
_ALLOWED = {ANCHORED: ("changes", *_DIFFERENCES, "resets"), SMOOTHED: _DIFFERENCES}


def check_function(boundary: str, function: str) -> None:
    """Raises `QueryError` unless the function can have a range with this modifier."""
    if boundary and function not in _ALLOWED[boundary]:
        allowed = ", ".join(_ALLOWED[boundary])
        raise QueryError(
            f"{boundary} modifier can only be used with: {allowed} - not with {function}"
        )


def extended_places(
    batch: SampleBatch, boundary: str, start_ms: Int64s, end_ms: Int64s, lookback_ms: int
) -> tuple[Int64s, Int64s]:
    """For each window where its samples begin and end, those that found its ends among them.

    Both [series x steps]; equal where the window has no value.
    """

    def behind(at_ms: Int64s) -> Int64s:
        return find(batch.offsets, batch.timestamps, at_ms)

    after_start = behind(start_ms)
    first = np.maximum(behind(start_ms - lookback_ms), after_start - 1)
    if boundary == ANCHORED:
        last = behind(end_ms)
        usable = last > after_start
    else:
        # One sample at or behind the end belongs to it.
        last = np.minimum(behind(end_ms - 1) + 1, behind(end_ms + lookback_ms))
        usable = (last > after_start) & (first < behind(end_ms))
    return first, np.where(usable, last, first)


def extended_difference(windows: Windows, *, counter: bool, per_second: bool) -> Block:
    """rate, increase or delta between the values at the ends of each window."""
    present = windows.counts > 0
    left, right = _ends(windows, counter=counter)
    result = right - left
    if counter:
        result = result + _lost(windows, left, right)
    if per_second:
        result = result / ((windows.end_ms - windows.start_ms) / 1000)
    return windows.block(np.where(present, result, 0.0), present)


def _ends(windows: Windows, *, counter: bool) -> tuple[Float64s, Float64s]:
    """The values at start and end of each window."""
    newest = windows.last - 1
    left, right = windows.at(windows.first), windows.at(newest)
    if windows.boundary == ANCHORED:
        return left, right
    after, before = windows.at(windows.first + 1), windows.at(newest - 1)
    # A counter that was reset in between rose from zero.
    from_left = np.where(after < left, 0.0, left) if counter else left
    from_before = np.where(right < before, 0.0, before) if counter else before
    starts = _between(windows, windows.first, from_left, after, windows.start_ms)
    ends = _between(windows, newest - 1, from_before, right, windows.end_ms)
    outside = windows.times_at(windows.first) < windows.start_ms
    beyond = (windows.times_at(newest) > windows.end_ms) & (windows.counts > 1)
    return np.where(outside, starts, left), np.where(beyond, ends, right)


def _between(
    windows: Windows, place: Int64s, low: Float64s, high: Float64s, at_ms: Int64s
) -> Float64s:
    begin, end = windows.times_at(place), windows.times_at(place + 1)
    value: Float64s = low + (high - low) * (at_ms - begin) / (end - begin)
    return value


def _inner(windows: Windows) -> tuple[Int64s, Int64s]:
    """The places of the samples strictly between start and end of each window."""
    first = windows.first + (windows.times_at(windows.first) <= windows.start_ms)
    last = windows.last - (windows.times_at(windows.last - 1) >= windows.end_ms)
    return first, np.maximum(first, last)


def _lost(windows: Windows, left: Float64s, right: Float64s) -> Float64s:
    """What a counter lost to resets between the ends of each window."""
    first, last = _inner(windows)
    filled = last > first
    lost = np.where(filled, lost_to_resets(windows, first, np.maximum(last, first + 1)), 0.0)
    lost += np.where(filled & (windows.at(first) < left), left, 0.0)
    newest = np.where(filled, windows.at(last - 1), left)
    lost += np.where(right < newest, newest, 0.0)
    return lost


def boundary_samples(windows: Windows) -> SampleBatch:
    """The samples of the only window of each series, with one at its start and one at its end."""
    first, last = _inner(windows)
    left, right = _ends(windows, counter=False)
    parts = []
    for row in np.flatnonzero(windows.counts[:, 0] > 0).tolist():
        inner = slice(int(first[row, 0]), int(last[row, 0]))
        times = (windows.start_ms[:1], windows.timestamps[inner], windows.end_ms[:1])
        values = (left[row, :1], windows.values[inner], right[row, :1])
        parts.append((windows.labels[row], np.concatenate(times), np.concatenate(values)))
    return SampleBatch.of(parts)


def smoothed_instant(
    batch: SampleBatch, at_ms: Int64s, lookback_ms: int
) -> tuple[Float64s, Float64s, Bools]:
    """Value, when it was taken, and whether there is one, of each series at these times.

    The value lies on the line between the samples around the time, both within the look-back; where
    none follows it is that of the newest before.
    """
    after = find(batch.offsets, batch.timestamps, at_ms)
    oldest = find(batch.offsets, batch.timestamps, at_ms - lookback_ms)
    behind_next = find(batch.offsets, batch.timestamps, at_ms + lookback_ms)
    place, following = np.maximum(after - 1, 0), np.minimum(after, len(batch.values) - 1)
    value, begin = batch.values[place], batch.timestamps[place].astype(np.float64)
    step = batch.timestamps[following] - begin
    line = value + (batch.values[following] - value) * (at_ms - begin) / step
    between = (after < behind_next) & (begin < at_ms)
    return np.where(between, line, value), np.where(between, at_ms, begin), after > oldest
