"""What planned events do to a resource: holidays, sales, batch runs, the end of a month.

An event is known by its label and its time. What earlier ones of the same label did, beyond what
the same hours of earlier weeks would have been, is drawn towards nothing the fewer they are, and
expected again. The models see the history as if no event had been.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from tidecast_analytics.month_turns import TurnDays, firsts_of_months, turn_days

Float64s = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.intp]

MONTH_TURN = "turn of the month"
MONTHS_DAYS = 120
"""From so many days on the turns of months are looked at."""
_DAY_MS = 86_400_000
_MOST_DAYS = 92
_EARLIER = (1, 2, 3)
_BEFORE_DAYS = 2
_MOST_TURN_DAYS = 8
# With so many earlier ones half of their mean effect is believed.
_HALF_BELIEVED = 1.0


@dataclass(frozen=True, slots=True)
class Event:
    """Something planned: `start_ms` (milliseconds UTC) up to `end_ms`, excluded; its label says
    which earlier ones were alike."""

    start_ms: int
    end_ms: int
    label: str

    def __post_init__(self) -> None:
        if not 0 < self.end_ms - self.start_ms <= _MOST_DAYS * _DAY_MS:
            raise ValueError(
                f"event {self.label!r} lasts {self.end_ms - self.start_ms} ms: "
                f"it must end after it starts, within {_MOST_DAYS} days"
            )


@dataclass(frozen=True, slots=True)
class Effect:
    """What events of one label do at each step after their start, and how far that may differ."""

    lift: Float64s
    deviation: Float64s
    days: TurnDays | None = None
    """Of the turn of the month: the days that it concerns."""


def month_turns(days: TurnDays, start_ms: int, end_ms: int) -> list[Event]:
    """These days of each month (UTC) as events, of all that begin in [start, end)."""
    first_ms, length_ms = days.first * _DAY_MS, (days.last + 1 - days.first) * _DAY_MS
    firsts = firsts_of_months(start_ms - first_ms, end_ms - first_ms)
    return [Event(at + first_ms, at + first_ms + length_ms, MONTH_TURN) for at in firsts]


def without_events(
    values: Float64s, start_ms: int, step_ms: int, events: Sequence[Event]
) -> tuple[Float64s, Mapping[str, Effect]]:
    """The history [steps] as if no event had been, and the effects by label.

    The turn of the month counts as an event of histories from four months on, where it stands
    out; others are taken at their word.
    """
    per_day = _DAY_MS // step_ms
    turning = None
    if values.size >= MONTHS_DAYS * per_day:
        planned = [(event.start_ms, event.end_ms) for event in events]
        turning = turn_days(values, start_ms, step_ms, planned)
    if turning is not None:
        end_ms = start_ms + values.size * step_ms
        events = [*events, *month_turns(turning, start_ms, end_ms)]
    places = [(event.label, _steps_of(event, start_ms, step_ms)) for event in events]
    busy = np.zeros(values.size, dtype=np.bool_)
    for _, steps in places:
        busy[steps[(steps >= 0) & (steps < values.size)]] = True
    usual = [_usual(values, busy, steps, per_day) for _, steps in places]
    seen: dict[str, list[Float64s]] = defaultdict(list)
    for (label, steps), expected in zip(places, usual, strict=True):
        # What is not over yet is taken out, but says little of its kind.
        if expected is not None and expected.size == steps.size:
            seen[label].append(values[steps] - expected)
    effects = {label: _effect(rests) for label, rests in seen.items()}
    if MONTH_TURN in effects:
        effects[MONTH_TURN] = replace(effects[MONTH_TURN], days=turning)
    cleaned = values.copy()
    for (label, steps), expected in zip(places, usual, strict=True):
        if label in effects and expected is not None:
            cleaned[steps[: expected.size]] = expected
    return cleaned, effects


def ahead(
    effects: Mapping[str, Effect],
    events: Sequence[Event],
    end_ms: int,
    step_ms: int,
    horizon: int,
) -> Effect:
    """What the events of the forecast do to each of its steps; `end_ms` is the last one seen."""
    lift, variance = np.zeros(horizon), np.zeros(horizon)
    turning = effects[MONTH_TURN].days if MONTH_TURN in effects else None
    if turning is not None:
        since_ms = end_ms - _MOST_TURN_DAYS * _DAY_MS
        events = [*events, *month_turns(turning, since_ms, end_ms + (horizon + 1) * step_ms)]
    for event in events:
        effect = effects.get(event.label)
        if effect is None:
            continue
        steps = _steps_of(event, end_ms + step_ms, step_ms)
        since = np.arange(steps.size)
        known = (steps >= 0) & (steps < horizon) & (since < effect.lift.size)
        lift[steps[known]] += effect.lift[since[known]]
        variance[steps[known]] += effect.deviation[since[known]] ** 2
    return Effect(lift, np.sqrt(variance))


def _steps_of(event: Event, start_ms: int, step_ms: int) -> Ints:
    """The steps of a grid that an event covers; values are stamped at the end of their step."""
    first = -(-(event.start_ms - start_ms + 1) // step_ms)
    last = -(-(event.end_ms - start_ms) // step_ms)
    return np.arange(first, last + 1, dtype=np.intp)


def _usual(values: Float64s, busy: Bools, steps: Ints, per_day: int) -> Float64s | None:
    """What the steps of an event, as far as seen, would have been without it; None where that
    cannot be said.

    The same hours one, two and three weeks before (days where no week was), on the level of the
    two days before the event.
    """
    steps = steps[steps < values.size]
    if steps.size == 0 or steps[0] < 0:
        return None
    before = np.arange(max(steps[0] - _BEFORE_DAYS * per_day, 0), steps[0], dtype=np.intp)
    before = before[~busy[before]]
    free = np.where(busy, np.nan, values)
    expected, level = _earlier(free, steps, per_day), _earlier(free, before, per_day)
    level = level[np.isfinite(level)] - values[before[np.isfinite(level)]]
    if level.size == 0 or not np.isfinite(expected).all():
        return None
    return np.asarray(expected - np.median(level))


def _earlier(free: Float64s, steps: Ints, per_day: int) -> Float64s:
    """The median of the same hours of earlier weeks, or days, NaN where there are none."""
    found = np.full(steps.size, np.nan)
    for length in (per_day, 7 * per_day):
        back = steps[:, None] - length * np.array(_EARLIER)
        earlier = np.where(back >= 0, free[np.maximum(back, 0)], np.nan)
        some = np.isfinite(earlier).any(axis=1)
        found[some] = np.nanmedian(earlier[some], axis=1)
    return found


def _effect(rests: Sequence[Float64s]) -> Effect:
    """The mean effect of earlier events, drawn towards nothing, over the shortest of them."""
    shortest = min(rest.size for rest in rests)
    aligned = np.stack([rest[:shortest] for rest in rests])
    count = aligned.shape[0]
    believed = count / (count + _HALF_BELIEVED)
    mean = aligned.mean(axis=0)
    # One event alone leaves open whether the next one does anything at all.
    deviation = aligned.std(axis=0) if count > 1 else np.abs(mean)
    return Effect(believed * mean, np.hypot(deviation, (1 - believed) * mean))
