"""Writes dashboards/tidecast-capacity.json: `python grafana/generate.py`.

The dashboard is Grafana's classic JSON, made of `rows.py` so that its panels stay even and a
change of one is a readable line; the file is committed, and a test compares the two.
"""

from __future__ import annotations

import json
from pathlib import Path

from panels import DATASOURCE, WIDTH, Json, panel_json
from rows import host_row, ranking_row, usage_row

OUT = Path(__file__).parent / "dashboards" / "tidecast-capacity.json"


def variables() -> list[Json]:
    """Data source, host and resource."""
    chosen = {"includeAll": True, "multi": True, "allValue": ".*", "refresh": 2, "sort": 1}
    everything = {"current": {"selected": True, "text": ["All"], "value": ["$__all"]}}
    queries = (
        ("host", "Host", "label_values(tidecast_host_last_seen_timestamp_seconds, instance)"),
        ("resource", "Resource", 'label_values(tidecast_usage{instance=~"$host"}, resource)'),
    )
    source = {"name": "datasource", "label": "Data source", "type": "datasource"}
    return [
        {**source, "query": "prometheus", "current": {}, "hide": 0, "refresh": 1},
        *(
            {
                "name": name,
                "label": label,
                "type": "query",
                "datasource": DATASOURCE,
                "definition": query,
                "query": {"query": query, "refId": name},
                "hide": 0,
                **chosen,
                **everything,
            }
            for name, label, query in queries
        ),
    ]


def dashboard() -> Json:
    """The dashboard as Grafana imports it: rows from top to bottom, panels from left to right."""
    panels: list[Json] = []
    number, y = 1, 0
    for row in (ranking_row(), usage_row(), host_row()):
        place = {"h": 1, "w": WIDTH, "x": 0, "y": y}
        heading = {"id": number, "type": "row", "title": row.title, "collapsed": False}
        panels.append({**heading, "gridPos": place, "panels": []})
        number, y, x, tallest = number + 1, y + 1, 0, 0
        for panel in row.panels:
            if x + panel.width > WIDTH:
                x, y, tallest = 0, y + tallest, 0
            panels.append(panel_json(panel, number, x, y))
            number, x, tallest = number + 1, x + panel.width, max(tallest, panel.height)
        y += tallest
    return {
        "uid": "tidecast-capacity",
        "title": "Tidecast: what runs out first",
        "description": "When each resource reaches its mark, and how surely.",
        "tags": ["tidecast", "capacity"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "1m",
        "time": {"from": "now-7d", "to": "now"},
        "timezone": "utc",
        "templating": {"list": variables()},
        "annotations": {"list": []},
        "links": [],
        "panels": panels,
    }


def text() -> str:
    """The file's content."""
    return json.dumps(dashboard(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    OUT.write_text(text(), encoding="utf-8")
