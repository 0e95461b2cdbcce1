"""Alerts, signals, incidents, timelines and notifications: what `tidecast_alerts` asks for."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from tidecast.records import tables
from tidecast.records.columns import digest, json_text, storable_integer
from tidecast.records.errors import RecordConflict, UnstorableValue
from tidecast.records.transaction import Record, Transaction, checked_limit, record_of, row_of
from tidecast_alerts.model import (
    Alert,
    Incident,
    IncidentState,
    Notification,
    Signal,
    SignalState,
    TimelineEntry,
)


class AlertRecords:
    """The `AlertRepository` of `tidecast_alerts.ports`, inside one unit of work."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction
        self.put_signals: list[Signal] = []
        """The signals that were put in this unit of work, in order."""

    def alerts(self) -> Sequence[Alert]:
        """Every pending and firing alert, by the time it became active."""
        table = tables.alerts
        return self._all(Alert, sa.select(table).order_by(table.c.active_at_ms, table.c.digest))

    def put_alert(self, alert: Alert) -> None:
        """Adds it, or replaces the one of the same group, rule and labels."""
        self._transaction.put(tables.alerts, {**row_of(alert), "digest": _alert_digest(alert)})

    def remove_alert(self, alert: Alert) -> None:
        """Forgets it: it is inactive. One that is not kept is forgotten already."""
        table = tables.alerts
        self._transaction.change(sa.delete(table).where(table.c.digest == _alert_digest(alert)))

    def signal(self, key: str) -> Signal | None:
        """The signal of this key in whatever state."""
        table = tables.signals
        return self._one(Signal, sa.select(table).where(table.c.digest == digest(key)))

    def signals(self, *, states: Collection[SignalState]) -> Sequence[Signal]:
        """Signals in these states, oldest first."""
        return self._signals(tables.signals.c.state.in_(list(states)))

    def signals_from(
        self, sources: Sequence[str], *, states: Collection[SignalState]
    ) -> Sequence[Signal]:
        """Signals of these sources in these states, oldest first."""
        table = tables.signals.c
        return self._signals(sa.and_(table.source.in_(sources), table.state.in_(list(states))))

    def signals_of(self, incident_id: int) -> Sequence[Signal]:
        """Signals that belong to the incident, oldest first."""
        return self._signals(tables.signals.c.incident_id == storable_integer(incident_id))

    def put_signal(self, signal: Signal) -> None:
        """Adds it, or replaces the one of the same key."""
        evidence = tuple(t if t is None else storable_integer(t) for t in signal.evidence_ms)
        row = {**row_of(signal), "digest": digest(signal.key), "evidence_ms": evidence}
        self._transaction.put(tables.signals, row)
        self.put_signals.append(signal)

    def unresolved_incident(self, cause: str) -> Incident | None:
        """The one incident of this cause that is not resolved (the database allows no second)."""
        table = tables.incidents
        return self._one(
            Incident,
            sa.select(table).where(
                table.c.cause_digest == digest(cause), table.c.state != IncidentState.RESOLVED
            ),
        )

    def incident(self, incident_id: int) -> Incident | None:
        """The incident of this id."""
        table = tables.incidents
        wanted = table.c.id == storable_integer(incident_id)
        return self._one(Incident, sa.select(table).where(wanted))

    def incidents(
        self, *, states: Collection[IncidentState] | None = None, limit: int = 500
    ) -> Sequence[Incident]:
        """Incidents in these states (None: any), the newest first."""
        table = tables.incidents
        newest = sa.select(table).order_by(table.c.opened_ms.desc(), table.c.id.desc())
        if states is not None:
            newest = newest.where(table.c.state.in_(list(states)))
        return self._all(Incident, newest.limit(checked_limit(limit)))

    def add_incident(self, incident: Incident) -> Incident:
        """Keeps a new incident and returns it with its id.

        Raises `RecordConflict` where its cause has an unresolved incident already.
        """
        if incident.id:
            raise UnstorableValue(f"{incident.name} has an id already; a new incident has id 0")
        given = self._transaction.add(tables.incidents, _incident_row(incident))
        return replace(incident, id=given)

    def put_incident(self, incident: Incident) -> None:
        """Replaces the incident of the same id; raises `RecordConflict` where there is none."""
        self._replace(tables.incidents, incident.id, _incident_row(incident), incident.name)

    def add_entry(self, entry: TimelineEntry) -> None:
        """Adds to an incident's timeline; entries are never changed."""
        self._transaction.add(tables.timeline, row_of(entry))

    def timeline(self, incident_id: int) -> Sequence[TimelineEntry]:
        """The incident's entries, oldest first."""
        table = tables.timeline
        wanted = table.c.incident_id == storable_integer(incident_id)
        return self._all(
            TimelineEntry,
            sa.select(table).where(wanted).order_by(table.c.at_ms, table.c.id),
        )

    def add_notification(self, notification: Notification) -> None:
        """Owes a message; its id is given by the records, whatever it was."""
        self._transaction.add(tables.notifications, _without_id(notification))

    def due_notifications(self, now_ms: int, limit: int = 100) -> Sequence[Notification]:
        """Unsent messages whose next attempt is due, oldest first."""
        table = tables.notifications
        due = sa.and_(
            table.c.sent_ms.is_(None), table.c.next_attempt_ms <= storable_integer(now_ms)
        )
        oldest = sa.select(table).where(due).order_by(table.c.created_ms, table.c.id)
        return self._all(Notification, oldest.limit(checked_limit(limit)))

    def put_notification(self, notification: Notification) -> None:
        """Replaces the message of the same id; raises `RecordConflict` where there is none."""
        row, number = _without_id(notification), notification.id
        self._replace(tables.notifications, number, row, f"notification {number}")

    def _signals(self, wanted: sa.ColumnElement[bool]) -> Sequence[Signal]:
        table = tables.signals
        oldest = sa.select(table).where(wanted).order_by(table.c.first_firing_ms, table.c.digest)
        return self._all(Signal, oldest)

    def _all(self, kind: type[Record], statement: sa.Select[Any]) -> Sequence[Record]:
        return [record_of(kind, row) for row in self._transaction.rows(statement)]

    def _one(self, kind: type[Record], statement: sa.Select[Any]) -> Record | None:
        rows = self._transaction.rows(statement)
        return record_of(kind, rows[0]) if rows else None

    def _replace(self, table: sa.Table, number: int, row: dict[str, Any], name: str) -> None:
        wanted = table.c.id == storable_integer(number)
        if not self._transaction.change(sa.update(table).where(wanted).values(row)):
            raise RecordConflict(f"{name} is not recorded, so it cannot be changed; add it first")


def _alert_digest(alert: Alert) -> bytes:
    return digest(alert.group, alert.rule, json_text(alert.labels))


def _without_id(record: Incident | Notification) -> dict[str, Any]:
    row = row_of(record)
    del row["id"]
    return row


def _incident_row(incident: Incident) -> dict[str, Any]:
    return {**_without_id(incident), "cause_digest": digest(incident.cause)}
