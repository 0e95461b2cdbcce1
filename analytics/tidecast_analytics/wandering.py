"""Histories that wander: each step up or down by chance, and none of them undone.

Of such a walk nothing more is known than its steps, and its deviation after h steps is theirs times
the root of h; a back-test of a few windows takes its turns for a trend or a level that holds. The
variance ratio (Lo and MacKinlay 1988) tells walks: changes over k steps have k times the variance.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tidecast_analytics.rows import Floats

Float64s = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_RATIO_STEPS = {1: (2, 3, 7, 21), 24: (2, 6, 12, 24, 72)}
# The season must have been seen so often that it would show: in less, a day may look like a walk.
_LEAST_STEPS = {1: 42, 24: 167}
# A ratio may leave one by so much, and by so many of its standard errors.
_TOLERANCE, _ERRORS = 0.15, 1.0
# Of all steps so many go down, or up: what only grows is no walk.
_LEAST_EITHER_WAY = 0.25


def walks(values: Floats, per_day: int) -> Bools:
    """Which of the histories [series, steps] are random walks, as far as can be seen."""
    steps = values.shape[1] - 1
    if steps < _LEAST_STEPS[per_day]:
        return np.zeros(values.shape[0], dtype=np.bool_)
    changes = np.diff(values, axis=1)
    drift = changes.mean(axis=1, dtype=np.float64)
    variance = changes.var(axis=1, dtype=np.float64)
    found: Bools = np.asarray(variance > 0)
    for way in (changes < 0, changes > 0):
        found &= way.mean(axis=1) >= _LEAST_EITHER_WAY
    for each in _RATIO_STEPS[per_day]:
        if 6 * each > steps or not found.any():
            break
        over = values[found, each:] - values[found, :-each] - each * drift[found, None]
        ratio = np.square(over).mean(axis=1) / (each * variance[found])
        error = np.sqrt(2 * (2 * each - 1) * (each - 1) / (3 * each * steps))
        found[found] = np.abs(ratio - 1) <= _TOLERANCE + _ERRORS * error
    return found


def wandering(values: Floats, which: Bools, horizon: int) -> Float64s:
    """The deviation of `which` of the histories, that walk, after each step of the horizon, with
    that of their drift, [series, horizon]; zero for the others."""
    deviation = np.zeros((values.shape[0], horizon))
    if which.any():
        variance = np.diff(values[which], axis=1).var(axis=1, dtype=np.float64)
        ahead = np.arange(1, horizon + 1)
        growing = ahead * (1 + ahead / (values.shape[1] - 1))
        deviation[which] = np.sqrt(variance[:, None] * growing)
    return deviation
