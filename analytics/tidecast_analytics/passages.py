"""Which way the dates of a batch of cases are found: day by day, or step by step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tidecast_analytics import crossing, jumps, runningmax
from tidecast_analytics.bursts import Bursts, as_dated
from tidecast_analytics.cases import Case
from tidecast_analytics.dailypeaks import sustained_peaks
from tidecast_analytics.intervals import HalfWidths
from tidecast_analytics.kinds import Kind
from tidecast_analytics.portfolio import Choice
from tidecast_analytics.remainders import unexplained
from tidecast_analytics.rows import Rows

Float64s = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]

# A shorter look ahead is taken step by step.
_LEAST_DAYS_AHEAD = 7
# Daily peaks are far smaller than hours: as many histories together as fit into the cache.
_CHUNK = 250


class Dated(NamedTuple):
    """The steps at which the paths of a case cross its mark, ascending, and the bursts that were
    not taken as they came."""

    steps: Int64s
    bursts: Bursts | None = None


def daily_passages(cases: Sequence[Case], horizon: int) -> Mapping[int, Dated]:
    """The steps at which the paths of each case cross its mark, by the place of the case.

    Ascending, and the horizon (in steps) where a path does not cross; found day by day by the law
    of the running maximum, or by drawing again where daily peaks move in rare jumps. `cases` are
    of one length, step and kind. Left out are those without a mark or with too little data, and
    all that only hours can date (`step_passages`): less than two weeks known or one asked for,
    planned events that lift single hours, daily jumps, and short bursts out of a rest.
    """
    per_day = cases[0].grid.steps_per_day
    days = -(-horizon // per_day)
    enough = cases[0].inner.size // per_day >= runningmax.LEAST_DAYS and days >= _LEAST_DAYS_AHEAD
    if not enough or cases[0].kind is not Kind.EVEN:
        return {}
    asked = [case for case in cases if case.mark is not None and case.enough and not case.effects]
    found: dict[int, Dated] = {}
    for first in range(0, len(asked), _CHUNK):
        chunk = asked[first : first + _CHUNK]
        peaks = sustained_peaks(np.stack([case.inner for case in chunk]), per_day)
        # The mark of each day: at its last hour, all its changes are made.
        marks = np.stack(
            [case.inner_marks(days * per_day)[per_day - 1 :: per_day] for case in chunk]
        )
        peaks, told = as_dated(peaks, marks.min(axis=1))
        ahead, chance = _chances(peaks, marks)
        steps = runningmax.passages(chance, ahead, horizon, per_day)
        for row, case in enumerate(chunk):
            found[case.place] = Dated(steps[row], told.get(row))
    return found


def _chances(peaks: Float64s, marks: Float64s) -> tuple[Int64s, Float64s]:
    """Days ahead, and P(crossed by then), [series, days ahead], of the `marks` [series, days]."""
    days = marks.shape[1]
    evidence = runningmax.evidence(peaks, days)
    at = evidence.ahead - 1
    chance = runningmax.probabilities(evidence, marks[:, 0])
    for row in np.flatnonzero(jumps.stairs(peaks)):
        paths = jumps.paths(peaks[row], days)
        chance[row] = np.maximum.accumulate(paths >= marks[row], axis=1).mean(axis=0)[at]
        marks[row] = marks[row, 0]
    for mark in _later(marks):
        # Who has not crossed by then crosses just if the highest level reaches the new mark.
        later = runningmax.probabilities(evidence, mark)
        chance = np.where(marks[:, at] == mark[:, None], later, chance)
    return evidence.ahead, np.maximum.accumulate(chance, axis=1)


def _later(marks: Float64s) -> Iterator[Float64s]:
    """The second mark of each row, the third, ..., for rows that have fewer the last one."""
    which = np.cumsum(np.diff(marks, axis=1, prepend=marks[:, :1]) != 0, axis=1)
    for one in range(1, int(which.max(initial=0)) + 1):
        place = np.minimum(which[:, -1], one)
        yield marks[np.arange(len(marks)), (which >= place[:, None]).argmax(axis=1)]


def step_passages(
    cases: Sequence[Case],
    values: Float64s,
    choice: Choice,
    widths: HalfWidths,
    known: Mapping[int, Dated],
) -> Mapping[int, Int64s]:
    """The steps at which the paths of each row cross its mark: as `known` by the place of the
    case, and for the others along the simulated steps of the forecast.

    `values` [series, steps] are the histories as modelled; rows without a mark or with too little
    data are left out.
    """
    grid = cases[0].grid
    found = {row: known[case.place].steps for row, case in enumerate(cases) if case.place in known}
    marks = {
        row: case.inner_marks(choice.mean.shape[1])
        for row, case in enumerate(cases)
        if case.mark is not None and case.enough and row not in found
    }
    if not marks:
        return found
    rows = list(marks)
    blocks = unexplained(Rows(values[rows], grid.season_steps, grid.steps_per_day))
    for row, rest in zip(rows, blocks, strict=True):
        found[row] = crossing.first_passages(
            choice.mean[row],
            widths.of80[row],
            widths.shape[row],
            rest,
            marks[row],
            cases[row].run,
        )
    return found
