"""Panels in few words, and the JSON that Grafana reads for them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
WIDTH = 24
"""Columns of Grafana's grid."""

Json = dict[str, Any]


@dataclass(frozen=True)
class Panel:
    """One panel: its queries are (expression, legend)."""

    title: str
    kind: str
    width: int
    height: int
    queries: tuple[tuple[str, str], ...]
    description: str
    unit: str = "short"
    custom: Json = field(default_factory=dict)
    overrides: tuple[Json, ...] = ()
    thresholds: tuple[tuple[str, float | None], ...] = (("green", None),)
    maximum: float | None = None
    transformations: tuple[Json, ...] = ()


@dataclass(frozen=True)
class Row:
    """A heading and the panels under it."""

    title: str
    panels: tuple[Panel, ...]


def stat(title: str, expression: str, description: str, *, red: float | None) -> Panel:
    """A single number over all chosen hosts; `red` is the number from which it is bad."""
    levels: tuple[tuple[str, float | None], ...] = (("text", None),)
    if red is not None:
        levels = (("green", None), ("red", red))
    query = (f"{expression} or vector(0)", "")
    return Panel(title, "stat", 6, 4, (query,), description, thresholds=levels)


def lines(
    title: str,
    unit: str,
    description: str,
    *queries: tuple[str, str],
    maximum: float | None = None,
    overrides: tuple[Json, ...] = (),
) -> Panel:
    """Curves over time, half the width of the dashboard."""
    custom = {"lineWidth": 1, "fillOpacity": 6, "showPoints": "never", "spanNulls": False}
    return Panel(
        title, "timeseries", 12, 8, queries, description, unit, custom, overrides, maximum=maximum
    )


def matching(matcher: str, options: str, *properties: tuple[str, Any]) -> Json:
    """A field override."""
    return {
        "matcher": {"id": matcher, "options": options},
        "properties": [{"id": name, "value": value} for name, value in properties],
    }


def panel_json(panel: Panel, number: int, x: int, y: int) -> Json:
    """The panel at that place of the grid."""
    instant = panel.kind in ("stat", "table")
    targets = [
        {
            "datasource": DATASOURCE,
            "editorMode": "code",
            "expr": expression,
            "format": "table" if panel.kind == "table" else "time_series",
            "instant": instant,
            "legendFormat": legend,
            "range": not instant,
            "refId": chr(ord("A") + place),
        }
        for place, (expression, legend) in enumerate(panel.queries)
    ]
    steps = [{"color": colour, "value": value} for colour, value in panel.thresholds]
    defaults: Json = {
        "unit": panel.unit,
        "custom": panel.custom,
        "thresholds": {"mode": "absolute", "steps": steps},
    }
    if panel.unit == "percentunit":
        defaults["min"] = 0
    if panel.maximum is not None:
        defaults["max"] = panel.maximum
    return {
        "id": number,
        "title": panel.title,
        "description": panel.description,
        "type": panel.kind,
        "datasource": DATASOURCE,
        "gridPos": {"h": panel.height, "w": panel.width, "x": x, "y": y},
        "targets": targets,
        "fieldConfig": {"defaults": defaults, "overrides": list(panel.overrides)},
        "options": options(panel.kind),
        "transformations": list(panel.transformations),
    }


def options(kind: str) -> Json:
    """What a panel of this kind is set to."""
    if kind == "stat":
        reduce = {"calcs": ["lastNotNull"], "fields": "", "values": False}
        return {"colorMode": "value", "graphMode": "none", "reduceOptions": reduce}
    if kind == "table":
        return {"showHeader": True, "cellHeight": "sm"}
    return {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
