"""Seeded families of resources whose future is known because it is made: hours, mark at 90.

Those of `more_families` have marks of their own, and every third of them is asked for in days.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from benchmarks.forecast.more_families import MORE

Float64s = npt.NDArray[np.float64]
Random = np.random.Generator

MARK = 90.0
HIDDEN_HOURS = 90 * 24
_SEEN_DAYS = (45, 120)
_DAY = 24


@dataclass(frozen=True, slots=True)
class Made:
    """One resource of a family: what was seen of it and what is to come.

    Values of hours (`per_day` 24), or one of each day (1).
    """

    family: str
    known: Float64s
    hidden: Float64s
    mark: float = MARK
    per_day: int = _DAY


def made(each: int, seed: int) -> list[Made]:
    """`each` resources of every family; the same ones for the same seed."""
    resources = []
    for which, (name, family) in enumerate(FAMILIES.items()):
        for one in range(each):
            random = np.random.default_rng([seed, which, one])
            seen = int(random.integers(*_SEEN_DAYS)) * _DAY
            hours = np.arange(seen + HIDDEN_HOURS)
            values = np.clip(family(random, hours, seen), 0, 100)
            resources.append(Made(name, values[:seen], values[seen:]))
    return resources


def more_made(each: int, seed: int) -> list[Made]:
    """`each` resources of every one of the further families: 30 to 150 days seen, marks of 70 to
    97, every third in days."""
    resources = []
    for which, (name, family) in enumerate(MORE.items()):
        for one in range(each):
            random = np.random.default_rng([seed, 1000 + which, one])
            days, mark = int(random.integers(30, 151)), float(random.uniform(70, 97))
            hours = np.arange(days * _DAY + HIDDEN_HOURS)
            values = np.clip(family(random, hours, days * _DAY) * mark / MARK, 0, 100)
            per_day = 1 if one % 3 == 2 else _DAY
            values = values[_DAY // per_day - 1 :: _DAY // per_day]
            known, hidden = values[: days * per_day], values[days * per_day :]
            resources.append(Made(name, known, hidden, mark, per_day))
    return resources


def _day(random: Random, hours: Float64s, size: float) -> Float64s:
    phase, sharp = random.uniform(0, 24), random.uniform(0.5, 1.5)
    wave = np.sin((hours + phase) * 2 * np.pi / 24)
    return size * np.sign(wave) * np.abs(wave) ** sharp


def _noise(random: Random, hours: Float64s, size: float) -> Float64s:
    """Noise with a memory of a few hours."""
    raw = random.normal(0, size, hours.size + 50)
    kernel = 0.7 ** np.arange(20)
    smooth = np.convolve(raw, kernel / np.sqrt((kernel**2).sum()))[50 : 50 + hours.size]
    return np.asarray(smooth)


def _towards(random: Random, seen: int) -> tuple[float, float]:
    """A level at the end of what is seen, and the hours after it in which it would be full."""
    return random.uniform(45, 85), float(random.uniform(5, 160) * _DAY)


def _linear(random: Random, hours: Float64s, seen: int) -> Float64s:
    """A line that was at no less than 5 when it was first seen."""
    now, ahead = _towards(random, seen)
    slope = min((MARK - now) / ahead, (now - 5) / seen)
    line = now + slope * (hours - seen)
    return line + _day(random, hours, 1.0) + _noise(random, hours, random.uniform(0.05, 0.6))


def _weekly(random: Random, hours: Float64s, seen: int) -> Float64s:
    work = np.where(hours // 24 % 7 < 5, random.uniform(2, 8), 0.0)
    return _linear(random, hours, seen) + work - 4


def _accelerating(random: Random, hours: Float64s, seen: int) -> Float64s:
    begin, ahead = random.uniform(5, 35), random.uniform(5, 160) * _DAY
    curve = (hours / (seen + ahead)) ** random.uniform(1.8, 3)
    return begin + (MARK - begin) * curve + _noise(random, hours, 0.4)


def _exponential(random: Random, hours: Float64s, seen: int) -> Float64s:
    begin = random.uniform(8, 25)
    rate = np.log(MARK / begin) / (seen + random.uniform(5, 130) * _DAY)
    return begin * np.exp(rate * hours) + _noise(random, hours, 0.3)


def _logistic(random: Random, hours: Float64s, seen: int) -> Float64s:
    top = random.uniform(70, 100)
    middle = seen + random.uniform(-20, 30) * _DAY
    width = random.uniform(10, 30) * _DAY
    return top / (1 + np.exp(-(hours - middle) / width)) + _noise(random, hours, 0.4)


def _slowing(random: Random, hours: Float64s, seen: int) -> Float64s:
    now, scale = random.uniform(55, 85), random.uniform(5, 30) * _DAY
    curve = np.log1p(hours / scale) / np.log1p(seen / scale)
    return 20 + (now - 20) * curve + _noise(random, hours, 0.4)


def _saw(random: Random, hours: Float64s, seen: int) -> Float64s:
    period = int(random.choice([24, 72, 168, 240, 336]))
    tooth = random.uniform(10, 40) * (hours % period) / period
    return random.uniform(20, 45) + tooth + _noise(random, hours, 0.3)


def _growing_saw(random: Random, hours: Float64s, seen: int) -> Float64s:
    period = int(random.choice([24, 72, 168]))
    return _linear(random, hours, seen) - 10 + random.uniform(5, 15) * (hours % period) / period


def _clean_ups(random: Random, hours: Float64s, seen: int) -> Float64s:
    """It fills, and is cleared now and then by a random part."""
    pace = random.uniform(0.01, 0.05)
    values, level = np.empty(hours.size), random.uniform(30, 60)
    chance = 1 / (random.uniform(10, 40) * _DAY)
    for at in range(hours.size):
        level += pace * random.gamma(2.0, 0.5)
        if random.random() < chance:
            level *= random.uniform(0.5, 0.95)
        values[at] = level
    return values


def _step(random: Random, hours: Float64s, seen: int) -> Float64s:
    at = seen - random.uniform(1, 30) * _DAY
    flat = random.uniform(30, 60) + np.where(hours >= at, random.uniform(5, 25), 0)
    return flat + _day(random, hours, 3) + _noise(random, hours, 0.8)


def _jumps(random: Random, hours: Float64s, seen: int) -> Float64s:
    """Nothing on most days, then a release or an import: growth in rare jumps."""
    chance = random.uniform(0.03, 0.4)
    jump = (random.random(hours.size // 24 + 1) < chance) * random.exponential(
        random.uniform(0.5, 3), hours.size // 24 + 1
    )
    level = np.repeat(jump.cumsum(), 24)[: hours.size]
    return level - level[seen - 1] + random.uniform(55, 88) + _noise(random, hours, 0.02)


def _leak(random: Random, hours: Float64s, seen: int) -> Float64s:
    """A leak from one restart to the next, and none after a repair."""
    life = random.uniform(4, 40) * _DAY
    age = (hours + random.uniform(0, life)) % life
    return random.uniform(20, 50) + random.uniform(0.02, 0.15) * age + _noise(random, hours, 0.5)


def _bursts(random: Random, hours: Float64s, seen: int) -> Float64s:
    burst = np.convolve(random.random(hours.size) < 0.01, np.ones(int(random.integers(2, 12))))
    height = random.uniform(20, 55) * (burst[: hours.size] > 0)
    return random.uniform(10, 30) + height + _day(random, hours, 8) + _noise(random, hours, 2)


def _rate_change(random: Random, hours: Float64s, seen: int) -> Float64s:
    at = seen - random.uniform(7, 40) * _DAY
    before, after = random.uniform(0, 0.01), random.uniform(0.0, 0.04)
    line = random.uniform(30, 60) + before * hours + (after - before) * np.maximum(hours - at, 0)
    return line + _noise(random, hours, 0.4)


def _walk(random: Random, hours: Float64s, seen: int) -> Float64s:
    steps = random.normal(random.uniform(0, 0.01), random.uniform(0.05, 0.3), hours.size)
    level = steps.cumsum()
    return level - level[seen - 1] + random.uniform(50, 88)


def _saturated(random: Random, hours: Float64s, seen: int) -> Float64s:
    load = random.uniform(60, 85) + _day(random, hours, random.uniform(5, 25))
    return np.minimum(load + 0.003 * hours + _noise(random, hours, 3), 100)


def _busy(random: Random, hours: Float64s, seen: int) -> Float64s:
    work = np.where(hours // 24 % 7 < 5, 1.0, 0.5)
    load = random.uniform(15, 40) * work * (1 + _day(random, hours, 0.5))
    growth = 1 + random.uniform(-0.1, 0.6) * hours / hours.size
    return load * growth + _noise(random, hours, 2)


FAMILIES: Mapping[str, Callable[[Random, Float64s, int], Float64s]] = {
    "linear": _linear,
    "weekly + linear": _weekly,
    "accelerating": _accelerating,
    "exponential": _exponential,
    "logistic": _logistic,
    "slowing": _slowing,
    "saw-tooth": _saw,
    "growing saw-tooth": _growing_saw,
    "clean-ups": _clean_ups,
    "step": _step,
    "rare jumps": _jumps,
    "leak": _leak,
    "bursts": _bursts,
    "rate change": _rate_change,
    "random walk": _walk,
    "saturation": _saturated,
    "busy hours": _busy,
}
