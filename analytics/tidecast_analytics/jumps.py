"""Growth in rare jumps: on most days nothing, then an import, a release, a clean-up.

No line and no level describes it, and what the last weeks hold says little about the next
jump. What can be said are paths: the daily increments of the past, drawn again (bootstrap) from
the whole history or from a newest part of it, at a pace that may change.
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
# Daily peaks of hours are taken for stairs where they stand still more strictly.
_MOST_STILL, _LEAST_STAYING = 0.08, 3.5
# Parts of the history that are drawn from, and how many of the paths draw from each.
_PARTS = ((0.125, 0.15), (0.25, 0.10), (0.5, 0.30), (1.0, 0.45))
# A path runs through its days faster or slower by a log-normal factor: paces change.
_PACE_MEDIAN, _PACE_SIGMA, _FASTEST = 0.9, 0.6, 4.0


@dataclass(frozen=True, slots=True)
class _Draws:
    """`part` [paths] is the share of the history a path draws from, `pace` [paths] how many of
    its days pass in one, and `place` [paths, days] in [0, 1) which day of the past each is."""

    part: Float64s
    pace: Float64s
    place: Float64s


@lru_cache(maxsize=8)
def _draws(horizon: int) -> _Draws:
    random = np.random.default_rng(_SEED)
    law = NormalDist()
    strata = np.array([law.inv_cdf((i + 0.5) / PATHS) for i in range(PATHS)])
    pace = np.minimum(_PACE_MEDIAN * np.exp(_PACE_SIGMA * random.permutation(strata)), _FASTEST)
    until = np.cumsum([share for _, share in _PARTS])
    which = np.searchsorted(until, (np.arange(PATHS) + 0.5) / PATHS)
    part = np.array([part for part, _ in _PARTS])[which]
    days = int(np.ceil(horizon * _FASTEST)) + 1
    return _Draws(part, pace, random.random((PATHS, days)))


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


def stairs(peaks: Float64s) -> Bools:
    """True where the daily peaks of hours stand still between rare jumps that stay, [series]."""
    if peaks.shape[1] < LEAST_DAYS:
        return np.zeros(peaks.shape[0], dtype=np.bool_)
    moves = np.abs(np.diff(peaks, axis=1))
    mean = moves.mean(axis=1)
    in_a_week = np.abs(peaks[:, 7:] - peaks[:, :-7]).mean(axis=1)
    still = np.median(moves, axis=1) <= _MOST_STILL * mean
    return np.asarray((mean > 1e-12) & still & (in_a_week >= _LEAST_STAYING * mean))


def paths(days: Float64s, horizon: int) -> Float64s:
    """Paths of one daily history over `horizon` days, [PATHS, horizon]; the same every time."""
    chance = _draws(horizon)
    increments = np.diff(days)
    known = np.maximum((increments.size * chance.part).astype(np.intp), LEAST_DAYS // 4)
    known = np.minimum(known, increments.size)[:, None]
    place = increments.size - known + (chance.place * known).astype(np.intp)
    passed = np.pad(increments[place].cumsum(axis=1), ((0, 0), (1, 0)))
    when = np.rint(np.arange(1, horizon + 1) * chance.pace[:, None]).astype(np.intp)
    return np.asarray(days[-1] + np.take_along_axis(passed, when, axis=1))


def typical(days: Float64s, horizon: int) -> Float64s:
    """The median of the paths of each history, [series, horizon]."""
    return np.stack([np.median(paths(row, horizon), axis=0) for row in days])
