"""How far a forecast leaves the level that the newest season stands on.

A forecast that goes on neither like the last day, nor like the last week on the level of the last
day, says that something turns: a level that has just moved comes back, or moves on. A back-test
has seen few such moments, so that the departure itself is the measure of its doubt.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float64s = npt.NDArray[np.float64]

# Single hours are compared by the means of so many on either side.
_NEIGHBOURS = 3
_WEEKS = 2


@dataclass(frozen=True, slots=True)
class Departures:
    """The distance of forecasts from the nearer continuation of the newest level: `by_step`
    [series, horizon], neighbouring steps averaged; `of_level` [series], of the first season's
    mean."""

    by_step: Float64s
    of_level: Float64s


def departures(values: Float64s, mean: Float64s, period: int, week: int) -> Departures:
    """The departures of forecasts `mean` [series, horizon] from histories [series, steps].

    `period` is the shortest season and `week` the longest, in steps. Beyond two weeks departures
    are what they are in the second: lines that part for months are told by their trend. A history
    of 1, 1, 1 and a forecast of 3, 3 (`period` and `week` 1) depart by 2.
    """
    horizon = mean.shape[1]
    near = mean[:, : min(horizon, _WEEKS * week)]
    away = [near - continued for continued in _continuations(values, near.shape[1], period, week)]
    by_step = np.min([np.abs(_smoothed(each)) for each in away], axis=0)
    steps = np.arange(horizon)
    later = near.shape[1] - week + (steps - near.shape[1]) % week
    return Departures(
        by_step=by_step[:, np.where(steps < near.shape[1], steps, later)],
        of_level=np.min([np.abs(each[:, :period].mean(axis=1)) for each in away], axis=0),
    )


def _continuations(values: Float64s, horizon: int, period: int, week: int) -> Iterator[Float64s]:
    """The newest season as it was; and the newest week on the level of the newest season, moving
    on as it did within a week. Of less than a week and a season, seasons take the place of weeks.
    """
    known, steps = values.shape[1], np.arange(horizon)
    period = min(period, known)
    yield values[:, known - period + steps % period]
    lag = week if known >= week + period else period
    if known >= lag + period:
        newest = values[:, known - period :].mean(axis=1)
        moved = newest - values[:, known - lag - period : known - lag].mean(axis=1)
        yield values[:, known - lag + steps % lag] + moved[:, None] * (steps // lag + 1)


def _smoothed(rows: Float64s) -> Float64s:
    """Means over neighbouring steps, the first and last values repeated beyond the ends."""
    width = 2 * _NEIGHBOURS + 1
    padded = np.pad(rows, ((0, 0), (_NEIGHBOURS + 1, _NEIGHBOURS)), mode="edge")
    sums = padded.cumsum(axis=1)
    return np.asarray((sums[:, width:] - sums[:, :-width]) / width)
