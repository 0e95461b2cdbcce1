"""Hours at which nothing ever changes: closed shops, dark panels, full night-time backups.

A mixture of levels and profiles says almost nothing where it should say nothing at all. An hour of
the day that had the same value for a week or more, or an hour of the week that had it three times
and more, is forecast to have it again.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tidecast_analytics.rows import Floats

Float64s = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_LEAST_DAYS, _MOST_DAYS = 7, 21
_LEAST_WEEKS, _MOST_WEEKS = 3, 8
# Values lie within -1 and 1; nearer ones are the same but for rounding.
_SAME = 1e-9


def with_fixed_hours(mean: Float64s, values: Floats, per_day: int) -> Float64s:
    """The forecasts `mean` [series, horizon], replaced by what never changes in the histories
    `values` [series, steps]. Steps are hours, `per_day` of them a day."""
    kept = mean
    for season, least, most in (
        (per_day, _LEAST_DAYS, _MOST_DAYS),
        (7 * per_day, _LEAST_WEEKS, _MOST_WEEKS),
    ):
        cycles = min(values.shape[1] // season, most)
        if cycles < least:
            continue
        newest = values[:, -season:]
        before = values[:, -cycles * season : -season].reshape(values.shape[0], -1, season)
        fixed: Bools = np.asarray((np.abs(before - newest[:, None]) <= _SAME).all(axis=1))
        if fixed.any():
            at = np.arange(mean.shape[1]) % season
            kept = np.where(fixed[:, at], newest[:, at], kept)
    return kept
