"""The samples of the benchmark: hosts as node_exporter would see them, as remote-write bodies."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cramjam
import numpy as np

SCRAPE_MS = 15_000
JITTER_MS = 2.0
"""Standard deviation of the scrape times, shared by all series of a host."""
CONNECTIONS = 2
CATCH_UP_SAMPLES = 20
"""So many samples of each of a host's series make a body when history is sent."""
LIVE_HOSTS = 20
"""So many hosts with one sample of each series make a body when the present is sent."""


@dataclass(frozen=True)
class Metric:
    """Series of one name on one host: their further labels, and how their values go on."""

    name: str
    labels: tuple[dict[str, str], ...]
    kind: str


def _each(label: str, count: int) -> tuple[dict[str, str], ...]:
    return tuple({label: f"{label}{i}"} for i in range(count))


_MODES = ("idle", "user", "system", "iowait", "irq", "softirq", "steal")
METRICS = (
    Metric(
        "node_cpu_seconds_total",
        tuple({"cpu": str(cpu), "mode": mode} for cpu in range(4) for mode in _MODES),
        "seconds",
    ),
    Metric("node_disk_io_time_seconds_total", _each("device", 4), "seconds"),
    *(Metric(f"node_load{minutes}", ({},), "load") for minutes in (1, 5, 15)),
    *(Metric(f"node_memory_{i}_bytes", ({},), "bytes") for i in range(15)),
    *(
        Metric(f"node_filesystem_{what}", _each("mountpoint", 5), kind)
        for what, kind in (
            ("avail_bytes", "bytes"),
            ("size_bytes", "constant"),
            ("files", "constant"),
            ("files_free", "bytes"),
        )
    ),
    *(
        Metric(f"node_network_{way}_{what}_total", _each("device", 2), kind)
        for way in ("receive", "transmit")
        for what, kind in (("bytes", "count"), ("packets", "count"), ("errs", "zero"))
    ),
    *(
        Metric(f"node_disk_{what}_total", _each("device", 4), "count")
        for what in ("read_bytes", "written_bytes", "reads_completed", "writes_completed")
    ),
    Metric("node_boot_time_seconds", ({},), "constant"),
    Metric("node_entropy_available_bits", ({},), "load"),
)
SERIES_PER_HOST = sum(len(metric.labels) for metric in METRICS)


@dataclass(frozen=True)
class Host:
    """One host: how its series are called on the wire, when they were scraped, what they said."""

    labels: list[bytes]
    times_ms: np.ndarray
    values: np.ndarray
    """[series, scrapes]"""


def make_host(number: int, start_ms: int, scrapes: int) -> Host:
    """The host of this number; the same number gives the same samples."""
    random = np.random.default_rng([7, number])
    times = start_ms + SCRAPE_MS * np.arange(scrapes, dtype=np.int64)
    times += np.rint(random.normal(0, JITTER_MS, scrapes)).astype(np.int64)
    kinds = [metric.kind for metric in METRICS for _ in metric.labels]
    values = [_values(kind, random, scrapes) for kind in kinds]
    return Host(host_labels(number), times, np.array(values))


def host_labels(number: int) -> list[bytes]:
    """How the series of the host of this number are called on the wire."""
    common = {"instance": f"host-{number}:9100", "job": "node"}
    return [
        _label_fields({"__name__": metric.name} | common | own)
        for metric in METRICS
        for own in metric.labels
    ]


def _values(kind: str, random: np.random.Generator, scrapes: int) -> np.ndarray:
    if kind == "seconds":
        share = random.random() * SCRAPE_MS / 1000
        return np.round(np.cumsum(random.normal(share, share / 10, scrapes).clip(0)), 2)
    if kind == "count":
        return np.cumsum(random.poisson(random.integers(1, 100_000), scrapes)).astype(float)
    if kind == "bytes":
        steps = random.normal(0, 300, scrapes) * (random.random(scrapes) < 0.7)
        return np.rint(2e6 + np.cumsum(steps)) * 4096
    if kind == "load":
        return np.round(np.abs(np.cumsum(random.normal(0, 0.05, scrapes))), 2)
    if kind == "constant":
        return np.full(scrapes, float(random.integers(1, 10**12)))
    assert kind == "zero", kind
    return np.zeros(scrapes)


