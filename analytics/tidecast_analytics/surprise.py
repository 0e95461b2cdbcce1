"""How surprising each value is in the light of what came before it, and nothing else.

Four views of a series, each over about an hour: its mean, the change of that mean, its residual
from the same hours before, and the spread of its changes. Each view is measured from its own past
median in lengths of its own tail: the mean excess over the nine tenths of its past deviations,
which is minus the logarithm of the tail probability of an exponential tail, up to a constant.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tidecast_analytics.series import DAY_MS

Float64s = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

VIEWS = ("level", "jump", "hour", "spread")
"""The views, in the order of `Surprise.leading`."""

# What is usual is learned again eight times a day, but of no fewer new values than this.
_LESSONS_A_DAY, _LEAST_LESSON = 8, 24
_LEARNED_DAYS, _LEARNED_VALUES, _LEAST_LEARNED = 14, 160, 24
_TAIL_SHARE = 0.1
# Where the tail is shorter than this share of where it begins, or of rounding, that is its length.
_LEAST_TAIL, _ROUNDING, _TINY = 0.05, 1e-9, 1e-300
_LONGEST = 50.0
_LARGEST = 1e150
_DAYS, _WEEKS = 7, 3


@dataclass(frozen=True, slots=True)
class Steps:
    """How many steps of a grid are a day, an hour or so, and the time between two lessons."""

    day: int
    short: int
    lesson: int

    @classmethod
    def of(cls, step_ms: int) -> Steps:
        """The steps of a grid of this spacing."""
        day = max(DAY_MS // step_ms, 1)
        return cls(day, max(day // 24, 2), max(day // _LESSONS_A_DAY, _LEAST_LESSON))


@dataclass(frozen=True, slots=True)
class Surprise:
    """Of each value [series, steps] the surprise, NaN where there is no value; the view that is
    most surprising, an index of `VIEWS`; and what was usual at this hour, NaN on the first day."""

    sizes: Float64s
    leading: npt.NDArray[np.int8]
    usual: Float64s


def surprise(values: Float64s, steps: Steps) -> Surprise:
    """The surprise of each value, from what came before it; NaN stands for what was not seen.

    It is the root of the sum of squares of the four views' distances beyond their tails' begin,
    each in lengths of its tail and at most 50; zero in the time of learning.
    """
    known = np.clip(np.where(np.isfinite(values), values, np.nan), -_LARGEST, _LARGEST)
    usual, residual = _seasonal(known, steps)
    squares = np.zeros(values.shape)
    largest = np.zeros(values.shape)
    leading = np.zeros(values.shape, dtype=np.int8)
    for index, view in enumerate(_views(known, residual, steps)):
        beyond = _beyond(view, steps)
        squares += beyond**2
        leading[beyond > largest] = index
        np.maximum(largest, beyond, out=largest)
    return Surprise(np.where(np.isnan(known), np.nan, np.sqrt(squares)), leading, usual)


def _views(known: Float64s, residual: Float64s, steps: Steps) -> list[Float64s]:
    level = _rolling_mean(known, steps.short)
    change = known - _earlier(known, 1)
    return [
        level,
        level - _earlier(level, steps.short),
        _rolling_mean(residual, steps.short),
        np.sqrt(_rolling_mean(change**2, steps.short)),
    ]


def _seasonal(known: Float64s, steps: Steps) -> tuple[Float64s, Float64s]:
    """The median of the same time on the days before, and the residual from it or from that of the
    weeks before, whichever is smaller: a Sunday is not strange for being no Saturday."""
    usual = _median_of_lags(known, [steps.day * (1 + day) for day in range(_DAYS)])
    weekly = _median_of_lags(known, [7 * steps.day * (1 + week) for week in range(_WEEKS)])
    by_day, by_week = known - usual, known - weekly
    return usual, np.where(np.abs(by_week) < np.abs(by_day), by_week, by_day)


def _median_of_lags(known: Float64s, lags: list[int]) -> Float64s:
    """The median of the values so many steps before, of as many as there are; NaN for none."""
    past = np.stack(
        [_earlier(known, lag) for lag in lags if lag < known.shape[1]] or [known * np.nan]
    )
    past.sort(axis=0)
    count = np.isfinite(past).sum(axis=0)
    lower = np.take_along_axis(past, (np.maximum(count - 1, 0) // 2)[None], 0)[0]
    upper = np.take_along_axis(past, np.minimum(count // 2, past.shape[0] - 1)[None], 0)[0]
    return np.asarray(lower / 2 + upper / 2)


def _earlier(rows: Float64s, steps: int) -> Float64s:
    """The rows so many steps later than they were; NaN before."""
    moved = np.full(rows.shape, np.nan)
    moved[:, steps:] = rows[:, : max(rows.shape[1] - steps, 0)]
    return moved


def _rolling_mean(rows: Float64s, steps: int) -> Float64s:
    """The mean of the newest `steps` values; NaN where fewer than half of them are known."""
    total = np.zeros(rows.shape)
    count = np.zeros(rows.shape)
    for back in range(min(steps, rows.shape[1])):
        moved = rows[:, : rows.shape[1] - back]
        known = np.isfinite(moved)
        total[:, back:] += np.where(known, moved, 0.0)
        count[:, back:] += known
    return np.where(count >= max(steps // 2, 1), total / np.maximum(count, 1), np.nan)


def _beyond(view: Float64s, steps: Steps) -> Float64s:
    """How many lengths of its tail each value of a view lies beyond the begin of the tail; zero
    where too little is known."""
    size = view.shape[1]
    found = np.zeros(view.shape)
    starts = np.arange(steps.lesson, size, steps.lesson)
    if not starts.size:
        return found
    centre, begin, length = _tails(view, starts, steps)
    lesson = np.repeat(np.arange(starts.size), steps.lesson)[: size - steps.lesson]
    over = np.abs(view[:, steps.lesson :] - centre[:, lesson]) - begin[:, lesson]
    over = np.clip(over, 0.0, _LONGEST * length[:, lesson]) / length[:, lesson]
    found[:, steps.lesson :] = np.where(np.isfinite(over), over, 0.0)
    return found


def _tails(view: Float64s, starts: Ints, steps: Steps) -> tuple[Float64s, Float64s, Float64s]:
    """At each lesson the median of the past, from which deviation on the tail begins, and the mean
    excess over that; NaN where too few values are known. Each is [series, lessons]."""
    span = np.minimum(starts, _LEARNED_DAYS * steps.day)
    share = (np.arange(_LEARNED_VALUES) + 0.5) / _LEARNED_VALUES
    back = np.floor(share * span[:, None]).astype(np.int64)
    past = np.sort(view[:, starts[:, None] - 1 - back], axis=2)
    count = np.isfinite(past).sum(axis=2)
    centre = _at(past, np.maximum(count - 1, 0) // 2) / 2 + _at(past, count // 2) / 2
    deviation = np.sort(np.abs(past - centre[..., None]), axis=2)
    place = ((1 - _TAIL_SHARE) * count).astype(np.int64)
    begin = _at(deviation, place)
    inside = (np.arange(_LEARNED_VALUES) > place[..., None]) & np.isfinite(deviation)
    excess = np.where(inside, deviation - begin[..., None], 0.0)
    mean = excess.sum(axis=2) / np.maximum(count - place - 1, 1)
    length = np.maximum(mean, np.maximum(_LEAST_TAIL * begin, _ROUNDING * np.abs(centre)))
    enough = count >= _LEAST_LEARNED
    return centre, np.where(enough, begin, np.nan), np.maximum(length, _TINY)


def _at(ordered: Float64s, place: Ints) -> Float64s:
    last = np.minimum(place, ordered.shape[2] - 1)
    return np.asarray(np.take_along_axis(ordered, last[..., None], 2)[..., 0])
