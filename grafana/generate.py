"""Writes dashboards/tidecast-capacity.json: `python grafana/generate.py`.

The dashboard is Grafana's classic JSON. It is made here, so that its panels stay even and a change
of one is a readable line; the file is committed, and a test compares the two.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

OUT = Path(__file__).parent / "dashboards" / "tidecast-capacity.json"
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
WIDTH = 24

KEY = 'instance=~"$host",resource=~"$resource"'
NODE = 'instance=~"($host)(:[0-9]+)?"'
FILESYSTEMS = f'{NODE},fstype!~"tmpfs|devtmpfs|overlay|squashfs|ramfs|iso9660"'
DISKS = f'{NODE},device!~"(loop|z?ram|dm-|sr|fd).*"'
LINKS = f'{NODE},device!~"lo|veth.*|docker.*|br-.*|ifb.*"'
NAME = "{{instance}} {{resource}} {{item}}"

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


def quantile(metric: str, value: str) -> str:
    """One quantile of a duration, by resource."""
    return f'max by (instance, resource, item) ({metric}{{{KEY},quantile="{value}"}})'


def matching(matcher: str, options: str, *properties: tuple[str, Any]) -> Json:
    """A field override."""
    return {
        "matcher": {"id": matcher, "options": options},
        "properties": [{"id": name, "value": value} for name, value in properties],
    }


def first_to_run_out() -> Panel:
    """The table: one line per resource, the soonest median first."""
    columns = {
        "Value #A": "P10",
        "Value #B": "P50",
        "Value #C": "P90",
        "Value #D": "Headroom",
        "instance": "Host",
        "resource": "Resource",
        "item": "Item",
    }
    order = {"instance": 0, "resource": 1, "item": 2}
    order |= {f"Value #{letter}": 3 + place for place, letter in enumerate("ABCD")}
    metric = "tidecast_time_to_mark_seconds"
    steps = (("red", None), ("orange", 7 * 86_400), ("yellow", 30 * 86_400), ("green", 90 * 86_400))
    colours = [{"color": colour, "value": value} for colour, value in steps]
    return Panel(
        "What runs out first",
        "table",
        WIDTH,
        10,
        (
            (quantile(metric, "0.1"), ""),
            (quantile(metric, "0.5"), ""),
            (quantile(metric, "0.9"), ""),
            (f"min by (instance, resource, item) (tidecast_headroom_ratio{{{KEY}}})", ""),
        ),
        "Time until each resource reaches its mark with a probability of 10, 50 and 90 %; empty "
        "beyond the horizon, 0 where it is over its mark now.",
        unit="dtdurations",
        overrides=(
            matching("byName", "Headroom", ("unit", "percentunit"), ("decimals", 1)),
            matching(
                "byName",
                "P50",
                ("thresholds", {"mode": "absolute", "steps": colours}),
                ("custom.cellOptions", {"type": "color-text"}),
            ),
        ),
        transformations=(
            {"id": "merge", "options": {}},
            {
                "id": "organize",
                "options": {
                    "excludeByName": {"Time": True},
                    "indexByName": order,
                    "renameByName": columns,
                },
            },
            {"id": "sortBy", "options": {"fields": {}, "sort": [{"field": "P50"}]}},
        ),
    )


def capacity_rows() -> tuple[Row, ...]:
    """What Tidecast itself knows."""
    reach = f'tidecast_time_to_mark_seconds{{{KEY},quantile="0.5"}}'
    band = (
        matching("byRegexp", "/ P90$/", ("custom.fillBelowTo", "P10"), ("custom.lineWidth", 0)),
        matching("byRegexp", "/ P10$/", ("custom.lineWidth", 0)),
    )
    metric = "tidecast_time_to_mark_seconds"
    return (
        Row(
            "What runs out first",
            (
                stat(
                    "Over the mark now",
                    f"count({reach} == 0)",
                    "Resources whose usage is at or above their mark.",
                    red=1,
                ),
                stat(
                    "Full within 30 days",
                    f"count({reach} <= 30 * 86400)",
                    "Resources that reach their mark within 30 days as likely as not.",
                    red=1,
                ),
                stat(
                    "Incidents not resolved",
                    'sum(tidecast_incidents{state!="resolved"})',
                    "Open and acknowledged.",
                    red=1,
                ),
                stat(
                    "Silent hosts",
                    "count(time() - tidecast_host_last_seen_timestamp_seconds"
                    '{instance=~"$host"} > 300)',
                    "Hosts whose last sample is older than five minutes.",
                    red=1,
                ),
                first_to_run_out(),
            ),
        ),
        Row(
            "Usage and forecast",
            (
                lines(
                    "Usage over limit",
                    "percentunit",
                    "Hourly peak of each resource as a share of what there is.",
                    (f'tidecast_usage{{{KEY},stat="max"}} / ignoring (stat) tidecast_limit', NAME),
                    maximum=1,
                ),
                lines(
                    "Headroom",
                    "percentunit",
                    "What is left below the mark.",
                    (f"tidecast_headroom_ratio{{{KEY}}}", NAME),
                ),
                lines(
                    "Usage over mark",
                    "percentunit",
                    "At 100 % the mark is reached.",
                    (f'tidecast_usage{{{KEY},stat="max"}} / ignoring (stat) tidecast_mark', NAME),
                ),
                lines(
                    "Time to the mark",
                    "dtdurations",
                    "A curve that falls faster than time passes says that growth is speeding up.",
                    *((quantile(metric, value), f"{NAME} {name}") for value, name in QUANTILES),
                    overrides=band,
                ),
                lines(
                    "Filling fast",
                    "dtdurations",
                    "Time until full by the last hours alone, for what kills fast.",
                    *(
                        (quantile("tidecast_full_in_seconds", value), f"{NAME} {name}")
                        for value, name in QUANTILES
                    ),
                    overrides=band,
                ),
                lines(
                    "Incidents",
                    "short",
                    "By state.",
                    ("sum by (state) (tidecast_incidents)", "{{state}}"),
                ),
            ),
        ),
    )


QUANTILES = (("0.1", "P10"), ("0.5", "P50"), ("0.9", "P90"))


def host_row() -> Row:
    """The host's own series under node_exporter's names."""
    rate = "$__rate_interval"
    total = f"sum by (instance) (rate(node_cpu_seconds_total{{{NODE}}}[{rate}]))"
    busy = (
        f'sum by (instance, mode) (rate(node_cpu_seconds_total{{{NODE},mode!="idle"}}[{rate}]))'
        f" / on (instance) group_left () {total}"
    )
    return Row(
        "Host $host",
        (
            lines("CPU", "percentunit", "Share of all cores.", (busy, "{{instance}} {{mode}}"),
                  maximum=1),
            lines(
                "Memory in use",
                "bytes",
                "Total less available.",
                (
                    f"node_memory_MemTotal_bytes{{{NODE}}}"
                    f" - node_memory_MemAvailable_bytes{{{NODE}}}",
                    "{{instance}} in use",
                ),
                (f"node_memory_MemTotal_bytes{{{NODE}}}", "{{instance}} total"),
            ),
            lines(
                "Filesystems",
                "percentunit",
                "Share in use.",
                (
                    f"1 - node_filesystem_avail_bytes{{{FILESYSTEMS}}}"
                    f" / node_filesystem_size_bytes{{{FILESYSTEMS}}}",
                    "{{instance}} {{mountpoint}}",
                ),
                maximum=1,
            ),
            lines(
                "Disk I/O",
                "Bps",
                "Read and written.",
                (f"rate(node_disk_read_bytes_total{{{DISKS}}}[{rate}])",
                 "{{instance}} {{device}} read"),
                (f"rate(node_disk_written_bytes_total{{{DISKS}}}[{rate}])",
                 "{{instance}} {{device}} written"),
            ),
            lines(
                "Network",
                "Bps",
                "Received and sent.",
                (f"rate(node_network_receive_bytes_total{{{LINKS}}}[{rate}])",
                 "{{instance}} {{device}} received"),
                (f"rate(node_network_transmit_bytes_total{{{LINKS}}}[{rate}])",
                 "{{instance}} {{device}} sent"),
            ),
            lines(
                "Load",
                "short",
                "Processes running or waiting.",
                (f"node_load1{{{NODE}}}", "{{instance}} 1 min"),
                (f"node_load15{{{NODE}}}", "{{instance}} 15 min"),
            ),
        ),
    )  # fmt: skip


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
    """The whole dashboard."""
    panels: list[Json] = []
    number, y = 1, 0
    for row in (*capacity_rows(), host_row()):
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
