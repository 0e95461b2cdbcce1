"""The members of the portfolio: each forecasts `horizon` steps from each origin of the rows it is
given, [series, origins, horizon].

A member sees nothing but what is known at an origin. Phases are counted from there: step 1 of the
forecast has phase 0.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from tidecast_analytics import autoregression, jumps
from tidecast_analytics.robust import dejumped_slope, middle, sustained_slope, theil_sen
from tidecast_analytics.rows import Deseasonalised, Floats, Rows

# What the last steps lie above or below their level fades away with this half-life.
_DEVIATION_HALF_LIFE_STEPS = 12.0
_DAMPING_PER_DAY = 0.9
_RECENT_DAYS, _SHORT_DAYS, _LONG_DAYS = 14, 28, 365
# The newest days or weeks as they were, older ones counting less.
_SAME_DAY_HALF_LIFE, _SAME_WEEK_HALF_LIFE = 3.0, 2.0
_LEVEL_HALF_LIFE_DAYS = 4.0
# An accelerating pace grows at most so much from one third of the days to the next, and fades
# over three of them.
_MOST_BEND, _BEND_FADES, _BEND_DAYS = 3.0, 3.0, 42
# What an autoregression knows has died away after two weeks.
_MEMORY_HOURS = 14 * 24
_DAY_LAGS = (1, 2, 24, 25)
_WEEK_LAGS = (1, 2, 3, 23, 24, 25, 48, 144, 168)


def _tiled(profile: Floats, horizon: int) -> Floats:
    repeats = -(-horizon // profile.shape[2])
    return np.asarray(np.tile(profile, (1, 1, repeats))[:, :, :horizon])


def _ahead(rows: Rows, horizon: int) -> Floats:
    return np.arange(1, horizon + 1, dtype=rows.values.dtype)


def _seasonal_naive(period: int, rows: Rows, horizon: int) -> Floats:
    return _tiled(rows.newest(period), horizon)


def _structured(state: Deseasonalised, horizon: int, growth: Floats | None = None) -> Floats:
    """Level, fading deviation, profile and `growth` [series, origins, horizon], whose first step
    is its slope."""
    slope = growth[:, :, 0] if growth is not None else 0.0
    level = state.level + slope * state.level_age
    deviation = state.now + slope * state.now_age - level
    steps = np.arange(1, horizon + 1, dtype=state.level.dtype)
    made = deviation[:, :, None] * 0.5 ** (steps / _DEVIATION_HALF_LIFE_STEPS)
    made += level[:, :, None]
    made += _tiled(state.profile, horizon)
    if growth is not None:
        made += growth
    return np.asarray(made)


def _line(rows: Rows, slope: Floats, horizon: int) -> Floats:
    return np.asarray(slope[:, :, None] * _ahead(rows, horizon))


def _damped(rows: Rows, horizon: int) -> Floats:
    slope = rows.slope(sustained_slope, _RECENT_DAYS)
    damping = _DAMPING_PER_DAY ** (1 / rows.per_day)
    reach = np.cumsum(damping ** np.arange(horizon)).astype(slope.dtype)
    return np.asarray(slope[:, :, None] * reach)


def _end_to_end(levels: Floats) -> Floats:
    return np.asarray((levels[:, -1] - levels[:, 0]) / max(levels.shape[1] - 1, 1))


def _flat_day(rows: Rows, horizon: int) -> Floats:
    return _structured(rows.in_day, horizon)


def _flat_week(rows: Rows, horizon: int) -> Floats:
    return _structured(rows.in_week, horizon)


def _median_of(parts: list[Floats]) -> Floats:
    """The median of arrays, element by element: they are put in order by pairs."""
    count = len(parts)
    for turn in range(count):
        for at in range(turn % 2, count - 1, 2):
            low, high = parts[at], parts[at + 1]
            parts[at], parts[at + 1] = np.minimum(low, high), np.maximum(low, high)
    half = count // 2
    return parts[half] if count % 2 else (parts[half - 1] + parts[half]) / 2


def _median(period: int, most: int, rows: Rows, horizon: int) -> Floats:
    """The median of the same phase in the last `most` periods."""
    cycles = min(rows.least_steps // period, most)
    newest = rows.newest(cycles * period)
    parts = [newest[:, :, at * period : (at + 1) * period] for at in range(cycles)]
    return _tiled(_median_of(parts), horizon)


def _median_level(rows: Rows, horizon: int) -> Floats:
    count = min(rows.least_steps, 7 * rows.per_day)
    return _tiled(middle(rows.newest(count))[:, :, None], horizon)


def _day_autoregression(rows: Rows, horizon: int) -> Floats:
    return autoregression.continued(rows, horizon, _DAY_LAGS)


def _week_autoregression(rows: Rows, horizon: int) -> Floats:
    return autoregression.continued(rows, horizon, _WEEK_LAGS)


def _levels_in_week(rows: Rows, days: int) -> Floats:
    """The levels of whole days without their place in the week."""
    levels = rows.levels(days)
    profile = rows.week_profile
    of_days = profile.reshape(*profile.shape[:2], -1, rows.per_day).mean(axis=3)
    repeats = -(-levels.shape[2] // of_days.shape[2])
    return np.asarray(levels - np.tile(of_days, (1, 1, repeats))[:, :, -levels.shape[2] :])


def _typical(rows: Rows, horizon: int) -> Floats:
    """The median of the last four weeks, where what goes up has always come down."""
    level = middle(_levels_in_week(rows, _SHORT_DAYS))[:, :, None]
    return np.asarray(level + _tiled(rows.week_profile, horizon))


def _smooth(rows: Rows) -> Floats:
    """The exponentially weighted level, [series, origins, 1]."""
    levels = _levels_in_week(rows, _SHORT_DAYS)
    weights = 0.5 ** (np.arange(levels.shape[2])[::-1] / _LEVEL_HALF_LIFE_DAYS)
    weights = (weights / weights.sum()).astype(levels.dtype)
    return np.asarray((levels * weights).sum(axis=2, keepdims=True))


def _smooth_level(rows: Rows, horizon: int) -> Floats:
    return np.asarray(_smooth(rows) + _tiled(rows.week_profile, horizon))


def _theta(rows: Rows, horizon: int) -> Floats:
    """The smoothed level with half of the line's slope (Assimakopoulos and Nikolopoulos 2000)."""
    growth = _line(rows, rows.slope(_least_squares, 3 * _SHORT_DAYS) / 2, horizon)
    return _smooth_level(rows, horizon) + growth


