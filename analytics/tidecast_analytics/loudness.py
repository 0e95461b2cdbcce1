"""Whether a history has lately become louder: the same days differ more than they ever did.

A back-test looks back over weeks; noise that grew some days ago is in few of its errors. Where each
of the last days differs from the day before by far more than most earlier ones did, the bands
follow. A level that moved is one such day, not four.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tidecast_analytics.rows import Floats

Float64s = npt.NDArray[np.float64]

_NEW_DAYS, _OLD_DAYS = 4, 10
# Each new day is so many times louder than three of four old ones.
_LOUDER, _MOST_OLD = 2.0, 0.75


def louder(values: Floats, per_day: int) -> Float64s:
    """How many times the noise of the last days is that of all days, [series].

    `values` [series, steps] hold `per_day` steps a day; one where nothing grew or not much more
    than two weeks are known.
    """
    days = values.shape[1] // per_day - 1
    if days < _NEW_DAYS + _OLD_DAYS:
        return np.ones(values.shape[0])
    newest = values[:, values.shape[1] - (days + 1) * per_day :]
    changes = np.abs(newest[:, per_day:] - newest[:, :-per_day])
    sizes = changes.reshape(values.shape[0], days, per_day).mean(axis=2, dtype=np.float64)
    mean = sizes.mean(axis=1) + 1e-12
    new, old = sizes[:, -_NEW_DAYS:], sizes[:, :-_NEW_DAYS]
    usual = np.quantile(old, _MOST_OLD, axis=1)
    grown = new.min(axis=1) > _LOUDER * np.maximum(usual, 1e-3 * mean)
    return np.where(grown, np.maximum(np.median(new, axis=1) / mean, 1.0), 1.0)
