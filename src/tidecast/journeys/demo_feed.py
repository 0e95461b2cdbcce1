"""The demo's raw samples, as an agent on each host would push them, continuing its records."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from tidecast.journeys.demo_curves import DAY_MS, MINUTE_MS
from tidecast.journeys.demo_fleet import (
    NETWORK_DEVICE,
    NETWORK_SPEED_BYTES,
    DemoFleet,
    Measure,
    measures,
)
from tidecast.journeys.demo_shop import Host
from tidecast.samples.batch import Float64s, Int64s, SampleBatch
from tidecast_collector.labels import Labels, make_labels

Part: TypeAlias = tuple[Labels, Int64s, Float64s]
Bools: TypeAlias = npt.NDArray[np.bool_]
_Series: TypeAlias = tuple[str, dict[str, str], Float64s]
Shares: TypeAlias = dict[tuple[str, str], Float64s]

DISK_READ_BYTES = 20e6
"""Read in a second by a host whose processors are all busy."""
TOUR_MS = 60 * MINUTE_MS
"""What is planted in the live samples comes again every hour."""
FILLING = ("batch-1", "/scratch")
FILL_FROM_MS, FULL_FROM_MS, CLEANED_FROM_MS = 30_000, 75_000, 8 * MINUTE_MS
FULL_SHARE = 0.985
SILENT = "queue-1"
SILENT_FROM_MS, SILENT_TO_MS = 3 * MINUTE_MS, 13 * MINUTE_MS
CPU_MODES = {"user": 0.68, "system": 0.22, "iowait": 0.06, "softirq": 0.04}
"""How the busy time divides; the shares sum to 1."""
UPTIME_DAYS = 120


@dataclass(slots=True)
class DemoFeed:
    """Raw samples from one time on. Counters continue from call to call, so time only advances."""

    fleet: DemoFleet
    last_ms: int
    counters: dict[Labels, float] = field(default_factory=dict)

    def advance(self, times_ms: Int64s) -> SampleBatch:
        """The samples of every host at these ascending times, all after those of the last call.

        A host that falls silent has none meanwhile; its counters run on.
        """
        seconds = np.diff(times_ms, prepend=self.last_ms) / 1000
        if len(times_ms) == 0 or seconds.min() <= 0:
            raise ValueError("times must ascend and lie after those given before")
        self.last_ms = int(times_ms[-1])
        return SampleBatch.of(
            part for host in self.fleet.hosts for part in self._host(host, times_ms, seconds)
        )

    def _host(self, host: Host, times_ms: Int64s, seconds: Float64s) -> Iterator[Part]:
        shares = {
            (each.resource, each.item): self._share(host, each, times_ms) for each in measures(host)
        }
        speaks = ~_within(times_ms - self.fleet.now_ms, SILENT_FROM_MS, SILENT_TO_MS)
        if host.name != SILENT:
            speaks[:] = True
        common = {"instance": host.name, "job": "node"}
        for series in (
            self._cpu(host, shares, seconds),
            _memory(host, shares),
            _filesystems(host, shares),
            self._network(shares, seconds),
            self._disk(shares, seconds),
            _load(host, shares),
            self._clock(times_ms),
        ):
            for name, own, given in series:
                labels = make_labels({"__name__": name, **own, **common})
                values = self._counted(labels, given) if name.endswith("_total") else given
                if speaks.any():
                    yield labels, times_ms[speaks], values[speaks]

    def _share(self, host: Host, measure: Measure, times_ms: Int64s) -> Float64s:
        share = self.fleet.share(host, measure, times_ms, MINUTE_MS)
        if (host.name, measure.item) != FILLING or measure.resource != "filesystem":
            return share
        return np.where(
            times_ms < self.fleet.now_ms, share, _filled(share, times_ms - self.fleet.now_ms)
        )

    def _counted(self, labels: Labels, increases: Float64s) -> Float64s:
        values = self.counters.get(labels, 0.0) + np.cumsum(increases)
        self.counters[labels] = float(values[-1])
        return np.asarray(values, dtype=np.float64)

    def _cpu(self, host: Host, shares: Shares, seconds: Float64s) -> Iterator[_Series]:
        busy = shares["cpu", ""] * seconds
        for cpu in map(str, range(host.cpus)):
            yield "node_cpu_seconds_total", {"cpu": cpu, "mode": "idle"}, seconds - busy
            for mode, part in CPU_MODES.items():
                yield "node_cpu_seconds_total", {"cpu": cpu, "mode": mode}, busy * part

    def _network(self, shares: Shares, seconds: Float64s) -> Iterator[_Series]:
        device = {"device": NETWORK_DEVICE}
        received = shares["network", NETWORK_DEVICE] * NETWORK_SPEED_BYTES * seconds
        yield "node_network_receive_bytes_total", device, np.round(received)
        yield "node_network_transmit_bytes_total", device, np.round(received * 0.7)
        yield "node_network_speed_bytes", device, np.full(len(seconds), NETWORK_SPEED_BYTES)

    def _disk(self, shares: Shares, seconds: Float64s) -> Iterator[_Series]:
        busy = shares["cpu", ""] * seconds
        device = {"device": "vda"}
        yield "node_disk_read_bytes_total", device, np.round(busy * DISK_READ_BYTES)
        yield "node_disk_written_bytes_total", device, np.round(busy * DISK_READ_BYTES / 2)

    def _clock(self, times_ms: Int64s) -> Iterator[_Series]:
        boot = (self.fleet.now_ms - UPTIME_DAYS * DAY_MS) // 1000
        yield "node_boot_time_seconds", {}, np.full(len(times_ms), float(boot))
        yield "node_time_seconds", {}, times_ms / 1000


def _within(
    since_ms: Int64s, start_ms: int, end_ms: int
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Where a time of the tour lies in [start, end); before the tour begins nothing does."""
    phase = since_ms % TOUR_MS
    within: Bools = (since_ms >= 0) & (phase >= start_ms) & (phase < end_ms)
    return within


