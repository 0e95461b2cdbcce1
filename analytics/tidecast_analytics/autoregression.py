"""Autoregressions with a small penalty (ridge), fitted to many rows at once, by least squares.

The next value, or its difference to a season ago, is a weighted sum of some earlier ones; newer
equations count more. Forecasts are made step by step, each from the ones before.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Float64s = npt.NDArray[np.float64]

_PENALTY = 0.003
_HALF_LIFE_DAYS = 28.0
_MOST_EQUATIONS = 42 * 24


def continued(values: Float64s, horizon: int, lags: Sequence[int], season: int) -> Float64s:
    """Rows [series, steps] of hours continued over `horizon` steps.

    `lags` ascend; `season` is the distance of the differences that are regressed (0: the values
    around their mean). Rows too short for one equation go on as their last season, or flat.
    """
    if season:
        centre = np.zeros((values.shape[0], 1))
        rows = values[:, season:] - values[:, :-season]
    else:
        centre = values.mean(axis=1, keepdims=True)
        rows = values - centre
    longest = lags[-1]
    reach = np.abs(rows).max(axis=1, initial=0.0)
    path = np.zeros((values.shape[0], longest + horizon))
    kept = rows[:, -longest:]
    path[:, longest - kept.shape[1] : longest] = kept
    weights = _fitted(rows, lags)
    back = longest - np.array(lags)
    for step in range(horizon):
        value = np.einsum("sl,sl->s", path[:, back + step], weights)
        path[:, longest + step] = np.clip(value, -reach, reach)
    ahead = path[:, longest:] + centre
    if not season:
        return np.asarray(ahead)
    return _summed(values[:, -season:], ahead)


def _fitted(rows: Float64s, lags: Sequence[int]) -> Float64s:
    """The weights of the lags, [series, lags]."""
    longest = lags[-1]
    rows = rows[:, -(_MOST_EQUATIONS + longest) :]
    steps = rows.shape[1]
    count = steps - longest
    if count < 1:
        return np.zeros((rows.shape[0], len(lags)))
    age = np.arange(count)[::-1] / 24
    root = 0.5 ** (0.5 * age / _HALF_LIFE_DAYS)
    earlier = np.stack([rows[:, longest - lag : steps - lag] * root for lag in lags], axis=1)
    now = rows[:, longest:] * root
    products = earlier @ earlier.transpose(0, 2, 1)
    power = np.trace(products, axis1=1, axis2=2) / len(lags)
    penalty = (_PENALTY * power + 1e-9)[:, None, None] * np.eye(len(lags))
    return np.asarray(np.linalg.solve(products + penalty, earlier @ now[:, :, None])[:, :, 0])


def _summed(season: Float64s, differences: Float64s) -> Float64s:
    """Values whose differences to a season ago are given, after the last `season`."""
    length, horizon = season.shape[1], differences.shape[1]
    cycles = -(-horizon // length)
    padded = np.pad(differences, ((0, 0), (0, cycles * length - horizon)))
    folded = padded.reshape(-1, cycles, length).cumsum(axis=1) + season[:, None, :]
    return np.asarray(folded.reshape(-1, cycles * length)[:, :horizon])
