"""The basics by psutil, for hosts without Linux' /proc.

Names and units are node_exporter's; what only Linux tells is left out.
"""

from __future__ import annotations

import os
import time

import psutil

from tidecast_collector.model import COUNTER, GAUGE, Family, Sample, counter, gauge
from tidecast_collector.sources.reading import Root


def cpu(root: Root) -> list[Family]:
    """Seconds each CPU spent in each mode this platform knows."""
    samples: list[Sample] = [
        ((("cpu", str(number)), ("mode", mode)), float(value))
        for number, times in enumerate(psutil.cpu_times(percpu=True))
        for mode, value in times._asdict().items()
        if not mode.startswith("guest")
    ]
    return [
        Family("node_cpu_seconds_total", COUNTER, "Seconds the CPUs spent in each mode.", samples)
    ]


def memory(root: Root) -> list[Family]:
    """Total, free and available memory and swap."""
    virtual, swap = psutil.virtual_memory(), psutil.swap_memory()
    return [
        gauge("node_memory_MemTotal_bytes", "Physical memory.", float(virtual.total)),
        gauge("node_memory_MemFree_bytes", "Memory not used at all.", float(virtual.free)),
        gauge(
            "node_memory_MemAvailable_bytes",
            "Memory that programs can get without swapping.",
            float(virtual.available),
        ),
        gauge("node_memory_SwapTotal_bytes", "Swap space.", float(swap.total)),
        gauge("node_memory_SwapFree_bytes", "Free swap space.", float(swap.free)),
    ]


def load(root: Root) -> list[Family]:
    """The load averages over 1, 5 and 15 minutes."""
    return [
        gauge(f"node_load{minutes}", f"Load average over {minutes} min.", value)
        for minutes, value in zip((1, 5, 15), psutil.getloadavg(), strict=True)
    ]


def filesystem(root: Root) -> list[Family]:
    """Size, free and available space of each physical file system."""
    samples: dict[str, list[Sample]] = {}
    for part in psutil.disk_partitions():
        tags = (("device", part.device), ("fstype", part.fstype), ("mountpoint", part.mountpoint))
        try:
            usage = psutil.disk_usage(part.mountpoint)
        except OSError:
            samples.setdefault("device_error", []).append((tags, 1.0))
            continue
        for name, value in (
            ("size_bytes", usage.total),
            ("free_bytes", usage.total - usage.used),
            ("avail_bytes", usage.free),
            ("readonly", "ro" in part.opts.split(",")),
            ("device_error", False),
        ):
            samples.setdefault(name, []).append((tags, float(value)))
    return [
        Family(f"node_filesystem_{name}", GAUGE, f"File system: {name}.", found)
        for name, found in samples.items()
    ]


def diskstats(root: Root) -> list[Family]:
    """Reads and writes of each disk."""
    disks = psutil.disk_io_counters(perdisk=True) or {}
    return [
        Family(
            f"node_disk_{name}_total",
            COUNTER,
            f"Disk statistic {name}.",
            [((("device", disk),), float(getattr(io, field))) for disk, io in disks.items()],
        )
        for name, field in (
            ("reads_completed", "read_count"),
            ("read_bytes", "read_bytes"),
            ("writes_completed", "write_count"),
            ("written_bytes", "write_bytes"),
        )
    ]


def netdev(root: Root) -> list[Family]:
    """Bytes, packets, errors and drops of each interface but loopback."""
    devices = {
        name: io
        for name, io in psutil.net_io_counters(pernic=True).items()
        if name not in ("lo", "lo0")
    }
    return [
        Family(
            f"node_network_{name}_total",
            COUNTER,
            f"Network statistic {name}.",
            [((("device", device),), float(getattr(io, field))) for device, io in devices.items()],
        )
        for name, field in (
            ("receive_bytes", "bytes_recv"),
            ("receive_packets", "packets_recv"),
            ("receive_errs", "errin"),
            ("receive_drop", "dropin"),
            ("transmit_bytes", "bytes_sent"),
            ("transmit_packets", "packets_sent"),
            ("transmit_errs", "errout"),
            ("transmit_drop", "dropout"),
        )
    ]


def kernel(root: Root) -> list[Family]:
    """Boot time, time of day, processes, context switches and the host's name."""
    system = os.uname()
    tags = (
        ("machine", system.machine),
        ("nodename", system.nodename),
        ("release", system.release),
        ("sysname", system.sysname),
        ("version", system.version),
    )
    switches = float(psutil.cpu_stats().ctx_switches)
    return [
        gauge("node_boot_time_seconds", "When the host booted.", psutil.boot_time()),
        gauge("node_time_seconds", "Seconds since 1970 UTC.", time.time()),
        gauge("node_processes_pids", "Number of PIDs.", float(len(psutil.pids()))),
        counter("node_context_switches_total", "Context switches.", switches),
        Family("node_uname_info", GAUGE, "What uname tells, as labels.", ((tags, 1.0),)),
    ]
