"""A history taken apart: trend, seasons and what they leave over, by statsmodels' STL and MSTL.

For *explain* only: forecasts do not use it. It takes seconds to import, so it is for an analysing
process.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tidecast_analytics.outlook import Float64s, History, Int64s
from tidecast_analytics.series import DAY_MS, HOUR_MS, Grid, filled, regular, within_one

_PERIODS = {HOUR_MS: {"day": 24, "week": 168}, DAY_MS: {"week": 7, "year": 365}}
_NEWEST_STEPS = {HOUR_MS: 12 * 168, DAY_MS: 3 * 365}
_LEAST_PERIODS = 2
_TREND_DAYS = 14


@dataclass(frozen=True, slots=True)
class Parts:
    """The newest part of a history as the sum of `trend`, `seasons` by name and `rest`.

    All arrays have one value per step at `times_ms`, in the unit of the history. Strengths are
    those of Hyndman and Athanasopoulos (Forecasting: principles and practice, 3rd ed., 4.3): 0 is
    none, 1 all of it. `rise_per_day` is the slope of the trend over its last two weeks;
    `peaks` says at which step of each season it is highest (hours of the UTC day, days of the
    week from Monday as 0, days of the year from 0).
    """

    times_ms: Int64s
    trend: Float64s
    seasons: Mapping[str, Float64s]
    rest: Float64s
    trend_strength: float
    season_strengths: Mapping[str, float]
    rise_per_day: float
    peaks: Mapping[str, int]


def load_statsmodels() -> bool:
    """Imports what `decompose` needs, so that it need not; False where it is not installed."""
    try:
        import statsmodels.tsa.seasonal  # noqa: F401, PLC0415 - takes seconds
    except ImportError:
        return False
    return True


def decompose(history: History, unit: float = 1.0) -> Parts | None:
    """The parts of a history given in units of `unit`, itself; None where it is shorter than two of
    its shortest seasons.

    Raises ImportError where statsmodels is not installed.
    """
    from statsmodels.tsa.seasonal import MSTL  # noqa: PLC0415 - takes seconds

    grid, size = within_one(_newest(regular(history.times_ms, history.values)))
    names = {
        name: period
        for name, period in _PERIODS[grid.step_ms].items()
        if grid.values.size >= _LEAST_PERIODS * period + 1
    }
    if not names:
        return None
    values = filled(grid)
    found = MSTL(values, periods=tuple(names.values())).fit()
    seasonal = np.asarray(found.seasonal).reshape(values.size, len(names))
    trend, rest = np.asarray(found.trend), np.asarray(found.resid)
    times = grid.start_ms + grid.step_ms * np.arange(values.size, dtype=np.int64)
    seasons = {name: seasonal[:, place] for place, name in enumerate(names)}
    most = 0.999 * sys.float_info.max / max(unit, 1.0) / max(size, 1.0)

    def outer(part: Float64s) -> Float64s:
        return np.clip(part, -most, most) * size * unit

    return Parts(
        times_ms=times,
        trend=outer(trend),
        seasons={name: outer(part) for name, part in seasons.items()},
        rest=outer(rest),
        trend_strength=_strength(trend, rest),
        season_strengths={name: _strength(part, rest) for name, part in seasons.items()},
        rise_per_day=float(outer(np.array(_rise(trend, grid.steps_per_day)))),
        peaks={name: _peak(name, times, part) for name, part in seasons.items()},
    )


def _newest(grid: Grid) -> Grid:
    size = min(grid.values.size, _NEWEST_STEPS[grid.step_ms])
    left = grid.values.size - size
    return Grid(grid.start_ms + left * grid.step_ms, grid.step_ms, grid.values[left:])


def _strength(part: Float64s, rest: Float64s) -> float:
    both = float(np.var(part + rest))
    return max(0.0, 1 - float(np.var(rest)) / both) if both > 0 else 0.0


def _rise(trend: Float64s, per_day: int) -> float:
    newest = trend[-_TREND_DAYS * per_day - 1 :]
    return float(newest[-1] - newest[0]) / (newest.size - 1) * per_day


def _peak(name: str, times_ms: Int64s, part: Float64s) -> int:
    days = times_ms // DAY_MS
    phase = {
        "day": (times_ms % DAY_MS) // HOUR_MS,
        "week": (days + 3) % 7,  # 1 January 1970 was a Thursday
        "year": days % 365,
    }[name]
    totals = np.bincount(phase, weights=part) / np.maximum(np.bincount(phase), 1)
    return int(totals.argmax())
