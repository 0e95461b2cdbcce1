"""What others do: naive methods, predict_linear, Holt and Holt-Winters of statsmodels."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from statsmodels.tsa.holtwinters import ExponentialSmoothing

Float64s = npt.NDArray[np.float64]
Point = Callable[[Float64s, int], Float64s]
Dates = tuple[float | None, float | None, float | None]

_PATHS = 200


def seasonal_naive(season: int) -> Point:
    """The last season again."""
    return lambda known, horizon: np.resize(known[-season:], horizon)


def drift(known: Float64s, horizon: int) -> Float64s:
    """The line from the first value to the last, continued."""
    slope = (known[-1] - known[0]) / max(known.size - 1, 1)
    return np.asarray(known[-1] + slope * np.arange(1, horizon + 1))


def predict_linear(window: int) -> Point:
    """PromQL's: least squares over the last `window` steps."""

    def line(known: Float64s, horizon: int) -> Float64s:
        recent = known[-window:]
        at = np.arange(recent.size) - recent.size + 1
        slope, now = np.polyfit(at, recent, 1)
        return np.asarray(now + slope * np.arange(1, horizon + 1))

    return line


def holt_winters(known: Float64s, horizon: int) -> Float64s:
    """Additive damped trend and a season of a day."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a fit that did not converge: it counts as it is
        model = ExponentialSmoothing(
            known, trend="add", damped_trend=True, seasonal="add", seasonal_periods=24
        )
        return np.asarray(model.fit().forecast(horizon))


def naive2(known: Float64s, horizon: int) -> Float64s:
    """M4's yardstick: the last value without its season (classical, multiplicative), put back."""
    season = 24
    weights = np.ones(season + 1) / season
    weights[[0, -1]] /= 2
    centred = np.convolve(known, weights, mode="valid")
    ratios = known[season // 2 : season // 2 + centred.size] / centred
    phases = (np.arange(centred.size) + season // 2) % season
    index = np.array([ratios[phases == phase].mean() for phase in range(season)])
    index /= index.mean()
    now = known[-1] / index[(known.size - 1) % season]
    return np.asarray(now * index[(known.size + np.arange(horizon)) % season])


def line_dates(window: int, per_day: int) -> Callable[[Float64s, float, int], Dates]:
    """The one date at which predict_linear reaches the mark, as P10, P50 and P90, in days."""

    def dates(known: Float64s, mark: float, days: int) -> Dates:
        path = predict_linear(window)(known, days * per_day)
        over = np.flatnonzero(path >= mark)
        date = (over[0] + 1) / per_day if over.size else None
        return (date, date, date)

    return dates


def drift_dates(per_day: int) -> Callable[[Float64s, float, int], Dates]:
    """A random walk with the drift of the daily peaks: first passage over simulated paths."""

    def dates(known: Float64s, mark: float, days: int) -> Dates:
        peaks = daily_peaks(known, per_day)
        change = np.diff(peaks)
        random = np.random.default_rng(0)
        steps = random.normal(change.mean(), change.std(), (_PATHS, days))
        return _dates(peaks[-1] + steps.cumsum(axis=1), mark)

    return dates


def holt_dates(per_day: int) -> Callable[[Float64s, float, int], Dates]:
    """Holt's linear trend on daily peaks: first passage over its simulated paths."""

    def dates(known: Float64s, mark: float, days: int) -> Dates:
        peaks = daily_peaks(known, per_day)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fit = ExponentialSmoothing(peaks, trend="add").fit()
            paths = fit.simulate(days, repetitions=_PATHS, error="add", random_state=0)
        return _dates(np.asarray(paths).T, mark)

    return dates


def daily_peaks(known: Float64s, per_day: int) -> Float64s:
    """The highest value of each day, days counted from the end."""
    days = known.size // per_day
    return np.asarray(known[known.size - days * per_day :].reshape(days, per_day).max(axis=1))


def _dates(paths: Float64s, mark: float) -> Dates:
    over = paths >= mark
    first = np.where(over.any(axis=1), over.argmax(axis=1) + 1.0, np.inf)
    found = [float(np.quantile(first, level, method="higher")) for level in (0.1, 0.5, 0.9)]
    early, likely, late = (None if np.isinf(date) else date for date in found)
    return (early, likely, late)
