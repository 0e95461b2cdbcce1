"""Notifications: their format, their order, and what becomes of those that fail."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidecast_alerts.causes import Cause, cause_of, priority_of, severity_of
from tidecast_alerts.fakes import FakeClock
from tidecast_alerts.memory import MemoryRecords
from tidecast_alerts.model import Incident, IncidentState, Notification, Signal, SignalState
from tidecast_alerts.notifications import (
    LONGEST_DELAY_MS,
    MAX_ATTEMPTS,
    DeliveryFailed,
    deliver_due,
    fingerprint,
    webhook_body,
)
from tidecast_collector.labels import make_labels

NOW = 1_700_000_000_000


def incident(number: int = 0, state: IncidentState = IncidentState.OPEN) -> Incident:
    return Incident(
        id=number,
        cause=f'["web-3","filesystem","/{number}"]',
        title="/var is full",
        severity="warning",
        priority=3,
        host="web-3",
        resource="filesystem",
        item="/var",
        state=state,
        opened_ms=NOW,
        resolved_ms=NOW + 60_500 if state is IncidentState.RESOLVED else None,
    )


def signal(state: SignalState = SignalState.FIRING, **labels: str) -> Signal:
    return Signal(
        key=json.dumps(labels),
        cause='["web-3","filesystem","/var"]',
        source="rule:g/DiskFull",
        expression='used{a="b"} > 90',
        labels=make_labels({"alertname": "DiskFull", "instance": "web-3", **labels}),
        annotations={"summary": "full", "tier": labels.get("severity", "")},
        state=state,
        value=95.0,
        first_firing_ms=NOW,
        last_firing_ms=NOW,
        cleared_ms=NOW + 1_000 if state is SignalState.CLEARED else None,
    )


def test_the_body_is_alertmanagers_webhook() -> None:
    signals = [
        signal(severity="warning"),
        signal(SignalState.CLEARED, severity="critical"),
        signal(SignalState.UNKNOWN, severity="info"),
    ]
    body = json.loads(webhook_body(incident(12), signals, "ops", "http://tidecast"))
    alerts = body.pop("alerts")
    assert body == {
        "version": "4",
        "groupKey": '{}:{incident="INC-12"}',
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "ops",
        "groupLabels": {"incident": "INC-12"},
        "commonLabels": {"alertname": "DiskFull", "incident": "INC-12", "instance": "web-3"},
        "commonAnnotations": {"summary": "full"},
        "externalURL": "http://tidecast",
    }
    assert alerts[0] == {
        "status": "firing",
        "labels": {
            "alertname": "DiskFull",
            "incident": "INC-12",
            "instance": "web-3",
            "severity": "warning",
        },
        "annotations": {"summary": "full", "tier": "warning"},
        "startsAt": "2023-11-14T22:13:20Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://tidecast/graph?g0.expr=used%7Ba%3D%22b%22%7D%20%3E%2090&g0.tab=1",
        "fingerprint": fingerprint(signals[0].labels),
    }
    assert [(alert["status"], alert["endsAt"]) for alert in alerts[1:]] == [
        ("resolved", "2023-11-14T22:13:21Z"),
        # Nobody has seen it end: it is not said to be resolved.
        ("firing", "0001-01-01T00:00:00Z"),
    ]


def test_a_resolved_incident_ends_all_its_alerts() -> None:
    body = json.loads(webhook_body(incident(1, IncidentState.RESOLVED), [signal()], "ops", ""))
    assert (body["status"], body["alerts"][0]["status"]) == ("resolved", "resolved")
    assert body["alerts"][0]["endsAt"] == "2023-11-14T22:14:20.5Z"


def test_a_body_tells_of_so_many_alerts_and_counts_the_rest() -> None:
    signals = [signal(mountpoint=str(i)) for i in range(70)]
    body = json.loads(webhook_body(incident(1), signals, "ops", ""))
    assert (len(body["alerts"]), body["truncatedAlerts"]) == (64, 6)
    empty = json.loads(webhook_body(incident(1), [], "ops", ""))
    assert empty["commonLabels"] == {"incident": "INC-1"}


def test_the_fingerprint_is_alertmanagers() -> None:
    # FNV-1a by hand for {a="b"}: bytes 61 ff 62 ff.
    expected = 0xCBF29CE484222325
    for byte in (0x61, 0xFF, 0x62, 0xFF):
        expected = (expected ^ byte) * 0x100000001B3 % 2**64
    assert fingerprint((("a", "b"),)) == f"{expected:016x}"


class Receiver:
    """Takes messages, or refuses them."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, str]] = []
        self.broken: set[str] = set()

    def send(self, receiver: str, body: str) -> None:
        """A delivery."""
        if receiver in self.broken:
            raise DeliveryFailed(f"{receiver} answered 500")
        self.taken.append((receiver, json.loads(body)["status"]))


