"""What is strange in one usage history: anomalies, lasting shifts, a leak; and how it is told.

It runs in a worker process, or on the command line, so everything here pickles.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tidecast.journeys.explain_forecast import iso
from tidecast_analytics.anomalies import Anomaly, anomaly_scores, find_anomalies
from tidecast_analytics.leaks import Leak, find_leak
from tidecast_analytics.series import DAY_MS, HOUR_MS, Grid, filled, regular, within_one
from tidecast_analytics.shifts import upward_shifts

Document = dict[str, Any]
Values = tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]
"""Times in milliseconds UTC and the values at them."""

MOST_STEPS = 110_000
"""Of longer histories on given steps only the newest part is examined: a year of five minutes."""
ORDINARY = -1.0
"""The score that is shown of what is not in the tail at all: oftener than ten times a week."""

MOST_EXPLAINED = 5
"""So many anomalies go with the explanation of a forecast."""

WHY = {
    "level": "its level",
    "jump": "a sudden change",
    "hour": "against the days before",
    "spread": "how much it moves",
}


class Event(NamedTuple):
    """An anomaly in time: see `tidecast_analytics.anomalies.Anomaly`."""

    first_ms: int
    last_ms: int
    peak_ms: int
    score: float
    value: float
    usual: float | None
    view: str


class Step(NamedTuple):
    """A lasting shift up by `size` from this time on."""

    at_ms: int
    size: float


@dataclass(frozen=True, slots=True)
class Strange:
    """What is strange in one history; `score` is the newest hour's, None while learning."""

    until_ms: int = 0
    score: float | None = None
    events: Sequence[Event] = ()
    steps: Sequence[Step] = ()
    leak: Leak | None = None


def examine(
    histories: Sequence[Values], expected_per_week: float, step_ms: int | None = None
) -> list[Strange]:
    """What is strange in each history, in the order given, at so many false ones a week.

    Histories are put on hours, or days where they are daily; or on steps of `step_ms`, of which a
    day must have a whole number.
    """
    if step_ms is None:
        grids = [_whole_days(regular(*each)) for each in histories]
    else:
        grids = [on_steps(*each, step_ms) for each in histories]
    found = [Strange()] * len(grids)
    for each_ms in {grid.step_ms for grid in grids if grid.values.size}:
        places = [i for i, grid in enumerate(grids) if grid.step_ms == each_ms and grid.values.size]
        # What is later changes no score, so shorter ones may end in nothing.
        rows = np.full((len(places), max(grids[place].values.size for place in places)), np.nan)
        for row, place in zip(rows, places, strict=True):
            row[: grids[place].values.size] = grids[place].values
        scored = anomaly_scores(rows, each_ms)
        anomalies = find_anomalies(rows, scored, each_ms, expected_per_week)
        for place, scores, each in zip(places, scored.scores, anomalies, strict=True):
            found[place] = _strange(grids[place], scores, each)
    return found


def _strange(grid: Grid, scores: npt.NDArray[np.float64], anomalies: Sequence[Anomaly]) -> Strange:
    def at_ms(position: int) -> int:
        return grid.start_ms + position * grid.step_ms

    events = [
        Event(
            at_ms(each.first),
            at_ms(each.last),
            at_ms(each.peak),
            each.score,
            each.value,
            None if math.isnan(each.usual) else each.usual,
            each.view,
        )
        for each in anomalies
    ]
    shares, size = within_one(grid)
    shifts = upward_shifts(filled(shares)[None], grid.steps_per_day)[0]
    return Strange(
        until_ms=grid.end_ms,
        score=_shown(float(scores[grid.values.size - 1])),
        events=events,
        steps=[Step(at_ms(each.position), each.size * size) for each in shifts],
        leak=find_leak(grid),
    )


def on_steps(
    times_ms: npt.NDArray[np.int64], values: npt.NDArray[np.float64], step_ms: int
) -> Grid:
    """The newest values, each at the multiple of the step that is next to its time.

    Of two at one step the one given later holds; steps without a finite value are NaN.
    """
    seen = np.isfinite(values)
    step = (times_ms[seen] + step_ms // 2) // step_ms
    if not step.size:
        return Grid(0, step_ms, np.empty(0))
    first = max(int(step.min()), int(step.max()) + 1 - MOST_STEPS)
    kept = step >= first
    first = int(step[kept].min())
    grid = np.full(int(step.max()) + 1 - first, np.nan)
    grid[step[kept] - first] = values[seen][kept]
    return Grid(first * step_ms, step_ms, grid)


def _whole_days(grid: Grid) -> Grid:
    """The grid from its first midnight (UTC) on, so that what is learned when does not depend on
    how far back was read; a shorter one as it is."""
    skipped = -grid.start_ms % DAY_MS // grid.step_ms
    if grid.step_ms != HOUR_MS or skipped >= grid.values.size:
        return grid
    return Grid(grid.start_ms + skipped * HOUR_MS, HOUR_MS, grid.values[skipped:])


def _shown(score: float) -> float | None:
    return None if math.isnan(score) else max(score, ORDINARY)


def event_document(series: Mapping[str, str], event: Event) -> Document:
    """One anomaly of a series, which is told by these columns."""
    return {
        **series,
        "first": iso(event.first_ms),
        "last": iso(event.last_ms),
        "peak": iso(event.peak_ms),
        "score": round(event.score, 3),
        "once_in_weeks": float(f"{10**event.score:.3g}"),
        "value": event.value,
        "usual": event.usual,
        "why": WHY[event.view],
    }


def step_document(series: Mapping[str, str], step: Step) -> Document:
    """One lasting shift of a series."""
    return {**series, "at": iso(step.at_ms), "size": step.size}


def leak_document(series: Mapping[str, str], leak: Leak) -> Document:
    """The leak of a series."""
    return {
        **series,
        "rate_per_day": leak.rate_per_day,
        "error_per_day": leak.error_per_day,
        "days": round(leak.days, 1),
        "restarts": [iso(at_ms) for at_ms in leak.restarts_ms],
    }


def strange_document(strange: Strange) -> Document:
    """What goes with the explanation of a forecast: the newest anomalies first, and the leak."""
    newest = sorted(strange.events, key=lambda each: each.peak_ms, reverse=True)[:MOST_EXPLAINED]
    return {
        "anomalies": [event_document({}, each) for each in newest],
        "leak": None if strange.leak is None else leak_document({}, strange.leak),
    }


def reasons_of(strange: Strange, unit_of: Callable[[float], str]) -> tuple[str, ...]:
    """What a reader of the forecast should know of it, in sentences; `unit_of` words a value."""
    told = []
    if strange.leak is not None:
        leak = strange.leak
        told.append(
            f"It leaks: between {len(leak.restarts_ms)} restarts it rises by "
            f"{unit_of(leak.rate_per_day)} a day (give or take {unit_of(2 * leak.error_per_day)})."
        )
    if strange.events and strange.events[-1].last_ms >= strange.until_ms - DAY_MS:
        event = strange.events[-1]
        usual = "" if event.usual is None else f" where {unit_of(event.usual)} is usual"
        when = str(iso(event.peak_ms))[:16].replace("T", " ")
        told.append(
            f"Strange in the last day: {unit_of(event.value)}{usual} at {when} UTC "
            f"({WHY[event.view]})."
        )
    return tuple(told)
