"""Signals become incidents: one for each cause, with a timeline that says why.

Everything here happens inside the caller's unit of work together with the notifications it owes,
and only on a change of a signal, so that an evaluation done twice changes nothing.

While a host is silent (its own incident is unresolved) no incident is opened for its resources:
their breaches are held and open one if they still fire when the host is back. Incidents that were
open before stay, and are named in the host's timeline as affected.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from tidecast_alerts.causes import (
    HOST_RESOURCE,
    Cause,
    cause_of,
    host_cause,
    priority_of,
    severity_of,
)
from tidecast_alerts.model import (
    Incident,
    IncidentState,
    Notification,
    Signal,
    SignalState,
    TimelineEntry,
)
from tidecast_alerts.notifications import webhook_body
from tidecast_alerts.ports import AlertRepository
from tidecast_alerts.signals import Finding
from tidecast_collector.errors import InvalidInput
from tidecast_collector.labels import label_value

REOPEN_WINDOW_MS = 15 * 60_000
"""A breach this soon after the resolution is the same incident: flapping opens no second one."""

MAX_COMMENT_CHARACTERS = 2_000
MAX_SUMMARY_CHARACTERS = 500
_UNRESOLVED = (IncidentState.OPEN, IncidentState.ACKNOWLEDGED)
_ORDER = (SignalState.FIRING, SignalState.UNKNOWN, SignalState.CLEARED)


class NoSuchIncident(InvalidInput):
    """There is no incident of this id."""


@dataclass(frozen=True)
class Incidents:
    """The incidents as one unit of work changes them at one moment.

    `finish` owes one notification to each receiver for each incident that was opened, reopened,
    raised or resolved.
    """

    repository: AlertRepository
    at_ms: int
    receivers: Sequence[str] = ()
    external_url: str = ""
    _changed: set[int] = field(default_factory=set)

    def take(self, found: Iterable[Finding]) -> None:
        """Carries out what an evaluation found: breaches first, recoveries last."""
        cleared: dict[int, str] = {}
        for finding in sorted(found, key=lambda finding: _ORDER.index(finding.signal.state)):
            if finding.signal.state is SignalState.FIRING:
                self._fire(finding.signal)
            elif finding.signal.state is SignalState.UNKNOWN:
                self._lose_sight(finding)
            else:
                incident = self._clear(finding)
                if incident is not None:
                    cleared[incident.id] = finding.reason
        for incident_id, proof in cleared.items():
            self._resolve_if_clear(incident_id, proof)

    def acknowledge(self, incident_id: int, by: str, comment: str = "") -> Incident:
        """The incident, now with somebody on it; raises `InvalidInput` if it is resolved."""
        incident = self._known(incident_id, by, comment)
        if incident.state is IncidentState.RESOLVED:
            raise InvalidInput(f"{incident.name} is resolved; there is nothing to acknowledge")
        if incident.state is IncidentState.ACKNOWLEDGED and incident.acknowledged_by == by:
            return incident
        incident = replace(
            incident,
            state=IncidentState.ACKNOWLEDGED,
            acknowledged_ms=self.at_ms,
            acknowledged_by=by,
        )
        self.repository.put_incident(incident)
        self._write(incident, "acknowledged", _said("acknowledged", comment), by)
        return incident

    def resolve(self, incident_id: int, by: str, comment: str = "") -> Incident:
        """The incident, resolved by a person whatever its signals say."""
        incident = self._known(incident_id, by, comment)
        if incident.state is IncidentState.RESOLVED:
            return incident
        signals = self.repository.signals_of(incident_id)
        unclear = sum(signal.state is not SignalState.CLEARED for signal in signals)
        text = _said("resolved by hand", comment)
        if unclear:
            text += (
                f"; {unclear} of its {len(signals)} signals have not cleared:"
                " it stays resolved until they clear and fire anew"
            )
        return self._resolve(incident, text, by)

    def retire(self, host: str, resource: str, item: str, by: str) -> int:
        """Closes the unresolved incidents of what is gone for good; returns how many."""
        gone = [
            incident
            for incident in self.repository.incidents(states=_UNRESOLVED)
            if incident.host == host
            and resource in ("", incident.resource)
            and item in ("", incident.item)
        ]
        for incident in gone:
            for signal in self.repository.signals_of(incident.id):
                if signal.state is not SignalState.CLEARED:
                    cleared = replace(signal, state=SignalState.CLEARED, cleared_ms=self.at_ms)
                    self.repository.put_signal(cleared)
            self._resolve(incident, f"{incident.cause} is retired: gone for good", by)
        return len(gone)

    def finish(self) -> None:
        """Owes the notifications of what was changed."""
        for incident_id in sorted(self._changed):
            incident = self.repository.incident(incident_id)
            if incident is None:
                continue
            signals = self.repository.signals_of(incident_id)
            for receiver in self.receivers:
                body = webhook_body(incident, signals, receiver, self.external_url)
                self.repository.add_notification(
                    Notification(0, receiver, body, self.at_ms, next_attempt_ms=self.at_ms)
                )
        self._changed.clear()

    def _fire(self, signal: Signal) -> None:
        before = self.repository.signal(signal.key)
        anew = before is None or before.state is SignalState.CLEARED
        if before is not None and not anew:
            signal = replace(
                signal, first_firing_ms=before.first_firing_ms, incident_id=before.incident_id
            )
        if signal.incident_id is None:
            incident = self._incident_for(signal, before, anew)
            signal = replace(signal, incident_id=incident.id if incident else None)
        elif before is not None and before.state is SignalState.UNKNOWN:
            unresolved = self._unresolved(signal)
            if unresolved is not None:
                self._write(unresolved, "firing", f"seen again: {_summary(signal)}")
        self.repository.put_signal(signal)

    def _incident_for(self, signal: Signal, before: Signal | None, anew: bool) -> Incident | None:
        """The incident that a signal without one belongs to; None while it is held."""
        incident = self.repository.unresolved_incident(signal.cause)
        if incident is not None:
            self._write(incident, "attached", f"also: {_summary(signal)}")
            return self._raise(incident, signal)
        silent = self._silent_host(signal)
        if silent is not None:
            if anew:
                self._write(silent, "held", f"held while the host is silent: {_summary(signal)}")
            return None
        resolved = self._resolved_before(signal, before)
        return self._reopen(resolved, signal) if resolved else self._open(signal)

    def _open(self, signal: Signal) -> Incident:
        cause, severity = cause_of(signal.labels), severity_of(signal.labels)
        incident = self.repository.add_incident(
            Incident(
                id=0,
                cause=signal.cause,
                title=_title(signal, cause),
                severity=severity,
                priority=priority_of(severity),
                host=cause.host,
                resource=cause.resource,
                item=cause.item,
                state=IncidentState.OPEN,
                opened_ms=self.at_ms,
            )
        )
        self._changed.add(incident.id)
        self._write(incident, "opened", _summary(signal))
        if cause == host_cause(cause.host):
            self._name_affected(incident)
        return incident

    def _reopen(self, incident: Incident, signal: Signal) -> Incident:
        incident = replace(
            incident,
            state=IncidentState.OPEN,
            resolved_ms=None,
            resolution="",
            acknowledged_ms=None,
            acknowledged_by="",
        )
        self.repository.put_incident(incident)
        self._changed.add(incident.id)
        minutes = REOPEN_WINDOW_MS // 60_000
        self._write(
            incident,
            "reopened",
            f"it came back within {minutes} minutes of its resolution: {_summary(signal)}",
        )
        return self._raise(incident, signal)

    def _raise(self, incident: Incident, signal: Signal) -> Incident:
        severity = severity_of(signal.labels)
        if priority_of(severity) >= incident.priority:
            return incident
        raised = replace(
            incident,
            severity=severity,
            priority=priority_of(severity),
            title=_title(signal, cause_of(signal.labels)),
        )
        self.repository.put_incident(raised)
        self._changed.add(raised.id)
        self._write(raised, "raised", f"severity from {incident.severity} to {severity}")
        return raised

    def _lose_sight(self, finding: Finding) -> None:
        signal = finding.signal
        self.repository.put_signal(signal)
        incident = self._unresolved(signal)
        if incident is None:
            return
        self._write(incident, "unknown", f"{_name(signal)}: {finding.reason}")
        silent = self._silent_host(signal)
        if silent is not None:
            self._affected(silent, incident)

    def _clear(self, finding: Finding) -> Incident | None:
        signal = finding.signal
        self.repository.put_signal(signal)
        incident = self._of(signal)
        if incident is not None:
            self._write(incident, "cleared", f"{_name(signal)} cleared: {finding.reason}")
        return incident

    def _resolve_if_clear(self, incident_id: int, proof: str) -> None:
        incident = self.repository.incident(incident_id)
        if incident is None or incident.state is IncidentState.RESOLVED:
            return
        signals = self.repository.signals_of(incident_id)
        if all(signal.state is SignalState.CLEARED for signal in signals):
            self._resolve(incident, f"every signal has cleared: {proof}", "tidecast")

    def _resolve(self, incident: Incident, resolution: str, by: str) -> Incident:
        resolved = replace(
            incident,
            state=IncidentState.RESOLVED,
            resolved_ms=self.at_ms,
            resolution=resolution,
        )
        self.repository.put_incident(resolved)
        self._changed.add(resolved.id)
        self._write(resolved, "resolved", resolution, by)
        return resolved

    def _silent_host(self, signal: Signal) -> Incident | None:
        cause = cause_of(signal.labels)
        if not cause.host or cause.resource == HOST_RESOURCE:
            return None
        return self.repository.unresolved_incident(host_cause(cause.host).key)

    def _name_affected(self, silent: Incident) -> None:
        for signal in self.repository.signals(states={SignalState.UNKNOWN}):
            incident = self._unresolved(signal)
            if incident is not None and incident.host == silent.host:
                self._affected(silent, incident)

    def _affected(self, silent: Incident, incident: Incident) -> None:
        text = f"{incident.name} ({incident.title}) cannot be seen while the host is silent"
        if all(entry.text != text for entry in self.repository.timeline(silent.id)):
            self._write(silent, "affected", text)

    @cached_property
    def _recently_resolved(self) -> dict[str, Incident]:
        recent = self.repository.incidents(states={IncidentState.RESOLVED})
        return {i.cause: i for i in reversed(recent) if self._in_window(i)}

    def _resolved_before(self, signal: Signal, before: Signal | None) -> Incident | None:
        own = self._of(before) if before is not None else None
        if own is not None and own.state is IncidentState.RESOLVED and self._in_window(own):
            return own
        return self._recently_resolved.get(signal.cause)

    def _in_window(self, incident: Incident) -> bool:
        resolved_ms = incident.resolved_ms
        return resolved_ms is not None and self.at_ms - resolved_ms <= REOPEN_WINDOW_MS

    def _of(self, signal: Signal) -> Incident | None:
        number = signal.incident_id
        return None if number is None else self.repository.incident(number)

    def _unresolved(self, signal: Signal) -> Incident | None:
        incident = self._of(signal)
        return None if incident and incident.state is IncidentState.RESOLVED else incident

    def _known(self, incident_id: int, by: str, comment: str) -> Incident:
        if not by.strip():
            raise InvalidInput("say who does this: 'by' is empty")
        if len(comment) > MAX_COMMENT_CHARACTERS:
            raise InvalidInput(f"a comment has at most {MAX_COMMENT_CHARACTERS} characters")
        incident = self.repository.incident(incident_id)
        if incident is None:
            raise NoSuchIncident(f"there is no incident INC-{incident_id}; list them for their ids")
        return incident

    def _write(self, incident: Incident, kind: str, text: str, actor: str = "tidecast") -> None:
        self.repository.add_entry(TimelineEntry(incident.id, self.at_ms, kind, text, actor))


def _alertname(signal: Signal) -> str:
    return label_value(signal.labels, "alertname")


def _name(signal: Signal) -> str:
    return f"{_alertname(signal)} ({severity_of(signal.labels)})"


def _summary(signal: Signal) -> str:
    summary = signal.annotations.get("summary", "")[:MAX_SUMMARY_CHARACTERS]
    return f"{_name(signal)}: {summary}" if summary else f"{_name(signal)} fires"


def _title(signal: Signal, cause: Cause) -> str:
    plain = f"{_alertname(signal)}: {cause.text}" if cause.host else cause.text
    title = signal.annotations.get("summary") or plain
    return title[:MAX_SUMMARY_CHARACTERS]


def _said(what: str, comment: str) -> str:
    return f"{what}: {comment}" if comment else what