@dataclass(frozen=True)
class LiveTemplate:
    """A message of some hosts with one sample of each series, to be filled in."""

    message: np.ndarray
    value_places: np.ndarray
    """[series, 8]"""
    time_places: np.ndarray
    """[series, 6]"""
    base: np.ndarray
    step: np.ndarray
    """Where each series starts and how far it goes on at each scrape."""

    def filled(self, time_ms: int, values: np.ndarray) -> bytes:
        """The message with these values, none of them zero, all of this time."""
        septets = (time_ms >> (7 * np.arange(6))) & 0x7F | 0x80
        septets[5] &= 0x7F
        self.message[self.time_places] = septets
        self.message[self.value_places] = values[:, None].view(np.uint8)
        return self.message.tobytes()


def live_template(first_host: int) -> LiveTemplate:
    """The message of `LIVE_HOSTS` hosts from this one on."""
    labels = [each for i in range(LIVE_HOSTS) for each in host_labels(first_host + i)]
    sample = b"\x12\x10\x09" + bytes(8) + b"\x10" + bytes(6)
    series = [b"\x0a" + _varint(len(each) + len(sample)) + each + sample for each in labels]
    ends = np.cumsum([len(each) for each in series])
    random = np.random.default_rng([8, first_host])
    return LiveTemplate(
        np.frombuffer(b"".join(series), dtype=np.uint8).copy(),
        ends[:, None] + np.arange(-15, -7),
        ends[:, None] + np.arange(-6, 0),
        random.integers(1, 10**9, len(labels)).astype(float),
        random.integers(0, 1000, len(labels)).astype(float),
    )


def write_bodies(path: Path, hosts: list[Host], *, live: bool) -> int:
    """Writes bodies in the order of their time; returns how many samples they hold.

    Each has a header: its connection (a series always takes the same one) and its length.
    """
    scrapes = len(hosts[0].times_ms)
    at_once = (LIVE_HOSTS, 1) if live else (1, CATCH_UP_SAMPLES)
    with path.open("wb") as file:
        for at in range(0, scrapes, at_once[1]):
            ticks = slice(at, at + at_once[1])
            for group, first in enumerate(range(0, len(hosts), at_once[0])):
                message = b"".join(
                    _encode(host, ticks) for host in hosts[first : first + at_once[0]]
                )
                body = bytes(cramjam.snappy.compress_raw(message))
                file.write(struct.pack("<BI", group % CONNECTIONS, len(body)) + body)
    return scrapes * sum(len(host.labels) for host in hosts)


def read_bodies(path: Path, connection: int) -> Iterator[bytes]:
    """The bodies of one connection."""
    with path.open("rb") as file:
        while header := file.read(5):
            of, length = struct.unpack("<BI", header)
            if of == connection:
                yield file.read(length)
            else:
                file.seek(length, 1)


def _encode(host: Host, ticks: slice) -> bytes:
    """The host's series with these samples, as fields of a `WriteRequest`."""
    values, times = host.values[:, ticks], host.times_ms[ticks]
    samples = np.empty((*values.shape, 18), dtype=np.uint8)
    samples[..., :3] = (0x12, 16, 0x09)
    samples[..., 3:11] = np.ascontiguousarray(values)[..., None].view(np.uint8)
    samples[..., 11] = 0x10
    samples[..., 12:] = (times[:, None] >> (7 * np.arange(6))) & 0x7F | 0x80
    samples[..., 17] &= 0x7F
    # A value of zero is left out, as proto3 has it.
    zero = values == 0
    samples[zero, 9:11] = (0x12, 7)
    keep = np.ones(samples.shape, dtype=np.bool_)
    keep[zero, :9] = False
    ends = np.cumsum(keep.sum(axis=(1, 2))).tolist()
    data = samples[keep].tobytes()
    return b"".join(
        b"\x0a" + _varint(len(labels) + end - start) + labels + data[start:end]
        for labels, (start, end) in zip(host.labels, itertools.pairwise([0, *ends]), strict=True)
    )


def _label_fields(pairs: dict[str, str]) -> bytes:
    return b"".join(
        _field(1, _field(1, name.encode()) + _field(2, value.encode()))
        for name, value in sorted(pairs.items())
    )


def _field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])
