"""How wide a forecast must be said: conformal bands from back-test residuals, by horizon.

The size of the residuals is measured in bands of the horizon that widen with it; the residuals in
units of that size give the quantiles (split conformal prediction, Vovk et al. 2005, with a
normalised score). They follow what the newest origins show. Few independent windows of the
back-test widen the bands as Student's t does. Beyond what was back-tested they go on widening as
they did within it. Hours of the day at which errors were larger have wider bands. What a back-test
has seen too little of is added: a forecast that leaves the newest level, a changing trend, steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from tidecast_analytics.departures import Departures

Float64s = npt.NDArray[np.float64]
Floats = npt.NDArray[np.floating]
Int64s = npt.NDArray[np.int64]

NORMAL_80 = 1.2816
"""Half the width of the central 80 % of a normal law, in standard deviations."""
NORMAL_95 = 1.9600
"""Half the width of the central 95 % of a normal law, in standard deviations."""

SHAPE_AT = np.linspace(0.0, 3.0, 13)
"""Standard deviations of a normal law at which the law of the errors is tabulated."""

_SHAPE_LEVELS = np.array([2 * NormalDist().cdf(z) - 1 for z in SHAPE_AT])
_LEAST_SCORE = 0.05

# Growth of the width beyond the back-test, as a power of the horizon: that of a random walk is
# 1/2. What the back-test shows is believed to three quarters, and within these bounds.
_RANDOM_WALK, _BELIEVED, _LEAST_GROWTH, _MOST_GROWTH = 0.5, 0.75, 0.1, 1.0
# Half-widths are multiplied by 1 + a / windows: Student's t over the normal law, nearly.
_FEW_WINDOWS_80, _FEW_WINDOWS_95 = 0.4, 1.1
# And by 1 + a / days: what few days show is not all that happens.
_FEW_DAYS_80, _FEW_DAYS_95 = 0.25, 1.6
# Errors are as different in size by hours of the day as the back-test says, to this power; it is
# believed to one half where it covers a week, and no hour is quieter than so much.
_PHASE_POWER, _PHASE_SEASONS, _LEAST_PHASE = 0.8, 7, 0.05
# What the newest origins show counts by this power: the rare errors are as large in quiet weeks.
_NEWEST_ORIGINS, _LATELY_80, _LATELY_95, _MOST_LATELY = 3, 0.33, 0.1, 3.0
# Departures and steps are told apart from the other errors, which hold some of them: so much of
# the quantiles of the back-test is left. In 95 % a level that stays where it moved lies within.
_REST_80, _REST_95 = 0.935, 0.91
_DEPARTURE_80, _DEPARTURE_95, _STAYING_95 = 0.9, 0.6, 1.3
_STEPS_BELIEVED = 0.5
# Noise that has grown for some days may be a burst: its growth counts by these powers.
_NOISE_BELIEVED_80, _NOISE_BELIEVED_95 = 0.75, 0.5
_SWINGS_80, _SWINGS_95, _SWING_GROWTH, _SWING_LAGS = 0.8, 1.25, 1 / 3, 16
_YOUNG_DAYS = 28
_TREND_CHANGE, _MOST_TREND_CHANGE = 0.1, 0.5


@dataclass(frozen=True, slots=True)
class Bands:
    """The 80 % and 95 % bands of one series, each edge [horizon]."""

    lo80: Float64s
    hi80: Float64s
    lo95: Float64s
    hi95: Float64s

    @classmethod
    def of_paths(cls, paths: Float64s, mean: Float64s) -> Bands:
        """The quantiles of paths [paths, horizon], widened where `mean` lies outside them."""
        low95, low80, high80, high95 = np.quantile(paths, [0.025, 0.1, 0.9, 0.975], axis=0)
        return cls(
            np.minimum(low80, mean),
            np.maximum(high80, mean),
            np.minimum(low95, mean),
            np.maximum(high95, mean),
        )


@dataclass(frozen=True, slots=True)
class HalfWidths:
    """Half the width of the 80 % and 95 % bands, each [series, horizon].

    `shape` [series, len(SHAPE_AT)] is the law behind them: the size of an error, in units of
    `of80`, that stands where a normal law would have SHAPE_AT standard deviations.
    """

    of80: Float64s
    of95: Float64s
    shape: Float64s

    def around(self, mean: Float64s, row: int) -> Bands:
        """The bands of one series around its mean."""
        of80, of95 = self.of80[row], self.of95[row]
        return Bands(mean - of80, mean + of80, mean - of95, mean + of95)


@dataclass(frozen=True, slots=True)
class Phases:
    """Where in the season, of `period` steps, the errors of a back-test lie: `of_tested` [origins,
    back-tested steps]; phase 0 is the first step of the forecast."""

    of_tested: Int64s
    period: int

    @classmethod
    def of(cls, origins: Sequence[int], tested: int, known: int, period: int) -> Phases:
        """Those of a back-test of a history of `known` steps."""
        since = np.asarray(origins, dtype=np.int64)[:, None] - known
        return cls((since + np.arange(tested)) % period, period)


def half_widths(
    residuals: Floats, horizon: int, windows: float, phases: Phases | None = None
) -> HalfWidths:
    """Half-widths for each step of the horizon.

    `residuals` is [series, origins, back-tested steps]; `windows` the length of history that the
    back-test covered, in steps, from which follows how many independent looks it had at a step.
    With `phases` they are wider at the hours of the day at which errors were larger.
    """
    tested = residuals.shape[2]
    distance = np.abs(residuals)
    size = _size_by_step(distance.mean(axis=1), tested)
    distance /= np.maximum(size, 1e-12)[:, None, :]
    by_phase = np.ones((distance.shape[0], 1))
    if phases is not None:
        by_phase = _by_phase(distance, phases, windows)
        distance /= by_phase[:, phases.of_tested]
    score = np.sort(distance.reshape(distance.shape[0], -1), axis=1)
    level = 1 + 1 / score.shape[1]
    q80 = _quantiles(score, min(0.80 * level, 1.0))[:, 0]
    q95 = _quantiles(score, min(0.95 * level, 1.0))[:, 0]
    steps = np.arange(1, horizon + 1)
    looks = np.clip(windows / np.minimum(steps, tested), 1.0, residuals.shape[1])
    wide, lately = _extended(size, horizon), _lately(residuals)
    wide *= by_phase[:, np.arange(horizon) % by_phase.shape[1]]
    # A back-test almost without errors has no law of its own: then it is the normal one.
    shape = _quantiles(score, _SHAPE_LEVELS) / np.maximum(q80, _LEAST_SCORE)[:, None]
    shape = np.where(q80[:, None] < _LEAST_SCORE, SHAPE_AT / NORMAL_80, shape)
    q80, q95 = _REST_80 * lately**_LATELY_80 * q80, _REST_95 * lately**_LATELY_95 * q95
    of80 = wide * q80[:, None] * (1 + _FEW_WINDOWS_80 / looks)
    of95 = wide * q95[:, None] * (1 + _FEW_WINDOWS_95 / looks)
    return HalfWidths(of80, np.maximum(of95, of80), shape)


def _by_phase(distance: Floats, phases: Phases, windows: float) -> Float64s:
    """How large errors are at each phase of the season, about one, [series, period].

    `distance` [series, origins, back-tested steps] are errors in units of what is usual at their
    step. Phases are averaged with their neighbours and, while few seasons were back-tested, drawn
    towards one.
    """
    member = (phases.of_tested.ravel()[:, None] == np.arange(phases.period)).astype(np.float32)
    count = member.sum(axis=0)
    mean = distance.reshape(distance.shape[0], -1).astype(np.float32) @ member
    mean = mean.astype(np.float64) / np.maximum(count, 1)
    mean = np.where(count > 0, mean, distance.mean(axis=(1, 2), dtype=np.float64)[:, None])
    mean = (np.roll(mean, 1, axis=1) + 2 * mean + np.roll(mean, -1, axis=1)) / 4
    mean /= np.maximum(mean.mean(axis=1, keepdims=True), 1e-12)
    believed = windows / (windows + _PHASE_SEASONS * phases.period)
    ratio = np.maximum(1 + believed * (mean - 1), _LEAST_PHASE) ** _PHASE_POWER
    return np.asarray(ratio / ratio.mean(axis=1, keepdims=True))


def within_swings(widths: HalfWidths, values: Float64s, per_day: int) -> HalfWidths:
    """The half-widths, no wider than what the histories [series, steps] have done in so much time.

    The 95 % band reaches 1.25 times, the 80 % band 0.8 times as far as the largest change between
    two values at most so far apart. Beyond half of the history, where hardly two such pairs are
    independent, that reach grows as the cube root of the horizon: a back-test of a few days with
    one clean-up in it does not open the band without end. From four weeks on the back-test is
    believed more and more, and the reach grows with the length of the history.
    """
    believed = max(1.0, values.shape[1] / (_YOUNG_DAYS * per_day))
    reach = believed * _largest_changes(values, widths.of80.shape[1])
    of80 = np.minimum(widths.of80, _SWINGS_80 * reach)
    return HalfWidths(
        of80, np.maximum(np.minimum(widths.of95, _SWINGS_95 * reach), of80), widths.shape
    )


def _lately(residuals: Floats) -> Float64s:
    """By how much errors have lately been larger, or smaller, than in the whole back-test."""
    by_origin = np.abs(residuals).mean(axis=2, dtype=np.float64)
    newest = by_origin[:, -_NEWEST_ORIGINS:].mean(axis=1)
    ratio = (newest + 1e-9) / (by_origin.mean(axis=1) + 1e-9)
    return np.asarray(np.clip(ratio, 1 / _MOST_LATELY, _MOST_LATELY))


def _quantiles(ordered: Float64s, levels: npt.ArrayLike) -> Float64s:
    """Quantiles of ascending rows, linear between the values, [series, levels]."""
    place = np.atleast_1d(np.asarray(levels)) * (ordered.shape[1] - 1)
    below = np.floor(place).astype(np.intp)
    above = np.minimum(below + 1, ordered.shape[1] - 1)
    return np.asarray(ordered[:, below] + (place - below) * (ordered[:, above] - ordered[:, below]))


def for_few_days(widths: HalfWidths, days: float) -> HalfWidths:
    """The half-widths, wider the shorter the history is: by a fifth at six days, in 95 %."""
    of80 = widths.of80 * (1 + _FEW_DAYS_80 / days)
    of95 = widths.of95 * (1 + _FEW_DAYS_95 / days)
    return HalfWidths(of80, np.maximum(of95, of80), widths.shape)


def _largest_changes(values: Floats, horizon: int) -> Float64s:
    """The largest change within each number of steps of the horizon, [series, horizon]."""
    half = max(values.shape[1] // 2, 1)
    lags = np.unique(np.geomspace(1, half, _SWING_LAGS).astype(np.intp))
    values = values.astype(np.float32)
    largest = np.stack(
        [np.abs(values[:, lag:] - values[:, :-lag]).max(axis=1) for lag in lags], axis=1
    )
    largest = np.maximum.accumulate(largest, axis=1)
    steps = np.arange(1, horizon + 1)
    parts = np.stack([np.interp(steps, lags, one) for one in np.eye(lags.size)])
    return np.asarray(largest @ parts * np.maximum(steps / half, 1.0) ** _SWING_GROWTH)


def with_changing_trend(
    widths: HalfWidths, mean: Float64s, known: Int64s, period: int
) -> HalfWidths:
    """The half-widths with what a trend may change, however straight it was so far.

    The rise since the first season of the forecast has a standard deviation of a tenth of itself
    for each length of the history (`known` steps of each series) that lies ahead, up to one half:
    two days in a straight line do not make three certain months.
    """
    steps = np.arange(mean.shape[1])
    rise = np.abs(mean - mean[:, steps % period])
    deviation = rise * np.minimum(_TREND_CHANGE * (steps + 1) / known[:, None], _MOST_TREND_CHANGE)
    return HalfWidths(
        np.hypot(widths.of80, NORMAL_80 * deviation),
        np.hypot(widths.of95, NORMAL_95 * deviation),
        widths.shape,
    )


def at_least(widths: HalfWidths, deviation: Float64s) -> HalfWidths:
    """The half-widths, no narrower than those of a normal law of so much deviation, [series,
    horizon]."""
    return HalfWidths(
        np.maximum(widths.of80, NORMAL_80 * deviation),
        np.maximum(widths.of95, NORMAL_95 * deviation),
        widths.shape,
    )


def with_growing_noise(widths: HalfWidths, growth: Float64s) -> HalfWidths:
    """The half-widths where noise has lately grown so many times, [series], which few errors of
    the back-test show; what comes in bursts shows in the 95 % band already."""
    of80 = widths.of80 * (growth**_NOISE_BELIEVED_80)[:, None]
    of95 = widths.of95 * (growth**_NOISE_BELIEVED_95)[:, None]
    return HalfWidths(of80, np.maximum(of95, of80), widths.shape)


def with_departures(widths: HalfWidths, away: Departures, period: int) -> HalfWidths:
    """The half-widths with the doubt of forecasts that leave the newest level.

    One that says a level comes back has its departure for a standard deviation, nearly; the 95 %
    band reaches, within the first season, to where the level is now, and beyond.
    """
    steps = np.arange(1, widths.of80.shape[1] + 1)
    within = np.sqrt(np.minimum(steps / period, 1.0))
    stays = NORMAL_95 * _STAYING_95 * away.of_level[:, None] * within
    of80 = np.hypot(widths.of80, NORMAL_80 * _DEPARTURE_80 * away.by_step)
    of95 = np.hypot(widths.of95, NORMAL_95 * _DEPARTURE_95 * away.by_step)
    return HalfWidths(of80, np.maximum(np.hypot(of95, stays), of80), widths.shape)


def steps_to_come(sizes: Sequence[Sequence[float]], known: int, horizon: int) -> Float64s:
    """The deviation of levels that go on to move in steps, [series, horizon].

    `sizes` are those of the steps that were found in each history of `known` steps and taken out
    of it before the back-test, which therefore knows nothing of them. Half of such a walk is
    believed: a step is told by hindsight.
    """
    power = np.array([sum(size**2 for size in each) for each in sizes])
    walk = power[:, None] * np.arange(1, horizon + 1) / known
    return np.asarray(_STEPS_BELIEVED * np.sqrt(walk))


def with_disagreement(widths: HalfWidths, disagreement: Float64s) -> HalfWidths:
    """The half-widths with one standard deviation more, of so much, [series, horizon].

    A curve and a line may both have fitted so far: the band holds both.
    """
    return HalfWidths(
        np.hypot(widths.of80, NORMAL_80 * disagreement),
        np.hypot(widths.of95, NORMAL_95 * disagreement),
        widths.shape,
    )


def _edges(tested: int) -> list[int]:
    """Bands of the horizon: 1, 2, 3, 5, 7, 11, ... each half as long again as the one before."""
    edges = [0, 1]
    while edges[-1] < tested:
        edges.append(min(max(edges[-1] + 1, int(edges[-1] * 1.5)), tested))
    return edges


def _size_by_step(size: Float64s, tested: int) -> Float64s:
    """Mean absolute residuals by step: averaged in bands of the horizon, never falling with it,
    and linear between the middles of the bands."""
    bounds = _edges(tested)
    means = [size[:, a:b].mean(axis=1) for a, b in pairwise(bounds)]
    rising = np.maximum.accumulate(np.stack(means, axis=1), axis=1)
    middles = [(a + 1 + b) / 2 for a, b in pairwise(bounds)]
    steps = np.arange(1, tested + 1)
    parts = [np.interp(steps, middles, one) for one in np.eye(len(middles))]
    return np.asarray(rising @ np.stack(parts))


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
