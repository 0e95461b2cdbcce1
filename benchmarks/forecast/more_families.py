"""More seeded families, with parameters drawn widely: what others may ask about.

Each gives `hours` of usage, `seen` of them known; the mark is drawn by `families.made`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

Float64s = npt.NDArray[np.float64]
Random = np.random.Generator

_DAY = 24


def _wave(random: Random, hours: Float64s) -> Float64s:
    """A day between 0 and 1, broad or narrow, with a peak at any hour."""
    wave = 0.5 + 0.5 * np.sin((hours + random.uniform(0, 24)) * 2 * np.pi / 24)
    return np.asarray(wave ** random.uniform(0.6, 4))


def _memory(random: Random, hours: Float64s, size: float, keep: float) -> Float64s:
    """Noise of that standard deviation, of which `keep` is left an hour later."""
    kernel = keep ** np.arange(int(np.ceil(np.log(0.01) / np.log(keep))))
    raw = random.normal(0, size, hours.size + kernel.size)
    smooth = np.convolve(raw, kernel / np.sqrt((kernel**2).sum()), mode="valid")
    return np.asarray(smooth[: hours.size])


def _noise(random: Random, hours: Float64s) -> Float64s:
    size, keep = 10 ** random.uniform(-1.3, 0.3), random.uniform(0.2, 0.97)
    return _memory(random, hours, float(size), float(keep))


def _reach(random: Random, seen: int) -> tuple[float, float]:
    """The level at the end of what is seen, and a pace an hour that fills it in 5 to 300 days."""
    now = random.uniform(35, 88)
    ahead = 5 * 60 ** random.random() * _DAY
    return now, min((90 - now) / ahead, (now - 2) / seen)


def _growth(random: Random, hours: Float64s, seen: int) -> Float64s:
    now, pace = _reach(random, seen)
    return now + pace * (hours - seen)


def _steady_load(random: Random, hours: Float64s, seen: int) -> Float64s:
    """CPU that grows steadily, its day and its week with it."""
    base = _growth(random, hours, seen)
    week = np.where(hours // 24 % 7 < 5, 1.0, random.uniform(0.4, 1.0))
    return base * (1 - random.uniform(0.1, 0.6) * (1 - _wave(random, hours) * week)) + _noise(
        random, hours
    )


def _wider_days(random: Random, hours: Float64s, seen: int) -> Float64s:
    """A day whose amplitude grows while its nights stay."""
    now, pace = _reach(random, seen)
    night = random.uniform(0.1, 0.6) * now
    height = np.maximum(now - night + pace * (hours - seen), 0)
    return night + height * _wave(random, hours) + _noise(random, hours)


def _stops(random: Random, hours: Float64s, seen: int) -> Float64s:
    """Growth that stopped shortly before the end of what is seen, or will stop."""
    now, pace = _reach(random, seen)
    stop = seen + random.uniform(-25, 40) * _DAY
    return now + pace * (np.minimum(hours, stop) - min(seen, stop)) + _noise(random, hours)


def _starts(random: Random, hours: Float64s, seen: int) -> Float64s:
    """Nothing, then growth that began some days before the end of what is seen."""
    start = seen - random.uniform(4, 35) * _DAY
    now = random.uniform(40, 80)
    pace = (90 - now) / (5 * 40 ** random.random() * _DAY)
    return now + pace * np.maximum(hours - start, 0) + _noise(random, hours)


def _new_pace(random: Random, hours: Float64s, seen: int) -> Float64s:
    now, pace = _reach(random, seen)
    at = seen - random.uniform(7, 60) * _DAY
    before = pace * random.uniform(-0.3, 3)
    since = np.maximum(hours - at, 0)
    line = before * np.minimum(hours - at, 0) + pace * since
    return now + line - pace * (seen - at) + _noise(random, hours)


def _log_rotation(random: Random, hours: Float64s, seen: int) -> Float64s:
    """It fills through a week and is rotated; the rest may grow slowly."""
    period = int(random.choice([_DAY, 7 * _DAY, 7 * _DAY, 14 * _DAY, 30 * _DAY]))
    tooth = random.uniform(3, 35) * ((hours + random.integers(period)) % period) / period
    slow = random.choice([0.0, 0.2, 1.0]) * (_growth(random, hours, seen) - 40)
    return random.uniform(20, 55) + tooth + slow + _noise(random, hours)


def _provisioning(random: Random, hours: Float64s, seen: int) -> Float64s:
    """Steps that come again and again, nearly evenly: a batch of clients, a new customer."""
    gap = random.uniform(3, 25) * _DAY
    count = int(hours.size / gap) + 4
    at = (random.uniform(0, 1) + np.arange(count) + random.normal(0, 0.25, count)) * gap
    size = random.gamma(4, 0.25, count) * random.uniform(0.5, 6)
    level = (np.where(hours[:, None] >= at, size, 0)).sum(axis=1)
    return level - level[seen - 1] + random.uniform(45, 85) + _noise(random, hours) / 3


def _restarts(random: Random, hours: Float64s, seen: int) -> Float64s:
    """A leak with restarts at no even times, and a base that may grow."""
    life, base = random.uniform(3, 30) * _DAY, random.uniform(10, 55)
    at = np.cumsum(life * random.uniform(0.5, 1.5, int(hours.size / life * 2.5) + 3))
    begun = np.concatenate(([0.0], at))
    age = hours - begun[np.searchsorted(begun, hours, side="right") - 1]
    pace = random.uniform(5, 45) / life
    slow = random.choice([0.0, 0.01]) * random.random() * hours
    return base + pace * age + slow + _noise(random, hours)


def _irregular_clean_ups(random: Random, hours: Float64s, seen: int) -> Float64s:
    """It fills in working hours and is cleared when somebody looks: the fuller the likelier."""
    pace, level = random.uniform(0.005, 0.06), random.uniform(20, 70)
    care = random.uniform(60, 95)
    chance, part = 1 / (random.uniform(5, 60) * _DAY), random.uniform(0.1, 0.6)
    fill = pace * random.gamma(1.0, 1.0, hours.size)
    luck, values = random.random(hours.size), np.empty(hours.size)
    for at in range(hours.size):
        level += fill[at]
        if luck[at] < chance * np.exp((level - care) / 8):
            level *= 1 - part * luck[at] / (chance * np.exp((level - care) / 8))
        values[at] = level
    return values


def _month_ends(random: Random, hours: Float64s, seen: int) -> Float64s:
    """Some days of high load at each end of a month."""
    month, width = 30.4 * _DAY, random.uniform(1, 4) * _DAY
    peak = ((hours + random.uniform(0, month)) % month < width) * random.uniform(5, 35)
    slow = random.choice([0.0, 0.4]) * (_growth(random, hours, seen) - 40)
    return random.uniform(25, 60) + slow + peak * _wave(random, hours) + _noise(random, hours)


def _backups(random: Random, hours: Float64s, seen: int) -> Float64s:
    """A full backup each week, increments between them, and the oldest is dropped."""
    full, kept = random.uniform(3, 15), int(random.integers(1, 4))
    days = hours // _DAY + random.integers(7)
    base = _growth(random, hours, seen) - full * (1 + kept / 2)
    cycle = days % 7 / 7 * full + (days // 7 % (kept + 1)) * full / (kept + 1)
    return base + cycle + _noise(random, hours) / 3


def _to_the_limit(random: Random, hours: Float64s, seen: int) -> Float64s:
    """An approach, ever slower, to a level below, at or above the mark."""
    top, begin = random.uniform(70, 110), random.uniform(10, 50)
    scale = random.uniform(20, 120) * _DAY
    return top - (top - begin) * np.exp(-hours / scale) + _noise(random, hours)


def _noise_only(random: Random, hours: Float64s, seen: int) -> Float64s:
    base = random.uniform(30, 84)
    return base + random.uniform(1, 5) * _memory(random, hours, 1.0, random.uniform(0.1, 0.95))


def _drift_walk(random: Random, hours: Float64s, seen: int) -> Float64s:
    """A random walk of days with a drift, smooth within the day."""
    days = hours.size // _DAY + 2
    size = random.uniform(0.1, 1.2)
    level = random.normal(size * random.uniform(-0.1, 0.5), size, days).cumsum()
    path = np.interp(hours / _DAY, np.arange(days), level)
    return path - path[seen - 1] + random.uniform(50, 87) + _noise(random, hours) / 3


def _compound(random: Random, hours: Float64s, seen: int) -> Float64s:
    """Exponential growth from any size, slow or quick."""
    now, double = random.uniform(25, 85), random.uniform(25, 400) * _DAY
    return now * np.exp2((hours - seen) / double) + _noise(random, hours)


def _s_curve(random: Random, hours: Float64s, seen: int) -> Float64s:
    floor, top = random.uniform(5, 40), random.uniform(60, 130)
    middle, width = seen + random.uniform(-50, 60) * _DAY, random.uniform(4, 30) * _DAY
    return floor + (top - floor) / (1 + np.exp(-(hours - middle) / width)) + _noise(random, hours)


MORE: Mapping[str, Callable[[Random, Float64s, int], Float64s]] = {
    "steady load": _steady_load,
    "wider days": _wider_days,
    "growth that stops": _stops,
    "growth that starts": _starts,
    "new pace": _new_pace,
    "log rotation": _log_rotation,
    "provisioning": _provisioning,
    "leak with restarts": _restarts,
    "irregular clean-ups": _irregular_clean_ups,
    "month ends": _month_ends,
    "backups": _backups,
    "towards a limit": _to_the_limit,
    "noise only": _noise_only,
    "walk with drift": _drift_walk,
    "compound": _compound,
    "S-curve": _s_curve,
}
