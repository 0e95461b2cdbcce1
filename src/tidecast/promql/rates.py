"""rate, increase and delta: differences over windows, extrapolated to their ends."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tidecast.promql.block import Block, Bools
from tidecast.promql.windows import Windows, window_sums
from tidecast.samples.batch import Float64s, Int64s, distinct

_CACHED_CELLS = 1 << 15
_A_BIT_MORE = 1 + 1e-9
"""So that no rounding error keeps a series from a closer look."""
_NOWHERE: Int64s = np.empty(0, dtype=np.int64)


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
    of, begins, ends = windows.columns.of, windows.begins, windows.ends
    lengths = (windows.end_ms - windows.start_ms) / 1000
    divisor = lengths if per_second else np.ones(begins.shape[1])
    # What follows from the times alone is computed once for all series that share them.
    spread = _of_columns(windows)
    factor, reach = spread.factor(divisor), spread.reach(ends - begins >= 2)
    falls = _falls(windows) if counter else _NOWHERE
    result = np.empty((len(of), begins.shape[1]))
    # Only as many series at once as stay in the processor's cache.
    at_once = max(1, _CACHED_CELLS // max(1, begins.shape[1]))
    for low in range(0, len(of), at_once):
        windows.tick()
        rows = slice(low, low + at_once)
        column, base = of[rows], windows.offsets[:-1][rows, None]
        first, last = begins[column] + base, ends[column] + base
        oldest = windows.at(first)
        differences = windows.at(last - 1) - oldest
        _add_lost(differences, windows, falls, low, first, last)
        result[rows] = differences * factor[column]
        if counter:
            # Most counters are far above zero, or stand still: the clamp there is not for them.
            most = differences.max(axis=1)
            near = np.flatnonzero(~(most <= 0) & ~(oldest.min(axis=1) > reach[column] * most))
            clamped = spread.take(column[near]).not_below_zero(oldest[near], differences[near])
            result[low + near] = differences[near] * clamped.factor(divisor)
    return windows.block(result, (ends - begins >= 2)[of])


def _of_columns(windows: Windows) -> Spread:
    begins, ends = windows.begins, windows.ends
    starts = windows.offsets[windows.columns.example][:, None]
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

    def factor(self, divisor: Float64s) -> Float64s:
        """By how much the difference between the samples is to be multiplied."""
        factor: Float64s = (self.sampled + self.to_start + self.to_end) / self.sampled / divisor
        return factor

    def reach(self, enough: Bools) -> Float64s:
        """For each row what part of the difference lies before its oldest sample, and a bit more.

        Only where the oldest sample is below that can a counter have been at zero.
        """
        share = np.where(enough, self.to_start / self.sampled, 0.0)
        reach: Float64s = share.max(axis=1, initial=0.0) * _A_BIT_MORE
        return reach

    def not_below_zero(self, oldest: Float64s, differences: Float64s) -> Spread:
        """For counters: does not reach back beyond where they would have been zero."""
        to_zero = self.sampled * (oldest / differences)
        nearer = (differences > 0) & (oldest >= 0) & (to_zero < self.to_start)
        return replace(self, to_start=np.where(nearer, to_zero, self.to_start))

    def extrapolate(
        self, oldest: Float64s, newest: Float64s, lost: Float64s | None, divisor: Float64s
    ) -> Float64s:
        """The differences between these values; `lost` to resets is given for counters."""
        differences, spread = newest - oldest, self
        if lost is not None:
            differences += lost
            spread = self.not_below_zero(oldest, differences)
        return differences * spread.factor(divisor)


def lost_to_resets(windows: Windows, first: Int64s, last: Int64s) -> Float64s:
    """The sum of the values before each fall among the samples `first` up to (not with) `last`."""
    lost = np.zeros(first.shape)
    _add_lost(lost, windows, _falls(windows), 0, first, last)
    return lost


def _add_lost(
    into: Float64s, windows: Windows, falls: Int64s, low: int, first: Int64s, last: Int64s
) -> None:
    """Adds the same to the rows of these series, which are those from `low` on."""
    begin, end = np.searchsorted(falls, windows.offsets[[low, low + len(into)]])
    falls = falls[begin:end]
    if not len(falls):
        return
    owners = np.searchsorted(windows.offsets, falls, side="right") - 1
    rows = distinct(owners)
    offsets = np.searchsorted(owners, np.append(rows, len(windows.labels)))
    # The fall between i and i + 1 counts where both lie within the window.
    begins = np.searchsorted(falls, first[rows - low])
    ends = np.searchsorted(falls, last[rows - low] - 1)
    into[rows - low] += window_sums(windows.values[falls], offsets, begins, ends, windows.tick)


def _falls(windows: Windows) -> Int64s:
    """The places of the samples that are greater than the next of their series."""
    values, offsets = windows.values, windows.offsets
    fell = values[1:] < values[:-1]
    # Where one series ends and the next begins nothing falls.
    ends = offsets[(offsets > 0) & (offsets < len(values))]
    fell[ends - 1] = False
    return np.flatnonzero(fell)
