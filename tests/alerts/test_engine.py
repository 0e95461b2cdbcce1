"""From a breach to a resolved incident, on plain data."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from tidecast_alerts.engine import AlertEngine
from tidecast_alerts.fakes import FakeClock, FakePromQL
from tidecast_alerts.incidents import NoSuchIncident
from tidecast_alerts.memory import MemoryRecords, MemoryRepository
from tidecast_alerts.model import Alert, Incident, IncidentState, SignalState
from tidecast_alerts.ports import VectorSample
from tidecast_alerts.prometheus_api import api_alerts, api_rules
from tidecast_alerts.rules import InvalidRule, load_rules
from tidecast_collector.errors import InvalidInput, TidecastError
from tidecast_collector.labels import Labels, make_labels

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


def test_a_breach_opens_one_incident_that_closes_on_proof() -> None:
    site = Site()
    site.minutes(50, 92, 93, 80)
    (incident,) = site.incidents()
    assert (incident.name, incident.title) == ("INC-1", "/var on web-3:9100 is full")
    assert (incident.host, incident.resource, incident.item) == ("web-3", "filesystem", "/var")
    assert (incident.severity, incident.priority) == ("warning", 3)
    assert (incident.opened_ms, incident.resolved_ms) == (START + 2 * MINUTE, START + 4 * MINUTE)
    assert site.kinds() == ["opened", "cleared", "resolved"]
    assert "DiskFull (warning) cleared: sample at 2023-11-14 22:17:00 UTC, newer than that of" in (
        site.records.kept.timeline(1)[1].text
    )
    assert [body["status"] for body in site.told()] == ["firing", "resolved"]


def test_a_metric_that_vanishes_closes_nothing() -> None:
    site = Site()
    site.minutes(92, *[None] * 10)
    (incident,) = site.incidents()
    assert incident.state is IncidentState.OPEN
    assert site.records.kept.signals_of(1)[0].state is SignalState.UNKNOWN
    assert site.kinds() == ["opened", "unknown"]
    site.minute(93)
    assert site.kinds() == ["opened", "unknown", "firing"]
    site.minutes(*[None] * 1500, 20)
    assert site.kinds() == ["opened", "unknown", "firing", "unknown", "cleared", "resolved"]


def test_a_rule_on_an_absence_clears_when_there_is_a_sample() -> None:
    site = Site()
    site.clock.ms += MINUTE
    site.engine.evaluate_due(site.clock.ms)
    assert [incident.title for incident in site.incidents()] == ["JobMissing"]
    site.minute()
    assert site.incidents()[0].state is IncidentState.RESOLVED


def test_a_worse_breach_raises_the_same_incident() -> None:
    site = Site()
    site.minutes(92, 97, 92)
    (incident,) = site.incidents()
    assert (incident.severity, incident.priority) == ("critical", 1)
    assert incident.title == "/var on web-3:9100 is very full"
    # The critical signal has cleared; the warning still fires.
    assert site.kinds() == ["opened", "attached", "raised", "cleared"]
    assert incident.state is IncidentState.OPEN
    site.minute(10)
    assert site.incidents()[0].state is IncidentState.RESOLVED
    assert [body["commonLabels"].get("severity") for body in site.told()] == [
        "warning",
        None,
        None,
    ]


def test_flapping_stays_one_incident_and_later_trouble_is_another() -> None:
    site = Site()
    site.minutes(92, 10, 92, 10, 92, 10)
    assert len(site.incidents()) == 1
    assert site.kinds().count("reopened") == 2
    # Resolved at minute 6: minute 21 is within 15 minutes of it.
    site.minutes(*[10] * 14, 92)
    assert len(site.incidents()) == 1
    site.minutes(*[10] * 17, 92)
    assert [incident.name for incident in site.incidents()] == ["INC-1", "INC-2"]


def test_another_signal_of_the_cause_reopens_it_too() -> None:
    site = Site()
    site.minutes(92, 10, 97)
    assert len(site.incidents()) == 1
    assert "reopened" in site.kinds()


def test_a_restart_doubles_nothing_and_keeps_the_timers() -> None:
    rules = RULES.replace("expr: used > 90\n", "expr: used > 90\n        for: 2m\n")
    site = Site(rules)
    for used in (92, 93, 94, 94):
        site.minute(used)
        site.start(rules)
        # The same slot is evaluated again after a restart.
        site.engine.evaluate_due(site.clock.ms)
    assert [incident.opened_ms for incident in site.incidents()] == [START + 3 * MINUTE]
    assert len(site.told()) == 1
    assert site.kinds() == ["opened"]


class Crash(Exception):
    """The power fails."""


def test_a_crash_inside_a_unit_of_work_leaves_nothing_half_done() -> None:
    site = Site()
    site.minute(50)
    kept = site.records.kept
    repository_type = type(kept)
    for method in ("put_alert", "add_incident", "add_entry", "put_signal", "add_notification"):
        real = getattr(repository_type, method)

        def crash(*_: object) -> None:
            raise Crash

        setattr(repository_type, method, crash)
        try:
            with pytest.raises(Crash):
                site.minute(92)
        finally:
            setattr(repository_type, method, real)
        assert site.records.kept.alerts() == []
        assert site.incidents() == []
        site.start()
    site.minute(92)
    assert len(site.incidents()) == 1
    assert len(site.told()) == 1


def test_acknowledged_is_told_once_and_resolves_by_itself() -> None:
    site = Site()
    site.minute(92)
    site.engine.acknowledge(1, "ann", "on it")
    site.engine.acknowledge(1, "ann", "on it")
    incident = site.engine.acknowledge(1, "bob")
    assert (incident.state, incident.acknowledged_by) == (IncidentState.ACKNOWLEDGED, "bob")
    entries = [e for e in site.records.kept.timeline(1) if e.kind == "acknowledged"]
    assert [(e.actor, e.text) for e in entries] == [
        ("ann", "acknowledged: on it"),
        ("bob", "acknowledged"),
    ]
    site.minute(10)
    assert site.incidents()[0].state is IncidentState.RESOLVED
    with pytest.raises(InvalidInput, match="INC-1 is resolved"):
        site.engine.acknowledge(1, "ann")


def test_resolved_by_hand_stays_resolved_until_it_fires_anew() -> None:
    site = Site()
    site.minute(92)
    site.engine.resolve(1, "ann", "known, harmless")
    site.engine.resolve(1, "ann", "known, harmless")
    site.minutes(93, None, *[None] * 6, 94)
    (incident,) = site.incidents()
    assert incident.state is IncidentState.RESOLVED
    assert "resolved by hand: known, harmless; 1 of its 1 signals have not cleared" in (
        incident.resolution
    )
    assert [body["alerts"][0]["status"] for body in site.told()] == ["firing", "resolved"]
    site.minutes(10, 92)
    assert site.incidents()[0].state is IncidentState.OPEN
    assert site.kinds() == ["opened", "resolved", "cleared", "reopened"]


def test_wrong_acknowledgements_are_refused() -> None:
    site = Site()
    with pytest.raises(NoSuchIncident, match="no incident INC-9"):
        site.engine.acknowledge(9, "ann")
    site.minute(92)
    with pytest.raises(InvalidInput, match="'by' is empty"):
        site.engine.resolve(1, " ")
    with pytest.raises(InvalidInput, match="at most 2000"):
        site.engine.resolve(1, "ann", "x" * 3000)
    assert site.incidents()[0].state is IncidentState.OPEN


def test_while_a_host_is_silent_it_has_one_new_incident_and_names_the_others() -> None:
    site = Site()
    site.minute(92, silent=10)
    site.minute(silent=200)
    for _ in range(6):
        site.minute(silent=300)
    disk, host = site.incidents()
    assert (host.title, host.priority) == ("HostSilent: host on web-3", 1)
    assert site.kinds(2) == ["opened", "affected"]
    assert "INC-1 (/var on web-3:9100 is full) cannot be seen" in (
        site.records.kept.timeline(2)[1].text
    )
    assert disk.state is IncidentState.OPEN


def test_what_was_unseen_before_the_host_fell_silent_is_named_too() -> None:
    site = Site()
    site.minutes(92, *[None] * 7)
    site.minute(silent=200)
    assert site.kinds(2) == ["opened", "affected"]


def test_a_breach_on_a_silent_host_is_held_until_it_is_back() -> None:
    site = Site()
    site.minute(10, silent=200)
    site.minute(92, silent=300)
    site.minute(93, silent=400)
    assert [incident.resource for incident in site.incidents()] == ["host"]
    assert site.kinds() == ["opened", "held"]
    site.minute(94, silent=1)
    site.minute(95, silent=1)
    assert [incident.resource for incident in site.incidents()] == ["host", "filesystem"]


def test_a_rule_that_is_gone_leaves_its_signal_unknown_until_its_expression_ends() -> None:
    site = Site()
    site.minute(92)
    site.start(OTHERS)
    site.minute(93)
    assert site.records.kept.alerts() == []
    entry = site.records.kept.timeline(1)[-1]
    assert entry.kind == "unknown"
    assert "is no longer among the rules; it clears once its expression" in entry.text
    # Still too full, and then not seen: neither ends it.
    site.minutes(94, None)
    assert site.incidents()[0].state is IncidentState.OPEN
    site.minute(10)
    assert site.incidents()[0].state is IncidentState.RESOLVED
    cleared = site.records.kept.timeline(1)[-2]
    assert cleared.kind == "cleared"
    assert "its rule is gone, and its expression holds no more: sample at" in cleared.text


def test_other_rules_are_followed_without_a_restart() -> None:
    site = Site()
    site.minute(92)
    site.engine.follow(load_rules(OTHERS, "rules.yml", site.promql).groups)
    site.minute(None)
    assert site.records.kept.alerts() == []
    assert "is no longer among the rules" in site.records.kept.timeline(1)[-1].text
    again = load_rules(RULES, "rules.yml", site.promql).groups
    with pytest.raises(InvalidRule, match="rename one of them"):
        site.engine.follow([*again, *again])
    site.engine.follow(again)
    site.minute(10)
    assert site.incidents()[0].state is IncidentState.RESOLVED


def test_an_expression_that_fails_leaves_the_signal_of_a_rule_that_is_gone_as_it_is() -> None:
    site = Site()
    site.minute(92)
    site.start(OTHERS)

    class Failing(FakePromQL):
        def instant(self, expression: str, at_ms: int) -> Sequence[VectorSample]:
            if expression.startswith("used"):
                raise TidecastError("too many samples")
            return super().instant(expression, at_ms)

    site.engine.promql = Failing(site.promql.samples)
    site.minute(10)
    assert site.incidents()[0].state is IncidentState.OPEN


def test_a_failing_rule_stops_no_other_and_says_so() -> None:
    site = Site()
    site.minute(92)
    real = site.promql.instant

    def instant(expression: str, at_ms: int) -> Sequence[VectorSample]:
        if expression == "used > 90":
            raise TidecastError("the store is away")
        return real(expression, at_ms)

    site.promql.instant = instant  # type: ignore[method-assign]
    site.minute(97)
    rules = api_rules(site.engine.status())["groups"][0]["rules"]
    assert [(r["name"], r["health"], r.get("lastError")) for r in rules] == [
        ("HostSilent", "ok", None),
        ("DiskFull", "err", "the store is away"),
        ("DiskFull", "ok", None),
        ("JobMissing", "ok", None),
    ]
    # What the failing rule had found before stands.
    assert [rule["state"] for rule in rules] == ["inactive", "firing", "firing", "inactive"]
    assert site.incidents()[0].severity == "critical"


def test_alerts_are_shown_as_series_that_end_with_them() -> None:
    rules = """
