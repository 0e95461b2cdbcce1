"""Resources that just grow, as most do: lines from nearly noiseless to noisy, and walks.

They are learned from and no part of what is measured: most lines of the seeded families are noisy
or come to an end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
from benchmarks.forecast.families import HIDDEN_HOURS, MARK, Made

Float64s = npt.NDArray[np.float64]
Random = np.random.Generator

_DAY = 24
_SEEN_DAYS = 200
# Powers of ten: the noise of lines, and what days, weeks and steps are in size.
_NOISE, _SIZE = (-3.0, 0.3), (-1.5, 1.0)


def plain_growth(each: int, seed: int) -> list[Made]:
    """`each` resources of every kind, 200 days seen, every third in days."""
    found = []
    for which, (name, kind) in enumerate(KINDS.items()):
        for one in range(each):
            random = np.random.default_rng([seed, 2000 + which, one])
            hours = np.arange(_SEEN_DAYS * _DAY + HIDDEN_HOURS) - _SEEN_DAYS * _DAY
            values = kind(random, hours)
            per_day = 1 if one % 3 == 2 else _DAY
            values = values[_DAY // per_day - 1 :: _DAY // per_day]
            days = _SEEN_DAYS * per_day
            found.append(Made(name, values[:days], values[days:], MARK, per_day))
    return found


def _towards(random: Random) -> tuple[float, float]:
    """Where it stands at hour 0, and the pace an hour that fills it in 5 to 300 days."""
    now = random.uniform(35, 88)
    return now, (MARK - now) / (5 * 60 ** random.random() * _DAY)


def _line(random: Random, hours: Float64s) -> Float64s:
    now, pace = _towards(random)
    return now + pace * hours + random.normal(0, 10 ** random.uniform(*_NOISE), hours.size)


def _size(random: Random) -> float:
    return float(10 ** random.uniform(*_SIZE))


def _with_days(random: Random, hours: Float64s) -> Float64s:
    wave = np.sin((hours + random.uniform(0, 24)) * 2 * np.pi / 24)
    return _line(random, hours) + _size(random) * wave


def _with_weeks(random: Random, hours: Float64s) -> Float64s:
    return _line(random, hours) + _size(random) * (hours // _DAY % 7 < 5)


def _in_steps(random: Random, hours: Float64s) -> Float64s:
    step = _size(random) / 4
    return np.round(_line(random, hours) / step) * step


def _walk(random: Random, hours: Float64s) -> Float64s:
    """Independent normal increments a day, most of them upward or most of them not."""
    now, pace = _towards(random)
    return now + _summed(hours, random.normal(pace * _DAY, _size(random) / 4, hours.size // _DAY))


def _uneven(random: Random, hours: Float64s) -> Float64s:
    """Independent increments of a gamma law a day: never down, some days far more than others."""
    now, pace = _towards(random)
    shape = random.uniform(0.2, 3)
    return now + _summed(hours, random.gamma(shape, pace * _DAY / shape, hours.size // _DAY))


def _summed(hours: Float64s, increments: Float64s) -> Float64s:
    """The sum of daily increments at each hour, 0 at hour 0, even within days."""
    level = np.concatenate(([0.0], increments.cumsum()))
    at = (hours - hours[0]) / _DAY
    path = np.interp(at, np.arange(level.size), level)
    return np.asarray(path - path[hours == 0])


KINDS: Mapping[str, Callable[[Random, Float64s], Float64s]] = {
    "line": _line,
    "line with days": _with_days,
    "line with weeks": _with_weeks,
    "line in steps": _in_steps,
    "walk": _walk,
    "uneven growth": _uneven,
}
