"""What this floor needs from the application: PromQL, a repository and a clock.

The application supplies them; tests supply plain data. Nothing here knows of the store, SQL or time
of day.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from tidecast_alerts.model import (
    Alert,
    Incident,
    IncidentState,
    Notification,
    Signal,
    SignalState,
    TimelineEntry,
)
from tidecast_collector.labels import Labels


@dataclass(frozen=True, slots=True)
class VectorSample:
    """One element of an instant vector."""

    labels: Labels
    value: float


class PromQL(Protocol):
    """Answers PromQL; raises `InvalidInput` for an expression it refuses."""

    def check(self, expression: str) -> None:
        """Raises `InvalidInput`, with line and column, unless the expression parses."""
        ...

    def instant(self, expression: str, at_ms: int) -> Sequence[VectorSample]:
        """The expression's instant vector at that time (a scalar is one element without labels)."""
        ...

    def newest_samples(self, expression: str, labels: Labels, at_ms: int) -> Sequence[int | None]:
        """For each selector of the expression, in order, the timestamp of its newest sample.

        Only series count that agree with `labels` on every label that both carry and that have
        not ended with a staleness marker by `at_ms`; their newest sample must not be older than a
        day. None: there is no such sample.
        """
        ...


class Clock(Protocol):
    """The time of day."""

    def now_ms(self) -> int:
        """Milliseconds since 1970 UTC."""
        ...


class AlertRepository(Protocol):
    """Alerts, signals, incidents and notifications inside one unit of work.

    What a unit of work wrote becomes visible and durable all at once when it ends well, and not at
    all otherwise.
    """

    def alerts(self) -> Sequence[Alert]:
        """Every pending and firing alert."""
        ...

    def put_alert(self, alert: Alert) -> None:
        """Adds it, or replaces the one of the same group, rule and labels."""
        ...

    def remove_alert(self, alert: Alert) -> None:
        """Forgets it: it is inactive."""
        ...

    def signal(self, key: str) -> Signal | None:
        """The signal of this key in whatever state."""
        ...

    def signals(self, *, states: Collection[SignalState]) -> Sequence[Signal]:
        """Signals in these states, oldest first."""
        ...

    def signals_of(self, incident_id: int) -> Sequence[Signal]:
        """Signals that belong to the incident, oldest first."""
        ...

    def put_signal(self, signal: Signal) -> None:
        """Adds it, or replaces the one of the same key."""
        ...

    def unresolved_incident(self, cause: str) -> Incident | None:
        """The one incident of this cause that is not resolved (there can be no second)."""
        ...

    def incident(self, incident_id: int) -> Incident | None:
        """The incident of this id."""
        ...

    def incidents(
        self, *, states: Collection[IncidentState] | None = None, limit: int = 500
    ) -> Sequence[Incident]:
        """Incidents in these states (None: any), the newest first."""
        ...

    def add_incident(self, incident: Incident) -> Incident:
        """Keeps a new incident and returns it with its id."""
        ...

    def put_incident(self, incident: Incident) -> None:
        """Replaces the incident of the same id."""
        ...

    def add_entry(self, entry: TimelineEntry) -> None:
        """Adds to an incident's timeline; entries are never changed."""
        ...

    def timeline(self, incident_id: int) -> Sequence[TimelineEntry]:
        """The incident's entries, oldest first."""
        ...

    def add_notification(self, notification: Notification) -> None:
        """Owes a message; its id is given by the repository."""
        ...

    def due_notifications(self, now_ms: int, limit: int = 100) -> Sequence[Notification]:
        """Unsent messages whose next attempt is due, oldest first."""
        ...

    def put_notification(self, notification: Notification) -> None:
        """Replaces the message of the same id."""
        ...


class UnitOfWork(Protocol):
    """Opens units of work: `with unit_of_work() as repository: ...`."""

    def __call__(self) -> AbstractContextManager[AlertRepository]: ...