groups:
  - name: g
    interval: 1m
    rules:
      - alert: Busy
        expr: load > 1
        for: 1m
"""
    site = Site(rules)

    def series(name: str, **more: str) -> Labels:
        pairs = {"__name__": name, "alertname": "Busy", "instance": "web-3:9100", **more}
        return make_labels(pairs)

    pending = series("ALERTS", alertstate="pending")
    firing = series("ALERTS", alertstate="firing")
    since = series("ALERTS_FOR_STATE")
    for load in (0.5, 2.0, 2.0, 0.5):
        site.minute(load=load)
    active = (START + 2 * MINUTE) / 1000
    assert site.shown == [
        ([VectorSample(pending, 1.0), VectorSample(since, active)], [], START + 2 * MINUTE),
        ([VectorSample(firing, 1.0), VectorSample(since, active)], [pending], START + 3 * MINUTE),
        ([], [firing, since], START + 4 * MINUTE),
    ]


def test_the_series_of_a_rule_that_is_gone_end_when_a_server_starts_without_it() -> None:
    site = Site()
    site.minutes(92, 92)
    assert site.shown[-1][0]
    site.shown.clear()
    site.start(ONLY_HOSTS.replace("DiskFull", "DiskNearlyFull"))
    site.minute(50)
    ((samples, ended, at_ms),) = site.shown
    assert not samples
    assert {dict(labels)["alertname"] for labels in ended} == {"DiskFull"}
    assert at_ms == START + 3 * MINUTE


def test_recording_rules_are_handed_to_the_writer() -> None:
    rules = """
