"""Where months turn: which days about the first of a month are unlike others, if any.

Accounts are closed on a month's last days, invoices written on its first: on which, the history
says. The days about the first are compared with the same weekdays before, month for month, and
must stand out of the middles of the same months, where nothing of the kind is expected.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

Float64s = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.intp]

_DAY_MS = 86_400_000
_BEFORE, _AFTER = 4, 4
_LEAST_MONTHS = 3
# The same days of the middles of months, so many days after the first.
_ELSEWHERE = (10, 20)
_EARLIER_DAYS = np.array([7, 14, 21])
_LEVEL_DAYS = 2
# The mean effect is so many standard errors from nothing, and so many times the largest mean
# elsewhere.
_SIGMAS, _TIMES_ELSEWHERE = 3.0, 2.0
# So many of the months have it.
_SHARE = 0.8


@dataclass(frozen=True, slots=True)
class TurnDays:
    """The days from `first` to `last` about the first of a month, which is day 0."""

    first: int
    last: int


def firsts_of_months(start_ms: int, end_ms: int) -> list[int]:
    """The beginnings of months (milliseconds UTC) in [start, end)."""
    day = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=start_ms)
    year, month = day.year, day.month
    found: list[int] = []
    while True:
        first = int(datetime(year, month, 1, tzinfo=UTC).timestamp()) * 1000
        if first >= end_ms:
            return found
        if first >= start_ms:
            found.append(first)
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)


def turn_days(
    values: Float64s, start_ms: int, step_ms: int, apart: Sequence[tuple[int, int]] = ()
) -> TurnDays | None:
    """The days about the first of a month on which a history [steps] is higher, or lower, again
    and again; None where it is not.

    Values are stamped at the end of their step, the first at `start_ms`. Months whose turn
    touches a span of `apart` (milliseconds UTC) are not looked at.
    """
    per_day = _DAY_MS // step_ms
    skipped = (-(start_ms - step_ms) % _DAY_MS) // step_ms
    days = (values.size - skipped) // per_day
    if days <= 0:
        return None
    midnight_ms = start_ms + (skipped - 1) * step_ms
    levels = values[skipped : skipped + days * per_day].reshape(days, per_day).mean(axis=1)
    firsts = [
        first
        for first in firsts_of_months(midnight_ms, midnight_ms + days * _DAY_MS)
        if not any(
            start < first + _AFTER * _DAY_MS and end > first - _BEFORE * _DAY_MS
            for start, end in apart
        )
    ]
    places = np.array([(first - midnight_ms) // _DAY_MS for first in firsts], dtype=np.intp)
    effects = _effects(levels, places)
    if len(effects) < _LEAST_MONTHS:
        return None
    elsewhere = [_effects(levels, places + days_later) for days_later in _ELSEWHERE]
    usual = max((np.abs(each.mean(axis=0)).max() for each in elsewhere if each.size), default=0.0)
    return _longest(_standing_out(effects, usual), np.abs(effects.mean(axis=0)))


def _effects(levels: Float64s, firsts: Ints) -> Float64s:
    """What each day about each first was above the same weekdays before it [months, days].

    Both on the level of the two days before the first of them; months that are not whole, or
    before which there are no three weeks, are left out.
    """
    begin = firsts - _BEFORE - _LEVEL_DAYS
    whole = (begin >= _EARLIER_DAYS[-1]) & (firsts + _AFTER <= levels.size)
    days = begin[whole, None] + np.arange(_LEVEL_DAYS + _BEFORE + _AFTER)
    earlier = np.median(levels[days[:, :, None] - _EARLIER_DAYS], axis=2)
    above = levels[days] - earlier
    return np.asarray(above[:, _LEVEL_DAYS:] - above[:, :_LEVEL_DAYS].mean(axis=1, keepdims=True))


def _standing_out(effects: Float64s, usual: float) -> Bools:
    mean = effects.mean(axis=0)
    error = effects.std(axis=0, ddof=1) / np.sqrt(len(effects))
    alike = (np.sign(effects) == np.sign(mean)).mean(axis=0) >= _SHARE
    least = np.maximum(_SIGMAS * error, _TIMES_ELSEWHERE * usual) + 1e-9
    return np.asarray(alike & (np.abs(mean) > least))


def _longest(days: Bools, sizes: Float64s) -> TurnDays | None:
    """The run of such days with the largest sum of sizes."""
    best, most, first = None, 0.0, None
    for day in range(days.size + 1):
        if day < days.size and days[day]:
            first = day if first is None else first
        elif first is not None:
            size = float(sizes[first:day].sum())
            if size > most:
                best, most = TurnDays(first - _BEFORE, day - 1 - _BEFORE), size
            first = None
    return best
