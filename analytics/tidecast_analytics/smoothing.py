"""Exponential smoothing of many daily series at once: level, level with trend, damped trend.

All combinations of a small grid run side by side; at any day the one with the least squared
one-day errors so far speaks. One pass gives the states of all days of a back-test.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float64s = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]

_LEVEL_GAINS = (0.1, 0.3, 0.6, 0.95)
# Gain of the trend as a share of that of the level, and how much of the trend a day keeps.
_NO_TREND, _MEAN_TREND = -1.0, 0.0
_TRENDS = ((_MEAN_TREND, 1.0), (_NO_TREND, 1.0), (0.03, 1.0), (0.2, 1.0), (0.1, 0.92))
_GRID = [(gain, trend, kept) for gain in _LEVEL_GAINS for trend, kept in _TRENDS]
_LEVEL = np.array([gain for gain, _, _ in _GRID])
_TREND = np.array([trend for _, trend, _ in _GRID])
_KEPT = np.array([kept for _, _, kept in _GRID])
# The first days only settle the states, and old errors are slowly forgotten.
_SETTLING_DAYS, _REMEMBERED = 8, 0.995


@dataclass(frozen=True, slots=True)
class Smoothed:
    """The state on one day, each [series]: level, its rise a day, and what a day keeps of it."""

    level: Float64s
    trend: Float64s
    kept: Float64s

    def path(self, ahead: Int64s) -> Float64s:
        """The level so many days ahead, [series, len(ahead)]."""
        kept = np.minimum(self.kept, 1 - 1e-9)[:, None]
        return np.asarray(
            self.level[:, None] + self.trend[:, None] * kept * (1 - kept**ahead) / (1 - kept)
        )


def smoothed(peaks: Float64s, ends: Sequence[int]) -> dict[int, Smoothed]:
    """The states of `peaks` [series, days] after the first n days, for each n of `ends`."""
    series, days = peaks.shape
    level = np.repeat(peaks[:, :1], len(_GRID), axis=1)
    settling = min(_SETTLING_DAYS, days)
    rise = (peaks[:, settling - 1] - peaks[:, 0]) / max(settling - 1, 1)
    trend = rise[:, None] * (_TREND != _NO_TREND)
    squares = np.zeros((series, len(_GRID)))
    row = np.arange(series)
    found = {}
    for day in range(1, days + 1):
        if day in ends:
            best = squares.argmin(axis=1)
            found[day] = Smoothed(level[row, best], trend[row, best], _KEPT[best])
        if day == days:
            break
        expected = level + _KEPT * trend
        error = peaks[:, day, None] - expected
        if day > _SETTLING_DAYS:
            squares = _REMEMBERED * squares + error * error
        level = expected + _LEVEL * error
        # The mean trend follows ever more slowly, as a mean does.
        gain = np.where(_TREND == _MEAN_TREND, 1 / (day + 8), np.maximum(_TREND, 0))
        trend = _KEPT * trend + _LEVEL * gain * error
        trend = np.where(_TREND == _NO_TREND, 0.0, trend)
    return found
