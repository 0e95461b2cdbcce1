"""What alerts and lead times say of a requirement over a past period.

An alert that fired was a breach of what it watches over, as a mark that was reached is. A lead time
was undershot where a published forecast expected the mark sooner than more could be had.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime

from tidecast.journeys.sla_statements import Verdict
from tidecast.policy.elements import Element
from tidecast.policy.model import LeadTime
from tidecast.policy.resources import Resources
from tidecast.promql.parser import selectors
from tidecast.promql.query_engine import QueryEngine
from tidecast.promql.result import Matrix
from tidecast.promql.spelling import quote
from tidecast.records.forecasts import ForecastLedger
from tidecast_reports.availability import downtime

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
NOT_MEASURING = {
    "calendar": "a calendar says when, and measures nothing",
    "route": "a route says who is told, and measures nothing",
}
"""What serves a requirement without telling whether it was met."""


def alert_evidence(
    engine: QueryEngine, one: Element, start_ms: int, end_ms: int
) -> Iterator[tuple[Verdict, str]]:
    """Whether the alert fired in [start, end); open where nothing it reads had samples."""
    name = quote(one.name.partition(" #")[0])
    firing = f'ALERTS{{alertname={name},alertstate="firing"}}'
    hourly = f"count(count_over_time({firing}[1h]))"
    fired = _matrix(engine, hourly, start_ms + HOUR_MS, end_ms, HOUR_MS)
    hours = sorted({int(at) for _, times, _ in fired for at in times})
    if hours:
        first = f"{datetime.fromtimestamp(hours[0] / 1000 - 3_600, UTC):%Y-%m-%d %H:%M}"
        yield Verdict.MISSED, f"it fired in {len(hours)} hours, first in that from {first} UTC on"
        return
    days, seen = (end_ms - start_ms) // DAY_MS, _days_seen(engine, one.expression, start_ms, end_ms)
    if seen:
        yield Verdict.MET, f"it never fired; what it reads was there on {seen} of {days} days"
    else:
        yield Verdict.OPEN, "it never fired, and nothing that it reads had samples in the period"


def _days_seen(engine: QueryEngine, expression: str, start_ms: int, end_ms: int) -> int:
    """At how many ends of a day each of the selectors had samples."""
    seen: set[int] | None = None
    for selector in selectors(expression):
        found = _matrix(engine, f"count({selector})", start_ms + DAY_MS, end_ms, DAY_MS)
        days = {int(at) for _, times, _ in found for at in times}
        seen = days if seen is None else seen & days
    return len(seen or ())


def _matrix(engine: QueryEngine, query: str, start_ms: int, end_ms: int, step_ms: int) -> Matrix:
    answer = engine.range(query, start_ms, end_ms, step_ms).value
    assert isinstance(answer, Matrix)
    return answer


def lead_time_evidence(
    ledger: ForecastLedger, resources: Resources, one: Element, start_ms: int, end_ms: int
) -> Iterator[tuple[Verdict, str]]:
    """Whether a forecast of [start, end) expected a mark within this lead time."""
    assert isinstance(one.value, LeadTime)
    name, judged = one.value.resource, 0
    for soonest in ledger.soonest(name, start_ms, end_ms):
        lead = resources.lead_time_of(soonest.host, name, soonest.item)
        if lead is None or lead.place != one.place:
            continue
        judged += 1
        left_ms = soonest.left_ms
        if left_ms is not None and left_ms <= lead.lead_time_seconds * 1000:
            days = math.ceil(left_ms / DAY_MS)
            yield (
                Verdict.MISSED,
                f"{soonest.host} {soonest.item or name} was expected to reach its mark within "
                f"{days} days, more takes {downtime(lead.lead_time_seconds)}",
            )
    if judged:
        yield Verdict.MET, f"{judged} resources were forecast against it"
    else:
        yield Verdict.OPEN, "no resource that it is for was forecast in the period"
