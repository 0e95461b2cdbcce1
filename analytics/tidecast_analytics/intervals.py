"""How wide a forecast must be said: conformal bands from back-test residuals, by horizon.

The size of the residuals is measured in bands of the horizon that widen with it; the residuals in
units of that size give the quantiles (split conformal prediction, Vovk et al. 2005, with a
normalised score). Few independent windows of the back-test widen the bands as Student's t does.
Beyond what was back-tested they go on widening as they did within it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Float64s = npt.NDArray[np.float64]

NORMAL_80 = 1.2816
"""Half the width of the central 80 % of a normal law, in standard deviations."""
SHAPE_AT = np.linspace(-3.0, 3.0, 25)
"""Standard deviations of a normal law at which the law of the errors is tabulated."""

_NORMAL = NormalDist()
_LEVELS = np.array([*map(_NORMAL.cdf, SHAPE_AT.tolist()), 0.1, 0.9, 0.025, 0.975])
_LEVELS_80, _LEVELS_95 = [-4, -3], [-2, -1]
_NORMAL_LAW = np.array([*SHAPE_AT, *map(_NORMAL.inv_cdf, _LEVELS[-4:].tolist())]) / NORMAL_80
_LEAST_SCORE = 0.05
_BELIEVED_LEAN = 20

# Growth of the width beyond the back-test, as a power of the horizon: that of a random walk is
# 1/2. What the back-test shows is believed to three quarters, and within these bounds.
_RANDOM_WALK, _BELIEVED, _LEAST_GROWTH, _MOST_GROWTH = 0.5, 0.75, 0.1, 1.0
# Half-widths are multiplied by 1 + a / windows: Student's t over the normal law, nearly.
_FEW_WINDOWS_80, _FEW_WINDOWS_95 = 1.0, 2.4
_TREND_CHANGE, _MOST_TREND_CHANGE = 0.1, 0.5


@dataclass(frozen=True, slots=True)
class Widths:
    """How far around the mean the truth may lie.

    `half80` [series, horizon] is half the width of the 80 % band; `edges80` and `edges95`
    [series, 2] are the lower and upper edges in units of it, `wider95` [horizon] what few windows
    add to the 95 % band; `shape` [series, len(SHAPE_AT)] is the law behind them: the error, in
    units of `half80`, that stands where a normal law would have SHAPE_AT standard deviations.
    """

    half80: Float64s
    edges80: Float64s
    edges95: Float64s
    wider95: Float64s
    shape: Float64s

    def band(self, row: int, percent: int) -> tuple[Float64s, Float64s]:
        """The distances from the mean to the lower and upper edge of the 80 or 95 % band."""
        if percent == 80:
            half, edges = self.half80[row], self.edges80[row]
        else:
            half, edges = self.half80[row] * self.wider95, self.edges95[row]
        return half * edges[0], half * edges[1]


def widths(residuals: Float64s, horizon: int, windows: float) -> Widths:
    """Widths for each step of the horizon.

    `residuals` is [series, origins, back-tested steps]; `windows` the length of history that the
    back-test covered, in steps, from which follows how many independent looks it had at a step.
    """
    tested = residuals.shape[2]
    size = _size_by_step(np.abs(residuals).mean(axis=1), tested)
    score = residuals / np.maximum(size, 1e-12)[:, None, :]
    law = _law(score.reshape(score.shape[0], -1))
    low, high = law[:, _LEVELS_80[0]], law[:, _LEVELS_80[1]]
    half = (high - low)[:, None] / 2
    # A back-test almost without errors has no law of its own: then it is the normal one.
    law = np.where(half < _LEAST_SCORE, _NORMAL_LAW, law / np.maximum(half, _LEAST_SCORE))
    steps = np.arange(1, horizon + 1)
    looks = np.clip(windows / np.minimum(steps, tested), 1.0, residuals.shape[1])
    few80, few95 = 1 + _FEW_WINDOWS_80 / looks, 1 + _FEW_WINDOWS_95 / looks
    return Widths(
        half80=_extended(size, horizon) * half * few80,
        edges80=_around_zero(law[:, _LEVELS_80]),
        edges95=_around_zero(law[:, _LEVELS_95]),
        wider95=few95 / few80,
        shape=law[:, : SHAPE_AT.size],
    )


def _law(scores: Float64s) -> Float64s:
    """Quantiles of the scores, half mirrored: a lean to one side is believed in part only."""
    mirrored = np.concatenate((scores,) * _BELIEVED_LEAN + (-scores,), axis=1)
    return np.asarray(np.quantile(mirrored, _LEVELS, axis=1).T)


def _around_zero(edges: Float64s) -> Float64s:
    return np.stack((np.minimum(edges[:, 0], 0.0), np.maximum(edges[:, 1], 0.0)), axis=1)


def with_changing_trend(widths: Widths, mean: Float64s, known: int, period: int) -> Widths:
    """The widths with what a trend may change, however straight it was so far.

    The rise since the first season of the forecast has a standard deviation of a tenth of itself
    for each length of the history (`known` steps) that lies ahead, up to one half: two days in a
    straight line do not make three certain months.
    """
    steps = np.arange(mean.shape[1])
    rise = np.abs(mean - mean[:, steps % period])
    deviation = rise * np.minimum(_TREND_CHANGE * (steps + 1) / known, _MOST_TREND_CHANGE)
    return replace(widths, half80=np.hypot(widths.half80, NORMAL_80 * deviation))


def _edges(tested: int) -> list[int]:
    """Bands of the horizon: 1, 2, 3, 5, 7, 11, ... each half as long again as the one before."""
    edges = [0, 1]
    while edges[-1] < tested:
        edges.append(min(max(edges[-1] + 1, int(edges[-1] * 1.5)), tested))
    return edges


def _size_by_step(size: Float64s, tested: int) -> Float64s:
    """Mean absolute residuals, averaged in bands of the horizon and never falling with it."""
    bounds = _edges(tested)
    means = [size[:, a:b].mean(axis=1) for a, b in pairwise(bounds)]
    rising = np.maximum.accumulate(np.stack(means, axis=1), axis=1)
    return np.repeat(rising, np.diff(bounds), axis=1)


def _extended(size: Float64s, horizon: int) -> Float64s:
    tested = size.shape[1]
    if horizon <= tested:
        return size[:, :horizon]
    later = np.arange(tested + 1, horizon + 1) / tested
    beyond = size[:, -1:] * later ** _growth(size)[:, None]
    return np.concatenate((size, beyond), axis=1)


def _growth(size: Float64s) -> Float64s:
    """The power of the horizon with which the size grows, from its middle to its end."""
    tested = size.shape[1]
    middle = max(tested // 4, 1) - 1
    if tested < 8:
        return np.full(size.shape[0], _RANDOM_WALK)
    ratio = np.maximum(size[:, -1], 1e-12) / np.maximum(size[:, middle], 1e-12)
    seen = np.log(ratio) / np.log(tested / (middle + 1))
    believed = _BELIEVED * seen + (1 - _BELIEVED) * _RANDOM_WALK
    return np.asarray(np.clip(believed, _LEAST_GROWTH, _MOST_GROWTH))
