"""The forecasts of the past made again: rolling origins, nothing after an origin seen before it.

At each origin a history is cut, every method is given what is left, and its answer is scored
against what was cut off.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from tidecast_analytics.changes import Change, believed, expectations, moments
from tidecast_analytics.crossing import crossed_now
from tidecast_analytics.forecasting import MINIMUM_STEPS, forecast
from tidecast_analytics.outlook import History, Outlook
from tidecast_analytics.rivals import RIVALS, Rival, rival_outlook
from tidecast_analytics.scoring import (
    Alarm,
    BandScore,
    Dates,
    Float64s,
    Int64s,
    alarm,
    band_score,
    dates_pinball_ms,
    first_crossing_ms,
)
from tidecast_analytics.series import DAY_MS, HOUR_MS, Grid, regular

OURS = "tidecast"
MAX_ORIGINS = 52


@dataclass(frozen=True, slots=True)
class MethodScore:
    """How one method did on one history over its origins.

    `mae` is in the unit of the history; `mase` and `pinball` are in units of its in-sample error
    of the seasonal naive. Coverages are shares of the values. `dates_pinball_days` is the mean
    pinball loss of P10, P50 and P90, `date_error_days` the mean distance of P50 from the crossing
    where there are both. None where there is nothing to say. Alarms are counted by verdict.
    """

    method: str
    origins: int
    values: int
    mae: float | None
    mase: float
    pinball: float
    coverage80: float
    coverage95: float
    dates_pinball_days: float | None = None
    date_error_days: float | None = None
    dates: int = 0
    alarms: Mapping[Alarm, int] = field(default_factory=dict)


def backtest(
    histories: Sequence[History],
    horizon_ms: int,
    origins: int,
    rivals: Mapping[str, Rival] = RIVALS,
    changes: Sequence[Sequence[Change]] | None = None,
) -> list[list[MethodScore]]:
    """For each history the scores of our forecasts and of each rival, ours first.

    `changes` are those of each history, in place of its `changes_ms`: a forecast of the past knows
    the ones that were known then and had happened. Planned events it knows all.

    Origins are `origins` evenly spread times at which at least twice the least history, or the
    horizon if that is longer, lies before and the horizon after; empty where there is none.
    """
    known = [()] * len(histories) if changes is None else changes
    cuts = [
        list(_cuts(history, each, horizon_ms, origins))
        for history, each in zip(histories, known, strict=True)
    ]
    flat = [cut for each in cuts for cut in each]
    ours = iter(forecast([cut.before for cut in flat], horizon_ms))
    answers = [[(cut, next(ours)) for cut in each] for each in cuts]
    return [_methods(each, horizon_ms, rivals) for each in answers]


@dataclass(frozen=True, slots=True)
class _Cut:
    """A history until an origin, and the values of its grid after it."""

    before: History
    grid: Grid
    times_ms: Int64s
    values: Float64s

    @property
    def origin_ms(self) -> int:
        return self.grid.end_ms


def _cuts(
    history: History, changes: Sequence[Change], horizon_ms: int, origins: int
) -> Iterator[_Cut]:
    whole = regular(history.times_ms, history.values)
    if not whole.values.size:
        return
    steps = whole.values.size
    ahead = -(-horizon_ms // whole.step_ms)
    first = max(2 * MINIMUM_STEPS[whole.step_ms], min(ahead, steps - ahead))
    last = steps - ahead
    if last < first:
        return
    times = whole.start_ms + whole.step_ms * np.arange(steps, dtype=np.int64)
    given_ms = np.asarray(history.times_ms, dtype=np.int64)
    places = np.unique(np.linspace(last, first, origins).astype(np.int64))
    for place in places.tolist():
        origin_ms = int(times[place - 1])
        seen = given_ms <= origin_ms
        before = replace(
            history,
            times_ms=given_ms[seen],
            values=np.asarray(history.values)[seen],
            changes_ms=moments(believed(changes, origin_ms), origin_ms),
            expected=expectations(believed(changes, origin_ms), origin_ms),
        )
        grid = regular(before.times_ms, before.values)
        if grid.values.size and grid.step_ms == whole.step_ms:
            after = slice(place, place + ahead)
            yield _Cut(before, grid, times[after], whole.values[after])


def _methods(
    answers: Sequence[tuple[_Cut, Outlook]], horizon_ms: int, rivals: Mapping[str, Rival]
) -> list[MethodScore]:
    scored = [(cut, outlook) for cut, outlook in answers if outlook.times_ms.size]
    if not scored:
        return []
    found = [_method(OURS, scored, horizon_ms)]
    for name, rival in rivals.items():
        told = [
            (cut, rival_outlook(name, rival, cut.grid, cut.before, horizon_ms)) for cut, _ in scored
        ]
        some = [(cut, outlook) for cut, outlook in told if outlook is not None]
        if some:
            found.append(_method(name, some, horizon_ms))
    return [each for each in found if each.values]


def _method(
    name: str, answers: Sequence[tuple[_Cut, Outlook]], horizon_ms: int
) -> MethodScore:  # fmt: skip
    bands = [
        (score, _season_error(cut.grid))
        for cut, outlook in answers
        if (score := band_score(outlook, cut.times_ms, cut.values)) is not None
    ]
    scores = [score for score, _ in bands]
    count = sum(each.values for each in scores)
    losses, errors, alarms = _dates(answers, horizon_ms)
    return MethodScore(
        method=name,
        origins=len(bands),
        values=count,
        mae=_mean([each.mae for each in scores]),
        mase=_mean([each.mae / unit for each, unit in bands]) or 0.0,
        pinball=_mean([each.pinball / unit for each, unit in bands]) or 0.0,
        coverage80=_inside(scores, "inside80", count),
        coverage95=_inside(scores, "inside95", count),
        dates_pinball_days=_mean(losses),
        date_error_days=_mean(errors),
        dates=len(losses),
        alarms={verdict: alarms.count(verdict) for verdict in Alarm if verdict in alarms},
    )


def _dates(
    answers: Sequence[tuple[_Cut, Outlook]], horizon_ms: int
) -> tuple[list[float], list[float], list[Alarm]]:
    """Pinball losses of dates, distances of P50 (both in days) and verdicts on alarms.

    Only where the mark was not crossed already: what is over now is no forecast.
    """
    losses, errors, alarms = [], [], []
    for cut, outlook in answers:
        mark = cut.before.mark
        run = 3 if cut.grid.step_ms == HOUR_MS else 1
        if mark is None or crossed_now(cut.grid.values[cut.grid.observed], mark, run):
            continue
        end_ms = cut.origin_ms + horizon_ms
        said = Dates(cut.origin_ms, end_ms, outlook.p10_ms, outlook.p50_ms, outlook.p90_ms)
        crossed_ms = first_crossing_ms(cut.times_ms, cut.values, mark, run)
        losses.append(dates_pinball_ms(said, crossed_ms) / DAY_MS)
        if crossed_ms is not None and said.p50_ms is not None:
            errors.append(abs(said.p50_ms - crossed_ms) / DAY_MS)
        verdict = alarm(said, crossed_ms, end_ms)
        if verdict is not None:
            alarms.append(verdict)
    return losses, errors, alarms


def _season_error(grid: Grid) -> float:
    """The mean absolute difference between values one season apart: the unit of MASE.

    Where values are so rare that there are none such, that between one and the next.
    """
    season = grid.season_steps if grid.values.size > grid.season_steps else 1
    apart = np.abs(grid.values[season:] - grid.values[:-season])
    seen = apart[np.isfinite(apart)]
    if not seen.size:
        seen = np.abs(np.diff(grid.values[grid.observed]))
    return (float(seen.mean()) if seen.size else 0.0) or 1e-9


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _inside(scores: Sequence[BandScore], name: str, count: int) -> float:
    return sum(getattr(each, name) for each in scores) / count if count else 0.0
