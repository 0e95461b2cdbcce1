"""Steps after which a resource goes on as before, on another level: a release, a migration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tidecast_analytics.robust import middle, spread

Float64s = npt.NDArray[np.float64]

# A step stands out of the daily changes by this many robust deviations, takes this share of the
# whole range, and in the days and the week after it, and now, this share of it is still there.
_SIGMAS = 8.0
_SHARE_OF_RANGE = 0.25
_SUSTAINED = 0.7
# More steps than this are how the resource grows, not exceptions to it.
_MOST_STEPS = 2
_NEIGHBOUR_DAYS, _NEIGHBOUR_WEEK = 3, 7
_EDGE_STEPS = 6
# A recorded change is compared over so many days, and counts from so many usual differences on.
_KNOWN_DAYS, _KNOWN_SIGMAS = 7, 2.0


@dataclass(frozen=True, slots=True)
class Shift:
    """A lasting step: the position of the first value after it, and its size (negative: down)."""

    position: int
    size: float


def upward_shifts(values: Float64s, per_day: int) -> list[Sequence[Shift]]:
    """The lasting steps up of each history [series, steps], oldest first; none where there are
    more than two.

    Steps down are clean-ups: what was cleared fills again, so they are not reported.
    """
    days = values.shape[1] // per_day
    found: list[Sequence[Shift]] = [()] * values.shape[0]
    if days < 2 * _NEIGHBOUR_DAYS + 1:
        return found
    newest = values[:, -days * per_day :]
    levels = middle(newest.reshape(values.shape[0], days, per_day))
    change = levels[:, 2:] - levels[:, :-2]
    change = change - middle(change)[:, None]
    least = np.maximum(_SIGMAS * spread(change), _SHARE_OF_RANGE * np.ptp(values, axis=1))
    least = np.maximum(least, 1e-9)
    for row in np.flatnonzero((change > least[:, None]).any(axis=1)):
        one = _shifts(values[row], levels[row], change[row], float(least[row]), per_day)
        found[row] = one if len(one) <= _MOST_STEPS else ()
    return found


def _shifts(
    values: Float64s, levels: Float64s, change: Float64s, least: float, per_day: int
) -> list[Shift]:
    """The lasting steps among the changes [days - 2], over what is usual, of at least `least`."""
    usual = float((levels[2:] - levels[:-2] - change)[0])
    return [
        Shift(
            _edge(values, values.size - (levels.size - day) * per_day, per_day),
            float(levels[day + 1] - levels[day - 1] - usual),
        )
        for day in _peaks(change, least)
        if _lasts(levels, day)
    ]


def known_shifts(values: Float64s, positions: Sequence[int], per_day: int) -> list[Shift]:
    """What moved the level of a history [steps] for good at each of the positions, up or down.

    Whole days on both sides, up to a week of them and none beyond another change, are compared
    phase by phase; neither growth nor what the days differ among themselves counts as a change.
    """
    inside = sorted({at for at in positions if 0 < at < values.size})
    growth = _usual_growth(values, inside, per_day) if inside else 0.0
    found = []
    for before, at, after in zip([0, *inside], inside, [*inside[1:], values.size], strict=False):
        days = min(at - before, after - at, _KNOWN_DAYS * per_day) // per_day
        if days == 0:
            continue
        old = values[at - days * per_day : at].reshape(days, per_day)
        new = values[at : at + days * per_day].reshape(days, per_day)
        size = float(np.median(np.median(new, axis=0) - np.median(old, axis=0))) - days * growth
        usual = np.concatenate(
            (np.median(old, axis=1) - np.median(old), np.median(new, axis=1) - np.median(new))
        )
        if abs(size) > _KNOWN_SIGMAS * float(np.abs(usual).mean()) + 1e-9:
            found.append(Shift(at, size))
    return found


def _usual_growth(values: Float64s, positions: Sequence[int], per_day: int) -> float:
    """What a day adds where no change lies between; 0 where one always does."""
    between = np.arange(per_day, values.size)[:, None] - np.array(positions)
    free = ~((between >= 0) & (between < per_day)).any(axis=1)
    grown = (values[per_day:] - values[:-per_day])[free]
    return float(np.median(grown)) if grown.size else 0.0


def without_shifts(values: Float64s, shifts: Sequence[Shift]) -> Float64s:
    """The history as if the newest level had always held: each step added to what came before."""
    adjusted = values.copy()
    for shift in shifts:
        adjusted[: shift.position] += shift.size
    return adjusted


def _peaks(change: Float64s, least: float) -> list[int]:
    """The days in whose middle a large change lies; of neighbours the largest."""
    found: list[int] = []
    for at in np.flatnonzero(change > least):
        middle = int(at) + 1
        if found and middle - found[-1] <= 2:
            if change[at] > change[found[-1] - 1]:
                found[-1] = middle
        else:
            found.append(middle)
    return found


def _lasts(levels: Float64s, middle: int) -> bool:
    before = levels[max(middle - _NEIGHBOUR_DAYS, 0) : middle]
    after = levels[middle + 1 :]
    if before.size < 2 or after.size < 2:
        return False
    least = np.median(before) + _SUSTAINED * (levels[middle + 1] - levels[middle - 1])
    held = (after[:_NEIGHBOUR_DAYS], after[:_NEIGHBOUR_WEEK], after[-_NEIGHBOUR_WEEK:])
    return all(np.median(days) >= least for days in held)


def _edge(values: Float64s, day_start: int, per_day: int) -> int:
    """The sharpest rise within a day of the day's start: the first value after the step."""
    reach = min(_EDGE_STEPS, per_day)
    first = max(day_start - per_day, reach)
    last = min(day_start + 2 * per_day, values.size - reach)
    rises = [
        values[at : at + reach].mean() - values[at - reach : at].mean() for at in range(first, last)
    ]
    return first + int(np.argmax(rises))
