"""A sudden change of pace after which a resource goes on in a new straight line."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

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


def change_of_pace(values: Float64s, per_day: int) -> PaceChange | None:
    """The one sharp elbow in the last twelve weeks of a history [steps], or None.

    Least squares over the medians of days: of all elbows the best one counts if it leaves a tenth
    of what a straight line leaves, and much less than a parabola.
    """
    days = min(values.size // per_day, _DAYS)
    if days < _LEAST_DAYS:
        return None
    levels = np.median(values[values.size - days * per_day :].reshape(days, per_day), axis=1)
    levels = levels - levels.mean()
    elbows, parabola = _bases(days)
    power = float(levels @ levels)
    left = power - ((levels @ elbows) ** 2).sum(axis=1)
    best = int(np.argmin(left))
    line = power - float(((levels @ parabola[:, :2]) ** 2).sum())
    curve = power - float(((levels @ parabola) ** 2).sum())
    if line <= 1e-9 * max(power, 1e-300) or left[best] > min(_OF_LINE * line, _OF_CURVE * curve):
        return None
    day = best + _LEAST_BEFORE
    at = np.arange(days)
    terms = np.stack((np.ones(days), at, np.maximum(at - day, 0)), axis=1)
    added = float(np.linalg.lstsq(terms, levels, rcond=None)[0][2]) / per_day
    since = (days - 1 - day) * per_day + per_day // 2
    return PaceChange(values.size - 1 - since, since, added)


def at_newest_pace(values: Float64s, change: PaceChange) -> Float64s:
    """The history as if the newest pace had always held."""
    before = np.maximum(change.position - np.arange(values.size), 0)
    return values - change.added * before
