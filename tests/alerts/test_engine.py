"""From a breach to a resolved incident, on plain data."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from tests.alerts.site import MINUTE, ONLY_HOSTS, OTHERS, RULES, START, Site

from tidecast_alerts.engine import AlertEngine
from tidecast_alerts.fakes import FakeClock, FakePromQL
from tidecast_alerts.incidents import NoSuchIncident
from tidecast_alerts.memory import MemoryRecords, MemoryRepository
from tidecast_alerts.model import Alert, IncidentState, SignalState
from tidecast_alerts.ports import VectorSample
from tidecast_alerts.prometheus_api import api_rules
from tidecast_alerts.rules import InvalidRule, load_rules
from tidecast_collector.errors import InvalidInput, TidecastError


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
