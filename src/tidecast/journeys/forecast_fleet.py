"""From usage records to published forecasts: every resource against its mark."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tidecast.journeys.usage_records import ResourceKey, UsageHistory, read_usage
from tidecast.policy.resources import ResourceDefinition, custom_resource
from tidecast.records import KnownResource, PublishedForecast, Records
from tidecast.samples.matchers import Matcher, MatchOp
from tidecast.samples.protocol import Samples
from tidecast_analytics.forecasting import forecast
from tidecast_analytics.outlook import History, Outlook, OutlookState

DAY_MS = 86_400_000
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
    kept = _thinned(outlook)
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
        times_ms=kept.times_ms,
        mean=kept.mean,
        lo80=kept.lo80,
        hi80=kept.hi80,
        lo95=kept.lo95,
        hi95=kept.hi95,
    )


def _thinned(outlook: Outlook) -> Outlook:
    """The outlook with the steps that the ledger keeps: the first days' all, then one for each day.

    A day's step has the mean of its means and the widest of its bands, and stands at its middle.
    """
    times = outlook.times_ms
    if not len(times):
        return outlook
    hourly = int(np.searchsorted(times, times[0] + HOURLY_KEPT_MS))
    per_day = max(1, DAY_MS // outlook.step_ms)
    starts = np.append(np.arange(hourly), np.arange(hourly, len(times), per_day))
    counts = np.diff(np.append(starts, len(times)))
    return replace(
        outlook,
        times_ms=times[starts + counts // 2],
        mean=np.add.reduceat(outlook.mean, starts) / counts,
        lo80=np.minimum.reduceat(outlook.lo80, starts),
        hi80=np.maximum.reduceat(outlook.hi80, starts),
        lo95=np.minimum.reduceat(outlook.lo95, starts),
        hi95=np.maximum.reduceat(outlook.hi95, starts),
    )
