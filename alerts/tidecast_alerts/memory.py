"""Alert records in memory, with the units of work that the real ones have: for tests and demos."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from tidecast_alerts.model import (
    Alert,
    Incident,
    IncidentState,
    Notification,
    Signal,
    SignalState,
    TimelineEntry,
)
from tidecast_collector.errors import InvalidInput
from tidecast_collector.labels import Labels


@dataclass
class MemoryRepository:
    """An `AlertRepository` in plain dictionaries."""

    _alerts: dict[tuple[str, str, Labels], Alert] = field(default_factory=dict)
    _signals: dict[str, Signal] = field(default_factory=dict)
    _incidents: dict[int, Incident] = field(default_factory=dict)
    _entries: list[TimelineEntry] = field(default_factory=list)
    _notifications: dict[int, Notification] = field(default_factory=dict)

    def copy(self) -> MemoryRepository:
        """Another one with the same records."""
        return MemoryRepository(
            dict(self._alerts),
            dict(self._signals),
            dict(self._incidents),
            list(self._entries),
            dict(self._notifications),
        )

    def alerts(self) -> Sequence[Alert]:
        """Every pending and firing alert."""
        return list(self._alerts.values())

    def put_alert(self, alert: Alert) -> None:
        """Adds it, or replaces the one of the same group, rule and labels."""
        self._alerts[alert.group, alert.rule, alert.labels] = alert

    def remove_alert(self, alert: Alert) -> None:
        """Forgets the alert of the same group, rule and labels, if there is one."""
        self._alerts.pop((alert.group, alert.rule, alert.labels), None)

    def signal(self, key: str) -> Signal | None:
        """The signal of this key."""
        return self._signals.get(key)

    def signals(self, *, states: Collection[SignalState]) -> Sequence[Signal]:
        """Signals in these states, oldest first."""
        found = (signal for signal in self._signals.values() if signal.state in states)
        return sorted(found, key=lambda signal: (signal.first_firing_ms, signal.key))

    def signals_of(self, incident_id: int) -> Sequence[Signal]:
        """Signals that belong to the incident, oldest first."""
        return [s for s in self.signals(states=set(SignalState)) if s.incident_id == incident_id]

    def put_signal(self, signal: Signal) -> None:
        """Adds it, or replaces the one of the same key."""
        if signal.incident_id is not None and signal.incident_id not in self._incidents:
            raise InvalidInput(f"signal {signal.key} names an incident that is not there")
        self._signals[signal.key] = signal

    def unresolved_incident(self, cause: str) -> Incident | None:
        """The one incident of this cause that is not resolved."""
        for incident in self._incidents.values():
            if incident.cause == cause and incident.state is not IncidentState.RESOLVED:
                return incident
        return None

    def incident(self, incident_id: int) -> Incident | None:
        """The incident of this id."""
        return self._incidents.get(incident_id)

    def incidents(
        self, *, states: Collection[IncidentState] | None = None, limit: int = 500
    ) -> Sequence[Incident]:
        """Incidents in these states (None: any), the newest first."""
        found = [i for i in self._incidents.values() if states is None or i.state in states]
        return sorted(found, key=lambda i: (i.opened_ms, i.id), reverse=True)[:limit]

    def add_incident(self, incident: Incident) -> Incident:
        """Keeps a new incident and returns it with its id."""
        if incident.id:
            raise InvalidInput(f"{incident.name} has an id already")
        self._refuse_second(incident)
        incident = replace(incident, id=len(self._incidents) + 1)
        self._incidents[incident.id] = incident
        return incident

    def put_incident(self, incident: Incident) -> None:
        """Replaces the incident of the same id."""
        if incident.id not in self._incidents:
            raise InvalidInput(f"{incident.name} is not there")
        self._refuse_second(incident)
        self._incidents[incident.id] = incident

    def add_entry(self, entry: TimelineEntry) -> None:
        """Adds to an incident's timeline."""
        self._entries.append(entry)

    def timeline(self, incident_id: int) -> Sequence[TimelineEntry]:
        """The incident's entries, oldest first."""
        found = (entry for entry in self._entries if entry.incident_id == incident_id)
        return sorted(found, key=lambda entry: entry.at_ms)

    def add_notification(self, notification: Notification) -> None:
        """Owes a message."""
        number = len(self._notifications) + 1
        self._notifications[number] = replace(notification, id=number)

    def due_notifications(self, now_ms: int, limit: int = 100) -> Sequence[Notification]:
        """Unsent messages whose next attempt is due, oldest first."""
        owed = (n for n in self._notifications.values() if n.sent_ms is None)
        due = sorted(
            (n for n in owed if n.next_attempt_ms <= now_ms), key=lambda n: (n.created_ms, n.id)
        )
        return due[:limit]

    def put_notification(self, notification: Notification) -> None:
        """Replaces the message of the same id."""
        self._notifications[notification.id] = notification

    def _refuse_second(self, incident: Incident) -> None:
        other = self.unresolved_incident(incident.cause)
        unresolved = incident.state is not IncidentState.RESOLVED
        if unresolved and other is not None and other.id != incident.id:
            raise InvalidInput(f"{other.name} of the same cause is not resolved")


@dataclass
class MemoryRecords:
    """Units of work over a `MemoryRepository`: what fails inside one is as if it never was."""

    kept: MemoryRepository = field(default_factory=MemoryRepository)

    @contextmanager
    def __call__(self) -> Iterator[MemoryRepository]:
        """A repository whose changes are kept when the block ends well."""
        working = self.kept.copy()
        yield working
        self.kept = working
