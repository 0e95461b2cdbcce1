"""What forecasts are measured against: the naive of a day or week, a straight line, Holt-Winters.

Each is a function of a history and a number of steps that answers as `forecasting.forecast` does.
Its bands are the usual ones of its kind (Hyndman and Athanasopoulos, Forecasting: principles and
practice, 3rd ed., 5.5 and 8.7), its dates those on which mean, upper and lower edge cross the mark.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from statistics import NormalDist

import numpy as np

from tidecast_analytics.outlook import Float64s, History, Outlook, OutlookState
from tidecast_analytics.scoring import first_crossing_ms
from tidecast_analytics.series import DAY_MS, HOUR_MS, Grid, filled

Rival = Callable[[Grid, int], tuple[Float64s, Float64s]]
"""The mean and its standard deviation over so many steps, from a grid of at least two seasons
whose values lie between -1 and 1."""

_Z80, _Z95 = (NormalDist().inv_cdf(0.5 + level / 200) for level in (80, 95))
_LINE_DAYS = 7
_FITTED_DAYS = {HOUR_MS: 56, DAY_MS: 365}
_LEAST_SEASONS = 2


def seasonal_naive(days: int) -> Rival:
    """What was `days` ago comes again (1: the last day, 7: the last week)."""

    def rival(grid: Grid, steps: int) -> tuple[Float64s, Float64s]:
        values = filled(grid)
        season = max(1, min(days * grid.steps_per_day, values.size // _LEAST_SEASONS))
        mean = np.resize(values[-season:], steps)
        deviation = float(np.sqrt(np.mean((values[season:] - values[:-season]) ** 2)))
        return mean, deviation * np.sqrt(1 + np.arange(steps) // season)

    return rival


def straight_line(grid: Grid, steps: int) -> tuple[Float64s, Float64s]:
    """`predict_linear` over a week (a month of days): least squares through the newest values."""
    values = filled(grid)[-_LINE_DAYS * (24 if grid.steps_per_day > 1 else 4) :]
    x = np.arange(values.size) - (values.size - 1) / 2
    spread = float((x**2).sum())
    slope = float((x * values).sum()) / spread
    rest = values - values.mean() - slope * x
    deviation = float(np.sqrt((rest**2).sum() / max(values.size - 2, 1)))
    ahead = x[-1] + np.arange(1, steps + 1)
    mean = values.mean() + slope * ahead
    return mean, deviation * np.sqrt(1 + 1 / values.size + ahead**2 / spread)


def holt_winters(grid: Grid, steps: int) -> tuple[Float64s, Float64s]:
    """Statsmodels' additive Holt-Winters with a damped trend and the shortest season.

    Raises ImportError where statsmodels is not installed.
    """
    from statsmodels.tsa.holtwinters import ExponentialSmoothing  # noqa: PLC0415 - takes seconds

    values = filled(grid)[-_FITTED_DAYS[grid.step_ms] * grid.steps_per_day :]
    if np.ptp(values) == 0:
        return np.full(steps, values[-1]), np.zeros(steps)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        fitted = ExponentialSmoothing(
            values,
            trend="add",
            damped_trend=True,
            seasonal="add",
            seasonal_periods=grid.season_steps,
            initialization_method="heuristic",
        ).fit()
        mean = np.asarray(fitted.forecast(steps), dtype=np.float64)
    level = float(fitted.params["smoothing_level"])
    deviation = float(np.sqrt(np.mean(fitted.resid**2)))
    return mean, deviation * np.sqrt(1 + np.arange(steps) * level**2)


RIVALS: Mapping[str, Rival] = {
    "snaive 24 h": seasonal_naive(1),
    "snaive 168 h": seasonal_naive(7),
    "predict_linear 7d": straight_line,
    "holt-winters": holt_winters,
}


def rival_outlook(
    name: str, rival: Rival, grid: Grid, history: History, horizon_ms: int
) -> Outlook | None:
    """The rival's answer; None where the history is shorter than two of its seasons."""
    if grid.values.size < _LEAST_SEASONS * grid.season_steps:
        return None
    steps = -(-horizon_ms // grid.step_ms)
    size = float(np.nanmax(np.abs(grid.values))) or 1.0
    mean, deviation = rival(replace(grid, values=grid.values / size), steps)
    largest = 0.1 * sys.float_info.max / max(size, 1.0)
    mean, deviation = (
        np.clip(each, -largest, largest) * size for each in (mean, deviation)
    )  # fmt: skip
    times = grid.end_ms + grid.step_ms * np.arange(1, steps + 1, dtype=np.int64)
    bare = Outlook(
        times_ms=times,
        mean=mean,
        lo80=mean - _Z80 * deviation,
        hi80=mean + _Z80 * deviation,
        lo95=mean - _Z95 * deviation,
        hi95=mean + _Z95 * deviation,
        step_ms=grid.step_ms,
        method=name,
        reasons=(),
    )
    return bare if history.mark is None else _dated(bare, history.mark)


def _dated(outlook: Outlook, mark: float) -> Outlook:
    run = 3 if outlook.step_ms == HOUR_MS else 1
    p10_ms, p50_ms, p90_ms = (
        first_crossing_ms(outlook.times_ms, edge, mark, run)
        for edge in (outlook.hi80, outlook.mean, outlook.lo80)
    )
    return Outlook(
        outlook.times_ms, outlook.mean, outlook.lo80, outlook.hi80, outlook.lo95, outlook.hi95,
        outlook.step_ms, outlook.method, (),
        OutlookState.IN_HORIZON if p50_ms is not None else OutlookState.BEYOND_HORIZON,
        p10_ms, p50_ms, p90_ms,
    )  # fmt: skip
