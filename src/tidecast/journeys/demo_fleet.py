"""The demo's fleet: a fictitious shop, thirteen months of its hourly usage records.

Nothing here was ever measured. A seed and a time decide every value, so two runs agree.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from tidecast.journeys.demo_curves import (
    DAY_MS,
    HOUR_MS,
    Curve,
    bounded,
    noise,
)
from tidecast.journeys.demo_shop import Host, shop
from tidecast.journeys.imports.usage import HourlyUsage, UsageSeries, definition_of
from tidecast.samples.batch import Float64s, Int64s

NETWORK_SPEED_BYTES = 125_000_000.0
NETWORK_DEVICE = "eth0"
INODES_A_BYTE = 1 / 16384


@dataclass(frozen=True, slots=True)
class Measure:
    """One resource of a host: its limit and the curve of its share of it."""

    resource: str
    item: str
    limit: float
    curve: Curve
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class DemoFleet:
    """The shop as of `now_ms`; the same seed and time give the same values."""

    now_ms: int
    seed: int = 1
    hosts: Sequence[Host] = field(default_factory=shop)

    def share(self, host: Host, measure: Measure, times_ms: Int64s, bucket_ms: int) -> Float64s:
        """What share of the limit is in use at these times, with noise that changes by bucket."""
        # Inodes go the way of their filesystem.
        resource = "filesystem" if measure.resource == "inodes" else measure.resource
        seed = self.seed + zlib.crc32(f"{host.name}/{resource}/{measure.item}".encode())
        smooth = measure.curve.smooth(times_ms, self.now_ms, seed)
        rough = measure.curve.spread * noise(seed + 1, times_ms // bucket_ms)
        return measure.share * bounded(smooth + rough)

    def history(self) -> Iterator[UsageSeries]:
        """The usage records of every resource, up to the last full hour."""
        last = self.now_ms // HOUR_MS * HOUR_MS
        for host in self.hosts:
            first = last - round(host.since_days * DAY_MS / HOUR_MS) * HOUR_MS
            hours = np.arange(first, last + 1, HOUR_MS, dtype=np.int64)
            for measure in measures(host):
                yield self._records(host, measure, hours)

    def _records(self, host: Host, measure: Measure, hours: Int64s) -> UsageSeries:
        limit, spread = measure.limit, measure.curve.spread * measure.share
        mean = self.share(host, measure, hours - HOUR_MS // 2, HOUR_MS)
        # Sixty normal values: 95 % lie below 1.645, their maximum is near 2.3 standard deviations.
        p95 = np.minimum(mean + 1.645 * spread, 1.0)
        high = np.minimum(mean + 2.3 * spread, 1.0)
        definition = definition_of(measure.resource)
        return UsageSeries(
            host.name,
            measure.resource,
            measure.item,
            definition.unit,
            HourlyUsage(hours, mean * limit, p95 * limit, high * limit),
            limit=np.full(len(hours), limit),
            mark=np.full(len(hours), limit * definition.mark_ratio),
        )


def measures(host: Host) -> Iterator[Measure]:
    """Every resource of a host."""
    yield Measure("cpu", "", 1.0, host.cpu)
    yield Measure("memory", "", host.memory_bytes, host.memory)
    for mount in host.mounts:
        yield Measure("filesystem", mount.mountpoint, mount.size_bytes, mount.usage)
        yield Measure(
            "inodes",
            mount.mountpoint,
            float(round(mount.size_bytes * INODES_A_BYTE)),
            mount.usage,
            mount.inodes_share,
        )
    yield Measure("network", NETWORK_DEVICE, NETWORK_SPEED_BYTES, host.network)
