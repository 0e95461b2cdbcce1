"""What the agent spools each cycle, and how cycles are joined into one remote-write request.

A cycle's record is its timestamp, the table of its series (encoded labels, deflated) and one
float64 per series. The table hardly ever changes, so its deflated form is kept between cycles, and
each record can still be read alone.
"""

from __future__ import annotations

import struct
import sys
import zlib
from array import array
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tidecast_collector.errors import InvalidInput
from tidecast_collector.model import Family, Tags, series_labels
from tidecast_collector.remote_write import (
    Metadata,
    encode_labels,
    encode_request,
    varint,
)

_HEAD = struct.Struct("<qII")
MAX_TABLE_BYTES = 64 << 20
MAX_CACHED_SERIES = 100_000


class InvalidCycle(InvalidInput):
    """A spooled record that this version cannot read."""


class Cycle(NamedTuple):
    """One collection: its time (milliseconds UTC), its series as encoded labels, their values.

    `values` holds a little-endian float64 for each series, as protobuf does.
    """

    timestamp_ms: int
    series: Sequence[bytes]
    values: bytes


class CycleWriter:
    """Writes cycles as spool records; `external` are the labels that every pushed series gets."""

    def __init__(self, external: Tags) -> None:
        self._external = external
        self._encoded: dict[tuple[str, Tags], bytes] = {}
        self._series: list[bytes] = []
        self._table = b""

    def write(self, timestamp_ms: int, families: Iterable[Family]) -> bytes:
        """The record of these families' samples at that time."""
        if len(self._encoded) > MAX_CACHED_SERIES:
            self._encoded.clear()
        encoded = self._encoded
        series: list[bytes] = []
        values = array("d")
        for name, _, _, samples in families:
            for tags, value in samples:
                labels = encoded.get((name, tags))
                if labels is None:
                    labels = encode_labels(series_labels(name, tags, self._external))
                    encoded[name, tags] = labels
                series.append(labels)
                values.append(value)
        if series != self._series:
            self._series = series
            self._table = zlib.compress(b"".join(varint(len(labels)) + labels for labels in series))
        if sys.byteorder == "big":
            values.byteswap()
        head = _HEAD.pack(timestamp_ms, len(series), len(self._table))
        return head + self._table + values.tobytes()


class CycleReader:
    """Reads spool records; the table last read is kept."""

    def __init__(self) -> None:
        self._table = b""
        self._series: list[bytes] = []

    def read(self, record: bytes) -> Cycle:
        """The cycle of this record; raises `InvalidCycle`."""
        if len(record) < _HEAD.size:
            raise InvalidCycle(f"spooled cycle: {len(record)} bytes are too few")
        timestamp_ms, count, table_bytes = _HEAD.unpack_from(record)
        start = _HEAD.size + table_bytes
        if len(record) != start + 8 * count:
            raise InvalidCycle(
                f"spooled cycle: {len(record)} bytes where {start + 8 * count} are due"
            )
        table = record[_HEAD.size : start]
        if table != self._table:
            self._series = _read_table(table)
            self._table = table
        if len(self._series) != count:
            raise InvalidCycle(f"spooled cycle: {len(self._series)} series for {count} values")
        return Cycle(timestamp_ms, self._series, record[start:])


def join_cycles(cycles: Sequence[Cycle], metadata: Iterable[Metadata] = ()) -> bytes:
    """One remote-write message: each series once, its samples in ascending order of time.

    Of two samples of one series at the same time the later collected counts.
    """
    # protobuf's parts of a sample before and behind its eight bytes of value
    frames = []
    for cycle in cycles:
        stamp = varint(cycle.timestamp_ms)
        frames.append((b"\x12%c\x09" % (10 + len(stamp)), b"\x10" + stamp))
    if len(cycles) == 1:
        ((cycle,), ((before, behind),)) = cycles, frames
        return encode_request(
            (
                (labels, b"%b%b%b" % (before, cycle.values[8 * i : 8 * i + 8], behind))
                for i, labels in enumerate(cycle.series)
            ),
            metadata,
        )
    samples: dict[bytes, dict[int, bytes]] = {}
    for cycle, (before, behind) in zip(cycles, frames, strict=True):
        for i, labels in enumerate(cycle.series):
            sample = b"%b%b%b" % (before, cycle.values[8 * i : 8 * i + 8], behind)
            samples.setdefault(labels, {})[cycle.timestamp_ms] = sample
    return encode_request(
        (
            (labels, b"".join(sample for _, sample in sorted(found.items())))
            for labels, found in samples.items()
        ),
        metadata,
    )


def _read_table(table: bytes) -> list[bytes]:
    inflater = zlib.decompressobj()
    try:
        data = inflater.decompress(table, MAX_TABLE_BYTES)
    except zlib.error as error:
        raise InvalidCycle(f"spooled cycle: its table of series: {error}") from error
    if not inflater.eof:
        raise InvalidCycle("spooled cycle: its table of series is cut short or over the limit")
    series = []
    at = 0
    while at < len(data):
        length = shift = 0
        while data[at] & 0x80:
            length |= (data[at] & 0x7F) << shift
            shift += 7
            at += 1
        length |= data[at] << shift
        at += 1
        series.append(data[at : at + length])
        at += length
    return series
