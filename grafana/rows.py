"""What the dashboard shows, row by row."""

from __future__ import annotations

from panels import WIDTH, Panel, Row, lines, matching, stat

KEY = 'instance=~"$host",resource=~"$resource"'
NODE = 'instance=~"($host)(:[0-9]+)?"'
FILESYSTEMS = f'{NODE},fstype!~"tmpfs|devtmpfs|overlay|squashfs|ramfs|iso9660"'
DISKS = f'{NODE},device!~"(loop|z?ram|dm-|sr|fd).*"'
LINKS = f'{NODE},device!~"lo|veth.*|docker.*|br-.*|ifb.*"'
RATE = "$__rate_interval"
NAME = "{{instance}} {{resource}} {{item}}"

TIME_TO_MARK = "tidecast_time_to_mark_seconds"
QUANTILES = (("0.1", "P10"), ("0.5", "P50"), ("0.9", "P90"))
BAND = (
    matching("byRegexp", "/ P90$/", ("custom.fillBelowTo", "P10"), ("custom.lineWidth", 0)),
    matching("byRegexp", "/ P10$/", ("custom.lineWidth", 0)),
)

COLUMNS = {
    "Value #A": "P10",
    "Value #B": "P50",
    "Value #C": "P90",
    "Value #D": "Headroom",
    "instance": "Host",
    "resource": "Resource",
    "item": "Item",
}
ORDER = {"instance": 0, "resource": 1, "item": 2} | {
    f"Value #{letter}": 3 + place for place, letter in enumerate("ABCD")
}
SOONER_IS_WORSE = [
    {"color": "red", "value": None},
    {"color": "orange", "value": 7 * 86_400},
    {"color": "yellow", "value": 30 * 86_400},
    {"color": "green", "value": 90 * 86_400},
]


def quantile(metric: str, value: str) -> str:
    """One quantile of a duration, by resource."""
    return f'max by (instance, resource, item) ({metric}{{{KEY},quantile="{value}"}})'


def first_to_run_out() -> Panel:
    """The table: one line per resource, the soonest median first."""
    return Panel(
        "What runs out first",
        "table",
        WIDTH,
        10,
        (
            (quantile(TIME_TO_MARK, "0.1"), ""),
            (quantile(TIME_TO_MARK, "0.5"), ""),
            (quantile(TIME_TO_MARK, "0.9"), ""),
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
                ("thresholds", {"mode": "absolute", "steps": SOONER_IS_WORSE}),
                ("custom.cellOptions", {"type": "color-text"}),
            ),
        ),
        transformations=(
            {"id": "merge", "options": {}},
            {
                "id": "organize",
                "options": {
                    "excludeByName": {"Time": True},
                    "indexByName": ORDER,
                    "renameByName": COLUMNS,
                },
            },
            {"id": "sortBy", "options": {"fields": {}, "sort": [{"field": "P50"}]}},
        ),
    )


def ranking_row() -> Row:
    """The ranked table, and what is bad already."""
    reach = f'{TIME_TO_MARK}{{{KEY},quantile="0.5"}}'
    return Row(
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
    )


def usage_row() -> Row:
    """What Tidecast has measured and forecast."""
    return Row(
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
                *((quantile(TIME_TO_MARK, value), f"{NAME} {name}") for value, name in QUANTILES),
                overrides=BAND,
            ),
            lines(
                "Filling fast",
                "dtdurations",
                "Time until full by the last hours alone, for what kills fast.",
                *(
                    (quantile("tidecast_full_in_seconds", value), f"{NAME} {name}")
                    for value, name in QUANTILES
                ),
                overrides=BAND,
            ),
            lines(
                "Incidents",
                "short",
                "By state.",
                ("sum by (state) (tidecast_incidents)", "{{state}}"),
            ),
        ),
    )


def host_row() -> Row:
    """The host's own series under node_exporter's names."""
    total = f"sum by (instance) (rate(node_cpu_seconds_total{{{NODE}}}[{RATE}]))"
    busy = (
        f'sum by (instance, mode) (rate(node_cpu_seconds_total{{{NODE},mode!="idle"}}[{RATE}]))'
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
                (f"rate(node_disk_read_bytes_total{{{DISKS}}}[{RATE}])",
                 "{{instance}} {{device}} read"),
                (f"rate(node_disk_written_bytes_total{{{DISKS}}}[{RATE}])",
                 "{{instance}} {{device}} written"),
            ),
            lines(
                "Network",
                "Bps",
                "Received and sent.",
                (f"rate(node_network_receive_bytes_total{{{LINKS}}}[{RATE}])",
                 "{{instance}} {{device}} received"),
                (f"rate(node_network_transmit_bytes_total{{{LINKS}}}[{RATE}])",
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
