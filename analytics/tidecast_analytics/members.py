"""The members of the portfolio: each forecasts `horizon` steps from the rows it is given.

Rows are histories of equal length on one grid, [series, steps], without holes. A member sees
nothing but these rows, so that a back-test hands it what was known at its origin. Phases are
counted from the end of the rows: step 1 of the forecast has phase 0.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from tidecast_analytics import autoregression, jumps
from tidecast_analytics.robust import (
    MAD_TO_SIGMA,
    dejumped_slope,
    sustained_slope,
    theil_sen,
)

Float64s = npt.NDArray[np.float64]

# Older days count less in a profile: half after two weeks of days, after four weeks of weeks.
_DAY_HALF_LIFE, _WEEK_HALF_LIFE = 14.0, 4.0
# What the last steps lie above or below their level fades away with this half-life.
_DEVIATION_HALF_LIFE_STEPS = 12.0
_DAMPING_PER_DAY = 0.9
_RECENT_DAYS, _SHORT_DAYS, _LONG_DAYS = 14, 28, 365
# The newest days or weeks as they were, older ones counting less.
_SAME_DAY_HALF_LIFE, _SAME_WEEK_HALF_LIFE = 3.0, 2.0
# An accelerating pace grows at most so much from one third of the days to the next, and fades
# over three of them.
_MOST_BEND, _BEND_FADES, _BEND_DAYS = 3.0, 3.0, 42
# What an autoregression knows has died away after two weeks.
_MEMORY_HOURS = 14 * 24
_DAY_LAGS = (1, 2, 24, 25)
_WEEK_LAGS = (1, 2, 3, 23, 24, 25, 48, 144, 168)


@dataclass(frozen=True)
class Rows:
    """Histories of equal length with the parts that several members need.

    `period` is the shortest season in steps (24 hourly, 7 daily), `week` the weekly one where it
    is another (168), and `per_day` the steps of a day.
    """

    values: Float64s
    period: int
    per_day: int

    @property
    def steps(self) -> int:
        """The common length of the histories."""
        return int(self.values.shape[1])

    @property
    def week(self) -> int:
        """The weekly season in steps: 168 hourly, 7 daily."""
        return 7 * self.per_day

    @cached_property
    def levels(self) -> tuple[Float64s, float]:
        """The level of each day, oldest first, and the days between two of them.

        Hourly rows give the means of whole days counted from the end; a history of less than a
        week gives overlapping days every six hours. Daily rows are levels themselves.
        """
        if self.per_day == 1:
            return self.values[:, -_LONG_DAYS:], 1.0
        if self.steps >= 7 * 24:
            days = min(self.steps // 24, _LONG_DAYS)
            return self.values[:, -24 * days :].reshape(-1, days, 24).mean(axis=2), 1.0
        ends = np.arange(self.steps, 23, -6)[::-1]
        if ends.size == 0:
            return self.values[:, :0], 0.25
        total = np.cumsum(np.pad(self.values, ((0, 0), (1, 0))), axis=1)
        return (total[:, ends] - total[:, ends - 24]) / 24, 0.25

    def slope(self, estimate: Callable[[Float64s], Float64s], days: int) -> Float64s:
        """`estimate` over the levels of the last `days`, per step of the rows."""
        return estimate(self.newest_levels(days)) / (self.levels[1] * self.per_day)

    def newest_levels(self, days: int) -> Float64s:
        """The levels of the last `days`, [series, points]."""
        levels, spacing = self.levels
        return levels[:, -max(round(days / spacing), 2) :]

    @cached_property
    def day_profile(self) -> Float64s:
        """The deviation of each phase of the shortest season from its level, [series, period]."""
        return self._profile(self.period, _DAY_HALF_LIFE)

    @cached_property
    def week_profile(self) -> Float64s:
        """The deviation of each hour of the week from its level, [series, week].

        Drawn towards the daily profile while few weeks are known.
        """
        weeks = self.steps // self.week
        trust = weeks / (weeks + 1.0)
        daily = np.tile(self.day_profile, (1, self.week // self.period))
        return trust * self._profile(self.week, _WEEK_HALF_LIFE) + (1 - trust) * daily

    def _profile(self, period: int, half_life: float) -> Float64s:
        cycles = self.steps // period
        if cycles < 2:
            return np.zeros((self.values.shape[0], period))
        folded = self.values[:, -cycles * period :].reshape(-1, cycles, period)
        rest = folded - _running_level(folded)
        middle = np.median(rest, axis=1, keepdims=True)
        reach = 3 * MAD_TO_SIGMA * np.median(np.abs(rest - middle), axis=1, keepdims=True)
        rest = np.clip(rest, middle - reach, middle + reach)
        weights = 0.5 ** (np.arange(cycles)[::-1] / half_life)
        profile = np.einsum("c,scp->sp", weights / weights.sum(), rest)
        return np.asarray(profile - profile.mean(axis=1, keepdims=True))


def _running_level(folded: Float64s) -> Float64s:
    """The line through the mean of each cycle at its middle, level at both ends."""
    level = folded.mean(axis=2)
    before = np.concatenate((level[:, :1], level[:, :-1]), axis=1)
    after = np.concatenate((level[:, 1:], level[:, -1:]), axis=1)
    period = folded.shape[2]
    place = (np.arange(period) - (period - 1) / 2) / period
    return np.asarray(
        level[:, :, None]
        + np.minimum(place, 0) * (level - before)[:, :, None]
        + np.maximum(place, 0) * (after - level)[:, :, None]
    )


def _tiled(profile: Float64s, horizon: int) -> Float64s:
    repeats = -(-horizon // profile.shape[1])
    return np.asarray(np.tile(profile, (1, repeats))[:, :horizon])


def _seasonal_naive(period: int, rows: Rows, horizon: int) -> Float64s:
    return _tiled(rows.values[:, -period:], horizon)


def _structured(rows: Rows, horizon: int, profile: Float64s, growth: Float64s) -> Float64s:
    """Level, fading deviation, profile and `growth` [series, horizon], its slope at step one."""
    slope = growth[:, :1]
    recent = rows.period if rows.per_day > 1 else 3
    recent = min(recent, rows.steps)
    age = np.arange(recent)[::-1]
    phases = (-1 - age) % profile.shape[1]
    now = rows.values[:, -recent:] - profile[:, phases] + slope * age
    level = np.median(now, axis=1, keepdims=True)
    weights = 0.5 ** (age / 3.0)
    deviation = now @ (weights / weights.sum())[:, None] - level
    fading = 0.5 ** (np.arange(1, horizon + 1) / _DEVIATION_HALF_LIFE_STEPS)
    return np.asarray(level + deviation * fading + growth + _tiled(profile, horizon))


def _line(slope: Float64s, horizon: int) -> Float64s:
    return np.asarray(slope[:, None] * np.arange(1, horizon + 1))


def _damped(slope: Float64s, horizon: int, per_day: int) -> Float64s:
    damping = _DAMPING_PER_DAY ** (1 / per_day)
    return np.asarray(slope[:, None] * np.cumsum(damping ** np.arange(horizon)))


def _end_to_end(levels: Float64s) -> Float64s:
    return np.asarray((levels[:, -1] - levels[:, 0]) / (levels.shape[1] - 1))


def _best_profile(rows: Rows) -> Float64s:
    if rows.week != rows.period and rows.steps >= 3 * rows.week:
        return rows.week_profile
    return rows.day_profile


def _flat_day(rows: Rows, horizon: int) -> Float64s:
    none = np.zeros((rows.values.shape[0], horizon))
    return _structured(rows, horizon, rows.day_profile, none)


def _flat_week(rows: Rows, horizon: int) -> Float64s:
    none = np.zeros((rows.values.shape[0], horizon))
    return _structured(rows, horizon, rows.week_profile, none)


def _usual(period: int, half_life: float, rows: Rows, horizon: int) -> Float64s:
    """The mean of what was one period ago, two periods ago, ..., older ones counting less."""
    cycles = rows.steps // period
    folded = rows.values[:, -cycles * period :].reshape(-1, cycles, period)
    weights = 0.5 ** (np.arange(cycles)[::-1] / half_life)
    return _tiled(np.einsum("c,scp->sp", weights / weights.sum(), folded), horizon)


def _median_day(rows: Rows, horizon: int) -> Float64s:
    """The median of each hour of the day over the last two weeks."""
    days = min(rows.steps // 24, _RECENT_DAYS)
    folded = rows.values[:, -24 * days :].reshape(-1, days, 24)
    return _tiled(np.median(folded, axis=1), horizon)


def _median_level(rows: Rows, horizon: int) -> Float64s:
    recent = np.median(rows.values[:, -24 * _RECENT_DAYS :], axis=1, keepdims=True)
    return _tiled(recent, horizon)


def _day_autoregression(rows: Rows, horizon: int) -> Float64s:
    return autoregression.continued(rows.values, horizon, _DAY_LAGS, 24)


def _week_autoregression(rows: Rows, horizon: int) -> Float64s:
    return autoregression.continued(rows.values, horizon, _WEEK_LAGS, 24)


def _typical(rows: Rows, horizon: int) -> Float64s:
    """The median of the last four weeks, where what goes up has always come down."""
    profile = _best_profile(rows)
    recent = min(_SHORT_DAYS * rows.per_day, rows.steps)
    phases = np.arange(-recent, 0) % profile.shape[1]
    level = np.median(rows.values[:, -recent:] - profile[:, phases], axis=1, keepdims=True)
    return np.asarray(level + _tiled(profile, horizon))


def _damped_day(rows: Rows, horizon: int) -> Float64s:
    growth = _damped(rows.slope(sustained_slope, _RECENT_DAYS), horizon, rows.per_day)
    return _structured(rows, horizon, rows.day_profile, growth)


def _damped_week(rows: Rows, horizon: int) -> Float64s:
    growth = _damped(rows.slope(sustained_slope, _RECENT_DAYS), horizon, rows.per_day)
    return _structured(rows, horizon, rows.week_profile, growth)


def _recent_line(rows: Rows, horizon: int) -> Float64s:
    growth = _line(rows.slope(sustained_slope, _SHORT_DAYS), horizon)
    return _structured(rows, horizon, _best_profile(rows), growth)


def _long_line(rows: Rows, horizon: int) -> Float64s:
    growth = _line(rows.slope(sustained_slope, _LONG_DAYS), horizon)
    return _structured(rows, horizon, _best_profile(rows), growth)


def _dejumped_line(rows: Rows, horizon: int) -> Float64s:
    growth = _line(rows.slope(dejumped_slope, 2 * _SHORT_DAYS), horizon)
    return _structured(rows, horizon, _best_profile(rows), growth)


def _pairs_line(rows: Rows, horizon: int) -> Float64s:
    growth = _line(rows.slope(theil_sen, 3 * _SHORT_DAYS), horizon)
    return _structured(rows, horizon, _best_profile(rows), growth)


def _drift(rows: Rows, horizon: int) -> Float64s:
    growth = _line(rows.slope(_end_to_end, _LONG_DAYS), horizon)
    return _structured(rows, horizon, _best_profile(rows), growth)


def _bending(days: int, rows: Rows, horizon: int) -> Float64s:
    """Growth whose pace itself grows, or slows, by the same factor in equal times.

    The means of the thirds of the last `days` give two rises: where both point the same way, their
    ratio is the factor. An accelerating pace fades into a line and at most doubles.
    """
    levels, spacing = rows.newest_levels(days), rows.levels[1]
    third = levels.shape[1] // 3
    means = levels[:, levels.shape[1] - 3 * third :].reshape(-1, 3, third).mean(axis=2)
    before, after = means[:, 1] - means[:, 0], means[:, 2] - means[:, 1]
    steady = before * after > 0
    ratio = np.where(steady, after / np.where(steady, before, 1.0), 1.0)
    bend = np.log(np.clip(ratio, 1 / _MOST_BEND, _MOST_BEND))[:, None]
    # Of e^(b x) the last rise is e^b (e^b - 1)^2 / b, the pace at its end b e^(3 b).
    exact = np.abs(bend) > 1e-6
    scale = np.where(exact, bend / np.where(exact, -np.expm1(-bend), 1.0), 1.0)
    pace = np.where(steady, after, 0.0)[:, None] * scale**2
    unit = third * spacing * rows.per_day
    ahead = np.arange(1, horizon + 1) / unit
    fading = _BEND_FADES * -np.expm1(-ahead / _BEND_FADES)
    power = np.where(bend > 0, np.minimum(bend * fading, np.log(2)), bend * ahead)
    growth = (pace * np.exp(power)).cumsum(axis=1) / unit
    return _structured(rows, horizon, _best_profile(rows), growth)


def _long_bend(rows: Rows, horizon: int) -> Float64s:
    return _bending(_LONG_DAYS, rows, horizon)


def _short_bend(rows: Rows, horizon: int) -> Float64s:
    return _bending(_BEND_DAYS, rows, horizon)


def _in_jumps(rows: Rows, horizon: int) -> Float64s:
    return jumps.typical(rows.values, horizon)


_BLOCK_DAYS = 28


def unexplained(rows: Rows) -> Float64s:
    """What season and level leave of the last four weeks, [series, blocks, block length].

    Blocks are days of hours, or weeks of days, newest last; zero where the history is shorter
    than two seasons.
    """
    cycle = rows.week if rows.steps >= 3 * rows.week else rows.period
    cycles = rows.steps // cycle
    if cycles < 2:
        return np.zeros((rows.values.shape[0], 1, rows.period))
    folded = rows.values[:, -cycles * cycle :].reshape(-1, cycles, cycle)
    profile = rows.day_profile if cycle == rows.period else rows.week_profile
    rest = (folded - _running_level(folded) - profile[:, None, :]).reshape(folded.shape[0], -1)
    newest = rest[:, -_BLOCK_DAYS * max(rows.per_day, 2) :]
    newest = newest[:, newest.shape[1] % rows.period :]
    return np.asarray(newest.reshape(newest.shape[0], -1, rows.period))


@dataclass(frozen=True, slots=True)
class Member:
    """A way to forecast: `least_steps` of history must be there; `naive` ones are the yardstick.

    It is not asked for more than `most_ahead` steps. One that `bends` follows a curve that need
    not go on: it never speaks without those who draw straight lines.
    """

    name: str
    least_steps: int
    forecast: Callable[[Rows, int], Float64s]
    naive: bool = False
    most_ahead: int = sys.maxsize
    bends: bool = False


def _named(members: list[Member]) -> Mapping[str, Member]:
    return {member.name: member for member in members}


LAST_VALUE = Member("last value", 1, lambda rows, horizon: _seasonal_naive(1, rows, horizon), True)

_TYPICAL_OF_HOURS = [
    LAST_VALUE,
    Member("seasonal naive (day)", 24, lambda r, h: _seasonal_naive(24, r, h), True),
    Member("seasonal naive (week)", 168, lambda r, h: _seasonal_naive(168, r, h), True),
    Member("median day", 72, _median_day),
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
        Member("damped trend + daily season", 30, _damped_day),
        Member("damped trend + weekly season", 336, _damped_week),
        Member("recent line + season", 30, _recent_line),
        Member("de-jumped line + season", 30, _dejumped_line),
        Member("robust line + season", 30, _pairs_line),
        Member("long line + season", 28 * 24, _long_line),
        Member("drift + season", 30, _drift),
        Member("long bend + season", 14 * 24, _long_bend, bends=True),
        Member("short bend + season", 14 * 24, _short_bend, bends=True),
        Member("usual day", 48, lambda r, h: _usual(24, _SAME_DAY_HALF_LIFE, r, h)),
        Member("usual week", 336, lambda r, h: _usual(168, _SAME_WEEK_HALF_LIFE, r, h)),
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
        Member("recent line + season", 7, _recent_line),
        Member("de-jumped line + season", 7, _dejumped_line),
        Member("robust line + season", 7, _pairs_line),
        Member("long line + season", 56, _long_line),
        Member("drift + season", 7, _drift),
        Member("long bend + season", 28, _long_bend, bends=True),
        Member("short bend + season", 28, _short_bend, bends=True),
    ]
)
JUMPY = _named([LAST_VALUE, Member("growth in jumps", 2, _in_jumps)])
"""Who speaks for a daily history that moves in rare jumps: nobody who draws a line."""
