"""Which members speak for a series: weights from a rolling-origin back-test, batched over series.

At each origin every member is fitted on what came before it, and nothing else. Members count by
the inverse tenth power of their mean absolute error: the best leads, near ties share. Where the
mixture, judged with weights from the other origins only, is no better than the best naive
member, that naive member is used alone, and the choice says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tidecast_analytics.members import Member, Rows

Float64s = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

MAX_ORIGINS = 8
_POWER = 10.0
# A member at less than this share of the weight is left out.
_LEAST_WEIGHT = 0.03
# The mixture of all members counts so much, that of those who do not bend the rest: a curve that
# fitted best so far need not go on.
_BENT_SHARE = 0.6


@dataclass(frozen=True, slots=True)
class Choice:
    """The forecasts of a batch of series and how they did in the back-test.

    `mean` is [series, horizon]; `weights` [series, members]; `residuals` (actual less forecast,
    with leave-one-origin-out weights) [series, origins, back-tested steps]; `mae` and `naive_mae`
    [series]; `naive_only` is True where only a naive member was good enough. `disagreement`
    [series, horizon] is how far the mixture of all lies from that of those who do not bend.
    """

    names: Sequence[str]
    mean: Float64s
    weights: Float64s
    residuals: Float64s
    mae: Float64s
    naive_mae: Float64s
    naive_only: Bools
    disagreement: Float64s


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


def choose(
    values: Float64s, horizon: int, pool: Mapping[str, Member], *, period: int, per_day: int
) -> Choice:
    """Forecasts of `horizon` steps for rows [series, steps] that lie within -1 and 1.

    Those of `pool` speak whose least history is there at the first origin. Rows are without
    holes and at least as long as one day (hourly) or two values (daily).
    """
    steps = values.shape[1]
    test = plan(steps, horizon, period, per_day)
    members = [
        member
        for member in pool.values()
        if member.least_steps <= test.origins[0] and horizon <= member.most_ahead
    ]
    errors = _backtest(values, members, test, period, per_day)
    mae = np.abs(errors).mean(axis=3)
    straight = np.array([not member.bends for member in members])
    everyone = np.ones(len(members), dtype=np.bool_)
    mixed = _BENT_SHARE * _left_out_mixture(errors, mae, everyone)
    mixed += (1 - _BENT_SHARE) * _left_out_mixture(errors, mae, straight)
    mixed_mae = np.abs(mixed).mean(axis=(1, 2))
    total = mae.mean(axis=1)
    naive = np.flatnonzero([m.naive for m in members])
    best_naive = naive[np.argmin(total[:, naive], axis=1)]
    row = np.arange(values.shape[0])
    naive_mae = total[row, best_naive]
    naive_only = mixed_mae >= naive_mae
    alone = np.eye(len(members))[best_naive]
    by_all = np.where(naive_only[:, None], alone, _weights(total, everyone))
    by_straight = np.where(naive_only[:, None], alone, _weights(total, straight))
    residuals = np.where(naive_only[:, None, None], errors[row, :, best_naive], mixed)
    weights = np.stack((by_all, by_straight))
    bent, unbent = _mixtures(values, members, weights, horizon, period, per_day)
    return Choice(
        names=[m.name for m in members],
        mean=_BENT_SHARE * bent + (1 - _BENT_SHARE) * unbent,
        weights=_BENT_SHARE * by_all + (1 - _BENT_SHARE) * by_straight,
        residuals=residuals,
        mae=np.minimum(mixed_mae, naive_mae),
        naive_mae=naive_mae,
        naive_only=naive_only,
        disagreement=np.abs(bent - unbent),
    )


def _backtest(
    values: Float64s, members: Sequence[Member], test: Plan, period: int, per_day: int
) -> Float64s:
    """Actual less forecast, [series, origins, members, back-tested steps]."""
    errors = np.empty((values.shape[0], len(test.origins), len(members), test.steps))
    for at, origin in enumerate(test.origins):
        known = Rows(values[:, :origin], period, per_day)
        actual = values[:, origin : origin + test.steps]
        for which, member in enumerate(members):
            errors[:, at, which] = actual - _clamped(member, known, test.steps)
    return errors


def _clamped(member: Member, known: Rows, horizon: int) -> Float64s:
    """A member's forecast, kept from diverging.

    It may leave the range of the history by that range, and by twice as much again for each
    length of the history it looks ahead.
    """
    low = known.values.min(axis=1, keepdims=True)
    high = known.values.max(axis=1, keepdims=True)
    reach = (high - low) * (1 + 2 * np.arange(1, horizon + 1) / known.steps)
    return np.asarray(np.clip(member.forecast(known, horizon), low - reach, high + reach))


def _weights(mae: Float64s, who: Bools) -> Float64s:
    """Inverse tenth powers of the errors along the last axis, summing to one; only for `who`."""
    relative = (mae + 1e-12) / (mae[..., who].min(axis=-1, keepdims=True) + 1e-12)
    weights = np.where(who, relative, np.inf) ** -_POWER
    weights /= weights.sum(axis=-1, keepdims=True)
    weights = np.where(weights < _LEAST_WEIGHT, 0.0, weights)
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))


def _left_out_mixture(errors: Float64s, mae: Float64s, who: Bools) -> Float64s:
    """Residuals of the mixture at each origin, weighted by the errors at all other origins."""
    count = mae.shape[1]
    others = (mae.sum(axis=1, keepdims=True) - mae) / (count - 1) if count > 1 else mae
    weights = _weights(np.maximum(others, 0.0), who)
    return np.asarray(np.einsum("som,somh->soh", weights, errors))


def _mixtures(
    values: Float64s,
    members: Sequence[Member],
    weights: Float64s,
    horizon: int,
    period: int,
    per_day: int,
) -> Float64s:
    """The means of several mixtures [mixtures, series, horizon], `weights` [mixtures, series,
    members]."""
    known = Rows(values, period, per_day)
    means = np.zeros((weights.shape[0], values.shape[0], horizon))
    for which, member in enumerate(members):
        used = (weights[:, :, which] > 0).any(axis=0)
        if used.any():
            some = known if used.all() else Rows(values[used], period, per_day)
            means[:, used] += weights[:, used, which, None] * _clamped(member, some, horizon)
    return means
