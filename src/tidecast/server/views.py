"""What the pages, the API and the reports show, read from the running application."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np

import tidecast_collector
from tidecast.journeys.examine_usage import Strange, reasons_of
from tidecast.journeys.fast_path import FullIn
from tidecast.journeys.forecast_fleet import usage_query
from tidecast.journeys.measure_usage import MeasuredUsage, measure
from tidecast.journeys.usage_records import (
    HOUR_MS,
    ResourceKey,
    UsageHistory,
    hour_end,
    read_usage,
)
from tidecast.promql.errors import QueryTimeout
from tidecast.promql.settings import QueryOptions
from tidecast.records import PublishedForecast, RecordedChange
from tidecast.samples.matchers import Matcher, MatchOp
from tidecast.samples.protocol import SamplesUnavailable
from tidecast.server.application import Application
from tidecast.server.ledger_views import band_of, past_forecasts, track_record
from tidecast.web.data import ChangeSaid, HostSummary, HostView, PageStatus, ResourceView
from tidecast_alerts.model import Incident, IncidentState, IncidentView
from tidecast_analytics.changes import later_marks, pattern_of
from tidecast_analytics.expectations import parse_amount
from tidecast_analytics.forecasting import MINIMUM_STEPS
from tidecast_analytics.sanity import Finding, clock_finding
from tidecast_collector.errors import InvalidInput
from tidecast_reports.capacity import CapacityReport, MarkedChange, ResourceOutlook
from tidecast_reports.ranking import rank
from tidecast_reports.units import quantity

SHOWN_MS = 90 * 24 * HOUR_MS
SHOWN_WHOLE_MS = 730 * 24 * HOUR_MS
SILENT_MS = 180_000
KEPT_SECONDS = 5
_RUNNING_HOUR_SECONDS = 10.0
"""People do not wait longer for the part of a page that is provisional."""
OPEN_STATES = (IncidentState.OPEN, IncidentState.ACKNOWLEDGED)
Explain = Callable[[ResourceKey], Mapping[str, Any] | None]
log = logging.getLogger(__name__)
NONE_MS, NONE = np.empty(0, dtype=np.int64), np.empty(0)


class Views:
    """Answers for people; the capacity report is made at most every five seconds.

    Unless something changed what it must say: an import, a retirement, new forecasts.
    """

    def __init__(
        self,
        application: Application,
        explain: Explain,
        expect_explanation: Callable[[], None],
        record_change: Callable[[RecordedChange], object],
    ) -> None:
        self._app = application
        self._explain = explain
        self._expect_explanation = expect_explanation
        self._record_change = record_change
        self._lock = threading.Lock()
        self._report: CapacityReport | None = None
        self._changes = 0

    def status(self) -> PageStatus:
        """What stands around every page."""
        with self._app.records.reading() as unit:
            generated = unit.settings.get("generated") is True
            count = len(unit.alerting.incidents(states=OPEN_STATES))
        now = self._app.clock.now_ms()
        run = self._app.progress
        return PageStatus(
            tidecast_collector.__version__,
            now,
            count,
            generated,
            forecasting=(run.done, run.total) if run.running else None,
        )

    def capacity(self) -> CapacityReport:
        """Every living resource, what runs out first at the top."""
        with self._lock:
            now = self._app.clock.now_ms()
            kept, changes = self._report, self._app.changes
            fresh = kept is not None and 0 <= now - kept.made_ms < KEPT_SECONDS * 1000
            if kept is None or not fresh or not kept.outlooks or changes != self._changes:
                kept = self._report = self._capacity(now)
                self._changes = changes
            return kept

    def _capacity(self, now: int) -> CapacityReport:
        outlooks = self._outlooks(now, (), SHOWN_MS)
        with self._app.records.reading() as unit:
            generated = unit.settings.get("generated") is True
        days = self._app.settings.horizon_ms // (24 * HOUR_MS)
        track = track_record(self._app.track.fleet)
        return CapacityReport(
            "What runs out first", now, days, rank(outlooks, now), generated, track
        )  # fmt: skip

    def _outlooks(
        self, now: int, narrow: Sequence[Matcher], shown_ms: int
    ) -> list[ResourceOutlook]:
        with self._app.records.reading() as unit:
            latest = unit.forecasts.latest()
            known = {ResourceKey(r.host, r.resource, r.item): r for r in unit.resources.all()}
        forecasts = {ResourceKey(f.host, f.resource, f.item): f for f in latest}
        histories = dict(read_usage(self._app.own, now - shown_ms, now, narrow))
        ended = [k for k, r in known.items() if k not in histories and not r.retired]
        for key in ended:  # its last days, however long ago they were
            until = known[key].last_seen_ms
            histories |= read_usage(self._app.own, until - shown_ms, until, _exactly(key))
        running = {m.key: m for m in self._running_hour(now)}
        wanted = dict.fromkeys([*histories, *running])
        return [
            self._outlook(
                key,
                known[key].unit if key in known else "",
                histories.get(key, UsageHistory()),
                forecasts.get(key),
                running.get(key),
            )
            for key in wanted
            if not (key in known and known[key].retired) and _passes(narrow, key)
        ]

    def _running_hour(self, now: int) -> Sequence[MeasuredUsage]:
        """The usage so far in the hour that is not closed yet, or in the last five minutes.

        Nothing where an engine elsewhere is away or slow: hours before and forecasts are here.
        """
        start = min(hour_end(now) - HOUR_MS + 60_000, now - 300_000)
        steps = (now - start) // 60_000
        definitions = self._app.definitions.values()
        since, options = now - steps * 60_000, QueryOptions(timeout_seconds=_RUNNING_HOUR_SECONDS)
        try:
            return list(measure(self._app.engine, definitions, since, now, options=options))
        except (SamplesUnavailable, QueryTimeout) as error:
            log.warning("the running hour cannot be shown: %s", error)
            return ()

    def _outlook(
        self,
        key: ResourceKey,
        unit: str,
        history: UsageHistory,
        forecast: PublishedForecast | None,
        running: MeasuredUsage | None,
    ) -> ResourceOutlook:
        definition = self._app.definitions.fitting(*key)
        times, values = history.of(definition.statistic)
        limit = history.limit
        mark = self._app.definitions.mark(*key, limit=limit, recorded=history.mark)
        provisional = _provisional(running, definition.statistic)
        if limit is None and running is not None:
            limit = _last(running.limit)
            mark = limit * definition.mark_ratio if limit is not None else None
        first = int(times[0]) if len(times) else hour_end(self._app.clock.now_ms())
        waits = forecast is None or forecast.state == "not_enough_data"
        strange = self._app.anomalies.found.get(key, Strange())
        told = reasons_of(strange, lambda value: quantity(value, unit or definition.unit))
        return ResourceOutlook(
            host=key.host,
            resource=key.resource,
            item=key.item,
            unit=unit or definition.unit,
            statistic=definition.statistic,
            source=", ".join(sorted(filter(None, history.sources))),
            usage=float(values[-1]) if len(values) else provisional,
            limit=limit,
            mark=mark,
            state=forecast.state if forecast else "not_enough_data",
            p10_ms=forecast.p10_ms if forecast else None,
            p50_ms=forecast.p50_ms if forecast else None,
            p90_ms=forecast.p90_ms if forecast else None,
            reasons=(*forecast.reasons, *told)
            if forecast
            else ("no full hour has been recorded yet",),
            method=forecast.method if forecast else "",
            query=usage_query(key, definition.statistic),
            published_ms=forecast.published_ms if forecast else None,
            history_ms=times,
            history=values,
            band=band_of(forecast) if forecast else None,
            full_in_seconds=self._full_in(key),
            provisional=provisional,
            possible_ms=first + (MINIMUM_STEPS[HOUR_MS] - 1) * HOUR_MS if waits else None,
            track=track_record(self._app.track.of(key)),
            findings=self._findings(key.host, forecast),
            anomalies_ms=[event.peak_ms for event in strange.events],
            shifts_ms=[step.at_ms for step in strange.steps],
            changes=_changes(forecast),
            later_marks=_later_marks(forecast),
        )

    def _findings(self, host: str, forecast: PublishedForecast | None) -> Sequence[Finding]:
        """What is wrong with a history, and with its host's clock now."""
        found = forecast.basis.findings if forecast and forecast.basis else ()
        now = self._app.clock.now_ms()
        apart_ms = self._app.hosts.clocks.apart_ms(host, now)
        if not apart_ms or any(each.kind == "clock_skew" for each in found):
            return found
        return (clock_finding(apart_ms, now), *found)

    def _full_in(self, key: ResourceKey) -> FullIn | None:
        return self._app.full_in.get(key)

    def hosts(self) -> Sequence[HostSummary]:
        """Every host with living resources, or that was heard of."""
        by_host: dict[str, list[ResourceOutlook]] = {}
        for outlook in self.capacity().outlooks:
            by_host.setdefault(outlook.host, []).append(outlook)
        seen = self._app.hosts.all()
        open_by_host: dict[str, int] = {}
        for each in self.incidents_in(OPEN_STATES):
            open_by_host[each.host] = open_by_host.get(each.host, 0) + 1
        return [
            HostSummary(
                name,
                seen.get(name),
                self._silent(seen.get(name)),
                len(by_host.get(name, ())),
                open_by_host.get(name, 0),
                self.capacity().horizon_days,
                next(iter(by_host.get(name, ())), None),
            )
            for name in sorted({*by_host, *seen})
        ]

    def _silent(self, last_seen_ms: int | None) -> bool:
        return last_seen_ms is not None and self._app.clock.now_ms() - last_seen_ms > SILENT_MS

    def host(self, name: str) -> HostView | None:
        """One host, None where nothing is known of it."""
        report = self.capacity()
        outlooks = [each for each in report.outlooks if each.host == name]
        seen = self._app.hosts.all().get(name)
        if not outlooks and seen is None:
            return None
        incidents = [each for each in self.incidents() if each.host == name][:20]
        days, now = report.horizon_days, self._app.clock.now_ms()
        apart_ms = self._app.hosts.clocks.apart_ms(name, now)
        clock = clock_finding(apart_ms, now).what if apart_ms else ""
        return HostView(name, seen, self._silent(seen), days, outlooks, incidents, clock)

    def resource(self, host: str, resource: str, item: str) -> ResourceView | None:
        """One resource with its whole history and its ledger, None where it is not known."""
        self._expect_explanation()
        now = self._app.clock.now_ms()
        key = ResourceKey(host, resource, item)
        found = self._outlooks(now, _exactly(key), SHOWN_WHOLE_MS)
        if not found:
            return None
        with self._app.records.reading() as unit:
            past = past_forecasts(unit, key)
        incidents = [
            each
            for each in self.incidents()
            if (each.host, each.resource, each.item) == (host, resource, item)
        ]
        days = self._app.settings.horizon_ms // (24 * HOUR_MS)
        return ResourceView(found[0], days, past, incidents)

    def explanation(self, host: str, resource: str, item: str) -> Mapping[str, Any] | None:
        """All that is behind the newest forecast of a resource; None where there is none."""
        return self._explain(ResourceKey(host, resource, item))

    def incidents(self) -> Sequence[Incident]:
        """Those not resolved first, then the newest."""
        found = self.incidents_in(None)
        return sorted(found, key=lambda each: each.state is IncidentState.RESOLVED)

    def incidents_in(self, states: Collection[IncidentState] | None) -> Sequence[Incident]:
        """Incidents in these states, the newest first."""
        with self._app.records.reading() as unit:
            return unit.alerting.incidents(states=states)

    def incident(self, incident_id: int) -> IncidentView | None:
        """One incident with its signals and timeline."""
        with self._app.records.reading() as unit:
            incident = unit.alerting.incident(incident_id)
            if incident is None:
                return None
            signals = unit.alerting.signals_of(incident_id)
            return IncidentView(incident, signals, unit.alerting.timeline(incident_id))

    def record_change(self, said: ChangeSaid) -> None:
        """Records a change as one known from now on; its resource is forecast again."""
        now = self._app.clock.now_ms()
        for amount in filter(None, (said.expected, said.expected_limit)):
            try:
                parse_amount(amount)
            except ValueError as error:
                raise InvalidInput(str(error)) from error
        # A key may hold what patterns give a meaning.
        host, resource, item = (pattern_of(part) for part in (said.host, said.resource, said.item))
        at_ms = now if said.at_ms is None else said.at_ms
        self._record_change(
            RecordedChange(
                at_ms,
                now,
                now,
                said.title,
                said.by,
                host,
                resource,
                item,
                expected=said.expected,
                expected_limit=said.expected_limit,
            )
        )

    def acknowledge(self, incident_id: int, by: str, comment: str) -> None:
        """Says that somebody is on it."""
        self._app.alerts.acknowledge(incident_id, by, comment)

    def resolve(self, incident_id: int, by: str, comment: str) -> None:
        """Says that it is over."""
        self._app.alerts.resolve(incident_id, by, comment)


