"""Incidents told to receivers, in Alertmanager's webhook format (version 4).

A notification is owed in the same unit of work as the change it tells of, and delivered at least
once afterwards: a crash between sending and remembering it sends it again, with the same groupKey
and fingerprints. A receiver gets its messages in order: one that fails holds the later ones back.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from tidecast_alerts.model import (
    Incident,
    IncidentState,
    Notification,
    Signal,
    SignalState,
    TimelineEntry,
)
from tidecast_alerts.ports import Clock, UnitOfWork
from tidecast_alerts.times import rfc3339
from tidecast_collector.errors import TidecastError
from tidecast_collector.labels import Labels

MAX_ALERTS = 64
MAX_WAITING = 1_000
FIRST_DELAY_MS = 5_000
LONGEST_DELAY_MS = 300_000
MAX_ATTEMPTS = 30
"""With these delays a message is given up after about two hours."""

NEVER_MS = 2**62
"""The next attempt of a message that was given up."""

_NOT_ENDED = "0001-01-01T00:00:00Z"
_INCIDENT = "incident"

Send = Callable[[str, str], None]
"""Hands a body to a receiver; raises `DeliveryFailed` (or an OSError) where it could not."""


class DeliveryFailed(TidecastError):
    """A receiver did not take a message; it is tried again."""


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """What one round of deliveries did."""

    sent: int = 0
    failed: int = 0
    given_up: int = 0


def webhook_body(
    incident: Incident, signals: Sequence[Signal], receiver: str, external_url: str
) -> str:
    """The incident with its signals as the JSON that Alertmanager sends to webhooks."""
    alerts = [_alert(incident, signal, external_url) for signal in signals[:MAX_ALERTS]]
    group_labels = {_INCIDENT: incident.name}
    return json.dumps(
        {
            "version": "4",
            "groupKey": f'{{}}:{{{_INCIDENT}="{incident.name}"}}',
            "truncatedAlerts": max(len(signals) - MAX_ALERTS, 0),
            "status": "resolved" if incident.state is IncidentState.RESOLVED else "firing",
            "receiver": receiver,
            "groupLabels": group_labels,
            "commonLabels": _common([alert["labels"] for alert in alerts]) | group_labels,
            "commonAnnotations": _common([alert["annotations"] for alert in alerts]),
            "externalURL": external_url,
            "alerts": alerts,
        },
        ensure_ascii=False,
    )


def fingerprint(labels: Labels) -> str:
    """Alertmanager's fingerprint of these labels: 64-bit FNV-1a over sorted names and values.

    Source: prometheus/common, model.LabelSet.Fingerprint.

    >>> fingerprint(())
    'cbf29ce484222325'
    """
    value = 0xCBF29CE484222325
    for name, text in labels:
        for byte in name.encode() + b"\xff" + text.encode() + b"\xff":
            value = (value ^ byte) * 0x100000001B3 % 2**64
    return f"{value:016x}"


def deliver_due(unit_of_work: UnitOfWork, send: Send, clock: Clock) -> DeliveryReport:
    """Sends what is due, in order for each receiver, and remembers what became of it."""
    now_ms = clock.now_ms()
    with unit_of_work() as repository:
        # What waits for its next attempt is read too: it holds back the later ones.
        waiting = repository.due_notifications(now_ms + LONGEST_DELAY_MS, MAX_WAITING)
    report = DeliveryReport()
    held: set[str] = set()
    for notification in waiting:
        if notification.receiver in held:
            continue
        if notification.next_attempt_ms > now_ms:
            held.add(notification.receiver)
            continue
        error = _failure(send, notification)
        after = _after_attempt(notification, error, clock.now_ms())
        _remember(unit_of_work, after, clock.now_ms())
        if not error:
            report = replace(report, sent=report.sent + 1)
        elif after.next_attempt_ms == NEVER_MS:
            report = replace(report, given_up=report.given_up + 1)
        else:
            held.add(notification.receiver)
            report = replace(report, failed=report.failed + 1)
    return report


def _failure(send: Send, notification: Notification) -> str:
    try:
        send(notification.receiver, notification.body)
    except (TidecastError, OSError) as error:
        return str(error) or type(error).__name__
    return ""


def _after_attempt(notification: Notification, error: str, now_ms: int) -> Notification:
    attempts = notification.attempts + 1
    if not error:
        return replace(notification, attempts=attempts, sent_ms=now_ms, last_error="")
    delay_ms = min(FIRST_DELAY_MS << min(notification.attempts, 20), LONGEST_DELAY_MS)
    next_ms = NEVER_MS if attempts >= MAX_ATTEMPTS else now_ms + delay_ms
    return replace(notification, attempts=attempts, next_attempt_ms=next_ms, last_error=error)


def _remember(unit_of_work: UnitOfWork, notification: Notification, now_ms: int) -> None:
    with unit_of_work() as repository:
        repository.put_notification(notification)
        if notification.next_attempt_ms == NEVER_MS:
            incident_id = _incident_id(notification.body)
            text = (
                f"{notification.receiver} was not told: given up after "
                f"{notification.attempts} attempts, the last: {notification.last_error}"
            )
            repository.add_entry(TimelineEntry(incident_id, now_ms, "undelivered", text))


def _incident_id(body: str) -> int:
    name: str = json.loads(body)["groupLabels"][_INCIDENT]
    return int(name.removeprefix("INC-"))


def _alert(incident: Incident, signal: Signal, external_url: str) -> dict[str, Any]:
    expression = quote(signal.expression, safe="")
    ended_ms = signal.cleared_ms if signal.state is SignalState.CLEARED else incident.resolved_ms
    return {
        "status": "firing" if ended_ms is None else "resolved",
        "labels": dict(signal.labels) | {_INCIDENT: incident.name},
        "annotations": dict(signal.annotations),
        "startsAt": rfc3339(signal.first_firing_ms),
        "endsAt": _NOT_ENDED if ended_ms is None else rfc3339(ended_ms),
        "generatorURL": f"{external_url}/graph?g0.expr={expression}&g0.tab=1",
        "fingerprint": fingerprint(signal.labels),
    }


def _common(several: Sequence[dict[str, str]]) -> dict[str, str]:
    if not several:
        return {}
    return {
        name: value
        for name, value in several[0].items()
        if all(other.get(name) == value for other in several[1:])
    }