def _least_squares(levels: Floats) -> Floats:
    at = np.arange(levels.shape[1]) - (levels.shape[1] - 1) / 2
    weights = (at / max(float(at @ at), 1e-300)).astype(levels.dtype)
    return np.asarray((levels * weights).sum(axis=1))


def _damped_day(rows: Rows, horizon: int) -> Floats:
    return _structured(rows.in_day, horizon, _damped(rows, horizon))


def _damped_week(rows: Rows, horizon: int) -> Floats:
    return _structured(rows.in_week, horizon, _damped(rows, horizon))


def _straight(estimate: Callable[[Floats], Floats], days: int, rows: Rows, horizon: int) -> Floats:
    return _structured(rows.in_week, horizon, _line(rows, rows.slope(estimate, days), horizon))


def _bending(days: int, rows: Rows, horizon: int) -> Floats:
    growth = np.empty((rows.values.shape[0], len(rows.ends), horizon), rows.values.dtype)
    for which, levels in rows.levels_by_length(days):
        growth[:, which] = _bend(levels, rows.level_spacing * rows.per_day, horizon)
    return _structured(rows.in_week, horizon, growth)


def _bend(levels: Floats, spacing: float, horizon: int) -> Floats:
    """Growth whose pace itself grows, or slows, by the same factor in equal times.

    The means of the thirds of the levels, `spacing` steps apart, give two rises: where both point
    the same way, their ratio is the factor. An accelerating pace fades into a line and at most
    doubles.
    """
    third = levels.shape[2] // 3
    newest = levels[:, :, levels.shape[2] - 3 * third :]
    means = newest.reshape(*levels.shape[:2], 3, third).mean(axis=3)
    before, after = means[:, :, 1] - means[:, :, 0], means[:, :, 2] - means[:, :, 1]
    steady = before * after > 0
    ratio = np.where(steady, after / np.where(steady, before, 1.0), 1.0)
    bend = np.log(np.clip(ratio, 1 / _MOST_BEND, _MOST_BEND))[:, :, None]
    # Of e^(b x) the last rise is e^b (e^b - 1)^2 / b, the pace at its end b e^(3 b).
    exact = np.abs(bend) > 1e-6
    scale = np.where(exact, bend / np.where(exact, -np.expm1(-bend), 1.0), 1.0)
    pace = np.where(steady, after, 0.0)[:, :, None] * scale**2
    unit = third * spacing
    ahead = np.arange(1, horizon + 1, dtype=levels.dtype) / unit
    fading = _BEND_FADES * -np.expm1(-ahead / _BEND_FADES)
    power = np.where(bend > 0, np.minimum(bend * fading, np.log(2)), bend * ahead)
    return np.asarray((pace * np.exp(power)).cumsum(axis=2) / unit)


def _in_jumps(rows: Rows, horizon: int) -> Floats:
    known = rows.values.astype(np.float64)
    return np.stack([jumps.typical(known[:, :end], horizon) for end in rows.ends], axis=1)


