"""A sudden change of pace after which a resource goes on in a new straight line."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from tidecast_analytics.robust import middle

Float64s = npt.NDArray[np.float64]

_DAYS = 84
_LEAST_DAYS = 21
# Days that the old pace and the new one must have been seen for.
_LEAST_BEFORE, _LEAST_AFTER = 10, 5
# The elbow must leave no more than this share of what one line and one parabola leave: a curve
# bends everywhere and is left to the members that bend.
_OF_LINE, _OF_CURVE = 0.1, 0.3


@dataclass(frozen=True, slots=True)
class PaceChange:
    """A change of pace: the position of the elbow, the steps since, and what was added to the
    rise of each step."""

    position: int
    steps_since: int
    added: float


@lru_cache(maxsize=128)
def _bases(days: int) -> tuple[Float64s, Float64s]:
    """Orthonormal bases of an elbow at each possible day [elbows, days, 3], and of a parabola."""
    at = np.arange(days, dtype=np.float64)
    elbows = [
        np.stack((np.ones(days), at, np.maximum(at - day, 0)), axis=1)
        for day in range(_LEAST_BEFORE, days - _LEAST_AFTER)
    ]
    parabola = np.stack((np.ones(days), at, at**2), axis=1)
    return np.linalg.qr(np.stack(elbows))[0], np.linalg.qr(parabola)[0]


def changes_of_pace(values: Float64s, per_day: int) -> list[PaceChange | None]:
    """The one sharp elbow in the last twelve weeks of each history [series, steps], or None.

    Least squares over the medians of days: of all elbows the best one counts if it leaves a tenth
    of what a straight line leaves, and much less than a parabola.
    """
    found: list[PaceChange | None] = [None] * values.shape[0]
    days = min(values.shape[1] // per_day, _DAYS)
    if days < _LEAST_DAYS:
        return found
    newest = values[:, values.shape[1] - days * per_day :]
    levels = middle(newest.reshape(values.shape[0], days, per_day))
    levels = levels - levels.mean(axis=1, keepdims=True)
    elbows, parabola = _bases(days)
    power = (levels**2).sum(axis=1)
    onto = levels @ elbows.transpose(1, 0, 2).reshape(days, -1)
    left = power[:, None] - (onto.reshape(len(found), -1, elbows.shape[2]) ** 2).sum(axis=2)
    curved = (levels @ parabola) ** 2
    line = power - curved[:, :2].sum(axis=1)
    curve = power - curved.sum(axis=1)
    bends = line > 1e-9 * np.maximum(power, 1e-300)
    bends &= left.min(axis=1) <= np.minimum(_OF_LINE * line, _OF_CURVE * curve)
    for row in np.flatnonzero(bends):
        day = int(np.argmin(left[row])) + _LEAST_BEFORE
        since = (days - 1 - day) * per_day + per_day // 2
        added = _added(levels[row], day) / per_day
        found[row] = PaceChange(values.shape[1] - 1 - since, since, added)
    return found


def _added(levels: Float64s, day: int) -> float:
    """What an elbow at `day` adds to the rise of each day."""
    at = np.arange(levels.size)
    terms = np.stack((np.ones(levels.size), at, np.maximum(at - day, 0)), axis=1)
    return float(np.linalg.lstsq(terms, levels, rcond=None)[0][2])


def at_newest_pace(values: Float64s, change: PaceChange) -> Float64s:
    """The history as if the newest pace had always held."""
    before = np.maximum(change.position - np.arange(values.size), 0)
    return values - change.added * before
