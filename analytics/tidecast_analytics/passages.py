"""Which way the dates of a batch of cases are found: day by day, or step by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from tidecast_analytics import crossing, runningmax
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


def first_passages(
    cases: Sequence[Case], values: Float64s, choice: Choice, widths: HalfWidths
) -> Mapping[int, Int64s]:
    """The steps at which the paths of each row cross its mark, ascending, the horizon where they
    do not; rows without a mark or with too little data are left out.

    `cases` are of one length, step and kind, and `values` [series, steps] their histories as
    modelled. Day by day by the law of the running maximum, where two weeks are known and one is
    asked for; step by step along the forecast where less is, where planned events lift single
    hours, and where short bursts out of a rest say nothing of the next day.
    """
    grid, horizon = cases[0].grid, choice.mean.shape[1]
    per_day = grid.steps_per_day
    known, days = values.shape[1] // per_day, -(-horizon // per_day)
    daily = known >= runningmax.LEAST_DAYS and days >= _LEAST_DAYS_AHEAD
    daily = daily and cases[0].kind is not Kind.RESTING
    marks = {
        row: case.scale.inner(case.mark)
        for row, case in enumerate(cases)
        if case.mark is not None and case.enough
    }
    by_days = [row for row in marks if daily and not cases[row].effects]
    by_steps = [row for row in marks if not daily or cases[row].effects]
    found: dict[int, Int64s] = {}
    if by_days:
        evidence = runningmax.evidence(sustained_peaks(values[by_days], per_day), days)
        asked = np.array([marks[row] for row in by_days])
        paths = runningmax.passages(evidence, asked, horizon, per_day)
        found |= dict(zip(by_days, paths, strict=True))
    if by_steps:
        blocks = unexplained(Rows(values[by_steps], grid.season_steps, per_day))
        for row, rest in zip(by_steps, blocks, strict=True):
            found[row] = crossing.first_passages(
                choice.mean[row],
                widths.of80[row],
                widths.shape[row],
                rest,
                marks[row],
                cases[row].run,
            )
    return found