@dataclass(frozen=True, slots=True)
class Member:
    """A way to forecast: `least_steps` of history must be there; `naive` ones are the yardstick.

    It is not asked for more than `most_ahead` steps. One that `bends` follows a curve that need
    not go on: it never speaks without those who draw straight lines. One with a `trend` must do
    clearly better than the others where little more than a week is asked.
    """

    name: str
    least_steps: int
    forecast: Callable[[Rows, int], Floats]
    naive: bool = False
    most_ahead: int = sys.maxsize
    bends: bool = False
    trend: bool = False


def _named(members: list[Member]) -> Mapping[str, Member]:
    return {member.name: member for member in members}


def _line_member(
    name: str, least_steps: int, estimate: Callable[[Floats], Floats], days: int
) -> Member:
    return Member(name, least_steps, lambda r, h: _straight(estimate, days, r, h), trend=True)


LAST_VALUE = Member("last value", 1, lambda rows, horizon: _seasonal_naive(1, rows, horizon), True)

SAME_WEEK = Member("seasonal naive (week)", 168, lambda r, h: _seasonal_naive(168, r, h), True)

_TYPICAL_OF_HOURS = [
    LAST_VALUE,
    Member("seasonal naive (day)", 24, lambda r, h: _seasonal_naive(24, r, h), True),
    SAME_WEEK,
    Member("median day", 72, lambda r, h: _median(24, 7, r, h)),
    Member("median week", 504, lambda r, h: _median(168, 5, r, h)),
    Member("median level", 48, _median_level),
]
RESTING = _named(_TYPICAL_OF_HOURS)
"""Who speaks for an hourly history that idles between bursts: nobody who takes a mean."""
HOURLY = _named(
    [
        *_TYPICAL_OF_HOURS,
        Member("level + daily season", 30, _flat_day),
        Member("level + weekly season", 336, _flat_week),
        Member("typical level + season", 168, _typical),
        Member("smoothed level + season", 168, _smooth_level),
        Member("theta + season", 168, _theta),
        Member("damped trend + daily season", 30, _damped_day),
        Member("damped trend + weekly season", 336, _damped_week),
        _line_member("recent line + season", 30, sustained_slope, _SHORT_DAYS),
        _line_member("de-jumped line + season", 30, dejumped_slope, 2 * _SHORT_DAYS),
        _line_member("robust line + season", 30, theil_sen, 3 * _SHORT_DAYS),
        _line_member("long line + season", 28 * 24, sustained_slope, _LONG_DAYS),
        _line_member("drift + season", 30, _end_to_end, _LONG_DAYS),
        Member(
            "long bend + season",
            14 * 24,
            lambda r, h: _bending(_LONG_DAYS, r, h),
            bends=True,
            trend=True,
        ),
        Member(
            "short bend + season",
            14 * 24,
            lambda r, h: _bending(_BEND_DAYS, r, h),
            bends=True,
            trend=True,
        ),
        Member("usual day", 48, lambda r, h: _tiled(r.usual(24, _SAME_DAY_HALF_LIFE), h)),
        Member("usual week", 336, lambda r, h: _tiled(r.usual(168, _SAME_WEEK_HALF_LIFE), h)),
        Member("day autoregression", 99, _day_autoregression, most_ahead=_MEMORY_HOURS),
        Member("week autoregression", 300, _week_autoregression, most_ahead=_MEMORY_HOURS),
    ]
)
DAILY = _named(
    [
        LAST_VALUE,
        Member("seasonal naive (week)", 7, lambda r, h: _seasonal_naive(7, r, h), True),
        Member("level + weekly season", 14, _flat_day),
        Member("typical level + season", 28, _typical),
        Member("damped trend + weekly season", 14, _damped_day),
        _line_member("recent line + season", 7, sustained_slope, _SHORT_DAYS),
        _line_member("de-jumped line + season", 7, dejumped_slope, 2 * _SHORT_DAYS),
        _line_member("robust line + season", 7, theil_sen, 3 * _SHORT_DAYS),
        _line_member("long line + season", 56, sustained_slope, _LONG_DAYS),
        _line_member("drift + season", 7, _end_to_end, _LONG_DAYS),
        Member(
            "long bend + season",
            28,
            lambda r, h: _bending(_LONG_DAYS, r, h),
            bends=True,
            trend=True,
        ),
        Member(
            "short bend + season",
            28,
            lambda r, h: _bending(_BEND_DAYS, r, h),
            bends=True,
            trend=True,
        ),
    ]
)
JUMPY = _named([LAST_VALUE, Member("growth in jumps", 2, _in_jumps)])
"""Who speaks for a daily history that moves in rare jumps: nobody who draws a line."""
