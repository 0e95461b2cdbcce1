"""Our views as JSON documents: ISO 8601 times in UTC, base units."""

from __future__ import annotations

import math
from typing import Any

from tidecast.journeys.explain_forecast import finding_document, iso
from tidecast.web.data import HostSummary
from tidecast_alerts.model import Incident, IncidentView, Signal
from tidecast_reports.capacity import CapacityReport, ResourceOutlook
from tidecast_reports.sentences import sentence
from tidecast_reports.units import share

Document = dict[str, Any]


def capacity(report: CapacityReport) -> Document:
    """The ranked list."""
    return {
        "made": iso(report.made_ms),
        "horizon_days": report.horizon_days,
        "generated": report.generated,
        "resources": [
            {**outlook(each), "sentence": sentence(each, report.made_ms, report.horizon_days)}
            for each in report.outlooks
        ],
    }


def outlook(each: ResourceOutlook) -> Document:
    """One resource's typed answer, without its arrays."""
    return {
        "host": each.host,
        "resource": each.resource,
        "item": each.item,
        "unit": each.unit,
        "statistic": each.statistic,
        "state": each.state,
        "p10": iso(each.p10_ms),
        "p50": iso(each.p50_ms),
        "p90": iso(each.p90_ms),
        "used": None if each.usage is None else share(each.usage, each.limit, each.unit),
        "usage": each.usage,
        "limit": each.limit,
        "mark": each.mark,
        "provisional_usage": each.provisional,
        "full_in_seconds": _full_in(each),
        "method": each.method,
        "reasons": list(each.reasons),
        "source": each.source,
        "query": each.query,
        "published": iso(each.published_ms),
        "track": each.track and {"held": each.track.held, "scored": each.track.scored},
        "findings": [finding_document(finding) for finding in each.findings],
    }


def _full_in(each: ResourceOutlook) -> Document | None:
    if each.full_in_seconds is None:
        return None
    p10, p50, p90 = (s if math.isfinite(s) else None for s in each.full_in_seconds)
    return {"p10": p10, "p50": p50, "p90": p90}


def outlook_with_series(each: ResourceOutlook) -> Document:
    """One resource with its history and its bands by step."""
    band = each.band
    return {
        **outlook(each),
        "history": {"times_ms": each.history_ms.tolist(), "values": each.history.tolist()},
        "forecast": band
        and {
            "times_ms": band.times_ms.tolist(),
            **{
                name: getattr(band, name).tolist()
                for name in ("mean", "lo80", "hi80", "lo95", "hi95")
            },
        },
    }


def host(each: HostSummary) -> Document:
    """A host as `Host` in the API."""
    return {
        "host": each.name,
        "last_seen": iso(each.last_seen_ms),
        "silent": each.silent,
        "resources": each.resources,
        "open_incidents": each.open_incidents,
    }


def incident(each: Incident) -> Document:
    """An incident as `Incident` in the API, without its signals and timeline."""
    return {
        "id": each.id,
        "name": each.name,
        "title": each.title,
        "state": str(each.state),
        "severity": each.severity,
        "priority": each.priority,
        "cause": each.cause,
        "host": each.host,
        "resource": each.resource,
        "item": each.item,
        "opened": iso(each.opened_ms),
        "acknowledged": iso(each.acknowledged_ms),
        "acknowledged_by": each.acknowledged_by,
        "resolved": iso(each.resolved_ms),
        "resolution": each.resolution,
    }


def incident_view(view: IncidentView) -> Document:
    """One incident with its signals and its timeline."""
    return {
        **incident(view.incident),
        "signals": [_signal(each) for each in view.signals],
        "timeline": [
            {"at": iso(each.at_ms), "kind": each.kind, "text": each.text, "actor": each.actor}
            for each in view.timeline
        ],
    }


def _signal(each: Signal) -> Document:
    return {
        "state": str(each.state),
        "source": each.source,
        "expression": each.expression,
        "labels": dict(each.labels),
        "summary": each.annotations.get("summary", ""),
        "annotations": dict(each.annotations),
        "value": each.value if math.isfinite(each.value) else None,
        "first_firing": iso(each.first_firing_ms),
        "last_firing": iso(each.last_firing_ms),
        "cleared": iso(each.cleared_ms),
    }
