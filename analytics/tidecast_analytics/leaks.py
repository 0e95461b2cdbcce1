"""Slow leaks: what rises between the restarts that reset it, each time at about the same rate.

A history is cut where it falls at once by a large part of its range, and stays there: a restart.
Within each part, its warm-up left out, values are compared with those of a day before, so that a
daily season drops out. The mean of these changes is the rate. Its standard error is that of a
random walk with daily steps as large as the changes are: noise that wanders can rise for days.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from tidecast_analytics.robust import spread
from tidecast_analytics.series import HOUR_MS, Grid, within_one

Float64s = npt.NDArray[np.float64]

DAY = 24
# A restart takes this share of the range away, and stands out of the hourly changes.
_SHARE_OF_RANGE, _SIGMAS = 0.25, 8.0
_SETTLED_HOURS = 3
_SMOOTHED_HOURS = 6
_WARM_UP_SHARE, _WARM_UP_HOURS = 0.2, 24
# With fewer days the rate must stand out more; what slows down within each part is a warm-up.
_LEAST_DAYS, _LEAST_T, _MORE_T = 3.0, 4.0, 10.0
_LATE_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Leak:
    """A rise of `rate_per_day`, with its standard error, between restarts at `restarts_ms`; seen
    on `days` days without restarts and warm-ups."""

    rate_per_day: float
    error_per_day: float
    days: float
    restarts_ms: tuple[int, ...]


def find_leak(grid: Grid) -> Leak | None:
    """The leak in an hourly history; None where there is none, no restart, or nothing certain.

    Rises that are reset more often than about daily are housekeeping, not leaks. With n days of
    changes the rate must be more than 4 + 10/n standard errors, and go on late in each part.
    """
    few = grid.values.size < 2 * DAY or int(grid.observed.sum()) < DAY
    if grid.step_ms != HOUR_MS or few:
        return None
    grid, size = within_one(grid)
    restarts = _restarts(grid)
    if not restarts:
        return None
    parts = pairwise([0, *restarts, grid.values.size])
    changes = [change for a, b in parts if (change := _daily_changes(grid.values[a:b])).size]
    if not changes:
        return None
    every = np.concatenate(changes)
    late = np.concatenate([change[change.size // 2 :] for change in changes])
    days = every.size / DAY
    rate = float(every.mean())
    error = float(every.std()) / math.sqrt(days)
    certain = days >= _LEAST_DAYS and rate > (_LEAST_T + _MORE_T / days) * error
    if not certain or rate <= 0 or late.mean() < _LATE_SHARE * rate:
        return None
    times = tuple(grid.start_ms + at * HOUR_MS for at in restarts)
    return Leak(rate * size, error * size, days, times)


def _restarts(grid: Grid) -> list[int]:
    """The positions of the first values after a fall that lasts."""
    seen = np.flatnonzero(grid.observed)
    values = grid.values[seen]
    falls = -np.diff(values)
    usual = float(spread(falls[None])[0])
    low, high = np.quantile(values, [0.02, 0.98])
    least = max(_SIGMAS * usual, _SHARE_OF_RANGE * (high - low))
    found = np.flatnonzero((falls > least) & (falls > 0)) + 1
    return [int(seen[at]) for at in found if _lasts(values, int(at))]


def _lasts(values: Float64s, at: int) -> bool:
    after = values[at : at + _SETTLED_HOURS].mean()
    return bool(values[at - 1] - after > (values[at - 1] - values[at]) / 2)


def _daily_changes(part: Float64s) -> Float64s:
    """What each value of a part differs from that of a day before, warm-up left out; holes within
    the part are bridged by lines."""
    settled = part[min(int(_WARM_UP_SHARE * part.size), _WARM_UP_HOURS) :]
    seen = np.flatnonzero(np.isfinite(settled))
    if not seen.size:
        return np.empty(0)
    known = np.interp(np.arange(seen[0], seen[-1] + 1), seen, settled[seen])
    if known.size < DAY + _SMOOTHED_HOURS:
        return np.empty(0)
    smooth = np.convolve(known, np.full(_SMOOTHED_HOURS, 1 / _SMOOTHED_HOURS), "valid")
    return smooth[DAY:] - smooth[:-DAY]
