"""From usage records to published forecasts: every resource against its mark."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tidecast.journeys.usage_records import ResourceKey, UsageHistory, read_usage
from tidecast.policy.resources import ResourceDefinition, custom_resource
from tidecast.records import KnownResource, PublishedForecast, Records
from tidecast.samples.matchers import Matcher, MatchOp
from tidecast.samples.protocol import Samples
from tidecast_analytics.forecasting import forecast
from tidecast_analytics.outlook import History, Outlook, OutlookState

Bools = npt.NDArray[np.bool_]

AGAIN_MS = 6 * 3_600_000
"""A forecast over weeks hardly moves within hours; what does is watched by the fast path."""
HOURLY_KEPT_MS = 7 * 86_400_000
"""So far the ledger keeps every step of a forecast; beyond that, one a day."""
HISTORY_MS = 2 * 365 * 86_400_000
HOSTS_AT_ONCE = 50
NO_MARK = "no_mark"
"""State of a resource that nobody has set a mark for: it is forecast, but nothing is crossed."""

Forecaster = Callable[[Sequence[History], int], list[Outlook]]
"""Runs `tidecast_analytics.forecasting.forecast`, here or in the worker."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """What a run of forecasts works with."""

    samples: Samples
    records: Records
    definitions: Mapping[str, ResourceDefinition]
    run: Forecaster = forecast


def forecast_fleet(fleet: Fleet, now_ms: int, horizon_ms: int, *, everything: bool = True) -> int:
    """Publishes a forecast of every resource that is not retired; returns how many.

    Without `everything`, those that have a fresh forecast already are left as they are.
    """
    with fleet.records.reading() as unit:
        known = {ResourceKey(r.host, r.resource, r.item): r for r in unit.resources.all()}
        latest = unit.forecasts.latest(bands=False)
    fresh = {
        ResourceKey(f.host, f.resource, f.item)
        for f in latest
        if not everything
        and now_ms - f.published_ms < AGAIN_MS
        and f.state != OutlookState.NOT_ENOUGH_DATA
    }
    living = {key: r for key, r in known.items() if not r.retired and key not in fresh}
    published = 0
    for hosts in _chunks(sorted({key.host for key in living})):
        among = Matcher("instance", MatchOp.REGEX, "|".join(map(re.escape, hosts)))
        # An imported history may have ended long ago; what is said of it counts from its end.
        oldest_end_ms = min(r.last_seen_ms for key, r in living.items() if key.host in hosts)
        usage = read_usage(fleet.samples, oldest_end_ms - HISTORY_MS, now_ms, (among,))
        asked = [(living[key], history) for key, history in usage.items() if key in living]
        outlooks = fleet.run([_history(fleet, *each) for each in asked], horizon_ms)
        forecasts = [
            _published(fleet, resource, history, outlook, now_ms, horizon_ms)
            for (resource, history), outlook in zip(asked, outlooks, strict=True)
        ]
        with fleet.records.unit() as unit:
            unit.forecasts.publish(forecasts)
        published += len(forecasts)
    return published


def _chunks(hosts: Sequence[str]) -> Iterator[Sequence[str]]:
    for first in range(0, len(hosts), HOSTS_AT_ONCE):
        yield hosts[first : first + HOSTS_AT_ONCE]


def definition_of(
    definitions: Mapping[str, ResourceDefinition], resource: str
) -> ResourceDefinition:
    """The policy's definition, or how a resource is judged that only an import knows."""
    return definitions.get(resource) or custom_resource(resource)


def _history(fleet: Fleet, resource: KnownResource, history: UsageHistory) -> History:
    definition = definition_of(fleet.definitions, resource.resource)
    times, values = history.of(definition.statistic)
    return History(times, values, history.mark, history.limit)


def usage_query(key: ResourceKey, statistic: str) -> str:
    """The PromQL that shows the history that was forecast."""
    matchers = [
        Matcher(name, MatchOp.EQUAL, value)
        for name, value in {**key.labels(), "stat": statistic}.items()
        if value
    ]
    return f"tidecast_usage{{{','.join(map(str, matchers))}}}"


def _published(
    fleet: Fleet,
    resource: KnownResource,
    history: UsageHistory,
    outlook: Outlook,
    now_ms: int,
    horizon_ms: int,
) -> PublishedForecast:
    key = ResourceKey(resource.host, resource.resource, resource.item)
    statistic = definition_of(fleet.definitions, resource.resource).statistic
    _, values = history.of(statistic)
    kept = _kept_steps(outlook)
    return PublishedForecast(
        host=key.host,
        resource=key.resource,
        item=key.item,
        unit=resource.unit,
        statistic=statistic,
        source=", ".join(sorted(filter(None, history.sources))),
        published_ms=now_ms,
        horizon_ms=now_ms + horizon_ms,
        state=str(outlook.state or NO_MARK),
        p10_ms=outlook.p10_ms,
        p50_ms=outlook.p50_ms,
        p90_ms=outlook.p90_ms,
        mark=history.mark,
        usage=float(values[-1]) if len(values) else None,
        limit=history.limit,
        method=outlook.method,
        reasons=outlook.reasons,
        query=usage_query(key, statistic),
        times_ms=outlook.times_ms[kept],
        mean=outlook.mean[kept],
        lo80=outlook.lo80[kept],
        hi80=outlook.hi80[kept],
        lo95=outlook.lo95[kept],
        hi95=outlook.hi95[kept],
    )


def _kept_steps(outlook: Outlook) -> Bools:
    """Which steps the ledger keeps: all of the first days, then those at the same hour a day."""
    since_start = outlook.times_ms - (outlook.times_ms[0] if len(outlook.times_ms) else 0)
    kept: Bools = (since_start <= HOURLY_KEPT_MS) | (since_start % 86_400_000 == 0)
    return kept
