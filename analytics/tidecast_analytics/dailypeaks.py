"""Histories as one value a day: the highest level that held long enough to count as crossed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from tidecast_analytics.robust import middle, theil_sen
from tidecast_analytics.smoothing import Smoothed

Float64s = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]

_RUN = 3
_WEEK = 7
_LEAST_DAYS, _PROFILE_WEEKS = 21, 8
# A weekday's part is believed as far as it exceeds so many times what chance would leave.
_CHANCE = 2.5


def sustained_peaks(values: Float64s, per_day: int) -> Float64s:
    """The highest value of each day that three consecutive hours reach, [series, days].

    `values` is [series, steps]; days are counted from the end. A mark is crossed on a day just
    if its sustained peak reaches the mark. Daily values are returned as they are.
    """
    if per_day == 1:
        return values
    held = values.copy()
    for back in range(1, _RUN):
        held[:, back:] = np.minimum(held[:, back:], values[:, :-back])
        held[:, :back] = held[:, :1]
    days = values.shape[1] // per_day
    newest = held[:, values.shape[1] - days * per_day :]
    return np.asarray(newest.reshape(-1, days, per_day).max(axis=2))


@dataclass(frozen=True)
class Days:
    """What was known on one day: sustained peaks [series, days], and the smoothed state then."""

    peaks: Float64s
    smoothed: Smoothed

    @property
    def count(self) -> int:
        """How many days are known."""
        return int(self.peaks.shape[1])

    @cached_property
    def weekday(self) -> Float64s:
        """What each day of a week adds, [series, 7], first the one that follows the history.

        The median over the last eight weeks, drawn to zero as far as chance explains it; zero
        for less than three weeks.
        """
        weeks = min(self.count // _WEEK, _PROFILE_WEEKS)
        if self.count < _LEAST_DAYS:
            return np.zeros((self.peaks.shape[0], _WEEK))
        folded = self.peaks[:, -weeks * _WEEK :].reshape(-1, weeks, _WEEK)
        level = folded.mean(axis=2)
        before = np.concatenate((level[:, :1], level[:, :-1]), axis=1)
        after = np.concatenate((level[:, 1:], level[:, -1:]), axis=1)
        slope = (after - before) / (2 * _WEEK)
        place = np.arange(_WEEK) - (_WEEK - 1) / 2
        rest = folded - level[:, :, None] - slope[:, :, None] * place
        part = np.median(rest, axis=1)
        part -= part.mean(axis=1, keepdims=True)
        noise = ((rest - part[:, None]) ** 2).mean(axis=(1, 2)) / weeks
        power = np.maximum((part**2).mean(axis=1), 1e-300)
        return np.asarray(part * np.clip(1 - _CHANCE * noise / power, 0, 1)[:, None])

    @cached_property
    def levels(self) -> Float64s:
        """The peaks without what their weekday adds."""
        return np.asarray(self.peaks - self.weekday[:, np.arange(-self.count, 0) % _WEEK])

    def season(self, ahead: Int64s) -> Float64s:
        """What the weekday adds so many days ahead, [series, len(ahead)]."""
        return np.asarray(self.weekday[:, (ahead - 1) % _WEEK])

    def slope(self, days: int) -> Float64s:
        """The Theil-Sen slope of the levels of the last `days`, a day."""
        return pair_slope(self.levels[:, -days:])

    def now(self, slope: Float64s, days: int) -> Float64s:
        """The level at the end of the line of that slope through the last `days`, [series]."""
        return level_now(self.levels, slope, days)


_POINTS = 12


def pair_slope(levels: Float64s) -> Float64s:
    """The Theil-Sen slope of each row, from at most twelve means of neighbours."""
    factor = -(-levels.shape[1] // _POINTS)
    whole = levels.shape[1] // factor * factor
    points = levels[:, levels.shape[1] - whole :].reshape(levels.shape[0], -1, factor)
    return np.asarray(theil_sen(points.mean(axis=2)) / factor)


def level_now(levels: Float64s, slope: Float64s, days: int) -> Float64s:
    """The median of the last `days` of each row, each brought to the end along `slope`."""
    newest = levels[:, -days:]
    age = np.arange(newest.shape[1], dtype=newest.dtype)[::-1]
    return np.asarray(middle(newest + slope[:, None] * age))
