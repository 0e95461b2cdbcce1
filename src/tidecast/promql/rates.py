"""rate, increase and delta: differences over windows, extrapolated to their ends."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tidecast.promql.block import Block
from tidecast.promql.windows import Windows, window_sums
from tidecast.samples.batch import Float64s, Int64s

_CACHED_CELLS = 1 << 14


def rate(windows: Windows) -> Block:
    """The increase of a counter a second, extrapolated to the whole window."""
    return _extrapolated(windows, counter=True, per_second=True)


def increase(windows: Windows) -> Block:
    """The increase of a counter, extrapolated to the whole window."""
    return _extrapolated(windows, counter=True, per_second=False)


def delta(windows: Windows) -> Block:
    """The difference between end and start of a gauge, extrapolated to the whole window."""
    return _extrapolated(windows, counter=False, per_second=False)


def _extrapolated(windows: Windows, *, counter: bool, per_second: bool) -> Block:
    shape = windows.begins[windows.columns.of].shape
    lost = lost_to_resets(windows, windows.first, windows.last) if counter else None
    lengths = (windows.end_ms - windows.start_ms) / 1000
    divisor = lengths if per_second else np.ones(shape[1])
    result = np.empty(shape)
    # Series that share their times one behind the other, and only as many as stay in the
    # processor's cache: what follows from the times alone is computed once for them.
    order = np.argsort(windows.columns.of, kind="stable")
    at_once = max(1, _CACHED_CELLS // max(1, shape[1]))
    for low in range(0, shape[0], at_once):
        windows.tick()
        rows = order[low : low + at_once]
        columns, column = np.unique(windows.columns.of[rows], return_inverse=True)
        spread = _of_columns(windows, columns).take(column)
        oldest, newest = windows.at(windows.first[rows]), windows.at(windows.last[rows] - 1)
        lost_here = None if lost is None else lost[rows]
        result[rows] = spread.extrapolate(oldest, newest, lost_here, divisor)
    return windows.block(result, windows.counts >= 2)


def _of_columns(windows: Windows, columns: Int64s) -> Spread:
    begins, ends = windows.begins[columns], windows.ends[columns]
    starts = windows.offsets[windows.columns.example[columns]][:, None]
    first_ms, last_ms = windows.times_at(starts + begins), windows.times_at(starts + ends - 1)
    return Spread.of(windows, first_ms, last_ms, ends - begins)


@dataclass(frozen=True, slots=True)
class Spread:
    """How the samples of each window lie in it, in seconds.

    `sampled` from the oldest to the newest, `to_start` and `to_end` to be extrapolated before and
    behind them. Source: Prometheus, `extrapolatedRate`.
    """

    sampled: Float64s
    to_start: Float64s
    to_end: Float64s

    @staticmethod
    def of(windows: Windows, first_ms: Float64s, last_ms: Float64s, counts: Int64s) -> Spread:
        """Extrapolates to the ends of the window where a sample would be due there."""
        sampled = (last_ms - first_ms) / 1000
        gap = sampled / (counts - 1)
        to_start = (first_ms - windows.start_ms) / 1000
        to_end = (windows.end_ms - last_ms) / 1000
        to_start = np.where(to_start >= gap * 1.1, gap / 2, to_start)
        to_end = np.where(to_end >= gap * 1.1, gap / 2, to_end)
        return Spread(sampled, to_start, to_end)

    def take(self, rows: Int64s) -> Spread:
        """These rows, in this order."""
        return Spread(self.sampled[rows], self.to_start[rows], self.to_end[rows])

    def extrapolate(
        self, oldest: Float64s, newest: Float64s, lost: Float64s | None, divisor: Float64s
    ) -> Float64s:
        """The differences between these values; `lost` to resets is given for counters."""
        result, to_start = newest - oldest, self.to_start
        if lost is not None:
            result += lost
            # A counter was not below zero: do not reach back beyond where it would have been zero.
            to_zero = self.sampled * (oldest / result)
            nearer = (result > 0) & (oldest >= 0) & (to_zero < to_start)
            to_start = np.where(nearer, to_zero, to_start)
        factor = (self.sampled + to_start + self.to_end) / self.sampled / divisor
        extrapolated: Float64s = result * factor
        return extrapolated


def lost_to_resets(windows: Windows, first: Int64s, last: Int64s) -> Float64s:
    """The sum of the values before each fall among the samples `first` up to (not with) `last`."""
    values = windows.values
    fell = values[1:] < values[:-1]
    # Where one series ends and the next begins nothing falls.
    ends = windows.offsets[(windows.offsets > 0) & (windows.offsets < len(values))]
    fell[ends - 1] = False
    falls = np.flatnonzero(fell)
    if not len(falls):
        return np.zeros(first.shape)
    # The fall between i and i + 1 counts where both lie within the window.
    offsets = np.searchsorted(falls, windows.offsets)
    begin = np.searchsorted(falls, first)
    end = np.searchsorted(falls, last - 1)
    return window_sums(values[falls], offsets, begin, end, windows.tick)
