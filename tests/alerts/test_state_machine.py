"""Whatever happens to the samples and to the server, the promises of incidents hold."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tidecast_alerts.engine import AlertEngine
from tidecast_alerts.fakes import FakeClock, FakePromQL
from tidecast_alerts.memory import MemoryRecords, MemoryRepository
from tidecast_alerts.model import IncidentState, SignalState
from tidecast_alerts.rules import load_rules
from tidecast_collector.labels import NAME

MINUTE = 60_000
START = 1_700_000_040_000

RULES = """
groups:
  - name: hosts
    interval: 1m
    rules:
      - alert: HostSilent
        expr: silent > 3
        labels: {severity: critical, resource: host}
      - alert: Full
        expr: used > 90
        for: 1m
        labels: {severity: warning, resource: filesystem}
      - alert: Full
        expr: used > 95 and writable == 1
        keep_firing_for: 2m
        labels: {severity: critical, resource: filesystem}
"""
USED = st.sampled_from([10.0, 92.0, 97.0, None])
SILENT = st.sampled_from([None, 0.0, 5.0])


class PowerCut(Exception):
    """Between the work and its commit."""


class Watch(RuleBasedStateMachine):
    """Hosts that breach, recover, vanish and fall silent; a server that restarts and crashes."""

    def __init__(self) -> None:
        super().__init__()
        self.promql = FakePromQL()
        self.records = MemoryRecords()
        self.clock = FakeClock(START)
        self.groups = load_rules(RULES, "rules.yml", self.promql).groups
        self.cleared_before: set[tuple[str, int]] = set()
        self.restart()

    @rule()
    def restart(self) -> None:
        self.engine = AlertEngine(self.groups, self.promql, self.records, self.clock, ["ops"])

    @rule(used=st.lists(USED, min_size=1, max_size=4), silent=SILENT, writable=st.booleans())
    def web_1_lives(self, used: list[float | None], silent: float | None, writable: bool) -> None:
        for value in used:
            self.clock.ms += MINUTE
            self._push("web-1", value, silent, writable)
            self.engine.evaluate_due(self.clock.ms)

    @rule(used=USED, silent=SILENT)
    def web_2_pushes(self, used: float | None, silent: float | None) -> None:
        self.clock.ms += 1_000
        self._push("web-2:9100", used, silent, True)

    def _push(self, host: str, used: float | None, silent: float | None, writable: bool) -> None:
        labels = {"instance": host, "mountpoint": "/var"}
        pushed = {"used": used, "silent": silent, "writable": 1.0 if writable else None}
        for name, value in pushed.items():
            if value is not None:
                # Never at a slot's very start: a slot that is evaluated again sees the same.
                self.promql.add(name, labels, self.clock.ms - 500, value)

    @rule(minutes=st.sampled_from([1, 2, 6, 20]))
    def time_passes(self, minutes: int) -> None:
        self.clock.ms += minutes * MINUTE

    @rule(times=st.integers(1, 3))
    def evaluate(self, times: int) -> None:
        for i in range(times):
            self.clock.ms += MINUTE if i else 0
            self.engine.evaluate_due(self.clock.ms)

    @rule(at_write=st.integers(1, 6))
    def evaluate_in_a_power_cut(self, at_write: int) -> None:
        left = at_write

        def counted(real):  # type: ignore[no-untyped-def]
            def write(repository: MemoryRepository, *given: object) -> object:
                nonlocal left
                left -= 1
                if left == 0:
                    raise PowerCut
                return real(repository, *given)

            return write

        names = ("put_alert", "put_signal", "add_incident", "put_incident", "add_entry")
        reals = {name: getattr(MemoryRepository, name) for name in names}
        for name, real in reals.items():
            setattr(MemoryRepository, name, counted(real))
        try:
            self.engine.evaluate_due(self.clock.ms)
        except PowerCut:
            pass
        finally:
            for name, real in reals.items():
                setattr(MemoryRepository, name, real)
        self.restart()

    @precondition(lambda self: self.records.kept.incidents())
    @rule(data=st.data(), resolve=st.booleans())
    def somebody_acts(self, data: st.DataObject, resolve: bool) -> None:
        incident = data.draw(st.sampled_from(list(self.records.kept.incidents())))
        if resolve:
            self.engine.resolve(incident.id, "ann", "enough")
        elif incident.state is not IncidentState.RESOLVED:
            self.engine.acknowledge(incident.id, "ann")

    @invariant()
    def one_unresolved_incident_a_cause(self) -> None:
        causes = [i.cause for i in self._incidents() if i.state is not IncidentState.RESOLVED]
        assert len(causes) == len(set(causes))

    @invariant()
    def no_signal_clears_without_newer_evidence(self) -> None:
        for signal in self.records.kept.signals(states={SignalState.CLEARED}):
            assert signal.cleared_ms is not None
            if (signal.key, signal.cleared_ms) in self.cleared_before:
                continue
            self.cleared_before.add((signal.key, signal.cleared_ms))
            labels = dict(signal.labels)
            metrics = [m for m in ("silent", "used", "writable") if m in signal.expression]
            for metric, evidence in zip(metrics, signal.evidence_ms, strict=True):
                times = [
                    ms
                    for series, samples in self.promql.samples.items()
                    if dict(series)[NAME] == metric
                    and dict(series)["instance"] == labels["instance"]
                    for ms, _ in samples
                    if ms <= signal.cleared_ms
                ]
                assert evidence is not None and max(times) > evidence

    @invariant()
    def every_resolution_has_proof_or_an_actor(self) -> None:
        for incident in self._incidents():
            entries = self.records.kept.timeline(incident.id)
            assert entries[0].kind == "opened"
            changes = [e for e in entries if e.kind in {"opened", "reopened", "resolved"}]
            # Opened and resolved take turns, so nothing was doubled.
            for i, entry in enumerate(changes):
                assert (entry.kind == "resolved") == (i % 2 == 1)
            resolved = incident.state is IncidentState.RESOLVED
            assert resolved == (changes[-1].kind == "resolved")
            if resolved:
                proof = "sample at" in incident.resolution
                assert (changes[-1].actor == "ann") != proof

    @invariant()
    def what_still_fires_is_not_resolved_by_itself(self) -> None:
        for incident in self._incidents():
            signals = self.records.kept.signals_of(incident.id)
            if incident.state is IncidentState.RESOLVED and "by hand" not in incident.resolution:
                assert all(signal.state is SignalState.CLEARED for signal in signals)

    @invariant()
    def each_change_is_told_once(self) -> None:
        told = len(self.records.kept.due_notifications(2**62, 10_000))
        changes = {
            (entry.incident_id, entry.at_ms, entry.actor, entry.kind == "resolved")
            for incident in self._incidents()
            for entry in self.records.kept.timeline(incident.id)
            if entry.kind in {"opened", "reopened", "raised", "resolved"}
        }
        assert told == len(changes)

    def _incidents(self):  # type: ignore[no-untyped-def]
        return self.records.kept.incidents()


Watch.TestCase.settings = settings(max_examples=30, stateful_step_count=40)
TestWatch = Watch.TestCase
