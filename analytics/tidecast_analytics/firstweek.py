"""Whether a history of one to two weeks will repeat its week, which no back-test of it can show.

A week has five days of one kind and two neighbours of another. That is plausible where two such
groups of days explain much of how days differ, and more than a level that moved once would; from
the eighth day on days that came twice count above all.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tidecast_analytics.robust import middle
from tidecast_analytics.rows import Floats

Float64s = npt.NDArray[np.float64]

# Logits, fitted by the error of the blended forecast on windows of seven to thirteen days: half of
# the training parts of the real series, and the made ones of `benchmarks/forecast/made_hours.py`.
_NEVER, _BY_GROUPS, _BY_RETURN, _BY_DAYS_TWICE, _BY_MORE_OF_THEM = -3.0, 1.8, 3.9, 2.1, 2.7
_MOST_EVIDENCE = 1.5
# So much of how days differ is noise at least; a share below the least is none, and one
# above the most is all: what is nothing once a week is forecast to be nothing.
_NOISE, _LEAST_SHARE, _MOST_SHARE = 1e-3, 0.1, 0.9
_DAYS = 7


def week_share(values: Floats, per_day: int) -> Float64s:
    """How much to leave to the same hour a week ago, 0 to 1, [series].

    `values` [series, steps] are less than two weeks of `per_day` steps a day; zero where they are
    less than one.
    """
    week = _DAYS * per_day
    if values.shape[1] < week:
        return np.zeros(values.shape[0])
    by_groups, by_return = _as_groups(values[:, -week:].reshape(values.shape[0], _DAYS, per_day))
    logit = _NEVER + _BY_GROUPS * by_groups + _BY_RETURN * by_return
    twice = values.shape[1] - week
    if twice >= per_day:
        weight = _BY_DAYS_TWICE + _BY_MORE_OF_THEM * twice / (week - per_day)
        logit += weight * _days_twice(values, per_day)
    share = 1 / (1 + np.exp(-logit))
    share = np.where(share > _MOST_SHARE, 1.0, share)
    return np.where(share < _LEAST_SHARE, 0.0, share)


def _as_groups(days: Floats) -> tuple[Float64s, Float64s]:
    """How much better than their mean two neighbouring days and the other five explain `days`
    [series, 7, steps], and how much better than one change between two of them; logarithms of
    sums of squares, each [series]."""
    apart = days - days.mean(axis=1, keepdims=True)
    products = (apart @ apart.transpose(0, 2, 1)).astype(np.float64)
    total = np.trace(products, axis1=1, axis2=2)
    turns = [np.roll(np.arange(_DAYS) < 2, at) for at in range(_DAYS)]
    changes = [np.arange(_DAYS) < at for at in range(1, _DAYS)]
    in_turns = np.min([_left(products, total, group) for group in turns], axis=0)
    in_changes = np.min([_left(products, total, group) for group in changes], axis=0)
    noise = _NOISE * total + 1e-12
    return (
        np.log((total + noise) / (in_turns + noise)),
        np.maximum(np.log((in_changes + noise) / (in_turns + noise)), 0.0),
    )


def _left(products: Float64s, total: Float64s, group: npt.NDArray[np.bool_]) -> Float64s:
    """The squares left by the means of a group of days and of the others: those of all less what
    either mean takes away, from the inner products of days around their common mean."""
    taken = [
        products[:, part][:, :, part].sum(axis=(1, 2)) / part.sum() for part in (group, ~group)
    ]
    return np.asarray(np.maximum(total - taken[0] - taken[1], 0.0))


def _days_twice(values: Floats, per_day: int) -> Float64s:
    """How much nearer the newest days are to those a week ago than to the days before them, or to
    their own median: a logarithm, [series]."""
    week = _DAYS * per_day
    newest = values[:, week:]
    to_week = np.abs(newest - values[:, :-week]).mean(axis=1)
    to_day = np.abs(newest - values[:, week - per_day : -per_day]).mean(axis=1)
    to_level = np.abs(newest - middle(newest)[:, None]).mean(axis=1)
    evidence = np.log((np.minimum(to_day, to_level) + 1e-9) / (to_week + 1e-9))
    return np.asarray(np.clip(evidence, -_MOST_EVIDENCE, _MOST_EVIDENCE))
