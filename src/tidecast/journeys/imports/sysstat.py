"""sysstat's history, as `sadf -j` tells it, read into usage records.

The resources and their readings are those of policy/defaults/resources.yaml, so that imported
history continues in what the agent measures: usage is what an unprivileged process cannot have.
"""

from __future__ import annotations

import math
import re
from array import array
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import orjson

from tidecast.journeys.imports.usage import (
    UsageSeries,
    before,
    definition_of,
    last_of_hours,
    reduce_to_hours,
)
from tidecast.samples.batch import Float64s
from tidecast_collector.errors import InvalidInput

KIB = 1024
MIB = 1024 * 1024
MAX_POINTS = 20_000_000
NOT_A_NETWORK = re.compile(r"lo|veth.*|docker.*|br-.*")
NOT_A_DISK = re.compile(r"(loop|ram|zram|sr|fd)[0-9]+")

Json: TypeAlias = Mapping[str, Any]


class InvalidSysstat(InvalidInput):
    """What sadf wrote is not what this version of Tidecast can read."""


class _Key(NamedTuple):
    instance: str
    resource: str
    item: str = ""


class _Reading(NamedTuple):
    resource: str
    item: str
    usage: float
    limit: float = math.nan
    reserved: float = 0.0


@dataclass(slots=True)
class _Points:
    times_ms: array[int] = field(default_factory=lambda: array("q"))
    usage: array[float] = field(default_factory=lambda: array("d"))
    limit: array[float] = field(default_factory=lambda: array("d"))
    reserved: array[float] = field(default_factory=lambda: array("d"))


class SysstatHistory:
    """Collects the readings of many files; their hours may span two files."""

    def __init__(self, instance: str | None = None) -> None:
        self._instance = instance
        self._points: dict[_Key, _Points] = defaultdict(_Points)
        self._seen: set[tuple[str, int]] = set()
        self._count = 0
        self.restarts = 0

    @property
    def hosts(self) -> list[str]:
        """The hosts that the files tell of, sorted."""
        return sorted({key.instance for key in self._points})

    def add(self, document: bytes, filename: str) -> None:
        """Takes what `sadf -j` wrote of one file; raises `InvalidSysstat`."""
        try:
            hosts = orjson.loads(document)["sysstat"]["hosts"]
            for host in hosts:
                self._add_host(host)
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
            raise InvalidSysstat(
                f"{filename}: sadf did not write what is expected ({type(error).__name__}: {error})"
            ) from error

    def _add_host(self, host: Json) -> None:
        instance = self._instance or str(host["nodename"])
        cpus = int(host["number-of-cpus"])
        self.restarts += len(host.get("restarts", ()))
        for record in host["statistics"]:
            if "timestamp" not in record:
                continue
            time_ms = _time_ms(record["timestamp"])
            # The record at midnight stands in the old day's file and in the new one's.
            if (instance, time_ms) in self._seen:
                continue
            self._seen.add((instance, time_ms))
            for reading in _readings(record, cpus):
                self._add_reading(instance, time_ms, reading)

    def _add_reading(self, instance: str, time_ms: int, reading: _Reading) -> None:
        self._count += 1
        if self._count > MAX_POINTS:
            raise ValueError(f"more than {MAX_POINTS} readings; import fewer files at once")
        points = self._points[_Key(instance, reading.resource, reading.item)]
        points.times_ms.append(time_ms)
        points.usage.append(reading.usage)
        points.limit.append(reading.limit)
        points.reserved.append(reading.reserved)

    def usage(self, now_ms: int) -> list[UsageSeries]:
        """The usage records of all resources, of the hours that are over by now, sorted."""
        return [
            series
            for key in sorted(self._points)
            if len((series := before(_series(key, self._points[key]), now_ms)).usage.hours_ms)
        ]


