"""Which sources a platform has."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import TypeAlias

from tidecast_collector.model import Family
from tidecast_collector.sources import kernel
from tidecast_collector.sources.cpu import cpu
from tidecast_collector.sources.diskstats import diskstats
from tidecast_collector.sources.filesystem import FilesystemSource
from tidecast_collector.sources.load import load
from tidecast_collector.sources.memory import memory
from tidecast_collector.sources.netclass import netclass
from tidecast_collector.sources.netdev import netdev
from tidecast_collector.sources.netstat import netstat
from tidecast_collector.sources.pressure import pressure
from tidecast_collector.sources.process import process
from tidecast_collector.sources.reading import Root
from tidecast_collector.sources.sockstat import sockstat
from tidecast_collector.sources.softnet import softnet
from tidecast_collector.sources.stat import stat
from tidecast_collector.sources.timex import timex
from tidecast_collector.sources.vmstat import vmstat

Source: TypeAlias = Callable[[Root], list[Family]]
"""Reads one subject; raises OSError or ValueError where it cannot."""


def sources_of_platform(platform: str = sys.platform) -> Mapping[str, Source]:
    """The sources for this platform, by the name they have in `node_scrape_collector_success`."""
    return _linux_sources() if platform == "linux" else _portable_sources()


def _linux_sources() -> Mapping[str, Source]:
    return {
        "arp": kernel.arp,
        "conntrack": kernel.conntrack,
        "cpu": cpu,
        "diskstats": diskstats,
        "entropy": kernel.entropy,
        "filefd": kernel.filefd,
        "filesystem": FilesystemSource(),
        "loadavg": load,
        "meminfo": memory,
        "netclass": netclass,
        "netdev": netdev,
        "netstat": netstat,
        "pressure": pressure,
        "process": process,
        "processes": kernel.processes,
        "schedstat": kernel.schedstat,
        "sockstat": sockstat,
        "softnet": softnet,
        "stat": stat,
        "time": kernel.clock,
        "timex": timex,
        "uname": kernel.uname,
        "vmstat": vmstat,
    }


def _portable_sources() -> Mapping[str, Source]:
    # psutil alone takes 8 MB: it is imported only where /proc is missing
    from tidecast_collector.sources import portable  # noqa: PLC0415

    return {
        "cpu": portable.cpu,
        "diskstats": portable.diskstats,
        "filesystem": portable.filesystem,
        "loadavg": portable.load,
        "meminfo": portable.memory,
        "netdev": portable.netdev,
        "kernel": portable.kernel,
    }
