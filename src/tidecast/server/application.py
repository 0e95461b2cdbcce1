"""The running application: the rooms, joined, and what keeps them going."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from tidecast.clock import SystemClock
from tidecast.config import ServerSettings
from tidecast.journeys.alert_rules import read_all_rules
from tidecast.journeys.fast_path import FullIn, watch_fast_path
from tidecast.journeys.forecast_fleet import Fleet, definition_of, forecast_fleet
from tidecast.journeys.import_history import UsageImport, keep_usage
from tidecast.journeys.ingest import HostsSeen, Ingest, LateHours, last_closed_hour
from tidecast.journeys.measure_usage import usage_records
from tidecast.journeys.own_series import (
    Point,
    batch_at,
    fast_path_points,
    forecast_points,
    host_points,
    incident_points,
)
from tidecast.journeys.usage_records import HOUR_MS, ResourceKey, UsageRecords, to_batch
from tidecast.policy.resources import load_resources
from tidecast.policy.tokens import TokenFile
from tidecast.promql.alerting import AlertingPromQL
from tidecast.promql.engine import Engine
from tidecast.records import KnownResource, Records
from tidecast.samples.batch import SampleBatch
from tidecast.samples.embedded import EmbeddedSamples
from tidecast.samples.routed import RoutedSamples
from tidecast.server.metrics import ServerMetrics
from tidecast.server.notify import webhook_sender
from tidecast.server.tasks import Tasks
from tidecast.server.worker import Worker
from tidecast_alerts.engine import AlertEngine
from tidecast_alerts.model import IncidentState
from tidecast_alerts.notifications import deliver_due
from tidecast_analytics.forecasting import forecast

log = logging.getLogger(__name__)

OWN_WINDOW_MS = 30 * 24 * HOUR_MS
OWN_RETENTION_MS = 3650 * 24 * HOUR_MS
LATE_HOURS_AT_ONCE = 24 * 7


class Pending:
    """Work that is due once its causes have stopped coming, or have come for too long."""

    QUIET_MS, PATIENCE_MS = 3_000, 300_000

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._first_ms: int | None = None
        self._last_ms = 0

    @property
    def due(self) -> bool:
        """Whether something is to be done."""
        return self._first_ms is not None

    def note(self, now_ms: int) -> None:
        """Another cause."""
        with self._lock:
            self._first_ms = now_ms if self._first_ms is None else self._first_ms
            self._last_ms = now_ms

    def take(self, now_ms: int, *, wait: bool) -> bool:
        """Whether to do it now; then nothing is due until the next cause."""
        with self._lock:
            if self._first_ms is None:
                return False
            quiet = not wait and now_ms - self._last_ms >= self.QUIET_MS
            if quiet or now_ms - self._first_ms >= self.PATIENCE_MS:
                self._first_ms = None
                return True
            return False


class Application:
    """Everything one server process holds. `start` sets it going, `close` ends it."""

    def __init__(self, settings: ServerSettings, tokens: TokenFile | None = None) -> None:
        self.settings = settings
        self.clock = SystemClock()
        self._tokens = tokens
        settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o750)
        self.raw = EmbeddedSamples(settings.data_dir / "samples" / "raw")
        self.own = EmbeddedSamples(settings.data_dir / "samples" / "own", window_ms=OWN_WINDOW_MS)
        self.samples = RoutedSamples(self.own, self.raw)
        self.records = Records.open(settings.records_url)
        self.engine = Engine(self.samples)
        promql = AlertingPromQL(self.engine)
        self.definitions = load_resources(promql.check, settings.resources_file)
        self.metrics = ServerMetrics()
        self.hosts = HostsSeen(self._saved_hosts())
        self.late = LateHours(self.records)
        self.ingest = Ingest(self.samples, self.late, self.hosts)
        self.alerts = AlertEngine(
            read_all_rules(settings.rules_files, promql),
            promql,
            self.records.alerting_unit,
            self.clock,
            receivers=settings.webhook_urls,
            external_url=settings.external_url or f"{settings.scheme}://{settings.listen}",
        )
        self.full_in: dict[ResourceKey, FullIn | None] = {}
        self._worker = Worker()
        self._tasks = Tasks(self.metrics)
        self._to_forecast = Pending()
        self.metrics.show(self.newest_own_series)

    def start(self) -> None:
        """Sets the background work going."""
        if self.late.watermark_ms is None:
            self.late.advance(last_closed_hour(self.clock.now_ms()))
        if self._tokens is not None:
            self._tasks.every(1, "tokens", self._tokens.reload_if_changed)
        self._tasks.every(15, "hosts", self._write_hosts)
        self._tasks.every(1, "rules", self._watch)
        self._tasks.every(60, "own-series", self._write_own_series)
        self._tasks.every(5, "usage", self._measure)
        self._tasks.every(2, "forecasts", self._forecast)
        self._tasks.every(60, "fast-path", self._watch_fast_path)
        self._tasks.every(2, "notifications", self._notify)
        self._tasks.every(30, "samples", self._keep_samples)

    def close(self) -> None:
        """Ends the background work and closes the rooms."""
        self._tasks.stop()
        self._worker.close()
        self._save_hosts()
        self.own.close()
        self.raw.close()
        self.records.close()

    # What is repeated

    def _write_hosts(self) -> None:
        self.own.append(batch_at(host_points(self.hosts.all()), self.clock.now_ms()))

    def _watch(self) -> None:
        self.alerts.evaluate_due(self.clock.now_ms())

    def _own_points(self) -> list[Point]:
        lead = {name: each.lead_time_seconds for name, each in self.definitions.items()}
        with self.records.reading() as unit:
            forecasts = unit.forecasts.latest(bands=False)
            retired = {(r.host, r.resource, r.item) for r in unit.resources.all() if r.retired}
            incidents = unit.alerting.incidents(limit=10_000)
        counts = {str(state): 0 for state in IncidentState}
        for each in incidents:
            counts[each.state] += 1
        living = [f for f in forecasts if (f.host, f.resource, f.item) not in retired]
        return [
            *forecast_points(living, lead, self.clock.now_ms()),
            *fast_path_points(self.full_in),
            *incident_points(counts),
        ]

    def _write_own_series(self) -> None:
        self.own.append(batch_at(self._own_points(), self.clock.now_ms()))
        self._save_hosts()

    def newest_own_series(self) -> SampleBatch:
        """What /metrics tells of forecasts, hosts and incidents."""
        points = [*host_points(self.hosts.all()), *self._own_points()]
        return batch_at(points, self.clock.now_ms())

    def _measure(self) -> None:
        """Usage records of the hours that have closed, and of those that late samples reached."""
        closed = last_closed_hour(self.clock.now_ms())
        watermark = self.late.watermark_ms
        assert watermark is not None
        if closed > watermark:
            self._keep_usage(range(watermark + HOUR_MS, closed + 1, HOUR_MS))
            self.late.advance(closed)
            self._to_forecast.note(self.clock.now_ms())
        while hours := self.late.take(LATE_HOURS_AT_ONCE):
            try:
                self._keep_usage(hours)
            except BaseException:
                self.late.put_back(hours)
                raise
            self.late.done(hours)
            self._to_forecast.note(self.clock.now_ms())

    def _keep_usage(self, hours: Sequence[int]) -> None:
        for records in usage_records(self.engine, self.definitions, hours):
            self.own.append(to_batch(records))
            self._register(records, {})

    def _register(self, records: Sequence[UsageRecords], units: dict[ResourceKey, str]) -> None:
        known = [
            KnownResource(
                *each.key,
                unit=units.get(each.key) or definition_of(self.definitions, each.key.resource).unit,
                statistic=definition_of(self.definitions, each.key.resource).statistic,
                source=each.source,
                first_seen_ms=int(each.hours_ms[0]),
                last_seen_ms=int(each.hours_ms[-1]),
            )
            for each in records
            if len(each.hours_ms)
        ]
        with self.records.unit() as unit:
            unit.resources.put(known)

    def _forecast(self) -> None:
        """Forecasts once new usage records are complete; late hours still due are waited for."""
        now = self.clock.now_ms()
        if not self._to_forecast.take(now, wait=len(self.late) > 0):
            return
        fleet = Fleet(
            self.own,
            self.records,
            self.definitions,
            lambda histories, horizon: self._worker.run(forecast, histories, horizon),
        )
        try:
            count = forecast_fleet(fleet, now, self.settings.horizon_ms)
        except BaseException:
            self._to_forecast.note(now)
            raise
        log.info("published %d forecasts", count)
        self._write_own_series()

    def _watch_fast_path(self) -> None:
        self.full_in = watch_fast_path(self.engine, self.definitions, self.clock.now_ms())

    def _notify(self) -> None:
        deliver_due(self.records.alerting_unit, webhook_sender, self.clock)

    def _keep_samples(self) -> None:
        now = self.clock.now_ms()
        self.raw.maintain(now)
        self.own.maintain(now)
        if not len(self.late):
            self.raw.retain(now - self.settings.retention_ms)
            self.own.retain(now - OWN_RETENTION_MS)

    # What is asked of it

    def import_usage(self, usage: UsageImport) -> int:
        """Keeps imported usage records and has them forecast; returns how many samples."""
        written = keep_usage(self.own, usage)
        self._register(usage.records, dict(usage.units))
        self._to_forecast.note(self.clock.now_ms())
        return written

    def import_chunks(self, key: str) -> set[str]:
        """The chunks of an import that are done."""
        with self.records.reading() as unit:
            return unit.imports.done_chunks(key)

    def import_chunk_done(self, key: str, source: str, chunk: str) -> None:
        """Remembers that a chunk of an import is done."""
        with self.records.unit() as unit:
            unit.imports.mark_done(key, source, chunk, self.clock.now_ms())

    def set_generated(self, generated: bool) -> None:
        """Whether the data here is generated."""
        with self.records.unit() as unit:
            unit.settings.put("generated", generated)

    def retire(self, host: str, resource: str, item: str, by: str) -> int:
        """Takes what is gone for good out of the forecasts; returns the incidents it closed."""
        now = self.clock.now_ms()
        with self.records.unit() as unit:
            unit.resources.retire(host, resource or None, item or None, now, "retired", by)
            unit.audit.add(now, by, "retire", str(ResourceKey(host, resource, item)))
        if not resource:
            self.hosts.forget(host)
        return self.alerts.retire(host, resource, item, by)

    def status(self) -> dict[str, object]:
        """What is still to be done with what came in."""
        return {
            "late_hours": len(self.late),
            "forecasts_due": self._to_forecast.due,
            "usage_until_ms": self.late.watermark_ms,
        }

    def _saved_hosts(self) -> dict[str, int]:
        with self.records.reading() as unit:
            saved = unit.settings.get("hosts_last_seen_ms")
        if not isinstance(saved, dict):
            return {}
        return {host: at for host, at in saved.items() if isinstance(at, int)}

    def _save_hosts(self) -> None:
        with self.records.unit() as unit:
            unit.settings.put("hosts_last_seen_ms", dict(self.hosts.all()))