def _filled(share: Float64s, since_ms: Int64s) -> Float64s:
    """The share where a job runs wild: up within a minute, full for some, then cleaned up."""
    phase = since_ms % TOUR_MS
    risen = np.clip((phase - FILL_FROM_MS) / (FULL_FROM_MS - FILL_FROM_MS), 0, 1)
    wild = share + (FULL_SHARE - share) * risen
    return np.where(phase < CLEANED_FROM_MS, wild, share)


def _load(host: Host, shares: Shares) -> Iterator[_Series]:
    # Without node_load5, which would make the load a resource that has no history here.
    waiting = host.cpus * shares["cpu", ""]
    yield "node_load1", {}, np.round(waiting, 2)
    yield "node_load15", {}, np.round(np.full(len(waiting), waiting.mean()), 2)


def _memory(host: Host, shares: Shares) -> Iterator[_Series]:
    total = float(host.memory_bytes)
    available = np.round(total * (1 - shares["memory", ""]))
    yield "node_memory_MemTotal_bytes", {}, np.full(len(available), total)
    yield "node_memory_MemAvailable_bytes", {}, available
    yield "node_memory_MemFree_bytes", {}, np.round(available * 0.4)
    yield "node_memory_Cached_bytes", {}, np.round(available * 0.5)
    yield "node_memory_Buffers_bytes", {}, np.round(available * 0.05)


def _filesystems(host: Host, shares: Shares) -> Iterator[_Series]:
    limits = {(each.resource, each.item): each.limit for each in measures(host)}
    for mount in host.mounts:
        labels = {"device": mount.device, "fstype": "ext4", "mountpoint": mount.mountpoint}
        used = shares["filesystem", mount.mountpoint]
        free = np.round(mount.size_bytes * (1 - used))
        inodes = limits["inodes", mount.mountpoint]
        free_inodes = np.round(inodes * (1 - shares["inodes", mount.mountpoint]))
        yield "node_filesystem_size_bytes", labels, np.full(len(used), float(mount.size_bytes))
        yield "node_filesystem_free_bytes", labels, free
        yield "node_filesystem_avail_bytes", labels, free
        yield "node_filesystem_files", labels, np.full(len(used), inodes)
        yield "node_filesystem_files_free", labels, free_inodes
        yield "node_filesystem_readonly", labels, np.zeros(len(used))
