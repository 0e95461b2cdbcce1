"""Growth in rare jumps: on most days nothing, then an import, a release, a clean-up.

No line and no level describes it, and what the last weeks hold says little about the next
jump. What can be said are paths: the daily increments of the past, drawn again (bootstrap), half
of the paths from the whole history and half from its newest quarter, at a pace that may change.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Float64s = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

PATHS = 256
LEAST_DAYS = 28
"""A shorter history does not show how rare its jumps are."""

_SEED = 20_260_202
# The median increment is at most this share of the mean one: 0.85 for normal noise.
_MOST_TYPICAL = 0.2
_LEAST_LASTING = 1.5
_NEWEST_SHARE = 0.25
# The pace of a path is that of the past times a log-normal factor: paces change.
_PACE_MEDIAN, _PACE_SIGMA = 0.9, 0.9


@dataclass(frozen=True, slots=True)
class _Draws:
    """`newest` [paths] says who draws from the newest part, `pace` [paths] is the factor and
    `place` [paths, horizon] in [0, 1) says which day of the past is drawn."""

    newest: Bools
    pace: Float64s
    place: Float64s


@lru_cache(maxsize=8)
def _draws(horizon: int) -> _Draws:
    random = np.random.default_rng(_SEED)
    law = NormalDist()
    strata = np.array([law.inv_cdf((i + 0.5) / PATHS) for i in range(PATHS)])
    pace = _PACE_MEDIAN * np.exp(_PACE_SIGMA * random.permutation(strata))
    return _Draws(np.arange(PATHS) % 2 == 0, pace, random.random((PATHS, horizon)))


def jumpy(days: Float64s) -> Bools:
    """True where a daily history moves in rare jumps: `days` is [series, days].

    The median absolute increment is then at most a fifth of the mean one, and what moved stays:
    in a week it moves half as far again as in a day, which bursts and working days do not. False
    where nothing moves and for less than 28 days.
    """
    if days.shape[1] < LEAST_DAYS:
        return np.zeros(days.shape[0], dtype=np.bool_)
    moves = np.abs(np.diff(days, axis=1))
    mean = moves.mean(axis=1)
    in_a_week = np.abs(days[:, 7:] - days[:, :-7]).mean(axis=1)
    rare = np.median(moves, axis=1) <= _MOST_TYPICAL * mean
    return np.asarray((mean > 1e-12) & rare & (in_a_week >= _LEAST_LASTING * mean))


def paths(days: Float64s, horizon: int) -> Float64s:
    """Paths of one daily history over `horizon` days, [PATHS, horizon]; the same every time."""
    chance = _draws(horizon)
    increments = np.diff(days)
    newest = max(int(increments.size * _NEWEST_SHARE), LEAST_DAYS // 4)
    known = np.where(chance.newest, newest, increments.size)[:, None]
    place = increments.size - known + (chance.place * known).astype(np.intp)
    steps: Float64s = increments[place] * chance.pace[:, None]
    return np.asarray(days[-1] + steps.cumsum(axis=1))


def typical(days: Float64s, horizon: int) -> Float64s:
    """The median of the paths of each history, [series, horizon]."""
    return np.stack([np.median(paths(row, horizon), axis=0) for row in days])
