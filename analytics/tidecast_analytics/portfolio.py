"""Which members speak for a series: weights from a rolling-origin back-test, batched over series.

At each origin every member is fitted on what came before it, and nothing else. Those whose error is
near the least count, by the inverse tenth power of it. The error of a member is the
geometric mean of two: the mean absolute error, and the mean of its errors in units of what is
usual at each origin, so that one wild origin does not decide alone. Where the mixture, judged
with weights from the other origins only, is no better than the best naive member, that naive
member is used alone, and the choice says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tidecast_analytics.firstweek import week_share
from tidecast_analytics.fixedhours import with_fixed_hours
from tidecast_analytics.members import LAST_VALUE, SAME_WEEK, Member
from tidecast_analytics.robust import middle
from tidecast_analytics.rows import Floats, Rows
from tidecast_analytics.wandering import walks

Float64s = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

MAX_ORIGINS = 8
_POWER = 10.0
# A member whose error exceeds the least one by more is left out.
_MOST_ERROR = 1.15
# What counts as usual at an origin is at least this share of what is usual at all of them.
_LEAST_USUAL = 0.3
# So much larger counts the error of a trend where no more than so many days are asked: more of it
# may be chance where less than four weeks are known.
_TREND_HANDICAP, _TREND_HANDICAP_YOUNG, _HANDICAP_DAYS, _YOUNG_DAYS = 1.1, 1.2, 14, 28
# So few steps are quicker made for all series than for the ones that want them.
_SHORT_STEPS = 336
# The mixture of all members counts so much, that of those who do not bend the rest: a curve that
# fitted best so far need not go on.
_BENT_SHARE = 0.6
# Errors of the back-test hold some of the doubt whether the week repeats: so much of it is added.
_WEEK_DOUBT = 0.5

# What wanders stays where it is: so much is left to the last value.
_WALKS_STAY = 0.7


@dataclass(frozen=True, slots=True)
class Choice:
    """The forecasts of a batch of series and how they did in the back-test.

    `mean` is [series, horizon]; `weights` [series, members]; `errors` [series, tested members] is
    the mean absolute error of each of `names` that was tested, in their order. `residuals` (actual
    less forecast, with leave-one-origin-out weights) is [series, origins, back-tested steps];
    `mae` and `naive_mae` [series], `naive_mae` that of the naive member best at all other origins;
    `naive_only` is True where only a naive member was good enough. `disagreement` [series, horizon]
    is how far the mixture of all lies from that of those who do not bend, and from last week where
    that is possible, but untested; `walks` [series] are those told to be random walks.
    """

    names: Sequence[str]
    mean: Float64s
    weights: Float64s
    errors: Float64s
    residuals: Floats
    mae: Float64s
    naive_mae: Float64s
    naive_only: Bools
    disagreement: Float64s
    walks: Bools


@dataclass(frozen=True, slots=True)
class Plan:
    """The origins of a back-test (steps known at each) and how far it looks beyond them."""

    origins: Sequence[int]
    steps: int


def plan(steps: int, horizon: int, period: int, per_day: int) -> Plan:
    """Origins over the newer two thirds of a history of `steps`, looking up to `horizon` ahead.

    The look ahead is at most a quarter of the history; at the first origin two seasons are known
    where the history allows, eight days from two weeks on, and two weeks from four weeks on.
    """
    ahead = max(min(horizon, steps // 4), 1)
    first = max(steps // 3, min(2 * period, steps - ahead - 3), 1)
    if steps >= 2 * 7 * per_day:
        first = max(first, min(8 * per_day, steps - ahead))
    if steps >= 4 * 7 * per_day:
        first = max(first, 2 * 7 * per_day)
    room = steps - ahead - first
    stride = max(min(room // (MAX_ORIGINS - 1), max(ahead, period)), 1)
    count = min(MAX_ORIGINS, room // stride + 1) if room >= 0 else 1
    return Plan([steps - ahead - stride * back for back in range(count)][::-1], ahead)


@dataclass(frozen=True, slots=True)
class _Judgement:
    """What a back-test says: weights [members, series] of the mixture of all and of those who do
    not bend, and of each series what `Choice` says of it."""

    by_all: Float64s
    by_straight: Float64s
    errors: Float64s
    residuals: Floats
    mae: Float64s
    naive_mae: Float64s
    naive_only: Bools


def choose(
    values: Float64s, horizon: int, pool: Mapping[str, Member], *, period: int, per_day: int
) -> Choice:
    """Forecasts of `horizon` steps for rows [series, steps] that lie within -1 and 1.

    Those of `pool` speak whose least history is there at the first origin. Rows are without
    holes and at least as long as one day (hourly) or two values (daily).
    """
    test = plan(values.shape[1], horizon, period, per_day)
    members = [
        member
        for member in pool.values()
        if member.least_steps <= test.origins[0] and horizon <= member.most_ahead
    ]
    young = values.shape[1] < _YOUNG_DAYS * per_day
    handicap = _TREND_HANDICAP_YOUNG if young else _TREND_HANDICAP
    judged = _judged(
        _backtest(values, members, test, period, per_day),
        members,
        handicap if period < horizon <= _HANDICAP_DAYS * per_day else 1.0,
    )
    weights = np.stack((judged.by_all, judged.by_straight))
    share: Float64s = np.zeros(values.shape[0])
    if SAME_WEEK in pool.values() and SAME_WEEK not in members:
        share = week_share(values, per_day)
        weights = np.concatenate((weights * (1 - share), np.stack((share, share))[:, None]), axis=1)
        members.append(SAME_WEEK)
    walking = walks(values, per_day)
    weights[:, :, walking] *= 1 - _WALKS_STAY
    weights[:, members.index(LAST_VALUE), walking] += _WALKS_STAY
    known = Rows(values, period, per_day)
    bent, unbent = _mixtures(known, members, weights, horizon)
    mean = _BENT_SHARE * bent + (1 - _BENT_SHARE) * unbent
    if per_day > 1:
        mean = with_fixed_hours(mean, values, per_day)
    return Choice(
        names=[m.name for m in members],
        mean=mean,
        weights=(_BENT_SHARE * weights[0] + (1 - _BENT_SHARE) * weights[1]).T,
        errors=judged.errors,
        residuals=judged.residuals,
        mae=judged.mae,
        naive_mae=judged.naive_mae,
        naive_only=judged.naive_only & (share == 0),
        disagreement=np.hypot(bent - unbent, _week_or_not(known, mean, share)),
        walks=walking,
    )


def _judged(errors: Floats, members: Sequence[Member], trend_handicap: float) -> _Judgement:
    """What the back-test says."""
    mae = np.abs(errors).mean(axis=3, dtype=np.float64)
    relative = mae / _usual(mae)
    straight = np.array([not member.bends for member in members])
    everyone = np.ones(len(members), dtype=np.bool_)
    handicap = np.array([trend_handicap if member.trend else 1.0 for member in members])
    others = handicap[:, None, None] * np.sqrt(_without_each(mae) * _without_each(relative))
    left_out = _BENT_SHARE * _weights(others, everyone)
    left_out += (1 - _BENT_SHARE) * _weights(others, straight)
    mixed = _mixture(left_out, errors)
    mixed_mae = np.abs(mixed).mean(axis=(1, 2), dtype=np.float64)
    total = handicap[:, None] * np.sqrt(mae.mean(axis=2) * relative.mean(axis=2))
    naive = np.flatnonzero([m.naive for m in members])
    best_naive = naive[np.argmin(total[naive], axis=0)]
    row = np.arange(errors.shape[1])
    naive_mae = _best_elsewhere(mae[naive], others[naive])
    naive_only = mixed_mae >= naive_mae
    alone = (np.arange(len(members))[:, None] == best_naive).astype(np.float64)
    return _Judgement(
        by_all=np.where(naive_only, alone, _weights(total, everyone)),
        by_straight=np.where(naive_only, alone, _weights(total, straight)),
        errors=mae.mean(axis=2).T,
        residuals=np.where(naive_only[:, None, None], errors[best_naive, row], mixed),
        mae=np.minimum(mixed_mae, naive_mae),
        naive_mae=naive_mae,
        naive_only=naive_only,
    )


def _week_or_not(known: Rows, mean: Float64s, share: Float64s) -> Float64s:
    """The deviation of what is last week with the probability `share`, and else what `mean`, which
    holds so much of last week, holds besides; [series, horizon]."""
    used: Bools = np.asarray((share > 0) & (share < 1))
    deviation = np.zeros_like(mean)
    if used.any():
        week = SAME_WEEK.forecast(known.some(used), mean.shape[1])[:, 0]
        odds = share[used] / (1 - share[used])
        deviation[used] = _WEEK_DOUBT * np.sqrt(odds)[:, None] * np.abs(week - mean[used])
    return deviation


def _backtest(
    values: Float64s, members: Sequence[Member], test: Plan, period: int, per_day: int
) -> Floats:
    """Actual less forecast, [members, series, origins, back-tested steps], of 32 bit."""
    known = Rows(values.astype(np.float32), period, per_day, test.origins)
    actual = np.stack([known.values[:, end : end + test.steps] for end in test.origins], axis=1)
    errors = np.empty((len(members), *actual.shape), dtype=np.float32)
    low, high = _bounds(known, test.steps)
    for member, error in zip(members, errors, strict=True):
        made = np.clip(member.forecast(known, test.steps), low, high)
        np.subtract(actual, made, out=error)
    return errors


def _bounds(known: Rows, horizon: int) -> tuple[Floats, Floats]:
    """How far a member may go, each [series, origins, horizon]: none may diverge.

    It may leave the range of the history by that range, and by twice as much again for each
    length of the history it looks ahead.
    """
    low, high = (bound[:, :, None] for bound in known.range)
    growth = 1 + 2 * np.arange(1, horizon + 1) / np.asarray(known.ends)[:, None]
    reach = (high - low) * growth.astype(known.values.dtype)
    return low - reach, high + reach


def _best_elsewhere(mae: Float64s, others: Float64s) -> Float64s:
    """The mean error of a choice: at each origin the member that is best at the other ones."""
    chosen = np.argmin(others, axis=0)
    return np.asarray(np.take_along_axis(mae, chosen[None], axis=0)[0].mean(axis=1))


def _usual(mae: Float64s) -> Float64s:
    """The error of the middle member at each origin, [series, origins]; no less than three tenths
    of the middle one of all origins."""
    of_origins = middle(np.moveaxis(mae, 0, 2))
    return np.asarray(of_origins + _LEAST_USUAL * middle(of_origins)[:, None] + 1e-9)


def _weights(errors: Float64s, who: Bools) -> Float64s:
    """Inverse tenth powers of the errors along the first axis, summing to one; only for `who`, and
    only where near the least."""
    relative = (errors + 1e-12) / (errors[who].min(axis=0) + 1e-12)
    counts = (relative <= _MOST_ERROR) & who.reshape(-1, *[1] * (errors.ndim - 1))
    weights = np.where(counts, np.maximum(relative, 1.0) ** -_POWER, 0.0)
    return np.asarray(weights / weights.sum(axis=0))


def _without_each(of_origins: Float64s) -> Float64s:
    """The mean over all other origins, [members, series, origins]; that of the only one alone."""
    count = of_origins.shape[2]
    if count == 1:
        return of_origins
    others = of_origins.sum(axis=2, keepdims=True) - of_origins
    return np.asarray(np.maximum(others, 0.0) / (count - 1))


def _mixture(weights: Float64s, errors: Floats) -> Floats:
    """Errors [members, series, origins, steps] in a mixture, [series, origins, steps]."""
    mixed = np.zeros(errors.shape[1:], dtype=errors.dtype)
    for weight, error in zip(weights.astype(errors.dtype), errors, strict=True):
        mixed += weight[:, :, None] * error
    return mixed


def _mixtures(known: Rows, members: Sequence[Member], weights: Float64s, horizon: int) -> Float64s:
    """The means of several mixtures [mixtures, series, horizon] of `weights` [mixtures, members,
    series]."""
    means = np.zeros((weights.shape[0], known.values.shape[0], horizon))
    low, high = _bounds(known, horizon)
    for which, member in enumerate(members):
        used: Bools = np.asarray((weights[:, which] > 0).any(axis=0))
        if not used.any():
            continue
        if horizon <= _SHORT_STEPS:
            ahead = np.clip(member.forecast(known, horizon), low, high)[used, 0]
        else:
            some = known.some(used)
            ahead = np.clip(member.forecast(some, horizon), low[used], high[used])[:, 0]
        means[:, used] += weights[:, which, used, None] * ahead
    return means
