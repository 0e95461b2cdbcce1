"""The alert repository: what `tidecast_alerts.ports` promises, on both databases."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from tests.scenario.driver import PATIENCE_SECONDS

from tidecast.records import RecordConflict, Records, RecordsDamaged, UnstorableValue
from tidecast_alerts.model import (
    Alert,
    AlertState,
    Incident,
    IncidentState,
    Notification,
    Signal,
    SignalState,
    TimelineEntry,
)
from tidecast_alerts.ports import AlertRepository, UnitOfWork

ALERT = Alert(
    group="host",
    rule="FilesystemFull",
    labels=(("instance", "web-3"), ("mountpoint", "/var")),
    annotations={"summary": "/var is full"},
    state=AlertState.PENDING,
    value=0.97,
    active_at_ms=1_000,
)
SIGNAL = Signal(
    key="FilesystemFull web-3 /var",
    cause="web-3/filesystem//var",
    source="rules",
    expression="a > b",
    labels=ALERT.labels,
    annotations=ALERT.annotations,
    state=SignalState.FIRING,
    value=0.97,
    first_firing_ms=1_000,
    last_firing_ms=2_000,
    evidence_ms=(1_990, None),
)
INCIDENT = Incident(
    id=0,
    cause=SIGNAL.cause,
    title="/var on web-3 is full",
    severity="critical",
    priority=2,
    host="web-3",
    resource="filesystem",
    item="/var",
    state=IncidentState.OPEN,
    opened_ms=2_000,
)
NOTIFICATION = Notification(id=0, receiver="ops", body="{}", created_ms=10, next_attempt_ms=10)


@pytest.fixture
def repository(records):
    with records.alerting_unit() as opened:
        yield opened


def test_it_is_the_port(records: Records):
    unit_of_work: UnitOfWork = records.alerting_unit
    with unit_of_work() as repository:
        asked = [name for name in vars(AlertRepository) if not name.startswith("_")]
        assert [name for name in asked if not callable(getattr(repository, name, None))] == []


def test_an_alert_is_one_by_group_rule_and_labels(repository):
    other = replace(ALERT, labels=(("instance", "web-4"),), active_at_ms=500)
    firing = replace(ALERT, state=AlertState.FIRING, fired_at_ms=3_000, last_breach_ms=3_500)
    for alert in (ALERT, other, firing):
        repository.put_alert(alert)
    assert repository.alerts() == [other, firing]
    repository.remove_alert(ALERT)
    assert repository.alerts() == [other]
    repository.remove_alert(ALERT)
    assert repository.alerts() == [other]


def test_group_and_rule_do_not_run_together(repository):
    repository.put_alert(replace(ALERT, group="ab", rule="c"))
    repository.put_alert(replace(ALERT, group="a", rule="bc"))
    assert len(repository.alerts()) == 2


def test_a_signal_is_one_by_key(repository):
    assert repository.signal(SIGNAL.key) is None
    repository.put_signal(SIGNAL)
    assert repository.signal(SIGNAL.key) == SIGNAL
    cleared = replace(SIGNAL, state=SignalState.CLEARED, cleared_ms=9_000)
    repository.put_signal(cleared)
    assert repository.signal(SIGNAL.key) == cleared


def test_signals_by_state_and_by_incident_are_oldest_first(repository):
    incident = repository.add_incident(INCIDENT)
    late = replace(SIGNAL, key="late", first_firing_ms=2_000, incident_id=incident.id)
    early = replace(SIGNAL, key="early", state=SignalState.UNKNOWN, incident_id=incident.id)
    cleared = replace(SIGNAL, key="gone", state=SignalState.CLEARED)
    for signal in (late, cleared, early):
        repository.put_signal(signal)
    open_states = [SignalState.FIRING, SignalState.UNKNOWN]
    assert [s.key for s in repository.signals(states=open_states)] == ["early", "late"]
    assert repository.signals(states={SignalState.CLEARED}) == [cleared]
    assert repository.signals(states=()) == []
    assert repository.signals_of(incident.id) == [early, late]


def test_an_incident_gets_its_id_and_changes_under_it(repository):
    incident = repository.add_incident(INCIDENT)
    assert incident == replace(INCIDENT, id=incident.id)
    assert incident.id > 0
    assert repository.incident(incident.id) == incident
    assert repository.unresolved_incident(INCIDENT.cause) == incident
    acknowledged = replace(
        incident, state=IncidentState.ACKNOWLEDGED, acknowledged_ms=3_000, acknowledged_by="ann"
    )
    repository.put_incident(acknowledged)
    assert repository.unresolved_incident(INCIDENT.cause) == acknowledged
    resolved = replace(
        acknowledged, state=IncidentState.RESOLVED, resolved_ms=4_000, resolution="cleared"
    )
    repository.put_incident(resolved)
    assert repository.unresolved_incident(INCIDENT.cause) is None
    assert repository.incident(incident.id) == resolved
    assert repository.add_incident(INCIDENT).id > incident.id


def test_a_cause_has_one_unresolved_incident(records):
    with records.unit() as unit:
        first = unit.alerting.add_incident(INCIDENT)
    with pytest.raises(RecordConflict), records.unit() as unit:
        unit.alerting.add_incident(replace(INCIDENT, state=IncidentState.ACKNOWLEDGED))
    with records.unit() as unit:
        unit.alerting.put_incident(replace(first, state=IncidentState.RESOLVED))
        second = unit.alerting.add_incident(INCIDENT)
    with pytest.raises(RecordConflict), records.unit() as unit:
        unit.alerting.put_incident(first)
    with records.reading() as unit:
        assert unit.alerting.unresolved_incident(INCIDENT.cause) == second


def test_an_incident_in_a_state_that_is_none_is_told(records):
    with records.unit() as unit:
        unit.alerting.add_incident(INCIDENT)
    with records._engine.begin() as connection:
        connection.exec_driver_sql("UPDATE incidents SET state = 'opne'")
    with pytest.raises(RecordsDamaged, match=r"'opne'.*IncidentState"), records.reading() as unit:
        unit.alerting.incidents()


def test_a_word_that_is_no_state_is_refused(records):
    with records.unit() as unit, pytest.raises(UnstorableValue, match="'opne'"):
        unit.alerting.add_incident(replace(INCIDENT, state="opne"))


@pytest.mark.parametrize("value", [None, "0.97"])
def test_a_value_is_a_number(records, value):
    with records.unit() as unit, pytest.raises(UnstorableValue, match="a number is needed"):
        unit.alerting.put_signal(replace(SIGNAL, value=value))


def test_two_servers_open_one_incident_between_them(url):
    start = threading.Barrier(2)

    def open_incident(_: int) -> bool:
        with Records.open(url) as server:
            start.wait(PATIENCE_SECONDS)
            try:
                with server.unit() as unit:
                    if unit.alerting.unresolved_incident(INCIDENT.cause):
                        return False
                    unit.alerting.add_incident(INCIDENT)
                    unit.alerting.put_signal(SIGNAL)
            except RecordConflict:
                return False
            return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(open_incident, range(2))) == [False, True]
    with Records.open(url) as records, records.reading() as unit:
        assert len(unit.alerting.incidents()) == 1


def test_incidents_are_newest_first_by_state_and_limit(repository):
    opened = [
        repository.add_incident(replace(INCIDENT, cause=str(at), opened_ms=at))
        for at in (20, 30, 10, 30)
        if at != 30 or not repository.unresolved_incident("30")
    ]
    newest = [opened[1], opened[0], opened[2]]
    assert repository.incidents() == newest
    assert repository.incidents(limit=2) == newest[:2]
    repository.put_incident(resolved := replace(opened[0], state=IncidentState.RESOLVED))
    assert repository.incidents(states={IncidentState.RESOLVED}) == [resolved]
    assert repository.incidents(states={IncidentState.OPEN}) == [opened[1], opened[2]]


@pytest.mark.parametrize("limit", [0, -1, 10**9])
def test_a_limit_is_within_bounds(repository, limit):
    with pytest.raises(UnstorableValue, match="limit"):
        repository.incidents(limit=limit)


def test_ids_of_incidents_are_never_given_twice(records):
    with records.unit() as unit:
        last = unit.alerting.add_incident(INCIDENT)
        unit.alerting.put_incident(replace(last, state=IncidentState.RESOLVED))
    with records._engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM incidents")
    with records.unit() as unit:
        assert unit.alerting.add_incident(INCIDENT).id > last.id


def test_only_new_incidents_are_added_and_only_known_ones_replaced(repository):
    with pytest.raises(UnstorableValue, match="INC-7"):
        repository.add_incident(replace(INCIDENT, id=7))
    with pytest.raises(RecordConflict, match="INC-7"):
        repository.put_incident(replace(INCIDENT, id=7))
    with pytest.raises(RecordConflict, match="notification 7"):
        repository.put_notification(replace(NOTIFICATION, id=7))
    assert repository.incident(7) is None


def test_a_timeline_is_oldest_first_and_in_order_of_writing(repository):
    one = repository.add_incident(INCIDENT).id
    two = repository.add_incident(replace(INCIDENT, cause="other")).id
    entries = [
        TimelineEntry(one, 30, "resolved", "cleared"),
        TimelineEntry(one, 10, "opened", "full", "ann"),
        TimelineEntry(one, 10, "notified", "ops"),
        TimelineEntry(two, 5, "opened", "other"),
    ]
    for entry in entries:
        repository.add_entry(entry)
    assert repository.timeline(one) == [entries[1], entries[2], entries[0]]
    assert repository.timeline(two) == [entries[3]]


@pytest.mark.parametrize(
    "write",
    [
        lambda unit: unit.alerting.add_entry(TimelineEntry(99, 1, "opened", "")),
        lambda unit: unit.alerting.put_signal(replace(SIGNAL, incident_id=99)),
    ],
)
def test_nothing_belongs_to_an_unknown_incident(records, write):
    with pytest.raises(RecordConflict), records.unit() as unit:
        write(unit)


def test_notifications_are_due_until_sent(repository):
    for created, due in ((30, 40), (10, 50), (20, 20)):
        repository.add_notification(
            replace(NOTIFICATION, created_ms=created, next_attempt_ms=due, body=f"{created}")
        )
    assert [n.body for n in repository.due_notifications(40)] == ["20", "30"]
    assert [n.body for n in repository.due_notifications(50)] == ["10", "20", "30"]
    assert [n.body for n in repository.due_notifications(50, limit=1)] == ["10"]
    first, second, _ = repository.due_notifications(50)
    repository.put_notification(replace(first, sent_ms=51, attempts=1))
    failed = replace(second, attempts=1, next_attempt_ms=90, last_error="refused")
    repository.put_notification(failed)
    assert [n.body for n in repository.due_notifications(89)] == ["30"]
    assert repository.due_notifications(90)[0] == failed


def test_keys_may_be_long(repository):
    long = "x" * 100_000
    repository.put_alert(alert := replace(ALERT, labels=(("l", long),)))
    repository.put_signal(signal := replace(SIGNAL, key=long, cause=long))
    incident = repository.add_incident(replace(INCIDENT, cause=long))
    assert repository.alerts() == [alert]
    assert repository.signal(long) == signal
    assert repository.unresolved_incident(long) == incident
    with pytest.raises(UnstorableValue, match="too long"):
        repository.signal(long * 11)
