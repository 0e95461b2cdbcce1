"""A strip of time as SVG: what each moment was, from left to right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from markupsafe import Markup, escape

from tidecast_reports.availability import downtime

WIDTH, HEIGHT = 1000, 34
LEAST = 2.0
"""What is shorter is drawn so wide all the same: a minute in a month must not vanish."""
_QUIET = ("up", "outside_service_time")
_LOOKS = {
    "up": "#1d6040",
    "down": "#b3261e",
    "degraded": "#7a4b00",
    "flapping": "#7a4b00",
    "parent_down": "#7a4b00",
    "maintenance": "#0a6c8f",
    "outside_service_time": "#eef0f2",
    "unmonitored": "#c9d0d7",
}


def state_strip(phases: Sequence[Mapping[str, Any]], start: str, end: str) -> Markup:
    """The phases (`start_ms`, `end_ms`, `category`, `start`) of [start, end), ISO 8601, drawn.

    Those that say that something was wrong are drawn over those that do not.
    """
    first = datetime.fromisoformat(start).timestamp() * 1000
    last = datetime.fromisoformat(end).timestamp() * 1000
    scale = WIDTH / max(last - first, 1)
    order = sorted(phases, key=lambda phase: phase["category"] not in _QUIET)
    parts = [_phase(phase, first, scale) for phase in order]
    label = f"States from {start} to {end}"
    return Markup(
        '<svg class="strip" viewBox="0 0 {w} {h}" preserveAspectRatio="none" role="img" '
        'aria-label="{label}">{parts}</svg>'
    ).format(w=WIDTH, h=HEIGHT, label=label, parts=Markup("").join(parts))


def _phase(phase: Mapping[str, Any], first: float, scale: float) -> Markup:
    category = str(phase["category"])
    width = (phase["end_ms"] - phase["start_ms"]) * scale
    if category not in _QUIET:
        width = max(width, LEAST)
    x = min((phase["start_ms"] - first) * scale, WIDTH - width)
    lasted = downtime((phase["end_ms"] - phase["start_ms"]) / 1000)
    told = f"{category.replace('_', ' ')} from {phase['start']}, {lasted}"
    return Markup(
        '<g><title>{told}</title><rect class="{category}" x="{x}" y="0" width="{width}" '
        'height="{h}" fill="{fill}"/></g>'
    ).format(
        category=category,
        x=f"{x:.2f}",
        width=f"{width:.2f}",
        h=HEIGHT,
        fill=_LOOKS.get(category, "#56626f"),
        told=escape(told),
    )
