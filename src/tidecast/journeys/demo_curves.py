"""Plausible usage over time: a seeded, repeatable function of the time of day and the calendar."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tidecast.samples.batch import Float64s, Int64s

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000
WANDER_DAYS = 12
LOWEST, HIGHEST = 0.002, 0.995


@dataclass(frozen=True, slots=True)
class Curve:
    """The share of a limit that is in use, by its parts.

    `level` is where it stands at `now`. Shares are of the limit, growth is a share a day.
    """

    level: float
    growth_a_day: float = 0.0
    daily: float = 0.0
    """Height of the working day over the night."""
    weekend: float = 1.0
    """What of the working day is left on Saturday and Sunday."""
    nightly: float = 0.0
    """Height of a job between 01:00 and 03:00."""
    saw_height: float = 0.0
    saw_days: float = 7.0
    """Fills up and falls back, as logs do that are rotated every so many days."""
    month_end: float = 0.0
    """Height of the last two days of each month."""
    step: float = 0.0
    step_days_ago: float = 0.0
    """A level that was lower before a release."""
    wander: float = 0.0
    """Standard deviation of what drifts up and down over weeks, since no growth is even."""
    spread: float = 0.01
    """Standard deviation from minute to minute."""

    def smooth(self, times_ms: Int64s, now_ms: int, seed: int = 0) -> Float64s:
        """The curve without the noise of minutes, not yet bounded."""
        days = (times_ms - now_ms) / DAY_MS
        hour = (times_ms % DAY_MS) / HOUR_MS
        # 1 January 1970 was a Thursday.
        weekday = (times_ms // DAY_MS + 3) % 7
        busy = np.exp(-(((hour - 14) / 4.5) ** 2)) * np.where(weekday >= 5, self.weekend, 1.0)
        night = ((hour >= 1) & (hour < 3)).astype(np.float64)
        values = self.level + self.growth_a_day * days
        values += self.daily * (busy - 0.45) + self.nightly * night
        values += self.saw_height * (((times_ms / DAY_MS) / self.saw_days) % 1.0 - 0.5)
        values -= self.step * (days < -self.step_days_ago)
        if self.month_end:
            values += self.month_end * _ends_month(times_ms)
        if self.wander:
            values += self.wander * _drift(seed, times_ms)
        return np.asarray(values, dtype=np.float64)


def _ends_month(times_ms: Int64s) -> Float64s:
    """1 on the last two days of a month, otherwise 0."""
    later = (times_ms + 2 * DAY_MS).astype("datetime64[ms]").astype("datetime64[M]")
    month = times_ms.astype("datetime64[ms]").astype("datetime64[M]")
    return np.where(later != month, 1.0, 0.0)


def _drift(seed: int, times_ms: Int64s) -> Float64s:
    """Slow standard noise: independent every `WANDER_DAYS`, smooth in between."""
    place = times_ms / (WANDER_DAYS * DAY_MS)
    knot = np.floor(place).astype(np.int64)
    way = place - knot
    weight = way * way * (3 - 2 * way)
    return noise(seed, knot) * (1 - weight) + noise(seed, knot + 1) * weight


def noise(seed: int, buckets: Int64s) -> Float64s:
    """About standard normal noise that depends on nothing but the seed and each bucket.

    The sum of two uniforms of a splitmix64 hash (Steele, Lea and Flood 2014): triangular on
    [-2.45, 2.45] with variance 1, so that no hour is absurd.
    """
    with np.errstate(over="ignore"):
        state = buckets.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(
            seed * 0xD1B54A32D192ED03 % (1 << 64)
        )
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        state ^= state >> np.uint64(31)
    first = (state >> np.uint64(32)).astype(np.float64) / 2**32
    second = (state & np.uint64(0xFFFFFFFF)).astype(np.float64) / 2**32
    return np.asarray((first + second - 1.0) * np.sqrt(6.0), dtype=np.float64)


def bounded(values: Float64s) -> Float64s:
    """The values within what a share of a limit can be."""
    return np.clip(values, LOWEST, HIGHEST)
