"""Published forecasts against what came: each is scored once for each lead, when it is due.

A score is made of what is recorded then; what comes later changes neither it nor the forecast.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from tidecast.journeys.usage_histories import read_histories
from tidecast.journeys.usage_records import HOUR_MS, ResourceKey, UsageHistory
from tidecast.records import DueForecast, ForecastScore, PublishedForecast, Records, Unit
from tidecast.records.scores import ForecastScores
from tidecast.samples.protocol import Samples
from tidecast_analytics.outlook import OutlookState
from tidecast_analytics.scoring import (
    HELD_SHARE,
    BandScore,
    Dates,
    Float64s,
    Int64s,
    alarm,
    band_score,
    dates_held,
    dates_pinball_ms,
    first_crossing_ms,
)

DAY_MS = 24 * HOUR_MS
LEADS_DAYS = (1, 7, 30, 45, 90, 180, 365)
"""A forecast is scored so many days after it was published, as far as it reaches."""
SETTLE_MS = 2 * HOUR_MS
"""Hours still to be computed are waited for."""
AT_ONCE = 500
_LATE_USAGE = "usage_late_since_ms"


@dataclass(frozen=True, slots=True)
class Keeping:
    """How long the ledger keeps what.

    For `all_ms` every forecast whole; then the first of each day, and of those the first of each
    week with its steps and reasons; after `daily_ms` the first of each week alone; after
    `weekly_ms` none, but of each of these the score of its longest lead for ever. Track records
    go by no others.
    """

    all_ms: int = 8 * DAY_MS
    daily_ms: int = 100 * DAY_MS
    weekly_ms: int = 400 * DAY_MS


KEEPING = Keeping()


def score_forecasts(
    samples: Samples, records: Records, now_ms: int, stopped: Callable[[], bool] = lambda: False
) -> int:
    """Scores every forecast whose day has come; returns how many scores were added."""
    with records.unit() as unit:
        _go_back(unit)
    added = 0
    for lead in LEADS_DAYS:
        until_ms = now_ms - lead * DAY_MS - SETTLE_MS
        while not stopped():
            with records.reading() as unit:
                place = _place(unit.settings.get(_key(lead)))
                due = unit.scores.due(place, until_ms, AT_ONCE, lead)
            if not due:
                break
            scores = list(_scores(samples, due, lead, now_ms))
            with records.unit() as unit:
                unit.scores.add(scores)
                unit.settings.put(_key(lead), list(due[-1].place))
            added += len(scores)
    return added


def tell_late_usage(unit: Unit, first_ms: int) -> None:
    """Says that usage was recorded late, from the hour that ends then on: forecasts that had
    nothing to be scored by will be looked at again."""
    told = unit.settings.get(_LATE_USAGE)
    unit.settings.put(_LATE_USAGE, min(first_ms, told) if isinstance(told, int) else first_ms)


def _go_back(unit: Unit) -> None:
    """Back to the forecasts that usage which came late is about; scored ones are passed over."""
    first_ms = unit.settings.get(_LATE_USAGE)
    if not isinstance(first_ms, int):
        return
    for lead in LEADS_DAYS:
        back = (max(first_ms - lead * DAY_MS, 0), 0)
        if back < _place(unit.settings.get(_key(lead))):
            unit.settings.put(_key(lead), list(back))
    unit.settings.put(_LATE_USAGE, None)


def prune_forecasts(
    records: Records,
    now_ms: int,
    stopped: Callable[[], bool] = lambda: False,
    keeping: Keeping = KEEPING,
) -> None:
    """Keeps the ledger as small as `keeping` says.

    Nothing goes before it is scored for the leads that it has reached by then.
    """
    for name, kept_ms, prune in (
        ("forecasts_pruned", keeping.all_ms, ForecastScores.keep_daily),
        ("forecasts_thinned", keeping.daily_ms, ForecastScores.keep_weekly),
    ):
        while not stopped():
            with records.unit() as unit:
                until_ms = min(now_ms - kept_ms, _scored_until_ms(unit, kept_ms))
                last = prune(unit.scores, _place(unit.settings.get(name)), until_ms, AT_ONCE)
                if last is None:
                    break
                unit.settings.put(name, list(last))
    forgotten = AT_ONCE
    while forgotten == AT_ONCE and not stopped():
        with records.unit() as unit:
            forgotten = unit.scores.forget(now_ms - keeping.weekly_ms, AT_ONCE)


def _scored_until_ms(unit: Unit, kept_ms: int) -> int:
    """Up to when all forecasts are scored for every lead that is no longer than that."""
    leads = [lead for lead in LEADS_DAYS if lead * DAY_MS <= kept_ms]
    return min(_place(unit.settings.get(_key(lead)))[0] for lead in leads)


def _key(lead_days: int) -> str:
    return f"forecasts_scored_{lead_days}d"


def _place(kept: object) -> tuple[int, int]:
    match kept:
        case [int(published_ms), int(number)]:
            return published_ms, number
        case _:
            return 0, 0


def _scores(
    samples: Samples, due: Sequence[DueForecast], lead_days: int, now_ms: int
) -> Iterator[ForecastScore]:
    wanted = [each for each in due if _is_scored(each.forecast, lead_days)]
    histories = _what_came(samples, wanted, lead_days)
    for each in wanted:
        key = _resource(each.forecast)
        if key in histories:
            times, values = histories[key].of(each.forecast.statistic)
            score = _score(each, times, values, lead_days, now_ms)
            if score is not None:
                yield score


def _is_scored(forecast: PublishedForecast, lead_days: int) -> bool:
    return (
        forecast.times_ms.size > 0
        and forecast.state != OutlookState.NOT_ENOUGH_DATA
        and forecast.published_ms + lead_days * DAY_MS <= forecast.horizon_ms
    )


def _what_came(
    samples: Samples, due: Sequence[DueForecast], lead_days: int
) -> Mapping[ResourceKey, UsageHistory]:
    by_kind: dict[str, set[ResourceKey]] = defaultdict(set)
    for each in due:
        by_kind[each.forecast.statistic].add(_resource(each.forecast))
    found: dict[ResourceKey, UsageHistory] = {}
    for statistic, keys in by_kind.items():
        first_ms = min(_made_ms(each.forecast) for each in due)
        last_ms = max(each.forecast.published_ms for each in due) + lead_days * DAY_MS
        wanted = partial(_always, statistic)
        found |= read_histories(samples, keys, wanted, first_ms, last_ms, bounds=False)
    return found


def _always(statistic: str, kind: str) -> str:
    return statistic


def _resource(forecast: PublishedForecast) -> ResourceKey:
    return ResourceKey(forecast.host, forecast.resource, forecast.item)


def _made_ms(forecast: PublishedForecast) -> int:
    """The end of the history that it was made of; an imported one may have ended long before."""
    times = forecast.times_ms
    step = int(times[1] - times[0]) if times.size > 1 else HOUR_MS
    return int(times[0]) - step


def _score(
    due: DueForecast, times_ms: Int64s, values: Float64s, lead_days: int, now_ms: int
) -> ForecastScore | None:
    said = due.forecast
    made_ms, until_ms = _made_ms(said), said.published_ms + lead_days * DAY_MS
    came = (times_ms > made_ms) & (times_ms <= until_ms)
    times_ms, values = times_ms[came], values[came]
    widening = 1.0 if said.basis is None else said.basis.widening
    bands = band_score(said, times_ms, values, widening=widening)
    if bands is None:
        return None
    score = ForecastScore(
        forecast_id=due.id,
        lead_days=lead_days,
        resource_digest=due.resource_digest,
        resource=said.resource,
        published_ms=said.published_ms,
        scored_ms=now_ms,
        first_of_day=due.first_of_day,
        first_of_week=due.first_of_week,
        values=bands.values,
        inside80=bands.inside80,
        inside95=bands.inside95,
        mae=bands.mae,
        pinball=bands.pinball,
        scale=said.mark or said.limit or float(np.abs(values).mean()),
        reach=bands.reach,
        held=_bands_held(bands),
    )
    if said.mark is None or said.state == OutlookState.OVER_NOW:
        return score
    return _with_dates(score, said, times_ms, values, until_ms)


def _bands_held(bands: BandScore) -> bool:
    return bands.inside95 >= HELD_SHARE * bands.values


def _with_dates(
    score: ForecastScore,
    said: PublishedForecast,
    times_ms: Int64s,
    values: Float64s,
    until_ms: int,
) -> ForecastScore:
    """The score with what became of the dates, as far as it is known by then."""
    assert said.mark is not None
    dates = Dates(_made_ms(said), said.horizon_ms, said.p10_ms, said.p50_ms, said.p90_ms)
    run = 3 if _made_ms(said) + HOUR_MS == said.times_ms[0] else 1
    crossed_ms = first_crossing_ms(times_ms, values, said.mark, run)
    known = crossed_ms is not None or until_ms >= said.horizon_ms
    off_ms = None
    if crossed_ms is not None and said.p50_ms is not None:
        off_ms = said.p50_ms - crossed_ms
    return replace(
        score,
        crossed_ms=crossed_ms,
        crossing_error_ms=off_ms,
        dates_pinball_ms=dates_pinball_ms(dates, crossed_ms) if known else None,
        held=bool(score.held) and dates_held(dates, crossed_ms, until_ms),
        alarm=alarm(dates, crossed_ms, until_ms),
    )
