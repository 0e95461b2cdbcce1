"""What kills within hours: when the last hours of raw samples say that a resource fills up."""

from __future__ import annotations

import math
from dataclasses import dataclass

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
_LEAST_HALF = 6
# A curve that goes on says less than a line does: its date is this much less certain.
_BENT_SPREAD = 1.3
# A quarter of the window must go on rising at no less than this share of the whole's pace.
_RECENT_SHARE = 0.3
# So much of the pace must be there without the jumps, or it is steps that rise.
_LEAST_OF_STEPS = 0.5
# What came before a late rise may span at most this share of the rise.
_DWARFED = 0.5
_NORMAL_90 = 1.2816
# A rise this many times as fast as any before is another thing.
_UNHEARD_OF = 2.0
_NEXT_HOUR_MS = 3_600_000
_DAY_MS = 24 * _NEXT_HOUR_MS
# From so many days on it is known how they differ; what is as much higher again is no news, up to
# a quarter of the way to the limit.
_LEAST_DAYS = 4
_OF_THE_WAY = 0.25


@dataclass(frozen=True, slots=True)
class Familiar:
    """What a resource did before, and came back from: its highest level, its fastest rise within
    an hour, and by how much its highest days differ from usual ones."""

    level: float
    rise_an_hour: float
    differing: float = 0.0


def familiar(hours_ms: Int64s, peaks: Float64s) -> Familiar | None:
    """What was seen of a resource by its hourly peaks, in order of time; None before two hours."""
    if peaks.size < 2:
        return None
    next_hour = np.diff(hours_ms) <= _NEXT_HOUR_MS
    rises = np.diff(peaks)[next_hour]
    level = float(peaks.max())
    # Days counted back from the newest hour: none is cut in two.
    day = (hours_ms[-1] - hours_ms) // _DAY_MS
    of_days = [float(peaks[day == each].max()) for each in np.unique(day)]
    differing = level - float(np.median(of_days)) if len(of_days) >= _LEAST_DAYS else 0.0
    return Familiar(level, max(float(rises.max(initial=0.0)), 0.0), differing)


def full_in(
    times_ms: Int64s, values: Float64s, limit: float, known: Familiar | None = None
) -> tuple[float, float, float] | None:
    """Seconds after the newest sample until `limit` is reached, at P10, P50 and P90.

    (0, 0, 0) where it already is; None where less than 15 minutes are known, where nothing
    rises, or where P50 lies beyond 24 hours. A rise must show over the window and in its newest
    quarter, in its pairs and in its steps: a saw-tooth shows it in one of them only. A rise that
    began within the window counts where it dwarfs what was before; one that levels off counts if
    it would reach the limit at all, and one that gathers pace is full earlier than its line says.
    A rise no higher than is `known` of it (where its days differ, by so much higher), at no
    unheard-of pace, comes back as it did before.
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
    pace = _newest_pace(seconds, usage)
    if pace is None or _as_before(float(usage[-1]) * size, pace.seen * size, limit, known):
        return None
    room = limit / (size or 1.0) - float(usage[-1])
    likely = pace.seconds_to(room)
    if likely > HORIZON_SECONDS:
        return None
    slowest = max(pace.slope - _NORMAL_90 * pace.error, room / (7 * HORIZON_SECONDS))
    early = room / (pace.slope + _NORMAL_90 * pace.error)
    spared = _BENT_SPREAD if pace.bend else 1.0
    return (min(early, likely / spared), likely, max(room / slowest, likely * spared))


def _as_before(usage: float, rise_a_second: float, limit: float, known: Familiar | None) -> bool:
    if known is None:
        return False
    higher = min(known.differing, _OF_THE_WAY * max(limit - known.level, 0.0))
    heard_of = rise_a_second * 3600 < _UNHEARD_OF * known.rise_an_hour
    return heard_of and usage <= known.level + higher


@dataclass(frozen=True, slots=True)
class _Pace:
    """A rise a second, its standard error, and the rate a second at which it grows (or fades).

    `seen` is the rise a second of the newest quarter, whatever it grows or fades to.
    """

    slope: float
    error: float
    seen: float
    bend: float = 0.0

    def seconds_to(self, room: float) -> float:
        """When so much more is used; infinite where a fading rise never brings it."""
        grown = room * self.bend / self.slope
        if grown <= -1:
            return math.inf
        return room / self.slope if abs(grown) < 1e-9 else math.log1p(grown) / self.bend


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


def _newest_pace(seconds: Float64s, usage: Float64s) -> _Pace | None:
    """The pace of the whole window; where there is none, that of a rise that began within it.

    A late rise counts only if it dwarfs whatever came before: a saw-tooth has been there before.
    """
    whole, _ = _binned(seconds, usage)
    for part in (1, 2, 4):
        newest = seconds >= seconds[0] / part
        if newest.sum() < _LEAST_SAMPLES or -seconds[newest][0] < LEAST_SECONDS:
            return None
        before = whole[: whole.size - whole.size // part]
        levels, width = _binned(seconds[newest], usage[newest])
        if before.size and np.ptp(before) > _DWARFED * (levels[-1] - before.max()):
            continue
        pace = _pace(levels, width)
        if pace is not None:
            return pace
    return None


def _pace(levels: Float64s, width: float) -> _Pace | None:
    """The pace of levels `width` seconds apart, or None where there is no sustained rise."""
    row = levels[None, :]
    pairs = float(theil_sen(row)[0])
    steps = float(dejumped_slope(row)[0])
    quarter = max(levels.size // 4, 3)
    recent = float(theil_sen(row[:, -quarter:])[0])
    if pairs <= 0 or steps < _LEAST_OF_STEPS * pairs or recent < _RECENT_SHARE * pairs:
        return None
    rest = levels - pairs * np.arange(levels.size)
    error = float(spread(rest[None, :])[0]) * math.sqrt(12.0 / levels.size**3)
    if pairs <= _LEAST_SIGMAS * error or levels[-1] <= levels[: levels.size // 2].max():
        return None
    # The newest quarter may have another pace than the whole: both are possible.
    whole, newest = pairs / width, recent / width
    slope = 0.5 * (whole + newest)
    error = math.hypot(error / width, 0.25 * slope, 0.5 * (newest - whole))
    bend = _lasting_bend(levels) / width
    if bend == 0:
        return _Pace(slope, error, newest)
    # The middle of the newest quarter lies an eighth of the window back.
    now = newest * math.exp(bend * width * quarter / 2)
    return _Pace(now, max(error, 0.25 * now), newest, bend)


def _lasting_bend(levels: Float64s) -> float:
    """The bend that the whole and its newer half both show; 0 for an elbow, which one of them
    does not."""
    whole, newer = _bend(levels), _bend(levels[levels.size // 2 :])
    return math.copysign(min(abs(whole), abs(newer)), whole) if whole * newer > 0 else 0.0


def _bend(levels: Float64s) -> float:
    """The rate a step at which the rise grows or fades between its halves; 0 where noise or a
    straight line explains them."""
    half = levels.size // 2
    halves = np.stack((levels[:half], levels[-half:]))
    first, second = (float(slope) for slope in theil_sen(halves))
    rest = halves - np.array([[first], [second]]) * np.arange(half)
    error = float(spread(rest).mean()) * math.sqrt(12.0 / half**3)
    if half < _LEAST_HALF or min(first, second) <= 0:
        return 0.0
    if abs(second - first) <= _LEAST_SIGMAS * math.sqrt(2) * error:
        return 0.0
    return math.log(second / first) / (levels.size - half)
