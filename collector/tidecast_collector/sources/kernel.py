"""Limits and small facts the kernel tells of itself, from /proc/sys and uname."""

from __future__ import annotations

import os
import time

from tidecast_collector.model import GAUGE, Family, gauge
from tidecast_collector.sources.reading import Root


def filefd(root: Root) -> list[Family]:
    """File handles in use, and how many there can be."""
    allocated, _, maximum = root.read_value("proc/sys/fs/file-nr").split()
    return [
        gauge("node_filefd_allocated", "File handles allocated.", float(allocated)),
        gauge("node_filefd_maximum", "The most file handles there can be.", float(maximum)),
    ]


def conntrack(root: Root) -> list[Family]:
    """Entries of the connection tracking table and its size; nothing where it is not loaded."""
    entries = root.value_if_there("proc/sys/net/netfilter/nf_conntrack_count")
    limit = root.value_if_there("proc/sys/net/netfilter/nf_conntrack_max")
    if entries is None or limit is None:
        return []
    return [
        gauge("node_nf_conntrack_entries", "Connections being tracked.", float(entries)),
        gauge("node_nf_conntrack_entries_limit", "The most that can be tracked.", float(limit)),
    ]


def entropy(root: Root) -> list[Family]:
    """Entropy available to the random number generator."""
    return [
        gauge(
            f"node_entropy_{name}_bits",
            text,
            float(root.read_value(f"proc/sys/kernel/random/{file}")),
        )
        for name, file, text in (
            ("available", "entropy_avail", "Entropy available."),
            ("pool_size", "poolsize", "Size of the entropy pool."),
        )
    ]


def uname(root: Root) -> list[Family]:
    """The host's name, kernel and machine, as labels of a constant 1."""
    system = os.uname()
    domain = root.value_if_there("proc/sys/kernel/domainname") or b""
    tags = (
        ("domainname", domain.strip().decode("utf-8", "replace")),
        ("machine", system.machine),
        ("nodename", system.nodename),
        ("release", system.release),
        ("sysname", system.sysname),
        ("version", system.version),
    )
    return [Family("node_uname_info", GAUGE, "What uname tells, as labels.", ((tags, 1.0),))]


def clock(root: Root) -> list[Family]:
    """The host's time of day and its zone's offset."""
    now = time.localtime()
    offset = Family(
        "node_time_zone_offset_seconds",
        GAUGE,
        "The system's time zone, in seconds east of UTC.",
        (((("time_zone", now.tm_zone),), float(now.tm_gmtoff)),),
    )
    return [gauge("node_time_seconds", "Seconds since 1970 UTC.", time.time()), offset]


def processes(root: Root) -> list[Family]:
    """How many processes and threads there are, and can be."""
    pids = sum(map(str.isdigit, os.listdir(root.at("proc"))))  # noqa: PTH208
    threads = root.read_value("proc/loadavg").split()[3].partition(b"/")[2]
    return [
        gauge("node_processes_pids", "Number of PIDs.", float(pids)),
        gauge("node_processes_threads", "Threads in the system.", float(threads)),
        gauge(
            "node_processes_max_processes",
            "The most PIDs there can be.",
            float(root.read_value("proc/sys/kernel/pid_max")),
        ),
        gauge(
            "node_processes_max_threads",
            "The most threads there can be.",
            float(root.read_value("proc/sys/kernel/threads-max")),
        ),
    ]


def arp(root: Root) -> list[Family]:
    """ARP entries by interface."""
    counts: dict[str, float] = {}
    for line in root.lines("proc/net/arp")[1:]:
        device = line.split()[-1]
        counts[device] = counts.get(device, 0.0) + 1
    samples = [((("device", device),), count) for device, count in sorted(counts.items())]
    return [Family("node_arp_entries", GAUGE, "ARP entries by interface.", samples)]


def schedstat(root: Root) -> list[Family]:
    """Seconds tasks ran and waited on each CPU; nothing on kernels without schedstats."""
    data = root.read_if_there("proc/schedstat")
    rows = [
        (line[3:].split()) for line in (data or b"").decode().splitlines() if line.startswith("cpu")
    ]
    return [
        Family(
            f"node_schedstat_{name}_total",
            "counter",
            text,
            [((("cpu", row[0]),), int(row[column]) / divisor) for row in rows],
        )
        for column, name, divisor, text in (
            (7, "running_seconds", 1e9, "Seconds the CPU spent running tasks."),
            (8, "waiting_seconds", 1e9, "Seconds tasks waited for the CPU."),
            (9, "timeslices", 1, "Timeslices the CPU executed."),
        )
    ]