def _changes(forecast: PublishedForecast | None) -> list[MarkedChange]:
    """What was changed on a resource, or is to be, as its newest forecast knows it."""
    told = forecast.basis.changes if forecast and forecast.basis else ()
    return [MarkedChange(each.at_ms, each.title, each.by, each.expected) for each in told]


def _later_marks(forecast: PublishedForecast | None) -> list[tuple[int, float]]:
    """Where the newest forecast counts on changes of what there is."""
    if forecast is None or forecast.basis is None or forecast.mark is None:
        return []
    basis = forecast.basis
    return later_marks(basis.changes, basis.last_ms, forecast.mark, forecast.limit)


def _exactly(key: ResourceKey) -> list[Matcher]:
    return [Matcher(name, MatchOp.EQUAL, value) for name, value in key.labels().items()]


def _passes(narrow: Sequence[Matcher], key: ResourceKey) -> bool:
    labels: Mapping[str, str] = key.labels()
    return all(matcher.matches(labels[matcher.name]) for matcher in narrow)


def _last(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float | None:
    there = values[~np.isnan(values)]
    return float(there[-1]) if there.size else None


def _provisional(running: MeasuredUsage | None, statistic: str) -> float | None:
    """The running hour's value so far, by the same statistic as a closed hour's."""
    if running is None:
        return None
    there = running.usage[~np.isnan(running.usage)]
    if not there.size:
        return None
    if statistic == "p95":
        return float(np.quantile(there, 0.95))
    return float(there.max() if statistic == "max" else there.mean())
