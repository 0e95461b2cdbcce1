"""Histories made ready for the models: on a grid, without holes and steps up, within -1 and 1.

Everything that can be is done for all histories of one length together.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from tidecast_analytics.events import MONTHS_DAYS, Effect, without_events
from tidecast_analytics.expectations import Ahead, ahead
from tidecast_analytics.kinds import Kind, kinds
from tidecast_analytics.outlook import History, Seen
from tidecast_analytics.paces import PaceChange, at_newest_pace, changes_of_pace
from tidecast_analytics.robust import middle
from tidecast_analytics.series import DAY_MS, HOUR_MS, Grid, filled, newest_span, rare, regular
from tidecast_analytics.shifts import Shift, known_shifts, upward_shifts, without_shifts

Float64s = npt.NDArray[np.float64]

MINIMUM_STEPS = {HOUR_MS: 48, DAY_MS: 14}
"""Less than two days of hours, or 14 days, or half of them unseen, is not enough data."""

_MAX_GAP_DAYS = {HOUR_MS: 7.0, DAY_MS: 28.0}
_MAX_GAP_OF_RARE = 6
# As many histories are made ready together as fit into a processor's cache.
_CHUNK = 128


@dataclass(frozen=True, slots=True)
class Scale:
    """Values are modelled as u = (value / size - centre) / reach, within -1 and 1."""

    size: float
    centre: float
    reach: float

    def inner(self, value: float) -> float:
        """A mark in the scale of the models; far outside it where it is out of all reach."""
        inner = (value / self.size - self.centre) / self.reach
        return min(max(inner, -1e9), 1e9)

    def inner_each(self, values: Float64s) -> Float64s:
        """Marks in the scale of the models, as `inner` gives each."""
        with np.errstate(over="ignore"):
            inner = (values / self.size - self.centre) / self.reach
        return np.clip(inner, -1e9, 1e9)

    def outer(self, inner: Float64s) -> Float64s:
        """Values in the unit of the history, finite even where that unit is huge."""
        largest = 0.999 * sys.float_info.max / max(self.size, 1.0)
        return np.clip(inner * self.reach + self.centre, -largest, largest) * self.size


@dataclass(frozen=True, slots=True)
class Case:
    """One history on its way: its place in the answer, its grid, and its rows for the models."""

    place: int
    history: History
    grid: Grid
    scale: Scale
    inner: Float64s
    shifts: Sequence[Shift] = ()
    kind: Kind = Kind.EVEN
    pace: PaceChange | None = None
    effects: Mapping[str, Effect] = field(default_factory=dict)

    @property
    def run(self) -> int:
        """How many consecutive values at or above the mark make a crossing."""
        return 3 if self.grid.step_ms == HOUR_MS else 1

    @property
    def mark(self) -> float | None:
        """The mark that is asked for, if it is a number."""
        mark = self.history.mark
        return None if mark is None or not np.isfinite(mark) else float(mark)

    def ahead(self, steps: int) -> Ahead | None:
        """What changes to come are expected to do over so many steps."""
        return ahead(self.history.expected, self.grid.end_ms, self.grid.step_ms, steps)

    def inner_marks(self, steps: int) -> Float64s:
        """The mark at each step to come in the scale of the models, which know no change."""
        mark = self.mark
        assert mark is not None, "asked of cases with a mark"
        changed = self.ahead(steps)
        if changed is None:
            return np.full(steps, self.scale.inner(mark))
        return self.scale.inner_each(changed.marks(mark, self.history.limit))

    @property
    def steps_at_pace(self) -> int:
        """For how many steps the newest pace was seen."""
        return self.inner.size if self.pace is None else self.pace.steps_since

    @property
    def enough(self) -> bool:
        """Whether there is enough data for a typed answer."""
        least = self.least_steps
        return self.inner.size >= least and int(self.grid.observed.sum()) >= least // 2

    @property
    def least_steps(self) -> int:
        """How many steps a typed answer needs: 48 hours, or 14 days or rarer values."""
        return MINIMUM_STEPS[HOUR_MS if self.grid.step_ms == HOUR_MS else DAY_MS]

    @property
    def seen(self) -> Seen:
        """What was made of the history, in its own unit."""
        grid, per_day = self.grid, self.grid.steps_per_day

        def time_ms(position: int) -> int:
            return grid.start_ms + position * grid.step_ms

        return Seen(
            start_ms=grid.start_ms,
            end_ms=grid.end_ms,
            step_ms=grid.step_ms,
            steps=grid.values.size,
            observed_ratio=float(grid.observed.mean()) if grid.values.size else 0.0,
            season_steps=tuple(
                season
                for season in dict.fromkeys((grid.season_steps, 7 * per_day))
                if 2 * season <= grid.values.size
            ),
            shifts=tuple(
                (time_ms(shift.position), shift.size * self.scale.size) for shift in self.shifts
            ),
            pace_changed_ms=None if self.pace is None else time_ms(self.pace.position),
            event_lifts={
                label: float(effect.lift.mean()) * self.scale.size
                for label, effect in self.effects.items()
            },
        )


def prepared(histories: Sequence[History]) -> list[Case]:
    """The histories, in the order given. Raises ValueError as `series.regular` does."""
    grids = [_grid(history) for history in histories]
    alike: dict[tuple[int, int], list[int]] = defaultdict(list)
    for place, grid in enumerate(grids):
        alike[grid.step_ms, grid.values.size].append(place)
    cases: dict[int, Case] = {}
    for (_, size), places in alike.items():
        for first in range(0, len(places), _CHUNK):
            chunk = places[first : first + _CHUNK]
            rows = [(place, histories[place], grids[place]) for place in chunk]
            made = _modelled(rows) if size else [_empty(*row) for row in rows]
            cases.update({case.place: case for case in made})
    return [cases[place] for place in range(len(histories))]


def _grid(history: History) -> Grid:
    grid = rare(history.times_ms, history.values)
    if grid is not None:
        gap_days = _MAX_GAP_OF_RARE * grid.step_ms / DAY_MS
        return newest_span(grid, gap_days, MINIMUM_STEPS[DAY_MS])
    grid = regular(history.times_ms, history.values)
    return newest_span(grid, _MAX_GAP_DAYS[grid.step_ms], MINIMUM_STEPS[grid.step_ms])


def _empty(place: int, history: History, grid: Grid) -> Case:
    return Case(place, history, grid, Scale(1.0, 0.0, 1.0), grid.values)


def _modelled(rows: Sequence[tuple[int, History, Grid]]) -> list[Case]:
    """The cases of histories of one step and one length."""
    per_day = rows[0][2].steps_per_day
    sizes = [float(np.nanmax(np.abs(grid.values))) or 1.0 for _, _, grid in rows]
    shares = np.stack(
        [
            filled(replace(grid, values=grid.values / size))
            for (_, _, grid), size in zip(rows, sizes, strict=True)
        ]
    )
    shapes = kinds(shares, per_day)
    effects = [
        _free_of_events(shares[at], history, grid) if shape is not Kind.IN_JUMPS else {}
        for at, (shape, (_, history, grid)) in enumerate(zip(shapes, rows, strict=True))
    ]
    known = [_recorded(shares[at], history, grid) for at, (_, history, grid) in enumerate(rows)]
    # Where growth comes in jumps, a step is no exception to it.
    steps = [
        () if shape is Kind.IN_JUMPS else found
        for shape, found in zip(shapes, upward_shifts(shares, per_day), strict=True)
    ]
    for at, found in enumerate(steps):
        if found:
            shares[at] = without_shifts(shares[at], found)
    shifts = [(*recorded, *found) for recorded, found in zip(known, steps, strict=True)]
    paces = [
        change if shape is Kind.EVEN else None
        for shape, change in zip(shapes, changes_of_pace(shares, per_day), strict=True)
    ]
    for at, change in enumerate(paces):
        if change is not None:
            shares[at] = at_newest_pace(shares[at], change)
    centres = middle(shares)
    shares -= centres[:, None]
    reaches = np.abs(shares).max(axis=1)
    flat = reaches < 1e-12
    reaches[flat], shares[flat] = 1.0, 0.0
    shares /= reaches[:, None]
    return [
        Case(
            place,
            history,
            grid,
            Scale(sizes[at], float(centres[at]), float(reaches[at])),
            shares[at],
            shifts[at],
            shapes[at],
            paces[at],
            effects[at],
        )
        for at, (place, history, grid) in enumerate(rows)
    ]


def _free_of_events(shares: Float64s, history: History, grid: Grid) -> Mapping[str, Effect]:
    """Takes the effects of events out of `shares` and returns them."""
    if not history.events and shares.size < MONTHS_DAYS * grid.steps_per_day:
        return {}
    if grid.step_ms > DAY_MS:
        return {}
    shares[:], effects = without_events(shares, grid.start_ms, grid.step_ms, history.events)
    return effects


def _recorded(shares: Float64s, history: History, grid: Grid) -> Sequence[Shift]:
    """Takes the steps at recorded changes out of `shares` and returns them."""
    if not history.changes_ms:
        return ()
    positions = [int(at - grid.start_ms) // grid.step_ms + 1 for at in history.changes_ms]
    shifts = known_shifts(shares, positions, grid.steps_per_day)
    shares[:] = without_shifts(shares, shifts)
    return shifts
