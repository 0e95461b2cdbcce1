"""From usage records to published forecasts: every resource against its mark.

The fleet is gone through in batches that are read, analysed (in several worker processes at once)
and published one by one, so that memory is bounded, progress can be told, and a run that was
broken off goes on where it was.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np

from tidecast.journeys.fleet_analysis import Analysis, Case, analyse
from tidecast.journeys.plans import Plans
from tidecast.journeys.usage_histories import read_histories
from tidecast.journeys.usage_records import ResourceKey, UsageHistory
from tidecast.policy.resources import ResourceDefinition, Resources, custom_resource
from tidecast.records import Basis, KnownResource, PublishedForecast, Records
from tidecast.samples.matchers import Matcher, MatchOp
from tidecast.samples.protocol import Samples
from tidecast_analytics.calibration import UNWIDENED, Widening
from tidecast_analytics.outlook import History, OutlookState
from tidecast_analytics.series import MAX_STEPS

DAY_MS = 86_400_000
AGAIN_MS = 6 * 3_600_000
"""A forecast over weeks hardly moves within hours; what does is watched by the fast path."""
HISTORY_MS = 2 * 365 * 86_400_000
BATCH = 250
"""So many series are read, analysed and published at a time."""
_MODELLED_STEPS = max(MAX_STEPS.values())
NO_MARK = "no_mark"
"""State of a resource that nobody has set a mark for: it is forecast, but nothing is crossed."""

Analyser = Callable[[Sequence[Case], int, int], list[Analysis]]
"""Runs `fleet_analysis.analyse`, here or in a worker; called from `Fleet.lanes` threads at once."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """What a run of forecasts works with; `policy` names where definitions come from.

    `clocks_apart_ms` are the hosts whose clocks are apart, and by how much they are ahead.
    """

    samples: Samples
    records: Records
    definitions: Resources
    run: Analyser = analyse
    lanes: int = 1
    widening: Callable[[ResourceKey], Widening] = lambda key: UNWIDENED
    policy: str = "the default policy"
    plans: Plans = field(default_factory=Plans)
    clocks_apart_ms: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunProgress:
    """How far the run that goes on is, or how far the last one came: `done` of `total` series."""

    running: bool = False
    started_ms: int | None = None
    done: int = 0
    total: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Run:
    """One run over the fleet: forecasts published since `started_ms` are part of it already.

    With `everything`, fresh forecasts are made again too. `told` hears of progress as (done,
    total), `stopped` says that the run is to end early.
    """

    started_ms: int
    everything: bool = True
    told: Callable[[int, int], None] = lambda done, total: None
    stopped: Callable[[], bool] = lambda: False


@dataclass(frozen=True, slots=True)
class _Batch:
    """Resources that are analysed together; `asked` counts those without a history too.

    The `histories` are without their usage: what is analysed of it is in the cases.
    """

    asked: int
    resources: Sequence[KnownResource]
    histories: Sequence[UsageHistory]
    cases: Sequence[Case]


def forecast_fleet(fleet: Fleet, run: Run, now_ms: int, horizon_ms: int) -> int:
    """Publishes a forecast of every resource that is not retired; returns how many.

    They are dated `now_ms`. Ends early, between two batches, once the run is stopped.
    """
    asked = _asked(fleet, run, now_ms)
    done = published = 0
    run.told(done, len(asked))
    batches = _batches(fleet, asked, now_ms, horizon_ms)
    for batch, analyses in _analysed(fleet, run, batches, now_ms, horizon_ms):
        forecasts = [
            _published(fleet, *each, now_ms, horizon_ms)
            for each in zip(batch.resources, batch.histories, batch.cases, analyses, strict=True)
        ]
        with fleet.records.unit() as unit:
            unit.forecasts.publish(forecasts)
        published += len(forecasts)
        done += batch.asked
        run.told(done, len(asked))
    return published


def _asked(fleet: Fleet, run: Run, now_ms: int) -> list[KnownResource]:
    """Living resources that lack a forecast of this run, or a fresh one that knows of all their
    changes, by key."""
    with fleet.records.reading() as unit:
        known = unit.resources.all()
        latest = unit.forecasts.latest(bands=False)
    made = {
        ResourceKey(f.host, f.resource, f.item)
        for f in latest
        if f.published_ms >= run.started_ms
        or (
            not run.everything
            and now_ms - f.published_ms < AGAIN_MS
            and fleet.plans.told_ms(ResourceKey(f.host, f.resource, f.item)) < f.published_ms
            and f.state != OutlookState.NOT_ENOUGH_DATA
        )
    }
    return [r for r in known if not r.retired and _key(r) not in made]


def _batches(
    fleet: Fleet, asked: Sequence[KnownResource], now_ms: int, horizon_ms: int
) -> Iterator[_Batch]:
    for first in range(0, len(asked), BATCH):
        some = {_key(each): each for each in asked[first : first + BATCH]}
        # An imported history may have ended long ago; what is said of it counts from its end.
        oldest_end_ms = min(each.last_seen_ms for each in some.values())
        histories = read_histories(
            fleet.samples,
            some,
            lambda kind: definition_of(fleet.definitions, kind).statistic,
            oldest_end_ms - HISTORY_MS,
            now_ms,
        )
        found = [key for key in some if key in histories]
        yield _Batch(
            len(some),
            [some[key] for key in found],
            [replace(histories[key], usage={}) for key in found],
            [_case(fleet, some[key], histories[key], now_ms, horizon_ms) for key in found],
        )


def _analysed(
    fleet: Fleet, run: Run, batches: Iterator[_Batch], now_ms: int, horizon_ms: int
) -> Iterator[tuple[_Batch, list[Analysis]]]:
    """Each batch with its analyses, in order, while the next ones are read and computed."""
    waiting: deque[tuple[_Batch, Future[list[Analysis]]]] = deque()
    with ThreadPoolExecutor(fleet.lanes, "forecast-lane") as pool:
        try:
            for batch in batches:
                if run.stopped():
                    return
                waiting.append((batch, pool.submit(fleet.run, batch.cases, horizon_ms, now_ms)))
                if len(waiting) > fleet.lanes:
                    ready, future = waiting.popleft()
                    yield ready, future.result()
            while waiting and not run.stopped():
                ready, future = waiting.popleft()
                yield ready, future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def definition_of(
    definitions: Mapping[str, ResourceDefinition], resource: str
) -> ResourceDefinition:
    """The policy's definition, or how a resource is judged that only an import knows."""
    return definitions.get(resource) or custom_resource(resource)


