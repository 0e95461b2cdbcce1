"""Shapes that a daily level may follow: lines, bends, curves with a limit, an elbow, a period.

Each gives levels `ahead` days ahead, [series, len(ahead)], from `Days` and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from tidecast_analytics.dailypeaks import Days, level_now, pair_slope

Float64s = npt.NDArray[np.float64]
Float32s = npt.NDArray[np.float32]
Int64s = npt.NDArray[np.int64]

# The trend of damped lines keeps so much of itself from day to day.
_KEPT = 0.95
_NOTHING = 1e-300
# Limits that curves are tried with, as shares of the range above (or below) all that was seen.
_LIMITS = np.array([0.02, 0.06, 0.15, 0.3, 0.6, 1.2, 2.5, 6.0], np.float32)[:, None, None]
_BELOW = np.full_like(_LIMITS, -0.05)
_CURVE_POINTS = 24
# Within these the squares of single precision neither overflow nor vanish.
_MOST_LOG, _LEAST_POWER = 40.0, 1e-30
_LEAST_BEND, _MOST_BEND = 0.2, 4.0
_ELBOW_DAYS, _ELBOWS, _LEAST_AFTER = 120, 24, 4
_PERIOD_DAYS, _LONGEST_PERIOD = 200, 100
# Of two periods that repeat nearly as well the shorter one is taken.
_SHORTER = 0.002


def line(now: Float64s, slope: npt.NDArray[np.floating], ahead: Float64s | Int64s) -> Float64s:
    """The line of that slope from the level now."""
    return np.asarray(now[:, None] + slope[:, None] * ahead)


def damped(now: Float64s, slope: Float64s, ahead: Int64s) -> Float64s:
    """A line whose slope fades day by day."""
    return line(now, slope, _KEPT * (1 - _KEPT ** ahead.astype(np.float64)) / (1 - _KEPT))


def bend(days: Days, window: int, ahead: Int64s, *, as_power: bool) -> Float64s:
    """The change of pace between the halves of the last `window` days, going on.

    From day to day by the same factor, for one and a half windows; or, `as_power`, as a power
    of the time since the history began.
    """
    half = window // 2
    first = pair_slope(days.levels[:, -2 * half : -half])
    second = pair_slope(days.levels[:, -half:])
    alike = first * second > _NOTHING
    ratio = np.where(alike, second / np.where(alike, first, 1.0), 1.0)
    now = days.now(second, 5)
    if as_power:
        early, late = days.count - 1.5 * half, days.count - 0.5 * half
        power = np.log(np.clip(ratio, 0.05, 20)) / np.log(late / early) + 1
        power = np.clip(power, 0.1, _MOST_BEND)[:, None]
        slope = second[:, None] * (days.count / late) ** (power - 1)
        grown = (1 + ahead / days.count) ** power - 1
        return np.asarray(now[:, None] + slope / power * days.count * grown)
    rate = np.log(np.clip(ratio, _LEAST_BEND, _MOST_BEND))[:, None] / half
    rate = np.where(np.abs(rate) < 1e-6, 1e-6, rate)
    slope = second[:, None] * np.exp(rate * half / 2)
    bent = np.minimum(ahead, 1.5 * window)
    straight = np.exp(rate * 1.5 * window) * np.maximum(ahead - 1.5 * window, 0)
    return np.asarray(now[:, None] + slope * (np.expm1(rate * bent) / rate + straight))


def curves(levels: Float64s, ahead: Int64s) -> tuple[Float64s, Float64s, Float64s]:
    """What three curves add to the level now: towards a limit, exponential, logistic.

    Each is a straight line in the logarithm of its distance to a limit, by least squares, with
    the limit that leaves the least of a grid.
    """
    factor = -(-levels.shape[1] // _CURVE_POINTS)
    whole = levels.shape[1] // factor * factor
    newest = levels[:, levels.shape[1] - whole :]
    points = newest.reshape(levels.shape[0], -1, factor).mean(axis=2)
    at = np.arange(points.shape[1], dtype=np.float32) * factor + (factor - 1) / 2 - (whole - 1)
    low = points.min(axis=1, keepdims=True)
    reach = np.maximum(points.max(axis=1, keepdims=True) - low, 1e-9)
    # In units of the range that was seen, single precision is enough, and twice as quick.
    unit, days = ((points - low) / reach).astype(np.float32), ahead.astype(np.float32)
    limited = _nearest(_Curve(1 + _LIMITS, -np.ones_like(_LIMITS)), unit, at, days)
    exponential = _nearest(_Curve(-_LIMITS, np.ones_like(_LIMITS)), unit, at, days)
    logistic = _nearest(_Curve(_BELOW, 1 + _LIMITS, logistic=True), unit, at, days)
    return reach * limited, reach * exponential, reach * logistic


@dataclass(frozen=True, slots=True)
class _Curve:
    """start + size * exp(line), or from start to size, S-shaped; each [limits, series or 1, 1]."""

    start: Float32s
    size: Float32s
    logistic: bool = False

    def line(self, points: Float32s, at: Float32s) -> tuple[Float32s, Float32s]:
        """The line in the logarithms nearest to the points: its value at 0, and its slope."""
        if not self.logistic:
            distance = self.size * (points - self.start)
            return _log_line(np.log(distance), at, distance**2)
        part = np.clip((points - self.start) / (self.size - self.start), 1e-3, 1 - 1e-3)
        return _log_line(np.log(part / (1 - part)), at, (part * (1 - part)) ** 2)

    def values(self, now: Float32s, rate: Float32s, at: Float32s) -> Float32s:
        """The curve over that line."""
        logs = np.clip(now + rate * at, -_MOST_LOG, _MOST_LOG)
        if self.logistic:
            return np.asarray(self.start + (self.size - self.start) / (1 + np.exp(-logs)))
        return np.asarray(self.start + self.size * np.exp(logs))


def _nearest(curve: _Curve, points: Float32s, at: Float32s, ahead: Float32s) -> Float32s:
    """What the curve adds to the level now, with the limit that leaves least of the points."""
    now, rate = curve.line(points, at)
    best = ((curve.values(now, rate, at) - points) ** 2).sum(axis=2).argmin(axis=0)
    row = np.arange(points.shape[0])
    start, size = curve.start[best, 0], curve.size[best, 0]
    nearest = _Curve(start, size, curve.logistic)
    now, rate = now[best, row], rate[best, row]
    at_once = nearest.values(now, rate, np.zeros(1, np.float32))
    return np.asarray(nearest.values(now, rate, ahead) - at_once)


def _log_line(logs: Float32s, at: Float32s, weights: Float32s) -> tuple[Float32s, Float32s]:
    """The weighted least squares line through each row: its value at 0 and its slope."""
    total = weights.sum(axis=-1, keepdims=True)
    middle = (weights @ at)[..., None] / total
    height = (weights * logs).sum(axis=-1, keepdims=True) / total
    away = weights * (at - middle)
    power = np.maximum((away @ at)[..., None], _LEAST_POWER)
    slope = (away * logs).sum(axis=-1, keepdims=True) / power
    return height - slope * middle, slope


@lru_cache(maxsize=256)
def _elbow_bases(days: int) -> tuple[Int64s, Float64s, Float64s]:
    """Days at which a line may bend, orthonormal bases of such lines [days, bends x 3], and their
    inverses [bends, 3, days]."""
    at = np.arange(days, dtype=np.float64)
    back = np.round(np.geomspace(_LEAST_AFTER, days - 5, _ELBOWS)).astype(np.int64)
    bends = np.unique(np.clip(days - back, 3, days - _LEAST_AFTER))
    terms = [np.stack((np.ones(days), at, np.maximum(at - day, 0)), axis=1) for day in bends]
    stacked = np.stack(terms)
    bases = np.linalg.qr(stacked)[0].transpose(1, 0, 2).reshape(days, -1)
    return bends, np.ascontiguousarray(bases), np.linalg.pinv(stacked)


def elbow_fit(levels: Float64s) -> tuple[Float64s, Float64s, Float64s]:
    """The best line with one elbow: level now, slope now, and what it explains, each [series]."""
    bends, bases, inverses = _elbow_bases(levels.shape[1])
    mean = levels.mean(axis=1)
    rest = levels - mean[:, None]
    explained = ((rest @ bases) ** 2).reshape(rest.shape[0], -1, 3).sum(axis=2)
    best = explained.argmax(axis=1)
    terms = (inverses[best] @ rest[:, :, None])[:, :, 0]
    last = levels.shape[1] - 1
    now = mean + terms[:, 0] + terms[:, 1] * last + terms[:, 2] * (last - bends[best])
    return now, terms[:, 1] + terms[:, 2], explained.max(axis=1)


def elbow(days: Days, ahead: Int64s) -> Float64s:
    """The newest pace, where the line with one elbow that fits best has it begin."""
    newest = days.levels[:, -_ELBOW_DAYS:]
    now, slope, _ = elbow_fit(newest)
    return line(0.5 * (now + level_now(newest, slope, _LEAST_AFTER)), slope, ahead)


def periodic(days: Days, ahead: Int64s) -> Float64s:
    """The newest period again, each time higher by what a period adds.

    The period repeats best, relative to shorter ones (the cumulative mean normalised difference
    of de Cheveigne and Kawahara, 2002).
    """
    newest = days.levels[:, -_PERIOD_DAYS:].astype(np.float32)
    lags = np.arange(2, min(newest.shape[1] // 2, _LONGEST_PERIOD) + 1)
    slopes, distances = np.empty((2, newest.shape[0], lags.size), np.float32)
    for which, lag in enumerate(lags):
        change = newest[:, lag:] - newest[:, :-lag]
        mean = change.mean(axis=1)
        slopes[:, which] = mean / lag
        distances[:, which] = np.abs(change - mean[:, None]).mean(axis=1)
    shorter = np.cumsum(distances, axis=1) / np.arange(1, lags.size + 1)
    best = (distances / np.maximum(shorter, 1e-12) + _SHORTER * lags).argmin(axis=1)
    row = np.arange(newest.shape[0])
    period = lags[best][:, None]
    back = period * -(-ahead // period)
    same = days.levels[row[:, None], days.count - 1 + ahead - back]
    return np.asarray(same + slopes[row, best][:, None] * back)
