"""What kills within hours: when the last hours of raw samples say that a resource fills up."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from tidecast_analytics.robust import dejumped_slope, spread, theil_sen

Int64s = npt.NDArray[np.int64]
Float64s = npt.NDArray[np.float64]

WINDOW_SECONDS = 6 * 3600.0
"""Only the newest six hours count."""
LEAST_SECONDS = 15 * 60.0
"""A rise is believed from 15 minutes of samples on."""
HORIZON_SECONDS = 24 * 3600.0
"""A resource that is full later than this is left to the hourly forecast."""

_LEAST_SAMPLES = 4
_BINS = 24
_LEAST_SIGMAS = 3.0
# A quarter of the window must go on rising at no less than this share of the whole's pace.
_RECENT_SHARE = 0.3
# What came before a late rise may span at most this share of the rise.
_DWARFED = 0.5
_NORMAL_90 = 1.2816


def full_in(times_ms: Int64s, values: Float64s, limit: float) -> tuple[float, float, float] | None:
    """Seconds after the newest sample until `limit` is reached, at P10, P50 and P90.

    (0, 0, 0) where it already is; None where less than 15 minutes are known, where nothing
    rises, or where P50 lies beyond 24 hours. A rise must show over the window and in its newest
    quarter, in its pairs and in its steps: a saw-tooth shows it in one of them only. A rise that
    began within the window counts where it dwarfs what was before.
    P90 may lie beyond the 24 hours, but not beyond a week.
    """
    seen = np.isfinite(values)
    seconds, usage = np.asarray(times_ms)[seen] / 1000.0, np.asarray(values, np.float64)[seen]
    if usage.size == 0 or not np.isfinite(limit):
        return None
    order = np.argsort(seconds, kind="stable")
    seconds, usage = seconds[order] - seconds[order[-1]], usage[order]
    size = float(np.abs(usage).max())
    if usage[-1] >= limit:
        return (0.0, 0.0, 0.0)
    window = seconds >= -WINDOW_SECONDS
    seconds, usage = seconds[window], usage[window] / (size or 1.0)
    if usage.size < _LEAST_SAMPLES or -seconds[0] < LEAST_SECONDS:
        return None
    pace = _newest_pace(*_binned(seconds, usage))
    if pace is None:
        return None
    slope, error = pace
    room = limit / (size or 1.0) - float(usage[-1])
    if room > slope * HORIZON_SECONDS:
        return None
    latest = 7 * HORIZON_SECONDS
    slowest = max(slope - _NORMAL_90 * error, room / latest)
    return (room / (slope + _NORMAL_90 * error), room / slope, max(room / slowest, room / slope))


def _binned(seconds: Float64s, usage: Float64s) -> tuple[Float64s, float]:
    """Equal bins over the window: medians by linear interpolation where a bin is empty, and the
    seconds between two of them."""
    count = int(min(_BINS, max(usage.size // 2, 4)))
    width = -float(seconds[0]) / count
    index = np.clip(((seconds - seconds[0]) / width).astype(np.intp), 0, count - 1)
    filled = np.unique(index)
    medians = np.array([np.median(usage[index == at]) for at in filled])
    middles = np.arange(count, dtype=np.float64)
    return np.interp(middles, filled, medians), width


def _newest_pace(levels: Float64s, width: float) -> tuple[float, float] | None:
    """The pace of the whole window; where there is none, that of a rise that began within it.

    A late rise counts only if it dwarfs whatever came before: a saw-tooth has been there before.
    """
    for newest in (levels.size, levels.size // 2, levels.size // 4):
        if newest < _LEAST_SAMPLES:
            return None
        before, tail = levels[: levels.size - newest], levels[levels.size - newest :]
        if before.size and np.ptp(before) > _DWARFED * (tail[-1] - before.max()):
            continue
        pace = _pace(tail, width)
        if pace is not None:
            return pace
    return None


def _pace(levels: Float64s, width: float) -> tuple[float, float] | None:
    """The rise a second and its standard error, or None where there is no sustained rise."""
    row = levels[None, :]
    pairs = float(theil_sen(row)[0])
    steps = float(dejumped_slope(row)[0])
    quarter = max(levels.size // 4, 3)
    recent = float(theil_sen(row[:, -quarter:])[0])
    if min(pairs, steps) <= 0 or recent < _RECENT_SHARE * pairs:
        return None
    rest = levels - pairs * np.arange(levels.size)
    error = float(spread(rest[None, :])[0]) * math.sqrt(12.0 / levels.size**3)
    if pairs <= _LEAST_SIGMAS * error or levels[-1] <= levels[: levels.size // 2].max():
        return None
    # The newest quarter may have another pace than the whole: both are possible.
    whole, newest = pairs / width, recent / width
    slope = 0.5 * (whole + newest)
    return slope, math.hypot(error / width, 0.25 * slope, 0.5 * (newest - whole))