groups:
  - name: g
    query_offset: 1m
    limit: 2
    rules:
      - record: worst
        expr: used
        labels: {zone: eu}
      - record: same
        expr: used
        labels: {instance: any}
"""
    site = Site(rules)
    site.minutes(50, 51)
    labels = (("__name__", "worst"), ("instance", "web-3:9100"), ("mountpoint", "/var"))
    # Seen a minute late, as the offset says.
    assert ([VectorSample((*labels, ("zone", "eu")), 50.0)], START + MINUTE) in site.recorded
    site.minute(52, host="web-4:9100")
    site.minute(52)
    status = site.engine.status()[0].rules
    assert [rule.health for rule in status] == ["ok", "err"]
    assert "same labelset" in status[1].last_error
    site.minute(52, host="web-5:9100")
    site.minute(52)
    assert "exceeded limit of 2 with 3 series" in site.engine.status()[0].rules[0].last_error


def test_what_cannot_be_kept_is_said_and_stops_no_other_group(
    caplog: pytest.LogCaptureFixture,
) -> None:
    other = RULES.replace("name: hosts", "name: others").replace("DiskFull", "VolumeFull")
    site = Site(RULES + other.split("groups:")[1])
    site.minute(10)
    real = site.records.kept.put_alert

    class Refused(TidecastError):
        """By the database."""

    def put_alert(repository: MemoryRepository, alert: Alert) -> None:
        if alert.group == "hosts":
            raise Refused("the disk is full")
        real.__func__(repository, alert)  # type: ignore[attr-defined]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MemoryRepository, "put_alert", put_alert)
        site.minute(92)
    hosts, others = api_rules(site.engine.status())["groups"]
    assert {rule["health"] for rule in hosts["rules"]} == {"err"}
    assert hosts["rules"][0]["lastError"] == ("what was found could not be kept: the disk is full")
    assert others["rules"][1]["state"] == "firing"
    assert "rule group hosts: what it found could not be kept" in caplog.text
    site.minute(92)
    assert site.engine.status()[0].rules[1].health == "ok"


def test_a_nul_in_a_label_stops_nothing() -> None:
    site = Site(ONLY_HOSTS)
    site.clock.ms += MINUTE
    labels = {"instance": "web\0-3", "mountpoint": "/var"}
    site.promql.add("used", labels, site.clock.ms, 92.0)
    site.engine.evaluate_due(site.clock.ms)
    assert site.incidents()[-1].host == "web\ufffd-3"


def test_an_offset_counts_for_the_evidence_too() -> None:
    rules = ONLY_HOSTS.replace("interval: 1m", "interval: 1m\n    query_offset: 2m")
    site = Site(rules)
    site.minutes(92, 92, 92)
    (signal,) = site.records.kept.signals_of(1)
    assert signal.evidence_ms == (signal.last_firing_ms - 2 * MINUTE,)
    site.minutes(10, 10)
    assert site.incidents()[0].state is IncidentState.OPEN
    site.minute(10)
    assert site.incidents()[0].state is IncidentState.RESOLVED


def test_groups_are_evaluated_when_their_interval_is_due() -> None:
    site = Site()
    hosts = site.engine.groups[0]
    assert site.engine.evaluate_due(START + 5_000) == [hosts]
    assert site.engine.evaluate_due(START + 59_999) == []
    assert site.engine.evaluate_due(START + MINUTE) == [hosts]
    assert site.engine.status()[0].last_evaluation_ms == START + MINUTE


def test_two_groups_of_one_name_are_refused() -> None:
    promql = FakePromQL()
    groups = [load_rules(RULES, name, promql).groups[0] for name in ("a.yml", "b.yml")]
    with pytest.raises(InvalidRule, match=r"'hosts' stands in a\.yml and in b\.yml"):
        AlertEngine(groups, promql, MemoryRecords(), FakeClock())


def test_the_api_says_what_prometheus_says() -> None:
    site = Site()
    before = api_rules(site.engine.status())["groups"][0]
    assert (before["lastEvaluation"], before["rules"][0]["health"]) == (
        "0001-01-01T00:00:00Z",
        "unknown",
    )
    site.minute(92.5)
    group = api_rules(site.engine.status(), type="alert", rule_names=["DiskFull"])["groups"][0]
    alert = {
        "labels": {
            "alertname": "DiskFull",
            "instance": "web-3:9100",
            "item": "/var",
            "mountpoint": "/var",
            "resource": "filesystem",
            "severity": "warning",
        },
        "annotations": {"summary": "/var on web-3:9100 is full"},
        "state": "firing",
        "activeAt": "2023-11-14T22:14:00Z",
        "value": "9.25e+01",
    }
    assert group["rules"][0] == {
        "state": "firing",
        "name": "DiskFull",
        "query": "used > 90",
        "duration": 0,
        "keepFiringFor": 0,
        "labels": {
            "item": "{{ $labels.mountpoint }}",
            "resource": "filesystem",
            "severity": "warning",
        },
        "annotations": {"summary": "{{ $labels.mountpoint }} on {{ $labels.instance }} is full"},
        "alerts": [alert],
        "health": "ok",
        "evaluationTime": 0,
        "lastEvaluation": "2023-11-14T22:14:00Z",
        "type": "alerting",
    }
    assert len(group["rules"]) == 2
    assert api_alerts(site.engine.status()) == {"alerts": [alert]}
    status = site.engine.status()
    assert api_rules(status, type="record") == {"groups": []}
    assert api_rules(status, files=["other.yml"]) == {"groups": []}
    assert api_rules(status, exclude_alerts=True)["groups"][0]["rules"][1]["alerts"] == []
    with pytest.raises(InvalidInput, match="unknown rule type"):
        api_rules(status, type="x")


def test_the_api_says_since_when_an_alert_is_only_kept_firing() -> None:
    rules = RULES.replace("expr: used > 90\n", "expr: used > 90\n        keep_firing_for: 5m\n")
    site = Site(rules)
    site.minutes(92, 10)
    (alert,) = api_alerts(site.engine.status())["alerts"]
    assert alert["keepFiringSince"] == "2023-11-14T22:15:00Z"
    # It is kept firing, so its incident is not resolved, though there is a newer sample.
    assert site.incidents()[0].state is IncidentState.OPEN
    site.minutes(10, 10, 10, 10, 10)
    assert site.incidents()[0].state is IncidentState.RESOLVED
