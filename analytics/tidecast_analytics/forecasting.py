"""Forecasts of many histories at once: the one door of this room to forecasting.

history -> grid (`series`) -> mixture of members (`portfolio`) -> bands (`intervals`) -> paths and
first passage (`crossing`) -> `Outlook` with its reasons (`reasons`).
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from operator import itemgetter

import numpy as np
import numpy.typing as npt

from tidecast_analytics import crossing, jumps, reasons
from tidecast_analytics.cases import MINIMUM_STEPS, Case, prepared
from tidecast_analytics.departures import departures
from tidecast_analytics.events import ahead
from tidecast_analytics.intervals import (
    Bands,
    Phases,
    at_least,
    for_few_days,
    half_widths,
    steps_to_come,
    with_changing_trend,
    with_departures,
    with_disagreement,
    with_growing_noise,
    within_swings,
)
from tidecast_analytics.kinds import Kind
from tidecast_analytics.loudness import louder
from tidecast_analytics.members import DAILY, HOURLY, JUMPY, RESTING
from tidecast_analytics.outlook import Backtest, History, Outlook, OutlookState
from tidecast_analytics.passages import Dated, daily_passages, step_passages
from tidecast_analytics.portfolio import Choice, choose, plan
from tidecast_analytics.robust import rises, sustained_slope
from tidecast_analytics.rows import Rows
from tidecast_analytics.series import DAY_MS
from tidecast_analytics.wandering import wandering

Float64s = npt.NDArray[np.float64]

__all__ = ["MAX_HORIZON_MS", "MINIMUM_STEPS", "forecast"]

MAX_HORIZON_MS = 2 * 366 * DAY_MS
"""The longest horizon that is forecast: two years."""

_LEAST_STEPS = 3  # fewer give no band at all
_TREND_DAYS = 84
_TREND_SIGMAS = 3.0
_LEAST_PROBABILITY = 0.05
# A trend that covers less than this share of the way to the mark by the horizon is none.
_LEAST_PACE = 0.05
# Series computed together: so many, and so many steps of their forecasts, fit into the cache.
_CHUNK, _CHUNK_STEPS = 125, 160_000


def forecast(histories: Sequence[History], horizon_ms: int) -> list[Outlook]:
    """The outlook of each history over `horizon_ms`, in the order given.

    Any finite or non-finite values are coped with, in any order and spacing; histories of equal
    length are computed together. Steps are hours, or days where a history is daily. The same
    input gives the same answer, whatever else is asked with it (but for rounding, in the seventh
    digit). Raises ValueError for a horizon that is not positive or exceeds two years, and for
    times and values of different lengths.
    """
    if not 0 < horizon_ms <= MAX_HORIZON_MS:
        raise ValueError(f"horizon of {horizon_ms} ms: it must lie between 0 and two years")
    answers: dict[int, Outlook] = {}
    batches: dict[tuple[int, int, Kind], list[Case]] = defaultdict(list)
    for case in prepared(histories):
        if case.inner.size < _LEAST_STEPS:
            answers[case.place] = _withheld(case)
        else:
            batches[case.grid.step_ms, case.inner.size, case.kind].append(case)
    for (_, _, shape), cases in batches.items():
        dated = daily_passages(cases, -(-horizon_ms // cases[0].grid.step_ms))
        most = max(min(_CHUNK, _CHUNK_STEPS * cases[0].grid.step_ms // horizon_ms), 1)
        for first in range(0, len(cases), most):
            chunk = cases[first : first + most]
            if shape is Kind.IN_JUMPS:
                outlooks = _jumpy_outlooks(chunk, horizon_ms)
            else:
                outlooks = _outlooks(chunk, horizon_ms, dated)
            for case, outlook in zip(chunk, outlooks, strict=True):
                answers[case.place] = _by_days(outlook, case, horizon_ms)
    return [answers[place] for place in range(len(histories))]


def _outlooks(cases: Sequence[Case], horizon_ms: int, dated: Mapping[int, Dated]) -> list[Outlook]:
    """The outlooks of cases of one step, one length and one kind; the crossings of those `dated`
    day by day are known, by their places."""
    grid = cases[0].grid
    values = np.stack([case.inner for case in cases])
    horizon = -(-horizon_ms // grid.step_ms)
    period, per_day, of_day = grid.season_steps, grid.steps_per_day, DAY_MS / grid.step_ms
    pool = DAILY if per_day == 1 else RESTING if cases[0].kind is Kind.RESTING else HOURLY
    choice = choose(values, horizon, pool, period=period, per_day=per_day)
    away = departures(values, choice.mean, period, 7 * per_day)
    choice, planned = _with_events(choice, cases, horizon)
    test = plan(values.shape[1], horizon, period, per_day)
    windows = test.origins[-1] - test.origins[0] + test.steps
    hours = Phases.of(test.origins, test.steps, values.shape[1], per_day) if per_day > 1 else None
    widths = half_widths(choice.residuals, horizon, windows, hours)
    widths = with_growing_noise(widths, louder(values, per_day)) if per_day > 1 else widths
    widths = at_least(widths, wandering(values, choice.walks, horizon))
    widths = for_few_days(widths, values.shape[1] / per_day)
    widths = within_swings(widths, values, per_day)
    widths = with_departures(widths, away, period)
    steps = [[shift.size / case.scale.reach for shift in case.shifts] for case in cases]
    widths = with_disagreement(widths, steps_to_come(steps, values.shape[1], horizon))
    known = np.array([case.steps_at_pace for case in cases])
    widths = with_changing_trend(widths, choice.mean, known, period)
    widths = with_disagreement(widths, choice.disagreement)
    if planned is not None:
        widths = with_disagreement(widths, planned)
    rows = Rows(values, period, per_day)
    passages = step_passages(cases, values, choice, widths, dated)
    per_step = rows.slope(sustained_slope, _TREND_DAYS)[:, 0]
    growing = rises(rows.levels(_TREND_DAYS)[:, 0], _TREND_SIGMAS)
    return [
        _judged(
            case,
            _with_bursts(
                case,
                _banded(case, choice, widths.around(choice.mean[row], row), row, test.steps),
                dated.get(case.place),
            ),
            passages=passages.get(row),
            growing=bool(growing[row]),
            rise_per_day=float(per_step[row]) * of_day * case.scale.reach * case.scale.size,
        )
        for row, case in enumerate(cases)
    ]


def _with_bursts(case: Case, banded: Outlook, dated: Dated | None) -> Outlook:
    """The outlook with a word on bursts that were not taken as they came."""
    if dated is None or dated.bursts is None:
        return banded
    levels = case.scale.outer(np.array([each.level for each in dated.bursts.found]))
    told = reasons.bursts(case.grid, dated.bursts, levels.tolist(), case.history.mark)
    return replace(banded, reasons=(*banded.reasons, told))


def _with_events(
    choice: Choice, cases: Sequence[Case], horizon: int
) -> tuple[Choice, Float64s | None]:
    """The forecasts with what planned events will do, and the deviation of that, if any."""
    if not any(case.effects for case in cases):
        return choice, None
    mean, deviation = choice.mean.copy(), np.zeros_like(choice.mean)
    for row, case in enumerate(cases):
        grid = case.grid
        effect = ahead(case.effects, case.history.events, grid.end_ms, grid.step_ms, horizon)
        mean[row] += effect.lift / case.scale.reach
        deviation[row] = effect.deviation / case.scale.reach
    return replace(choice, mean=mean), deviation


def _jumpy_outlooks(cases: Sequence[Case], horizon_ms: int) -> list[Outlook]:
    """The outlooks of daily cases of one length that move in rare jumps."""
    values = np.stack([case.inner for case in cases])
    horizon = -(-horizon_ms // cases[0].grid.step_ms)
    choice = choose(values, horizon, JUMPY, period=7, per_day=1)
    tested, of_day = plan(values.shape[1], horizon, 7, 1).steps, DAY_MS / cases[0].grid.step_ms
    outlooks = []
    for row, case in enumerate(cases):
        paths = jumps.paths(values[row], horizon)
        mark = case.mark
        rise = float(values[row, -1] - values[row, 0]) / (values.shape[1] - 1)
        outlooks.append(
            _judged(
                case,
                _banded(case, choice, Bands.of_paths(paths, choice.mean[row]), row, tested),
                passages=None
                if mark is None or not case.enough
                else crossing.passages(paths >= case.inner_marks(horizon), case.run),
                growing=False,
                rise_per_day=rise * of_day * case.scale.reach * case.scale.size,
            )
        )
    return outlooks


def _banded(case: Case, choice: Choice, bands: Bands, row: int, tested: int) -> Outlook:
    """The outlook without its answer: bands within physical bounds, and how it was made."""
    inner = np.stack((choice.mean[row], bands.lo80, bands.hi80, bands.lo95, bands.hi95))
    mean, lo80, hi80, lo95, hi95 = _bounded(case, case.scale.outer(inner))
    unit = min(case.scale.reach * case.scale.size, sys.float_info.max)
    weights = zip(choice.names, choice.weights[row].tolist(), strict=True)
    # Python's own numbers: what is too huge for them is infinite without a word.
    errors = zip(choice.names, (e * unit for e in choice.errors[row].tolist()), strict=False)
    backtest = Backtest(
        origins=choice.residuals.shape[1],
        steps=tested,
        mae=float(choice.mae[row]) * unit,
        naive_mae=float(choice.naive_mae[row]) * unit,
        weights={name: share for name, share in sorted(weights, key=_largest_first) if share > 0},
        errors=dict(sorted(errors, key=itemgetter(1))),
    )
    step_ms = case.grid.step_ms
    return Outlook(
        times_ms=case.grid.end_ms + step_ms * np.arange(1, mean.size + 1, dtype=np.int64),
        mean=mean,
        lo80=lo80,
        hi80=hi80,
        lo95=lo95,
        hi95=hi95,
        step_ms=step_ms,
        method=next(iter(backtest.weights)),
        reasons=(
            reasons.span(case.grid),
            *reasons.how(case.grid, backtest, bool(choice.naive_only[row]), case.history.mark),
            *reasons.steps_up(case.grid, case.shifts, case.scale.size, case.history.mark),
            *reasons.new_pace(case.grid, case.pace),
            *reasons.more_later(case.grid, case.least_steps),
        ),
        backtest=backtest,
        seen=case.seen,
    )


def _by_days(outlook: Outlook, case: Case, horizon_ms: int) -> Outlook:
    """The outlook day by day, where its steps are longer: between them in straight lines."""
    if outlook.step_ms <= DAY_MS:
        return outlook
    days = -(-horizon_ms // DAY_MS)
    times_ms = case.grid.end_ms + DAY_MS * np.arange(1, days + 1, dtype=np.int64)
    last = float(case.grid.values[-1])
    known_ms = np.concatenate(([case.grid.end_ms], outlook.times_ms))
    mean = 4 * np.interp(times_ms, known_ms, np.concatenate(([last], outlook.mean)) / 4)

    def between(band: Float64s) -> Float64s:
        # Up to the first step as there; differences of huge values would overflow.
        return np.asarray(4 * np.interp(times_ms, outlook.times_ms, band / 4))

    crossed = outlook.crossed_by_day
    if crossed is not None:
        crossed = np.interp(times_ms, known_ms, np.concatenate(([0.0], crossed)))
    return replace(
        outlook,
        times_ms=times_ms,
        mean=mean,
        lo80=np.minimum(between(outlook.lo80), mean),
        hi80=np.maximum(between(outlook.hi80), mean),
        lo95=np.minimum(between(outlook.lo95), mean),
        hi95=np.maximum(between(outlook.hi95), mean),
        step_ms=DAY_MS,
        crossed_by_day=crossed,
    )


def _bounded(case: Case, bands: Float64s) -> Float64s:
    """The bands [bands, steps] with what changes to come are expected to do, within bounds."""
    floor, ceiling = _bounds(case)
    changed = case.ahead(bands.shape[1])
    if changed is None:
        return np.clip(bands, floor, ceiling)
    # Beyond all that can be told, huge values are cut off.
    with np.errstate(over="ignore"):
        limits = np.maximum(changed.limits(ceiling), float(case.grid.values[-1]))
        return np.clip(np.clip(changed.usage(bands), floor, limits), floor, sys.float_info.max)


def _largest_first(item: tuple[str, float]) -> float:
    return -item[1]


def _bounds(case: Case) -> tuple[float, float]:
    """What the resource can be at all: not negative if it never was, not above its limit."""
    seen = case.grid.values[case.grid.observed]
    floor = 0.0 if seen.min() >= 0 else -sys.float_info.max
    limit = case.history.limit
    if limit is None or not np.isfinite(limit):
        return floor, sys.float_info.max
    return floor, max(float(limit), float(seen.max()))


def _judged(
    case: Case,
    banded: Outlook,
    *,
    passages: npt.NDArray[np.int64] | None,
    growing: bool,
    rise_per_day: float,
) -> Outlook:
    """The outlook with its typed answer."""
    mark = case.mark
    grown = replace(banded, growing=growing and case.enough)
    if mark is None:
        return grown
    seen = case.grid.values[case.grid.observed]
    if crossing.crossed_now(seen, mark, case.run):
        return _over_now(case, grown, mark)
    if passages is None:
        why = reasons.not_enough(case.grid, case.least_steps)
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
        crossed_by_day=crossing.shares_by_day(passages, horizon, case.grid.steps_per_day),
        reasons=(*sentences, *grown.reasons),
    )


def _state(p50_ms: int | None, share: float, growing: bool) -> OutlookState:
    if p50_ms is not None:
        return OutlookState.IN_HORIZON
    if share < _LEAST_PROBABILITY and not growing:
        return OutlookState.NOT_GROWING
    return OutlookState.BEYOND_HORIZON


def _over_now(case: Case, outlook: Outlook, mark: float) -> Outlook:
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


def _withheld(case: Case) -> Outlook:
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
        reasons=reasons.more_later(case.grid, case.least_steps),
        seen=case.seen,
    )
    return _judged(case, bare, passages=None, growing=False, rise_per_day=0.0)
