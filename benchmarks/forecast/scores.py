"""What a forecast is worth: point, interval and crossing scores."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Float64s = npt.NDArray[np.float64]


def smape(actual: Float64s, forecast: Float64s) -> float:
    """The symmetric mean absolute percentage error of M4, 0 to 200; 0 where both are 0."""
    total = np.abs(actual) + np.abs(forecast)
    shares = np.abs(actual - forecast) / np.where(total > 0, total, 1.0)
    return float(200 * shares.mean())


def season_error(known: Float64s, season: int) -> float:
    """The mean absolute difference between values one season apart: the unit of MASE and MSIS."""
    step = season if known.size > season else 1
    return float(np.abs(known[step:] - known[:-step]).mean()) or 1e-9


def mase(actual: Float64s, forecast: Float64s, unit: float) -> float:
    """The mean absolute error in units of the in-sample seasonal naive error."""
    return float(np.abs(actual - forecast).mean() / unit)


def msis(actual: Float64s, low: Float64s, high: Float64s, unit: float, percent: int) -> float:
    """The mean scaled interval score of M4: width, and what is missed times 2 / alpha."""
    penalty = 2 / (1 - percent / 100)
    missed = np.maximum(low - actual, 0) + np.maximum(actual - high, 0)
    return float((high - low + penalty * missed).mean() / unit)


def inside(actual: Float64s, low: Float64s, high: Float64s) -> float:
    """The share of values within their band."""
    return float(((actual >= low) & (actual <= high)).mean())


def first_crossing(values: Float64s, mark: float, run: int) -> float | None:
    """The step, 1 for the first, at which the first of `run` values at or above the mark stands."""
    over = values >= mark
    begun = np.ones(max(over.size - run + 1, 0), dtype=np.bool_)
    for later in range(run):
        begun &= over[later : over.size - run + 1 + later]
    return float(begun.argmax() + 1) if begun.any() else None


def crossing_pinball(
    truth: float | None, quantiles: Sequence[float | None], horizon: float
) -> float:
    """The mean pinball loss of P10, P50 and P90; whatever lies beyond the horizon counts as it."""
    actual = horizon if truth is None else min(truth, horizon)
    losses = []
    for level, said in zip((0.1, 0.5, 0.9), quantiles, strict=True):
        late = actual - (horizon if said is None else min(said, horizon))
        losses.append(max(level * late, (level - 1) * late))
    return sum(losses) / 3