def _key(resource: KnownResource) -> ResourceKey:
    return ResourceKey(resource.host, resource.resource, resource.item)


def _case(
    fleet: Fleet, resource: KnownResource, history: UsageHistory, now_ms: int, horizon_ms: int
) -> Case:
    key = _key(resource)
    times, values = history.of(fleet.definitions.fitting(*key).statistic)
    # No more than is modelled: the rest would only be sent about.
    times, values = times[-_MODELLED_STEPS:].copy(), values[-_MODELLED_STEPS:].copy()
    lead_ms = fleet.definitions.lead_time_seconds(*key) * 1000
    mark = fleet.definitions.mark(*key, limit=history.limit, recorded=history.mark)
    seen = History(times, values, mark, history.limit)
    seen, changes = fleet.plans.beside(key, seen, now_ms, horizon_ms)
    return Case(
        seen,
        resource.unit,
        str(key),
        lead_ms,
        fleet.widening(key),
        changes,
        fleet.clocks_apart_ms.get(key.host, 0),
        resource.unit_inferred,
    )


def usage_query(key: ResourceKey, statistic: str) -> str:
    """The PromQL that shows the history that was forecast."""
    matchers = [
        Matcher(name, MatchOp.EQUAL, value)
        for name, value in {**key.labels(), "stat": statistic}.items()
        if value
    ]
    return f"tidecast_usage{{{','.join(map(str, matchers))}}}"


def mark_source(
    definitions: Resources, key: ResourceKey, history: UsageHistory, policy: str
) -> str:
    """Where the mark of a resource comes from, in words; "" where it has none."""
    chosen = definitions.mark_of(*key)
    if chosen is not None and history.limit is not None:
        return f"{chosen.mark_ratio:.0%} of the limit, by the applied policy ({chosen.place})"
    if history.mark is None:
        return ""
    ratio = definitions.fitting(*key).mark_ratio
    if history.limit is not None and np.isclose(history.mark, history.limit * ratio):
        return f"{ratio:.0%} of the limit, by {policy}"
    imported = ", ".join(sorted(filter(None, history.sources)))
    return f"given by the import {imported}" if imported else "given with the usage records"


def _published(
    fleet: Fleet,
    resource: KnownResource,
    history: UsageHistory,
    case: Case,
    analysis: Analysis,
    now_ms: int,
    horizon_ms: int,
) -> PublishedForecast:
    key, outlook = _key(resource), analysis.outlook
    statistic = definition_of(fleet.definitions, key.resource).statistic
    values = case.history.values
    source = mark_source(fleet.definitions, key, history, fleet.policy)
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
        mark=case.history.mark,
        usage=float(values[-1]) if len(values) else None,
        limit=history.limit,
        method=outlook.method,
        reasons=outlook.reasons,
        query=usage_query(key, statistic),
        times_ms=outlook.times_ms,
        mean=outlook.mean,
        lo80=outlook.lo80,
        hi80=outlook.hi80,
        lo95=outlook.lo95,
        hi95=outlook.hi95,
        basis=basis_of(case, analysis, source),
    )


def basis_of(case: Case, analysis: Analysis, source_of_mark: str) -> Basis:
    """What the forecast of this case rests on; the history must not be empty."""
    times, outlook = case.history.times_ms, analysis.outlook
    tested = outlook.backtest
    return Basis(
        first_ms=int(times[0]),
        last_ms=int(times[-1]),
        values=len(times),
        step_ms=outlook.seen.step_ms if outlook.seen else outlook.step_ms,
        weights=() if tested is None else tuple(tested.weights.items()),
        origins=0 if tested is None else tested.origins,
        mae=_finite(tested.mae) if tested else None,
        naive_mae=_finite(tested.naive_mae) if tested else None,
        probability=outlook.probability,
        within_lead_time=analysis.within_lead_time,
        widening=case.widening.factor,
        mark_source=source_of_mark,
        findings=analysis.findings,
        changes=analysis.changes,
    )


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
