"""A host whose alerts are evaluated minute by minute, on plain data."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tidecast_alerts.engine import AlertEngine
from tidecast_alerts.fakes import FakeClock, FakePromQL
from tidecast_alerts.memory import MemoryRecords
from tidecast_alerts.model import Incident
from tidecast_alerts.ports import VectorSample
from tidecast_alerts.rules import load_rules
from tidecast_collector.labels import Labels

MINUTE = 60_000
START = 1_700_000_000_000 // MINUTE * MINUTE

RULES = """
groups:
  - name: hosts
    interval: 1m
    rules:
      - alert: HostSilent
        expr: silent > 180
        labels: {severity: critical, resource: host}
      - alert: DiskFull
        expr: used > 90
        labels: {severity: warning, resource: filesystem, item: '{{ $labels.mountpoint }}'}
        annotations: {summary: '{{ $labels.mountpoint }} on {{ $labels.instance }} is full'}
      - alert: DiskFull
        expr: used > 95
        labels: {severity: critical, resource: filesystem, item: '{{ $labels.mountpoint }}'}
        annotations: {summary: '{{ $labels.mountpoint }} on {{ $labels.instance }} is very full'}
      - alert: JobMissing
        expr: absent(job_done)
        labels: {severity: info}
"""
ONLY_HOSTS = RULES.partition("      - alert: JobMissing")[0]
OTHERS = RULES.replace("alert: DiskFull", "alert: Renamed").replace("used > 9", "used > 99")


class Site:
    """A host that is watched, minute by minute."""

    def __init__(self, rules: str = RULES) -> None:
        self.promql = FakePromQL()
        self.records = MemoryRecords()
        self.clock = FakeClock(START)
        self.recorded: list[tuple[Sequence[VectorSample], int]] = []
        self.shown: list[tuple[Sequence[VectorSample], Sequence[Labels], int]] = []
        self.start(rules)

    def start(self, rules: str = RULES) -> None:
        """A server as it is after a (re)start."""
        self.engine = AlertEngine(
            load_rules(rules, "rules.yml", self.promql).groups,
            self.promql,
            self.records,
            self.clock,
            receivers=["ops"],
            external_url="http://tidecast",
            record=lambda samples, at_ms: self.recorded.append((samples, at_ms)),
            show=lambda *what: self.shown.append(what),
        )

    def minute(self, used: float | None = None, host: str = "web-3:9100", **more: float) -> None:
        """A minute passes, with these samples at its end, and the rules are evaluated."""
        self.clock.ms += MINUTE
        more = {"job_done": 1.0, **more}
        if used is not None:
            labels = {"instance": host, "mountpoint": "/var"}
            self.promql.add("used", labels, self.clock.ms, used)
        for name, value in more.items():
            self.promql.add(name, {"instance": host}, self.clock.ms, value)
        self.engine.evaluate_due(self.clock.ms)

    def minutes(self, *used: float | None) -> None:
        """Several of them."""
        for value in used:
            self.minute(value)

    def incidents(self) -> Sequence[Incident]:
        """All of them, the oldest first."""
        return list(reversed(self.records.kept.incidents()))

    def kinds(self, incident_id: int = 1) -> list[str]:
        """The kinds of the incident's timeline."""
        return [entry.kind for entry in self.records.kept.timeline(incident_id)]

    def told(self) -> list[dict]:  # type: ignore[type-arg]
        """The bodies that are owed."""
        return [json.loads(n.body) for n in self.records.kept.due_notifications(self.clock.ms)]
