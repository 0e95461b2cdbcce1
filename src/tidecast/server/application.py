"""The rooms, joined: everything one server process holds."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType

import numpy as np

from tidecast.clock import SystemClock
from tidecast.config import ServerSettings
from tidecast.journeys.alert_rules import read_all_rules
from tidecast.journeys.applied_policy import PolicyInForce
from tidecast.journeys.availability_rows import AvailabilityRows
from tidecast.journeys.fast_path import FullIn
from tidecast.journeys.find_anomalies import FleetAnomalies
from tidecast.journeys.forecast_fleet import RunProgress, definition_of
from tidecast.journeys.import_history import UsageImport, keep_usage, with_default_marks
from tidecast.journeys.ingest import HostsSeen, Ingest, LateHours
from tidecast.journeys.judged_requirements import JudgedRequirements
from tidecast.journeys.observe_rules import AlertsObserved
from tidecast.journeys.policy_checks import Follower
from tidecast.journeys.score_forecasts import SETTLE_MS, tell_late_usage
from tidecast.journeys.track_records import FleetTrack
from tidecast.journeys.usage_records import HOUR_MS, ResourceKey, UsageRecords
from tidecast.journeys.watched_slos import WatchedSlos
from tidecast.policy.resources import load_resources
from tidecast.policy.tokens import TokenFile
from tidecast.promql.alerting import AlertingPromQL
from tidecast.records import KnownResource, Records
from tidecast.records.policies import AppliedPolicy
from tidecast.samples.batch import STALE_NAN, SampleBatch
from tidecast.samples.embedded import EmbeddedSamples
from tidecast.server.metrics import ServerMetrics
from tidecast.server.notify import receivers_by_name
from tidecast.server.problems import Problem
from tidecast.server.room import max_disk_bytes
from tidecast.server.store_metrics import StoreHealth
from tidecast.server.stores import Stores
from tidecast_alerts.engine import AlertEngine
from tidecast_alerts.ports import VectorSample
from tidecast_collector.labels import Labels

log = logging.getLogger(__name__)


class Application:
    """Opens the rooms and joins them; `Upkeep` is what keeps them going."""

    def __init__(
        self,
        settings: ServerSettings,
        tokens: TokenFile | None = None,
        stores: Stores | None = None,
    ) -> None:
        self.settings = settings
        self.clock = SystemClock()
        self.tokens = tokens
        self._stores = stores or Stores(settings)
        self.max_disk_bytes = max_disk_bytes(settings)
        self.worker, self.samples = self._stores.worker, self._stores.samples
        self.raw, self.own = self._stores.raw, self._stores.own
        held = {"own": self.own, "raw": self.raw}
        self.embedded = {n: each for n, each in held.items() if isinstance(each, EmbeddedSamples)}
        self.records = Records.open(settings.records_url)
        self.engine = self._stores.engine
        promql = AlertingPromQL(self.engine)
        self._follower = Follower(
            promql,
            load_resources(promql.check, settings.resources_file),
            read_all_rules(settings.rules_files, promql),
        )
        self.metrics = ServerMetrics()
        self.metrics.registry.register(StoreHealth(self.embedded, self.max_disk_bytes))
        self._tell_of_damage()
        self.hosts = HostsSeen(self._saved_hosts())
        self.policy = PolicyInForce(self.records, self._follower.checks)
        self.definitions = self._follower.resources(self.policy.policy)
        self.slos = WatchedSlos(self.records, self.policy)
        self.late = LateHours(self.records)
        self.ingest = Ingest(self.samples, self.late, self.hosts)
        self.receivers = receivers_by_name(settings.webhook_urls)
        self.alerts = AlertEngine(
            self._follower.rules(self.policy.policy),
            promql,
            AlertsObserved(self.records, self.clock).unit,
            self.clock,
            receivers=list(self.receivers),
            external_url=settings.external_url or f"{settings.scheme}://{settings.listen}",
            record=self._record,
            show=self._show_alerts,
        )
        self.full_in: Mapping[ResourceKey, FullIn | None] = {}
        self.anomalies = FleetAnomalies()
        """What is strange in the newest usage records."""
        self.track = FleetTrack()
        """How past forecasts fared."""
        self.progress = RunProgress()
        """How far the run of forecasts is."""
        self.usage_imported: Callable[[], None] = lambda: None
        self.changes = 0
        """Counts what makes a capacity report out of date at once."""

    @cached_property
    def availability_rows(self) -> AvailabilityRows:
        """The availability of every service, as it was last worked out."""
        return AvailabilityRows(self.records)

    @cached_property
    def requirements(self) -> JudgedRequirements:
        """The policy's requirements, judged by what is measured here."""
        return JudgedRequirements(
            self.records, self.policy, self.slos, self.own, lambda: self.definitions
        )

    def _tell_of_damage(self) -> None:
        for name, store in self.embedded.items():
            problems = store.stats().problems
            if problems:
                log.error(
                    "the samples store %r was opened with damage in %d places, the rest is served; "
                    "the first: %s. `tidecast verify-store %s` says what is missing",
                    name,
                    len(problems),
                    problems[0],
                    self.settings.data_dir,
                )

    def close(self) -> None:
        """Closes the rooms."""
        self._stores.close()
        self.records.close()

    def _record(self, samples: Sequence[VectorSample], at_ms: int) -> None:
        """Keeps what a recording rule gave."""
        stamp = np.array([at_ms], dtype=np.int64)
        self.samples.append(
            SampleBatch.of((each.labels, stamp, np.array([each.value])) for each in samples)
        )

    def _show_alerts(
        self, samples: Sequence[VectorSample], ended: Sequence[Labels], at_ms: int
    ) -> None:
        """Keeps what alerts there are, as series."""
        self._record([*samples, *(VectorSample(each, float(STALE_NAN)) for each in ended)], at_ms)

    def register(
        self,
        records: Sequence[UsageRecords],
        units: Mapping[ResourceKey, str],
        inferred: Mapping[ResourceKey, str] = MappingProxyType({}),
    ) -> None:
        """Makes the resources of these records known, with their units where policy has none, and
        how those were inferred."""
        known = [
            KnownResource(
                *each.key,
                unit=units.get(each.key) or definition_of(self.definitions, each.key.resource).unit,
                statistic=definition_of(self.definitions, each.key.resource).statistic,
                source=each.source,
                # Where its hours begin: what was retired within an hour is not back by that hour.
                first_seen_ms=int(each.hours_ms[0]) - HOUR_MS,
                last_seen_ms=int(each.hours_ms[-1]) - HOUR_MS,
                unit_inferred=inferred.get(each.key, ""),
            )
            for each in records
            if len(each.hours_ms)
        ]
        first_ms = min((each.first_seen_ms + HOUR_MS for each in known), default=None)
        with self.records.unit() as unit:
            unit.resources.put(known)
            if first_ms is not None and first_ms < self.clock.now_ms() - SETTLE_MS:
                tell_late_usage(unit, first_ms)

    def import_usage(self, usage: UsageImport) -> int:
        """Keeps imported usage records and has them forecast; returns how many samples."""
        records = with_default_marks(usage.records, self.definitions)
        written = keep_usage(self.own, records)
        self.register(records, usage.units, usage.inferred)
        self.usage_imported()
        self.changes += 1
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
        self.changes += 1

    def apply_policy(self, files: Mapping[str, str], author: str, comment: str) -> AppliedPolicy:
        """Puts a policy in force: marks, lead times, resources and rules hold from now on.

        Raises `InvalidPolicy`, and nothing is changed then.
        """
        version = self.policy.apply(files, author, comment, self.clock.now_ms())
        self.definitions = self._follower.resources(self.policy.policy)
        self.alerts.follow(self._follower.rules(self.policy.policy))
        # Other marks and lead times: every forecast answers another question now.
        self.usage_imported()
        self.changes += 1
        return version

    def retire(self, host: str, resource: str, item: str, by: str) -> int:
        """Takes what is gone for good out of the forecasts; returns the incidents it closed.

        Raises `Problem` 404 where nothing living is known by that name.
        """
        now, key = self.clock.now_ms(), ResourceKey(host, resource, item)
        heard = not resource and host in self.hosts.all()
        with self.records.unit() as unit:
            gone = unit.resources.retire(host, resource or None, item or None, now, "retired", by)
            unit.audit.add(now, by, "retire", str(key))
        closed = self.alerts.retire(host, resource, item, by)
        self.changes += 1
        if not (gone or heard or closed):
            raise Problem(404, f"nothing living is known as {str(key)[:200]!r}")
        if heard:
            self.hosts.forget(host)
        return closed

    def _saved_hosts(self) -> dict[str, int]:
        with self.records.reading() as unit:
            saved = unit.settings.get("hosts_last_seen_ms")
        if not isinstance(saved, dict):
            return {}
        return {host: at for host, at in saved.items() if isinstance(at, int)}

    def save_hosts(self) -> None:
        """Remembers when each host was last heard of."""
        with self.records.unit() as unit:
            unit.settings.put("hosts_last_seen_ms", dict(self.hosts.all()))
