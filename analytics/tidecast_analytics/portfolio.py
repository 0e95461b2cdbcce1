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

from tidecast_analytics.members import Member
from tidecast_analytics.rows import Floats, Rows

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
    test = plan(values.shape[1], horizon, period, per_day)
    members = [
        member
        for member in pool.values()
        if member.least_steps <= test.origins[0] and horizon <= member.most_ahead
    ]
    errors = _backtest(values, members, test, period, per_day)
    mae = np.abs(errors).mean(axis=3, dtype=np.float64)
    straight = np.array([not member.bends for member in members])
    everyone = np.ones(len(members), dtype=np.bool_)
    left_out = _BENT_SHARE * _left_out(mae, everyone) + (1 - _BENT_SHARE) * _left_out(mae, straight)
    mixed = _mixture(left_out, errors)
    mixed_mae = np.abs(mixed).mean(axis=(1, 2), dtype=np.float64)
    total = mae.mean(axis=2)
    naive = np.flatnonzero([m.naive for m in members])
    best_naive = naive[np.argmin(total[naive], axis=0)]
    row = np.arange(values.shape[0])
    naive_mae = total[best_naive, row]
    naive_only = mixed_mae >= naive_mae
    alone = (np.arange(len(members))[:, None] == best_naive).astype(np.float64)
    by_all = np.where(naive_only, alone, _weights(total, everyone))
    by_straight = np.where(naive_only, alone, _weights(total, straight))
    residuals = np.where(naive_only[:, None, None], errors[best_naive, row], mixed)
    known = Rows(values, period, per_day)
    bent, unbent = _mixtures(known, members, (by_all, by_straight), horizon)
    return Choice(
        names=[m.name for m in members],
        mean=_BENT_SHARE * bent + (1 - _BENT_SHARE) * unbent,
        weights=(_BENT_SHARE * by_all + (1 - _BENT_SHARE) * by_straight).T,
        residuals=residuals,
        mae=np.minimum(mixed_mae, naive_mae),
        naive_mae=naive_mae,
        naive_only=naive_only,
        disagreement=np.abs(bent - unbent),
    )


def _backtest(
    values: Float64s, members: Sequence[Member], test: Plan, period: int, per_day: int
) -> Floats:
    """Actual less forecast, [members, series, origins, back-tested steps], of 32 bit."""
    known = Rows(values.astype(np.float32), period, per_day, test.origins)
    actual = np.stack([known.values[:, end : end + test.steps] for end in test.origins], axis=1)
    errors = np.empty((len(members), *actual.shape), dtype=np.float32)
    for member, error in zip(members, errors, strict=True):
        np.subtract(actual, _clamped(member, known, test.steps), out=error)
    return errors


def _clamped(member: Member, known: Rows, horizon: int) -> Floats:
    """A member's forecast, kept from diverging.

    It may leave the range of the history by that range, and by twice as much again for each
    length of the history it looks ahead.
    """
    low, high = (bound[:, :, None] for bound in known.range)
    growth = 1 + 2 * np.arange(1, horizon + 1) / np.asarray(known.ends)[:, None]
    reach = (high - low) * growth.astype(known.values.dtype)
    return np.asarray(np.clip(member.forecast(known, horizon), low - reach, high + reach))


def _weights(mae: Float64s, who: Bools) -> Float64s:
    """Inverse tenth powers of the errors along the first axis, summing to one; only for `who`."""
    relative = (mae + 1e-12) / (mae[who].min(axis=0) + 1e-12)
    weights = np.zeros_like(relative)
    weights[who] = relative[who] ** -_POWER
    weights /= weights.sum(axis=0)
    weights[weights < _LEAST_WEIGHT] = 0.0
    return np.asarray(weights / weights.sum(axis=0))


def _left_out(mae: Float64s, who: Bools) -> Float64s:
    """The weights at each origin by the errors at all other origins, [members, series, origins]."""
    count = mae.shape[2]
    others = (mae.sum(axis=2, keepdims=True) - mae) / (count - 1) if count > 1 else mae
    return _weights(np.maximum(others, 0.0), who)


def _mixture(weights: Float64s, errors: Floats) -> Floats:
    """Errors [members, series, origins, steps] in a mixture, [series, origins, steps]."""
    mixed = np.zeros(errors.shape[1:], dtype=errors.dtype)
    for weight, error in zip(weights.astype(errors.dtype), errors, strict=True):
        mixed += weight[:, :, None] * error
    return mixed


def _mixtures(
    known: Rows, members: Sequence[Member], weights: Sequence[Float64s], horizon: int
) -> Float64s:
    """The means of several mixtures [mixtures, series, horizon], each of `weights` [members,
    series]."""
    means = np.zeros((len(weights), known.values.shape[0], horizon))
    for which, member in enumerate(members):
        used = np.any([mixture[which] > 0 for mixture in weights], axis=0)
        if used.any():
            some = known if used.all() else Rows(known.values[used], known.period, known.per_day)
            ahead = _clamped(member, some, horizon)[:, 0]
            for mean, mixture in zip(means, weights, strict=True):
                mean[used] += mixture[which, used, None] * ahead
    return means