def _series(key: _Key, points: _Points) -> UsageSeries:
    times = np.frombuffer(points.times_ms, dtype=np.int64)
    values = np.frombuffer(points.usage, dtype=np.float64)
    limits = np.frombuffer(points.limit, dtype=np.float64)
    usage = reduce_to_hours(times, values + _reserved(points))
    definition = definition_of(key.resource)
    limit = mark = None
    if not np.isnan(limits).all():
        limit = last_of_hours(times, limits, usage.hours_ms)
        mark = limit * definition.mark_ratio
    return UsageSeries(
        key.instance, key.resource, key.item, definition.unit, usage, limit=limit, mark=mark
    )


def _reserved(points: _Points) -> float:
    """What the filesystem keeps for root: constant, so the median frees it of rounding."""
    reserved: Float64s = np.frombuffer(points.reserved, dtype=np.float64)
    known = reserved[~np.isnan(reserved)]
    return max(0.0, float(np.median(known))) if len(known) else 0.0


def _time_ms(timestamp: Json) -> int:
    # Older versions say "utc": 1, newer ones "tz": "UTC"; local time would be wrong across DST.
    if timestamp.get("utc") != 1 and timestamp.get("tz") != "UTC":
        raise ValueError(f"the time {timestamp!r} is not in UTC")
    moment = datetime.fromisoformat(f"{timestamp['date']} {timestamp['time']}")
    return round(moment.replace(tzinfo=UTC).timestamp() * 1000)


def _readings(record: Json, cpus: int) -> Iterator[_Reading]:
    for cpu in record.get("cpu-load", ()):
        if cpu["cpu"] == "all":
            yield _Reading("cpu", "", 1 - cpu["idle"] / 100, 1.0)
    if "memory" in record:
        yield from _memory(record["memory"])
    if "queue" in record:
        yield _Reading("load", "", record["queue"]["ldavg-5"], cpus)
    for disk in record.get("disk", ()):
        if not NOT_A_DISK.fullmatch(disk["disk-device"]):
            yield _Reading("disk", disk["disk-device"], disk["util-percent"] / 100, 1.0)
    for device in record.get("network", {}).get("net-dev", ()):
        if not NOT_A_NETWORK.fullmatch(device["iface"]):
            busier = max(device["rxkB"], device["txkB"]) * KIB
            yield _Reading("network", device["iface"], busier)
    for filesystem in record.get("filesystems", ()):
        yield from _filesystem(filesystem)


def _memory(memory: Json) -> Iterator[_Reading]:
    if "memused" in memory and "avail" in memory:
        total = _total_memory_kib(memory) * KIB
        yield _Reading("memory", "", total - memory["avail"] * KIB, total)
    swap = memory.get("swpfree", 0) + memory.get("swpused", 0)
    if swap:
        yield _Reading("swap", "", memory["swpused"] * KIB, swap * KIB)


def _total_memory_kib(memory: Json) -> float:
    """Installed memory: what sysstat counts as used excludes caches in newer versions (man sar).

    The percentage of use stands beside it, and tells which of the two totals was meant.
    """
    free, used = memory["memfree"], memory["memused"]
    caches = memory.get("buffers", 0) + memory.get("cached", 0) + memory.get("slab", 0)
    totals: tuple[float, float] = (free + used + caches, free + used)
    return min(totals, key=lambda total: abs(100 * used / total - memory["memused-percent"]))


def _filesystem(filesystem: Json) -> Iterator[_Reading]:
    item = filesystem.get("mountpoint") or filesystem.get("filesystem")
    if not item:
        raise ValueError(f"a filesystem has no mount point: {filesystem!r}")
    used, free = filesystem["MBfsused"] * MIB, filesystem["MBfsfree"] * MIB
    # %ufsused is the share of the whole that an unprivileged process can not have.
    share = filesystem.get("%ufsused")
    reserved = math.nan if share is None else share / 100 * (used + free) - used
    yield _Reading("filesystem", item, used, used + free, reserved)
    inodes_used, inodes_free = filesystem.get("Iused", 0), filesystem.get("Ifree", 0)
    if inodes_used + inodes_free:
        yield _Reading("inodes", item, inodes_used, inodes_used + inodes_free)
