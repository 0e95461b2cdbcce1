"""Seeded hourly series of different character, as a guard against fitting the real sets at hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

Float64s = npt.NDArray[np.float64]
Random = np.random.Generator


def made(each: int, horizon: int, seed: int) -> dict[str, list[tuple[str, Float64s]]]:
    """`each` series of every character, the same ones for the same seed; the last `horizon` hours
    are what is to be forecast."""
    return {
        name: [
            (f"{name} {one}", _one(character, (seed, which, one), horizon)) for one in range(each)
        ]
        for which, (name, character) in enumerate(CHARACTERS.items())
    }


def _one(
    character: Callable[[Random, Float64s], Float64s], seed: tuple[int, ...], horizon: int
) -> Float64s:
    random = np.random.default_rng(seed)
    seen = int(random.choice([2, 7, 14, 21, 35, 60, 90])) * 24
    start = int(random.integers(0, 168))
    return character(random, np.arange(start, start + seen + horizon))


def _ar(random: Random, hours: Float64s, size: float, memory: float) -> Float64s:
    """Noise with a memory: an autoregression of order one with standard deviation `size`."""
    draws = random.normal(0, size * np.sqrt(1 - memory**2), hours.size + 100)
    values = np.empty(draws.size)
    level = 0.0
    for at, draw in enumerate(draws):
        level = memory * level + draw
        values[at] = level
    return values[100:]


def _shape(random: Random, hours: Float64s) -> Float64s:
    """A daily shape of mean zero: a few harmonics."""
    parts = [
        random.normal(0, 1 / k) * np.sin(2 * np.pi * k * (hours / 24 + random.random()))
        for k in (1, 2, 3)
    ]
    return np.asarray(sum(parts))


def _weekend(hours: Float64s) -> Float64s:
    return hours // 24 % 7 >= 5


def _day_and_week(random: Random, hours: Float64s) -> Float64s:
    work = np.where(_weekend(hours), random.uniform(0.3, 0.8), 1.0)
    load = 40 + 12 * _shape(random, hours) * work - 8 * _weekend(hours)
    return load + _ar(random, hours, random.uniform(0.5, 4), 0.8)


def _week_only(random: Random, hours: Float64s) -> Float64s:
    level = 50 + 10 * np.sin(2 * np.pi * (hours / 168 + random.random()))
    return level + _ar(random, hours, random.uniform(0.5, 3), 0.9)


def _office(random: Random, hours: Float64s) -> Float64s:
    """Busy on weekdays from nine to five, idle otherwise."""
    busy = ~_weekend(hours) & (hours % 24 >= 9) & (hours % 24 < 17)
    return (
        random.uniform(2, 10)
        + random.uniform(10, 60) * busy * random.uniform(0.85, 1.15, hours.size)
        + random.gamma(1, 1, hours.size)
    )


def _batch(random: Random, hours: Float64s) -> Float64s:
    """Jobs at odd hours: every five or seven hours, one at night, one on a Sunday."""
    every = int(random.choice([5, 7, 11]))
    night, length = int(random.integers(0, 6)), int(random.integers(1, 4))
    load = 5 + 20.0 * (hours % every == 0)
    load += 40.0 * ((hours % 24 >= night) & (hours % 24 < night + length))
    load += 30.0 * ((hours % 168 >= 146) & (hours % 168 < 152))
    return load + random.gamma(2, 1, hours.size)


def _counts(random: Random, hours: Float64s) -> Float64s:
    """Rare events, more of them by day."""
    rate = random.choice([0.05, 0.3, 2.0, 10.0]) * np.exp(0.6 * _shape(random, hours))
    return random.poisson(rate * random.gamma(1.0, 1.0, hours.size)).astype(float)


def _walk(random: Random, hours: Float64s) -> Float64s:
    return 100 + random.normal(random.normal(0, 0.02), 1, hours.size).cumsum()


def _mean_reverting(random: Random, hours: Float64s) -> Float64s:
    return 30 + _ar(random, hours, 5, float(random.choice([0.5, 0.9, 0.98])))


def _shifts(random: Random, hours: Float64s) -> Float64s:
    """A level that changes every week or so, with a daily season."""
    change = random.random(hours.size) < 1 / random.uniform(100, 300)
    level = 40 + np.cumsum(change * random.normal(0, 8, hours.size))
    return level + 4 * _shape(random, hours) + _ar(random, hours, 1, 0.5)


def _holidays(random: Random, hours: Float64s) -> Float64s:
    """Days off at random dates look like Sundays."""
    off = random.random(hours[-1] // 24 + 2) < 0.05
    idle = _weekend(hours) | off[hours // 24]
    return (
        30
        + 12 * _shape(random, hours) * np.where(idle, 0.3, 1.0)
        - 10 * idle
        + _ar(random, hours, 1.5, 0.7)
    )


def _positive_skew(random: Random, hours: Float64s) -> Float64s:
    """Traffic over several powers of ten, its season and noise multiplicative."""
    size = random.uniform(3, 15)
    log = size + _shape(random, hours) + _ar(random, hours, random.uniform(0.2, 0.8), 0.8)
    return np.exp(log)


def _capped(random: Random, hours: Float64s) -> Float64s:
    load = 75 + 25 * _shape(random, hours) + _ar(random, hours, 5, 0.8)
    return np.clip(load, 0, 100)


def _growing(random: Random, hours: Float64s) -> Float64s:
    rise = random.uniform(-0.02, 0.05) * hours
    return 20 + rise + 5 * _shape(random, hours) + _ar(random, hours, 1, 0.8)


def _spikes(random: Random, hours: Float64s) -> Float64s:
    """A quiet season with incidents far above it."""
    spike = (random.random(hours.size) < 0.01) * random.pareto(1.5, hours.size) * 20
    return 20 + 3 * _shape(random, hours) + _ar(random, hours, 0.5, 0.7) + spike


def _changing_season(random: Random, hours: Float64s) -> Float64s:
    """A daily shape that drifts and whose size swings."""
    drift = np.interp(hours, hours[[0, -1]], random.uniform(-4, 4, 2))
    size = 1 + 0.5 * np.sin(2 * np.pi * hours / (24 * 25))
    return 40 + size * 8 * _shape(random, hours + drift) + _ar(random, hours, 1, 0.8)


CHARACTERS: Mapping[str, Callable[[Random, Float64s], Float64s]] = {
    "day and week": _day_and_week,
    "week only": _week_only,
    "office hours": _office,
    "batch jobs": _batch,
    "counts": _counts,
    "random walk": _walk,
    "mean-reverting": _mean_reverting,
    "level shifts": _shifts,
    "holidays": _holidays,
    "skewed": _positive_skew,
    "capped": _capped,
    "growing": _growing,
    "spikes": _spikes,
    "changing season": _changing_season,
}
