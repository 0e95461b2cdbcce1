"""What the server does again and again: measure, forecast, watch, tell, tidy."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence

from tidecast.clock import SystemClock
from tidecast.journeys.fast_path import FamiliarRises, FullIn, watch_fast_path
from tidecast.journeys.host_clocks import own_times_apart
from tidecast.journeys.ingest import last_closed_hour
from tidecast.journeys.measure_usage import usage_records
from tidecast.journeys.observe_hosts import HostSilence
from tidecast.journeys.observe_watched import WatchedComponents
from tidecast.journeys.own_series import (
    Point,
    anomaly_points,
    batch_at,
    clock_points,
    fast_path_points,
    forecast_points,
    host_points,
    incident_points,
    progress_points,
    track_points,
)
from tidecast.journeys.route_notifications import routed
from tidecast.journeys.sla_documents import statement_points
from tidecast.journeys.sla_statements import running
from tidecast.journeys.usage_records import HOUR_MS, USAGE_KEPT_MS, ResourceKey, to_batch
from tidecast.samples.batch import SampleBatch
from tidecast.samples.embedded import EmbeddedSamples
from tidecast.samples.prometheus import PrometheusSamples
from tidecast.server.anomaly_watch import AnomalyWatch
from tidecast.server.application import Application
from tidecast.server.availability_views import AvailabilityViews
from tidecast.server.forecasting import Forecasting
from tidecast.server.heavy_queries import HeavyQueries, OffloadingEngine
from tidecast.server.notify import Webhooks
from tidecast.server.room import room_for_raw
from tidecast.server.tasks import Tasks
from tidecast_alerts.model import IncidentState
from tidecast_alerts.notifications import deliver_due

log = logging.getLogger(__name__)

ENDED_MS = 8 * 24 * HOUR_MS
"""A resource without a usage record for so long says nothing of now: it has no such series."""
OWN_SERIES_SECONDS = 240
REQUIREMENTS_SECONDS = 240
SLO_SECONDS = 240
"""A little less than PromQL looks back, so that these series never vanish from a query."""
LATE_HOURS_AT_ONCE = 24 * 7


class Due:
    """Forecasts that are due once their causes have stopped coming, or have come for too long."""

    QUIET_MS, PATIENCE_MS = 3_000, 300_000

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._first_ms: int | None = None
        self._last_ms = 0
        self._everything = False

    def __bool__(self) -> bool:
        return self._first_ms is not None

    def note(self, now_ms: int, *, everything: bool) -> None:
        """Another cause; `everything` where fresh forecasts too must be made again."""
        with self._lock:
            self._first_ms = now_ms if self._first_ms is None else self._first_ms
            self._last_ms = now_ms
            self._everything |= everything

    def take(self, now_ms: int, *, wait: bool) -> tuple[bool, bool]:
        """Whether to forecast now, and whether everything; then nothing is due any more."""
        with self._lock:
            if self._first_ms is None:
                return False, False
            quiet = not wait and now_ms - self._last_ms >= self.QUIET_MS
            if not quiet and now_ms - self._first_ms < self.PATIENCE_MS:
                return False, False
            everything, self._everything, self._first_ms = self._everything, False, None
            return True, everything


class Upkeep:
    """The background work of one application. `start` sets it going, `stop` lets it end."""

    def __init__(self, application: Application) -> None:
        self._app = application
        self._clock: SystemClock = application.clock
        self.forecasting = Forecasting(application)
        self._anomalies = AnomalyWatch(application)
        self._tasks = Tasks(application.metrics)
        heavy = HeavyQueries(application.worker.analysis, application.engine)
        self._engine = OffloadingEngine(application.engine, heavy)
        self._due = Due()
        self._silence = HostSilence(
            application.records, application.hosts.all(), self._clock.now_ms()
        )
        self._watched = WatchedComponents(application.records, application.alerts)
        self._familiar = FamiliarRises(application.own)
        self._webhooks = Webhooks(application.receivers)
        self._availabilities = AvailabilityViews(application)
        self._availability: list[Point] = []
        self._agreements: list[Point] = []
        self._late_ms = 0
        self._busy = False
        application.usage_imported = self._usage_imported
        application.metrics.show(self.newest_own_series)

    def start(self) -> None:
        """Sets it all going."""
        if self._app.late.watermark_ms is None:
            self._app.late.close(last_closed_hour(self._clock.now_ms()))
        self.forecasting.start()
        if self.forecasting.unfinished():
            self._due.note(self._clock.now_ms(), everything=False)
        every = self._tasks.every
        if self._app.tokens is not None:
            every(1, "tokens", self._app.tokens.reload_if_changed)
        every(15, "hosts", self._write_hosts)
        every(15, "host-silence", self._observe_hosts)
        every(60, "host-clocks", self._compare_clocks)
        every(60, "watched-components", self._observe_watched)
        every(1, "rules", lambda: self._app.alerts.evaluate_due(self._clock.now_ms()))
        every(OWN_SERIES_SECONDS, "own-series", self._write_own_series)
        every(OWN_SERIES_SECONDS, "availability", self._judge_availability)
        every(5, "usage", self._measure)
        every(SLO_SECONDS, "slos", self._measure_slos)
        every(REQUIREMENTS_SECONDS, "requirements", self._judge_requirements)
        every(2, "forecasts", self._forecast)
        every(60, "scores", self.forecasting.score)
        every(60, "fast-path", self._watch_fast_path)
        every(5, "anomalies", self._anomalies.look)
        every(2, "notifications", self._notify)
        every(60, "keeping", self._keep)
        every(30, "worker", self._app.worker.end_idle)

    def stop(self) -> None:
        """Lets what runs finish."""
        self.forecasting.stop()
        self._anomalies.stop()
        self._tasks.stop()
        self._app.save_hosts()

    def forecast_again(self) -> None:
        """Has every forecast made again, soon."""
        self._due.note(self._clock.now_ms(), everything=True)

    def forecast_changed(self) -> None:
        """Has what a change concerns forecast again, soon."""
        self._due.note(self._clock.now_ms(), everything=False)

    def status(self) -> dict[str, object]:
        """What is still to be done with what came in."""
        return {
            "late_hours": len(self._app.late),
            "forecasts_due": bool(self._due) or self._busy,
            "usage_until_ms": self._app.late.watermark_ms,
        }

    def newest_own_series(self) -> SampleBatch:
        """What /metrics tells of forecasts, hosts and incidents."""
        full_in = fast_path_points(self._app.full_in)
        points = [*self._host_points(), *full_in, *self._app.slos.points(), *self._own_points()]
        return batch_at(points, self._clock.now_ms())

    def _write_hosts(self) -> None:
        self._app.own.append(batch_at(self._host_points(), self._clock.now_ms()))

    def _host_points(self) -> list[Point]:
        clocks = self._app.hosts.clocks.all_apart_ms(self._clock.now_ms())
        return [*host_points(self._app.hosts.all()), *clock_points(clocks)]

    def _measure_slos(self) -> None:
        # At most half of one core, also when all are measured for the first time.
        self._app.slos.refresh(self._engine, self._clock.now_ms(), self._tasks.wait)
        self._app.own.append(batch_at(self._app.slos.points(), self._clock.now_ms()))

    def _judge_requirements(self) -> None:
        """Judges every requirement and the running period of every SLA."""
        began, now_ms = time.perf_counter(), self._clock.now_ms()
        self._app.requirements.refresh(self._engine, now_ms)
        with self._app.records.reading() as unit:
            made = running(self._app.policy.policy, unit, now_ms)
            self._agreements = list(statement_points(made))
        self._rest(began, REQUIREMENTS_SECONDS)

    def _observe_hosts(self) -> None:
        self._silence.observe(self._app.hosts.all(), self._clock.now_ms())

    def _compare_clocks(self) -> None:
        clocks = self._app.hosts.clocks
        clocks.note_own_times(own_times_apart(self._engine, self._clock.now_ms()))

    def _observe_watched(self) -> None:
        self._watched.observe(self._clock.now_ms())

    def _write_own_series(self) -> None:
        self._app.own.append(batch_at(self._own_points(), self._clock.now_ms()))
        self._app.save_hosts()

    def _own_points(self) -> list[Point]:
        lead = self._app.definitions.lead_time_seconds
        with self._app.records.reading() as unit:
            forecasts = unit.forecasts.latest(bands=False)
            resources = unit.resources.all()
            incidents = unit.alerting.incidents(limit=10_000)
        since_ms = self._clock.now_ms() - ENDED_MS
        living = {
            ResourceKey(r.host, r.resource, r.item)
            for r in resources
            if not r.retired and r.last_seen_ms > since_ms
        }
        current = [f for f in forecasts if (f.host, f.resource, f.item) in living]
        counts = {str(state): 0 for state in IncidentState}
        for each in incidents:
            counts[each.state] += 1
        return [
            *forecast_points(current, lead, self._clock.now_ms()),
            *track_points(self._app.track, living),
            *anomaly_points(self._app.anomalies, living),
            *progress_points(self._app.progress.done, self._app.progress.total),
            *incident_points(counts),
            *self._availability,
            *self._agreements,
            *self._app.requirements.points(),
        ]

    def _judge_availability(self) -> None:
        """Works out the availability of every service; with a thousand it takes some seconds."""
        began = time.perf_counter()
        rows = self._availabilities.refreshed()
        self._availability = [point for row in rows for point in row.points]
        self._app.own.append(batch_at(self._availability, self._clock.now_ms()))
        self._rest(began, OWN_SERIES_SECONDS)

    def _rest(self, began: float, seconds: float) -> None:
        """Waits within a task that runs every so many seconds: it takes a fiftieth of one core."""
        self._tasks.wait(max(0, 49 * (time.perf_counter() - began) - seconds))

    def _measure(self) -> None:
        """Usage records of the hours that have closed, and of those that late samples reached."""
        late = self._app.late
        closed = late.close(last_closed_hour(self._clock.now_ms()))
        while hours := late.take(LATE_HOURS_AT_ONCE):
            try:
                if isinstance(self._app.raw, PrometheusSamples):
                    self._tasks.wait(self._app.raw.settle_seconds())
                self._keep_usage(hours)
            except BaseException:
                late.put_back(hours)
                raise
            late.done(hours)
            for hour_ms in hours:
                # An hour more: queries may look back from the next one.
                self._app.slos.came_late(hour_ms - HOUR_MS, hour_ms + HOUR_MS)
            again = not closed.issuperset(hours)
            now = self._clock.now_ms()
            self._late_ms = now if again else self._late_ms
            self._due.note(now, everything=again)

    def _keep_usage(self, hours: Sequence[int]) -> None:
        for records in usage_records(self._engine, self._app.definitions, hours):
            self._app.own.append(to_batch(records))
            self._app.register(records, {})

    def _usage_imported(self) -> None:
        self._due.note(self._clock.now_ms(), everything=True)

    def _forecast(self) -> None:
        """Forecasts once new usage records are complete; late hours still due are waited for."""
        now = self._clock.now_ms()
        self._busy = bool(self._due)
        try:
            due, everything = self._due.take(now, wait=len(self._app.late) > 0)
            if not due:
                return
            count = self._run_forecasts(everything=everything)
        finally:
            self._busy = False
        self._app.changes += 1
        log.info("published %d forecasts", count)
        self._write_own_series()

    def _run_forecasts(self, *, everything: bool) -> int:
        try:
            return self.forecasting.run(everything=everything)
        except BaseException:
            begun = self.forecasting.unfinished()
            self._due.note(self._clock.now_ms(), everything=everything and not begun)
            raise

    def _watch_fast_path(self) -> None:
        now_ms = self._clock.now_ms()
        found: dict[ResourceKey, FullIn | None] = watch_fast_path(
            self._engine,
            self._app.definitions,
            now_ms,
            lambda keys: self._familiar.of(keys, now_ms),
        )
        self._app.full_in = found
        self._app.own.append(batch_at(fast_path_points(found), self._clock.now_ms()))

    def _notify(self) -> None:
        def send(receiver: str, body: str) -> None:
            self._webhooks.send(receiver, routed(self._app.policy.policy, body))

        deliver_due(self._app.records.alerting_unit, send, self._clock)

    def _keep(self) -> None:
        """Builds tiers, and forgets what is too old or has no room."""
        raw = self._app.raw
        if isinstance(raw, EmbeddedSamples):
            try:
                raw.build_tiers(self._clock.now_ms())
                self._retain(raw)
            finally:
                raw.make_room(room_for_raw(self._app.settings, self._app.max_disk_bytes))
        self._app.own.retain(self._clock.now_ms() - USAGE_KEPT_MS)

    def _retain(self, raw: EmbeddedSamples) -> None:
        """Forgets raw samples that are too old, unless usage records may yet be made of them.

        An import brings the parts of one expression one after the other; while it goes on, and for
        an hour afterwards, old raw samples stay.
        """
        now = self._clock.now_ms()
        if not len(self._app.late) and now - self._late_ms >= HOUR_MS:
            raw.keep(now, self._app.settings.retention_ms)
