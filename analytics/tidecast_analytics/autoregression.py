"""Autoregressions with a small penalty (ridge), fitted to many histories at many origins at once.

The difference to a season ago is a weighted sum of some earlier ones; newer equations count more.
The normal equations of an origin are those of the one before plus what came since. Forecasts are
made step by step, each from the ones before. Arrays keep series last here: then every step is a
few operations on long vectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from tidecast_analytics.rows import Floats, Rows

_PENALTY = 0.003
_HALF_LIFE_DAYS = 28.0


def continued(rows: Rows, horizon: int, lags: Sequence[int]) -> Floats:
    """Histories continued over `horizon` steps from each origin, [series, origins, horizon].

    `lags` ascend and count the differences to a season ago. Origins ascend. A history too short
    for one equation goes on as its last season.
    """
    season, longest = rows.period, lags[-1]
    changes = rows.values[:, season:] - rows.values[:, :-season]
    ends = [end - season for end in rows.ends]
    weights = _fitted(changes, ends, lags, rows.per_day)
    sizes = np.abs(changes)
    between = [sizes[:, begin:end].max(axis=1) for begin, end in pairwise([0, *ends])]
    reach = np.maximum.accumulate(np.stack(between), axis=0)
    path = np.zeros((longest + horizon, len(ends), changes.shape[0]), dtype=changes.dtype)
    for at, end in enumerate(ends):
        kept = changes[:, max(end - longest, 0) : end]
        path[longest - kept.shape[1] : longest, at] = kept.T
    least, term = -reach, np.empty_like(reach)
    for step in range(longest, longest + horizon):
        ahead = path[step]
        for weight, lag in zip(weights, lags, strict=True):
            ahead += np.multiply(weight, path[step - lag], out=term)
        np.minimum(ahead, reach, out=ahead)
        np.maximum(ahead, least, out=ahead)
    return _summed(rows.newest(season), path[longest:].transpose(2, 1, 0))


def _fitted(changes: Floats, ends: Sequence[int], lags: Sequence[int], per_day: int) -> Floats:
    """The weights of the lags at each end, [lags, ends, series]."""
    longest, count = lags[-1], len(lags)
    weights = np.zeros((count, len(ends), changes.shape[0]), dtype=changes.dtype)
    products = np.zeros((changes.shape[0], count + 1, count + 1), dtype=np.float64)
    decay = 0.5 ** (1 / (per_day * _HALF_LIFE_DAYS))
    for at, (begin, end) in enumerate(pairwise([longest, *ends])):
        if end <= begin:
            continue
        root = (decay ** (0.5 * np.arange(end - begin)[::-1])).astype(changes.dtype)
        terms = np.empty((changes.shape[0], count + 1, end - begin), dtype=changes.dtype)
        for place, lag in enumerate((*lags, 0)):
            np.multiply(changes[:, begin - lag : end - lag], root, out=terms[:, place])
        products = products * decay ** (end - begin) + terms @ terms.transpose(0, 2, 1)
        weights[:, at] = _ridge(products.transpose(1, 2, 0))
    return weights


def _ridge(products: Floats) -> Floats:
    """The penalised solution of normal equations [terms + 1, terms + 1, systems], of which the
    last row is the right-hand side: Cholesky's, one system beside the other."""
    count = products.shape[0] - 1
    penalty = _PENALTY * np.einsum("iis->s", products[:count, :count]) / count + 1e-9
    lower = np.zeros_like(products)
    for row in range(count + 1):
        for column in range(min(row + 1, count)):
            left = products[row, column] - (lower[row, :column] * lower[column, :column]).sum(0)
            if row == column:
                lower[row, row] = np.sqrt(np.maximum(left + penalty, penalty))
            else:
                lower[row, column] = left / lower[column, column]
    solution = lower[count, :count].copy()
    for row in range(count)[::-1]:
        solution[row] -= (lower[row + 1 : count, row] * solution[row + 1 :]).sum(0)
        solution[row] /= lower[row, row]
    return solution


def _summed(season: Floats, differences: Floats) -> Floats:
    """Values whose differences to a season ago are given, after the last `season`."""
    length, horizon = season.shape[2], differences.shape[2]
    cycles = -(-horizon // length)
    padded = np.pad(differences, ((0, 0), (0, 0), (0, cycles * length - horizon)))
    folded = padded.reshape(*season.shape[:2], cycles, length).cumsum(axis=2)
    folded += season[:, :, None, :]
    return np.asarray(folded.reshape(*season.shape[:2], -1)[:, :, :horizon])
