"""What others do that needs no library: naive methods, predict_linear, M4's yardstick."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Float64s = npt.NDArray[np.float64]
Point = Callable[[Float64s, int], Float64s]
Dates = tuple[float | None, float | None, float | None]


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
