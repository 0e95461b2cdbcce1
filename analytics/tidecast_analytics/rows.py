"""Histories of equal length as they were known at several origins, and the parts members share.

The origins of a back-test see almost the same values. What is linear in them (profiles, levels)
is one matrix product for all origins; the rest looks at the newest values of each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from tidecast_analytics.robust import middle

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.intp]
Bools = npt.NDArray[np.bool_]

# Older days count less in a profile: half after two weeks of days, after four weeks of weeks.
_DAY_HALF_LIFE, _WEEK_HALF_LIFE = 14.0, 4.0
_NOW_HALF_LIFE = 3.0
# An incident stands out of the week before by so many usual differences of the last days.
_MOST_USUAL, _USUAL_DAYS = 5.0, 28
_LONG_DAYS = 365
# A history of less than a week has a level every six hours, of the day before.
_EARLY_WEEK_DAYS, _EARLY_SPACING = 7, 6


@dataclass(frozen=True)
class Deseasonalised:
    """Where a history stands without its `profile` [series, origins, phases].

    `level` is the median of its newest season (of three days where it is daily), `now` leans on
    the last steps, both [series, origins]; they are `level_age` and `now_age` steps old.
    """

    profile: Floats
    level: Floats
    now: Floats
    level_age: float
    now_age: float


@dataclass(frozen=True)
class Rows:
    """Histories [series, steps]; at each origin of `ends` the first so many steps are known.

    Without `ends` all is known, at one origin. `period` is the shortest season in steps (24
    hourly, 7 daily) and `per_day` the steps of a day. What is computed at an origin comes from
    what is known at it, and nothing else. The type of the values (32 or 64 bit) is that of the
    results.
    """

    values: Floats
    period: int
    per_day: int
    ends: Sequence[int] = field(default=())

    def __post_init__(self) -> None:
        if not self.ends:
            object.__setattr__(self, "ends", (self.values.shape[1],))

    def some(self, which: Bools) -> Rows:
        """Some of the series, with what was already worked out for all of them."""
        rows = Rows(self.values[which], self.period, self.per_day, self.ends)
        for name in ("_sums", "day_profile", "week_profile"):
            rows.__dict__[name] = getattr(self, name)[which]
        return rows

    @property
    def week(self) -> int:
        """The weekly season in steps: 168 hourly, 7 daily."""
        return 7 * self.per_day

    @property
    def least_steps(self) -> int:
        """What is known at the first origin."""
        return min(self.ends)

    def newest(self, count: int) -> Floats:
        """The newest `count` values at each origin, [series, origins, count]."""
        return np.stack([self.values[:, end - count : end] for end in self.ends], axis=1)

    @cached_property
    def _sums(self) -> Floats:
        """The sum of the first so many values, [series, steps + 1]."""
        return np.cumsum(np.pad(self.values, ((0, 0), (1, 0))), axis=1, dtype=np.float64)

    @cached_property
    def range(self) -> tuple[Floats, Floats]:
        """The lowest and the highest known value at each origin, each [series, origins]."""
        order = np.argsort(self.ends)
        starts = [0, *np.asarray(self.ends)[order][:-1]]
        known = self.values[:, : max(self.ends)]
        low = np.minimum.accumulate(np.minimum.reduceat(known, starts, axis=1), axis=1)
        high = np.maximum.accumulate(np.maximum.reduceat(known, starts, axis=1), axis=1)
        back = np.argsort(order)
        return low[:, back], high[:, back]

    @property
    def level_spacing(self) -> float:
        """The days between two levels."""
        if self.per_day == 1 or self.least_steps >= _EARLY_WEEK_DAYS * self.per_day:
            return 1.0
        return _EARLY_SPACING / self.per_day

    def levels(self, days: int) -> Floats:
        """The levels of the last `days`, oldest first, [series, origins, points].

        Hourly rows give the means of whole days counted from the origin, a history of less than
        a week overlapping ones every six hours. Daily rows are levels themselves. Where less is
        known at the first origin, so much is given at all of them.
        """
        return self._levels(self._points(days, self.least_steps), self.ends)

    def levels_by_length(self, days: int) -> Iterator[tuple[Ints, Floats]]:
        """The levels of the last `days`, or of all that is known at each origin: which origins
        have equally many of them, and those, [series, these origins, points]."""
        points = np.array([self._points(days, end) for end in self.ends])
        for count in np.unique(points):
            which = np.flatnonzero(points == count)
            yield which, self._levels(int(count), [self.ends[int(at)] for at in which])

    def _points(self, days: int, known: int) -> int:
        points = max(round(days / self.level_spacing), 2)
        return max(min(points, (known - self.per_day) // self._spacing_steps + 1), 0)

    @property
    def _spacing_steps(self) -> int:
        return round(self.level_spacing * self.per_day)

    def _levels(self, points: int, ends: Sequence[int]) -> Floats:
        if self.per_day == 1:
            return np.stack([self.values[:, end - points : end] for end in ends], axis=1)
        back = self._spacing_steps * np.arange(points)[::-1]
        until = np.asarray(ends)[:, None] - back
        means = (self._sums[:, until] - self._sums[:, until - self.per_day]) / self.per_day
        return np.asarray(means, dtype=self.values.dtype)

    def slope(self, estimate: Callable[[Floats], Floats], days: int = _LONG_DAYS) -> Floats:
        """`estimate` over the levels of the last `days`, per step, [series, origins]."""
        known = self._slopes.get((estimate, days))
        if known is not None:
            return known
        found = np.empty((self.values.shape[0], len(self.ends)), self.values.dtype)
        for which, levels in self.levels_by_length(days):
            series, origins, points = levels.shape
            slopes = estimate(levels.reshape(series * origins, points))
            found[:, which] = slopes.reshape(series, origins)
        self._slopes[estimate, days] = found / self._spacing_steps
        return self._slopes[estimate, days]

    @cached_property
    def _slopes(self) -> dict[tuple[Callable[[Floats], Floats], int], Floats]:
        """The slopes worked out so far."""
        return {}

    @cached_property
    def day_profile(self) -> Floats:
        """The deviation of each phase of the shortest season from its level.

        [series, origins, period]; phase 0 is the first step of the forecast. Zero where less
        than two seasons are known.
        """
        return self._profile(self.period, _DAY_HALF_LIFE)

    @cached_property
    def week_profile(self) -> Floats:
        """The deviation of each step of the week from its level, [series, origins, week].

        Drawn towards the daily profile while few weeks are known, which stands alone up to two.
        """
        daily = np.tile(self.day_profile, (1, 1, self.week // self.period))
        if self.week == self.period:
            return daily
        weeks = np.asarray(self.ends) // self.week
        trust = np.where(weeks >= 2, weeks / (weeks + 1.0), 0.0).astype(self.values.dtype)
        if not trust.any():
            return daily
        weekly = self._profile(self.week, _WEEK_HALF_LIFE)
        return trust[:, None] * weekly + (1 - trust[:, None]) * daily

    @cached_property
    def in_day(self) -> Deseasonalised:
        """The newest values without the daily profile."""
        return self._deseasonalised(self.day_profile)

    @cached_property
    def in_week(self) -> Deseasonalised:
        """The newest values without the weekly profile, or the daily one up to two weeks."""
        return self._deseasonalised(self.week_profile)

    def _deseasonalised(self, profile: Floats) -> Deseasonalised:
        recent = self.period if self.per_day > 1 else 3
        recent = min(recent, self.least_steps)
        rest = self.newest(recent) - profile[:, :, -recent:]
        age = np.arange(recent)[::-1]
        weights = 0.5 ** (age / _NOW_HALF_LIFE)
        weights = (weights / weights.sum()).astype(rest.dtype)
        return Deseasonalised(
            profile,
            middle(rest),
            (rest * weights).sum(axis=2),
            float(age.mean()),
            float(weights @ age),
        )

    def usual(self, period: int, half_life: float) -> Floats:
        """The mean of what was one period ago, two periods ago, ..., older ones counting less.

        [series, origins, period]; the weight halves every `half_life` periods.
        """
        found = self._empty(period)
        for which, _, folded, weights in self._cycles(self.values, period, half_life):
            found[:, which] = _product(weights, folded)
        return found

    def _profile(self, period: int, half_life: float) -> Floats:
        """Means of what a line through the means of the cycles leaves."""
        found = self._empty(period)
        place = ((np.arange(period) - (period - 1) / 2) / period).astype(self.values.dtype)
        for which, known, folded, weights in self._cycles(self._steady, period, half_life):
            if folded.shape[1] < 2:
                found[:, which] = 0
                continue
            level = folded.mean(axis=2)
            rises = np.diff(level, axis=1)
            before = np.concatenate((rises[:, :1], rises), axis=1)
            after = np.concatenate((rises, rises[:, -1:]), axis=1)
            # After the last known cycle it goes on as before.
            newest = np.arange(level.shape[1]) == known[:, None] - 1
            before_newest, onward = weights * newest, weights * ~newest
            falling = _product(weights, before[:, :, None])
            rising = _product(onward, after[:, :, None])
            rising += _product(before_newest, before[:, :, None])
            profile = _product(weights, folded)
            profile -= np.minimum(place, 0) * falling
            profile -= np.maximum(place, 0) * rising
            profile -= profile.mean(axis=2, keepdims=True)
            found[:, which] = np.where(known[:, None] >= 2, profile, 0)
        return found

    def _empty(self, period: int) -> Floats:
        return np.empty((self.values.shape[0], len(self.ends), period), self.values.dtype)

    @cached_property
    def _steady(self) -> Floats:
        """The values for profiles: an incident counts no more than its hour has been in the week
        before, and some usual differences between two days."""
        day = self.per_day
        if day == 1 or self.least_steps < 2 * day:
            return self.values
        known = self.values[:, : self.least_steps][:, -_USUAL_DAYS * day :].astype(np.float32)
        usual = _MOST_USUAL * middle(np.abs(known[:, day:] - known[:, :-day]))[:, None]
        low, high = self.values[:, :-day].copy(), self.values[:, :-day].copy()
        for back in range(2, 8):
            earlier = self.values[:, : max(self.values.shape[1] - back * day, 0)]
            at = (back - 1) * day
            np.minimum(low[:, at:], earlier, out=low[:, at:])
            np.maximum(high[:, at:], earlier, out=high[:, at:])
        later = np.clip(self.values[:, day:], low - usual, high + usual)
        return np.concatenate((self.values[:, :day], later), axis=1)

    def _cycles(
        self, values: Floats, period: int, half_life: float
    ) -> Iterator[tuple[Ints, Ints, Floats, Floats]]:
        """The histories folded so that cycles end at origins: one fold for all origins that are
        whole periods apart.

        Which origins these are, the number of cycles known at each, [series, cycles, period],
        and the weights [origins, cycles], which sum to one.
        """
        ends = np.asarray(self.ends)
        for offset in np.unique(ends % period):
            which = np.flatnonzero(ends % period == offset)
            known = ends[which] // period
            count = int(known.max())
            folded = values[:, offset : offset + count * period]
            age = known[:, None] - 1 - np.arange(count)
            weights = np.where(age >= 0, 0.5 ** (np.maximum(age, 0) / half_life), 0.0)
            weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1e-300)
            yield (
                which,
                known,
                folded.reshape(values.shape[0], count, period),
                weights.astype(self.values.dtype),
            )


def _product(weights: Floats, values: Floats) -> Floats:
    """The matrix product of finite numbers.

    Kernels of BLAS may raise the flag of an invalid operation by what they read beside them: a
    warning of that was seen once, and no input was found that gives it.
    """
    with np.errstate(invalid="ignore"):
        return np.asarray(weights @ values)
