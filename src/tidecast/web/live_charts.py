"""The live charts of a host page: what each asks of the query API."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class LiveQuery:
    """One expression; `legend` names its series, {label} standing for a label's value."""

    expression: str
    legend: str


@dataclass(frozen=True, slots=True)
class LiveChart:
    """One live chart; values are in `unit`, and a `full` chart ends at 1."""

    name: str
    title: str
    unit: str
    queries: tuple[LiveQuery, ...]
    full: bool = False

    @property
    def spec(self) -> list[dict[str, str]]:
        """The queries as the script in the page reads them."""
        return [{"query": query.expression, "legend": query.legend} for query in self.queries]


def live_charts(host: str) -> tuple[LiveChart, ...]:
    """The charts of one host over node_exporter's names."""
    return tuple(
        replace(chart, queries=tuple(_asked(query, host) for query in chart.queries))
        for chart in _CHARTS
    )


def instance_matcher(host: str) -> str:
    r"""The matcher that finds a host's series, with or without a port in `instance`.

    >>> print(instance_matcher("web-3"))
    instance=~"web\\-3(:[0-9]+)?"
    """
    quoted = re.escape(host).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'instance=~"{quoted}(:[0-9]+)?"'


_HOST = "$host"
_FILESYSTEMS = _HOST + ',fstype!~"tmpfs|devtmpfs|overlay|squashfs|ramfs|iso9660"'
_DISKS = _HOST + ',device!~"(loop|z?ram|dm-|sr|fd).*"'
_LINKS = _HOST + ',device!~"lo|veth.*|docker.*|br-.*|ifb.*"'

_CHARTS = (
    LiveChart(
        "cpu",
        "CPU",
        "ratio",
        (
            LiveQuery(
                f'sum by (mode) (rate(node_cpu_seconds_total{{{_HOST},mode!="idle"}}[2m]))'
                f" / on () group_left () sum(rate(node_cpu_seconds_total{{{_HOST}}}[2m]))",
                "{mode}",
            ),
        ),
        full=True,
    ),
    LiveChart(
        "memory",
        "Memory",
        "bytes",
        (
            LiveQuery(
                f"node_memory_MemTotal_bytes{{{_HOST}}}"
                f" - node_memory_MemAvailable_bytes{{{_HOST}}}",
                "in use",
            ),
            LiveQuery(f"node_memory_MemTotal_bytes{{{_HOST}}}", "total"),
        ),
    ),
    LiveChart(
        "filesystems",
        "Filesystems",
        "ratio",
        (
            LiveQuery(
                f"1 - node_filesystem_avail_bytes{{{_FILESYSTEMS}}}"
                f" / node_filesystem_size_bytes{{{_FILESYSTEMS}}}",
                "{mountpoint}",
            ),
        ),
        full=True,
    ),
    LiveChart(
        "disks",
        "Disk I/O",
        "bytes_per_second",
        (
            LiveQuery(f"rate(node_disk_read_bytes_total{{{_DISKS}}}[2m])", "{device} read"),
            LiveQuery(f"rate(node_disk_written_bytes_total{{{_DISKS}}}[2m])", "{device} written"),
        ),
    ),
    LiveChart(
        "network",
        "Network",
        "bytes_per_second",
        (
            LiveQuery(
                f"rate(node_network_receive_bytes_total{{{_LINKS}}}[2m])", "{device} received"
            ),
            LiveQuery(f"rate(node_network_transmit_bytes_total{{{_LINKS}}}[2m])", "{device} sent"),
        ),
    ),
    LiveChart(
        "load",
        "Load",
        "count",
        (
            LiveQuery(f"node_load1{{{_HOST}}}", "1 minute"),
            LiveQuery(f"node_load5{{{_HOST}}}", "5 minutes"),
            LiveQuery(f"node_load15{{{_HOST}}}", "15 minutes"),
        ),
    ),
)


def _asked(query: LiveQuery, host: str) -> LiveQuery:
    return replace(query, expression=query.expression.replace(_HOST, instance_matcher(host)))
