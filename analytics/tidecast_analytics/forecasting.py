"""Forecasts of many histories at once: the one door of this room to forecasting.

history -> grid (`series`) -> mixture of members (`portfolio`) -> bands (`intervals`) -> paths and
first passage (`crossing`) -> `Outlook` with its reasons (`reasons`).
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from tidecast_analytics import crossing, jumps, reasons, runningmax
from tidecast_analytics.dailypeaks import sustained_peaks
from tidecast_analytics.intervals import (
    Bands,
    HalfWidths,
    half_widths,
    with_changing_trend,
    with_disagreement,
    within_swings,
)
from tidecast_analytics.kinds import Kind, kind
from tidecast_analytics.members import DAILY, HOURLY, JUMPY, RESTING, Rows, unexplained
from tidecast_analytics.outlook import Backtest, History, Outlook, OutlookState
from tidecast_analytics.paces import PaceChange, at_newest_pace, change_of_pace
from tidecast_analytics.portfolio import Choice, choose, plan
from tidecast_analytics.robust import rises, sustained_slope
from tidecast_analytics.series import DAY_MS, HOUR_MS, Grid, filled, newest_span, regular
from tidecast_analytics.shifts import Shift, upward_shifts, without_shifts

Float64s = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]

MINIMUM_STEPS = {HOUR_MS: 48, DAY_MS: 14}
"""Less than two days of hours, or 14 days, or half of them unseen, is not enough data."""
MAX_HORIZON_MS = 2 * 366 * DAY_MS
"""The longest horizon that is forecast: two years."""

_LEAST_STEPS = 3  # fewer give no band at all
_MAX_GAP_DAYS = {HOUR_MS: 7.0, DAY_MS: 28.0}
_TREND_DAYS = 84
_TREND_SIGMAS = 3.0
_LEAST_PROBABILITY = 0.05
# A trend that covers less than this share of the way to the mark by the horizon is none.
_LEAST_PACE = 0.05
_CHUNK = 64
# A shorter look ahead is taken step by step.
_LEAST_DAYS_AHEAD = 7


@dataclass(frozen=True, slots=True)
class _Scale:
    """Values are modelled as u = (value / size - centre) / reach, within -1 and 1."""

    size: float
    centre: float
    reach: float

    def inner(self, value: float) -> float:
        """A mark in the scale of the models; far outside it where it is out of all reach."""
        inner = (value / self.size - self.centre) / self.reach
        return min(max(inner, -1e9), 1e9)

    def outer(self, inner: Float64s) -> Float64s:
        """Values in the unit of the history, finite even where that unit is huge."""
        largest = 0.999 * sys.float_info.max / max(self.size, 1.0)
        return np.clip(inner * self.reach + self.centre, -largest, largest) * self.size


@dataclass(frozen=True, slots=True)
class _Case:
    """One history on its way: its place in the answer, its grid, and its rows for the models."""

    place: int
    history: History
    grid: Grid
    scale: _Scale
    inner: Float64s
    shifts: Sequence[Shift] = ()
    kind: Kind = Kind.EVEN
    pace: PaceChange | None = None

    @property
    def run(self) -> int:
        """How many consecutive values at or above the mark make a crossing."""
        return 3 if self.grid.step_ms == HOUR_MS else 1

    @property
    def steps_at_pace(self) -> int:
        """For how many steps the newest pace was seen."""
        return self.inner.size if self.pace is None else self.pace.steps_since

    @property
    def enough(self) -> bool:
        least = MINIMUM_STEPS[self.grid.step_ms]
        return self.inner.size >= least and int(self.grid.observed.sum()) >= least // 2


def forecast(histories: Sequence[History], horizon_ms: int) -> list[Outlook]:
    """The outlook of each history over `horizon_ms`, in the order given.

    Any finite or non-finite values are coped with, in any order and spacing; histories of equal
    length are computed together. Steps are hours, or days where a history is daily. The same
    input gives the same answer, whatever else is asked with it. Raises ValueError for a horizon
    that is not positive or exceeds two years, and for times and values of different lengths.
    """
    if not 0 < horizon_ms <= MAX_HORIZON_MS:
        raise ValueError(f"horizon of {horizon_ms} ms: it must lie between 0 and two years")
    answers: dict[int, Outlook] = {}
    batches: dict[tuple[int, int, Kind], list[_Case]] = defaultdict(list)
    for place, history in enumerate(histories):
        case = _prepared(place, history)
        if case.inner.size < _LEAST_STEPS:
            answers[place] = _withheld(case)
        else:
            batches[case.grid.step_ms, case.inner.size, case.kind].append(case)
    for (_, _, shape), cases in batches.items():
        outlooks = _jumpy_outlooks if shape is Kind.IN_JUMPS else _outlooks
        for first in range(0, len(cases), _CHUNK):
            chunk = cases[first : first + _CHUNK]
            for case, outlook in zip(chunk, outlooks(chunk, horizon_ms), strict=True):
                answers[case.place] = outlook
    return [answers[place] for place in range(len(histories))]


def modelled(history: History) -> tuple[Float64s, float]:
    """A history and its mark as the models see them: without holes and steps, within -1 and 1."""
    case = _prepared(0, history)
    return case.inner, case.scale.inner(float("inf") if history.mark is None else history.mark)


def _prepared(place: int, history: History) -> _Case:
    grid = regular(history.times_ms, history.values)
    least = MINIMUM_STEPS[grid.step_ms]
    grid = newest_span(grid, _MAX_GAP_DAYS[grid.step_ms], least)
    if grid.values.size == 0:
        return _Case(place, history, grid, _Scale(1.0, 0.0, 1.0), grid.values)
    size = float(np.nanmax(np.abs(grid.values))) or 1.0
    shares = filled(replace(grid, values=grid.values / size))
    shape = kind(shares, grid.steps_per_day)
    # Where growth comes in jumps, a step is no exception to it.
    shifts = () if shape is Kind.IN_JUMPS else upward_shifts(shares, grid.steps_per_day)
    shares = without_shifts(shares, shifts)
    pace = change_of_pace(shares, grid.steps_per_day) if shape is Kind.EVEN else None
    if pace is not None:
        shares = at_newest_pace(shares, pace)
    centre = float(np.median(shares))
    reach = float(np.abs(shares - centre).max())
    if reach < 1e-12:
        scale, inner = _Scale(size, centre, 1.0), np.zeros(shares.size)
    else:
        scale, inner = _Scale(size, centre, reach), (shares - centre) / reach
    return _Case(place, history, grid, scale, inner, shifts, shape, pace)


def _outlooks(cases: Sequence[_Case], horizon_ms: int) -> list[Outlook]:
    """The outlooks of cases of one step, one length and one kind."""
    grid = cases[0].grid
    values = np.stack([case.inner for case in cases])
    horizon = -(-horizon_ms // grid.step_ms)
    period, per_day = grid.season_steps, grid.steps_per_day
    pool = DAILY if per_day == 1 else RESTING if cases[0].kind is Kind.RESTING else HOURLY
    choice = choose(values, horizon, pool, period=period, per_day=per_day)
    test = plan(values.shape[1], horizon, period, per_day)
    windows = test.origins[-1] - test.origins[0] + test.steps
    widths = within_swings(half_widths(choice.residuals, horizon, windows), values, per_day)
    known = np.array([case.steps_at_pace for case in cases])
    widths = with_changing_trend(widths, choice.mean, known, period)
    widths = with_disagreement(widths, choice.disagreement)
    rows = Rows(values, period, per_day)
    per_step = rows.slope(sustained_slope, _TREND_DAYS)
    growing = rises(rows.newest_levels(_TREND_DAYS), _TREND_SIGMAS)
    passages = _passages(cases, values, choice, widths)
    return [
        _judged(
            case,
            _banded(case, choice, widths.around(choice.mean[row], row), row, test.steps),
            passages=passages.get(row),
            growing=bool(growing[row]),
            rise_per_day=float(per_step[row]) * per_day * case.scale.reach * case.scale.size,
        )
        for row, case in enumerate(cases)
    ]


def _jumpy_outlooks(cases: Sequence[_Case], horizon_ms: int) -> list[Outlook]:
    """The outlooks of daily cases of one length that move in rare jumps."""
    values = np.stack([case.inner for case in cases])
    horizon = -(-horizon_ms // DAY_MS)
    choice = choose(values, horizon, JUMPY, period=7, per_day=1)
    tested = plan(values.shape[1], horizon, 7, 1).steps
    outlooks = []
    for row, case in enumerate(cases):
        paths = jumps.paths(values[row], horizon)
        mark = _mark(case)
        rise = float(values[row, -1] - values[row, 0]) / (values.shape[1] - 1)
        outlooks.append(
            _judged(
                case,
                _banded(case, choice, Bands.of_paths(paths, choice.mean[row]), row, tested),
                passages=None
                if mark is None or not case.enough
                else crossing.passages(paths >= case.scale.inner(mark), case.run),
                growing=False,
                rise_per_day=rise * case.scale.reach * case.scale.size,
            )
        )
    return outlooks


def _banded(case: _Case, choice: Choice, bands: Bands, row: int, tested: int) -> Outlook:
    """The outlook without its answer: bands within physical bounds, and how it was made."""
    floor, ceiling = _bounds(case)
    mean = choice.mean[row]

    def outer(inner: Float64s) -> Float64s:
        return np.clip(case.scale.outer(inner), floor, ceiling)

    unit = case.scale.reach * case.scale.size
    weights = {
        name: float(weight)
        for name, weight in zip(choice.names, choice.weights[row], strict=True)
        if weight > 0
    }
    backtest = Backtest(
        origins=choice.residuals.shape[1],
        steps=tested,
        mae=float(choice.mae[row]) * unit,
        naive_mae=float(choice.naive_mae[row]) * unit,
        weights=dict(sorted(weights.items(), key=lambda item: -item[1])),
    )
    step_ms = case.grid.step_ms
    return Outlook(
        times_ms=case.grid.end_ms + step_ms * np.arange(1, mean.size + 1, dtype=np.int64),
        mean=outer(mean),
        lo80=outer(bands.lo80),
        hi80=outer(bands.hi80),
        lo95=outer(bands.lo95),
        hi95=outer(bands.hi95),
        step_ms=step_ms,
        method=next(iter(backtest.weights)),
        reasons=(
            reasons.span(case.grid),
            *reasons.how(case.grid, backtest, bool(choice.naive_only[row]), case.history.mark),
            *reasons.steps_up(case.grid, case.shifts, case.scale.size, case.history.mark),
            *reasons.new_pace(case.grid, case.pace),
            *reasons.more_later(case.grid, MINIMUM_STEPS[step_ms]),
        ),
        backtest=backtest,
    )


def _bounds(case: _Case) -> tuple[float, float]:
    """What the resource can be at all: not negative if it never was, not above its limit."""
    seen = case.grid.values[case.grid.observed]
    floor = 0.0 if seen.min() >= 0 else -sys.float_info.max
    limit = case.history.limit
    if limit is None or not np.isfinite(limit):
        return floor, sys.float_info.max
    return floor, max(float(limit), float(seen.max()))


def _passages(
    cases: Sequence[_Case], values: Float64s, choice: Choice, widths: HalfWidths
) -> dict[int, Int64s]:
    """The paths' first passages for each row that is asked for a mark and has enough data.

    Day by day where two weeks are known and one is asked for; step by step where less is, and
    where short bursts out of a rest say nothing of the next day.
    """
    asked = [row for row, case in enumerate(cases) if _mark(case) is not None and case.enough]
    if not asked:
        return {}
    grid, horizon = cases[0].grid, choice.mean.shape[1]
    marks = np.array([cases[row].scale.inner(cases[row].history.mark or 0.0) for row in asked])
    known, days = values.shape[1] // grid.steps_per_day, -(-horizon // grid.steps_per_day)
    long = known >= runningmax.LEAST_DAYS and days >= _LEAST_DAYS_AHEAD
    if long and cases[0].kind is not Kind.RESTING:
        peaks = sustained_peaks(values[asked], grid.steps_per_day)
        found = runningmax.evidence(peaks, days)
        return dict(
            zip(asked, runningmax.passages(found, marks, horizon, grid.steps_per_day), strict=True)
        )
    blocks = unexplained(Rows(values, grid.season_steps, grid.steps_per_day))
    return {
        row: crossing.first_passages(
            choice.mean[row],
            widths.of80[row],
            widths.shape[row],
            blocks[row],
            float(mark),
            cases[row].run,
        )
        for row, mark in zip(asked, marks, strict=True)
    }


def _mark(case: _Case) -> float | None:
    mark = case.history.mark
    return None if mark is None or not np.isfinite(mark) else float(mark)


def _judged(
    case: _Case,
    banded: Outlook,
    *,
    passages: npt.NDArray[np.int64] | None,
    growing: bool,
    rise_per_day: float,
) -> Outlook:
    """The outlook with its typed answer."""
    mark = _mark(case)
    grown = replace(banded, growing=growing and case.enough)
    if mark is None:
        return grown
    seen = case.grid.values[case.grid.observed]
    if crossing.crossed_now(seen, mark, case.run):
        return _over_now(case, grown, mark)
    if passages is None:
        why = reasons.not_enough(case.grid, MINIMUM_STEPS[case.grid.step_ms])
        return replace(grown, state=OutlookState.NOT_ENOUGH_DATA, reasons=(why, *grown.reasons))
    horizon = grown.mean.size
    share = crossing.probability(passages, horizon)
    dates = [
        None if step is None else int(grown.times_ms[step])
        for step in crossing.quantile_steps(passages, horizon, (10, 50, 90))
    ]
    needed = (mark - float(seen[-1])) / (horizon * grown.step_ms / DAY_MS)
    state = _state(dates[1], share, growing and rise_per_day >= _LEAST_PACE * needed)
    sentences = reasons.answer(state, mark, dates, share, rise_per_day, needed)
    return replace(
        grown,
        state=state,
        p10_ms=dates[0],
        p50_ms=dates[1],
        p90_ms=dates[2],
        probability=share,
        reasons=(*sentences, *grown.reasons),
    )


def _state(p50_ms: int | None, share: float, growing: bool) -> OutlookState:
    if p50_ms is not None:
        return OutlookState.IN_HORIZON
    if share < _LEAST_PROBABILITY and not growing:
        return OutlookState.NOT_GROWING
    return OutlookState.BEYOND_HORIZON


def _over_now(case: _Case, outlook: Outlook, mark: float) -> Outlook:
    end_ms = case.grid.end_ms
    return replace(
        outlook,
        state=OutlookState.OVER_NOW,
        p10_ms=end_ms,
        p50_ms=end_ms,
        p90_ms=end_ms,
        probability=1.0,
        reasons=(reasons.over_now(case.run), *outlook.reasons),
    )


def _withheld(case: _Case) -> Outlook:
    """No band at all; over now is still seen on a daily grid of one or two values."""
    none: Float64s = np.empty(0)
    bare = Outlook(
        times_ms=np.empty(0, dtype=np.int64),
        mean=none,
        lo80=none,
        hi80=none,
        lo95=none,
        hi95=none,
        step_ms=case.grid.step_ms,
        method="none",
        reasons=reasons.more_later(case.grid, MINIMUM_STEPS[case.grid.step_ms]),
    )
    return _judged(case, bare, passages=None, growing=False, rise_per_day=0.0)