def owed(records: MemoryRecords, *receivers: str) -> None:
    with records() as repository:
        opened = repository.unresolved_incident(incident().cause) or repository.add_incident(
            incident()
        )
        for receiver in receivers:
            body = webhook_body(opened, [signal()], receiver, "")
            repository.add_notification(Notification(0, receiver, body, NOW, next_attempt_ms=NOW))


def test_what_is_owed_is_sent_once() -> None:
    records, clock, receiver = MemoryRecords(), FakeClock(NOW), Receiver()
    owed(records, "ops", "tickets")
    assert deliver_due(records, receiver.send, clock).sent == 2
    assert deliver_due(records, receiver.send, clock).sent == 0
    assert receiver.taken == [("ops", "firing"), ("tickets", "firing")]


def test_a_failure_is_tried_again_later_and_holds_back_what_follows() -> None:
    records, clock, receiver = MemoryRecords(), FakeClock(NOW), Receiver()
    owed(records, "ops", "ops", "tickets")
    receiver.broken = {"ops"}
    report = deliver_due(records, receiver.send, clock)
    assert (report.sent, report.failed) == (1, 1)
    receiver.broken = set()
    clock.ms += 4_999
    assert deliver_due(records, receiver.send, clock).sent == 0
    clock.ms += 1
    assert deliver_due(records, receiver.send, clock).sent == 2


def test_a_message_nobody_takes_is_given_up_in_the_timeline() -> None:
    records, clock, receiver = MemoryRecords(), FakeClock(NOW), Receiver()
    owed(records, "ops", "ops")
    receiver.broken = {"ops"}
    waits = []
    for _ in range(MAX_ATTEMPTS):
        deliver_due(records, receiver.send, clock)
        (first, *_) = records.kept.due_notifications(2**62)
        waits.append(first.next_attempt_ms - clock.ms)
        clock.ms += min(waits[-1], LONGEST_DELAY_MS)
    assert waits[:8] == [5_000, 10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000]
    (entry,) = records.kept.timeline(1)
    assert entry.kind == "undelivered"
    assert entry.text == (
        "ops was not told: given up after 30 attempts, the last: ops answered 500"
    )
    receiver.broken = set()
    clock.ms += LONGEST_DELAY_MS
    assert deliver_due(records, receiver.send, clock).sent == 1


def test_an_unreachable_receiver_is_a_failure_too() -> None:
    records, clock = MemoryRecords(), FakeClock(NOW)
    owed(records, "ops")

    def send(receiver: str, body: str) -> None:
        raise ConnectionRefusedError

    assert deliver_due(records, send, clock).failed == 1
    assert records.kept.due_notifications(2**62)[0].last_error == "ConnectionRefusedError"


@pytest.mark.parametrize(
    ("labels", "cause"),
    [
        (
            {"instance": "web-3:9100", "resource": "filesystem", "mountpoint": "/var"},
            Cause("web-3", "filesystem", "/var"),
        ),
        (
            {"instance": "web-3", "resource": "disk", "item": "sda", "device": "x"},
            Cause("web-3", "disk", "sda"),
        ),
        ({"instance": "web-3", "severity": "info"}, Cause("web-3", "Odd", "")),
        ({"job": "backup", "severity": "info"}, Cause("", "Odd", 'job="backup"')),
    ],
)
def test_the_cause_is_read_from_the_labels(labels: dict[str, str], cause: Cause) -> None:
    assert cause_of(make_labels({"alertname": "Odd", **labels})) == cause


def test_severity_gives_the_priority() -> None:
    assert [priority_of(s) for s in ("critical", "warning", "info", "odd")] == [1, 3, 4, 3]
    assert severity_of(()) == "warning"


TEXT = st.text(max_size=20)


@given(st.tuples(TEXT, TEXT, TEXT), st.tuples(TEXT, TEXT, TEXT))
def test_different_causes_have_different_keys(
    one: tuple[str, str, str], other: tuple[str, str, str]
) -> None:
    assert (Cause(*one).key == Cause(*other).key) == (one == other)


@given(st.dictionaries(st.text(min_size=1, max_size=9), TEXT, max_size=4))
def test_hostile_labels_survive_the_webhook(labels: dict[str, str]) -> None:
    told = signal(**{f"l_{name}": value for name, value in labels.items()})
    body = json.loads(webhook_body(incident(1), [told], "ops", ""))
    assert body["alerts"][0]["labels"] == {**dict(told.labels), "incident": "INC-1"}
