"""The nouns of this floor: alerts, signals, incidents and what is written about them.

rule breach -> `Alert` (Prometheus' state machine) -> `Signal` (deduplicated, closed only on proof)
-> `Incident` (one per cause, with a timeline) -> `Notification`.

All times are int64 milliseconds UTC.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from tidecast_collector.labels import Labels


class AlertState(StrEnum):
    """Exactly Prometheus' states; an inactive alert is not kept."""

    PENDING = "pending"
    FIRING = "firing"


@dataclass(frozen=True, slots=True)
class Alert:
    """One labelled breach of one rule, as Prometheus keeps it."""

    group: str
    rule: str
    labels: Labels
    annotations: Mapping[str, str]
    state: AlertState
    value: float
    active_at_ms: int
    fired_at_ms: int | None = None
    last_breach_ms: int | None = None


class SignalState(StrEnum):
    """`unknown`: the breach is no longer seen, and neither is proof that it ended."""

    FIRING = "firing"
    UNKNOWN = "unknown"
    CLEARED = "cleared"


@dataclass(frozen=True, slots=True)
class Signal:
    """A deduplicated breach, and the evidence it rests on.

    `key` identifies it across firings; `cause` is the key of the incident it belongs to.
    `evidence_ms` holds, for each selector of the rule's expression, the timestamp of the newest
    sample that the last firing evaluation saw (None: it saw none).
    """

    key: str
    cause: str
    source: str
    expression: str
    labels: Labels
    annotations: Mapping[str, str]
    state: SignalState
    value: float
    first_firing_ms: int
    last_firing_ms: int
    evidence_ms: Sequence[int | None] = ()
    cleared_ms: int | None = None
    incident_id: int | None = None


class IncidentState(StrEnum):
    """Acknowledged means somebody is on it; it stays open until it is resolved."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Incident:
    """What went wrong, once per cause. `id` is 0 until the repository has given one."""

    id: int
    cause: str
    title: str
    severity: str
    priority: int
    host: str
    resource: str
    item: str
    state: IncidentState
    opened_ms: int
    acknowledged_ms: int | None = None
    acknowledged_by: str = ""
    resolved_ms: int | None = None
    resolution: str = ""

    @property
    def name(self) -> str:
        """How people refer to it, e.g. INC-12."""
        return f"INC-{self.id}"


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One dated fact about an incident: `kind` is one word, `text` a sentence, `actor` who."""

    incident_id: int
    at_ms: int
    kind: str
    text: str
    actor: str = "tidecast"


@dataclass(frozen=True, slots=True)
class Notification:
    """A message owed to a receiver, kept in the same unit of work as the change it tells of."""

    id: int
    receiver: str
    body: str
    created_ms: int
    attempts: int = 0
    next_attempt_ms: int = 0
    sent_ms: int | None = None
    last_error: str = ""


@dataclass(frozen=True, slots=True)
class IncidentView:
    """An incident with its signals and its timeline, oldest first."""

    incident: Incident
    signals: Sequence[Signal] = field(default_factory=tuple)
    timeline: Sequence[TimelineEntry] = field(default_factory=tuple)
