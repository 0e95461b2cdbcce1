"""What a frame of the log holds: a batch, and the labels of the series it names first.

    numbers of the series that are named here, u32; their label sets
    number of each series of the batch, u32; count of its samples, u32 (nothing where all have one)
    timestamps: the earliest, i64, and the distance of each from it, u32; or (where there are no
    more than two, or they lie too far apart) all as i64
    values, f64

all little-endian. The last byte is never zero.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from tidecast.samples.batch import Float64s, Int64s, SampleBatch
from tidecast.samples.codec import (
    decode_label_sets,
    encode_label_sets,
    pack_sections,
    unpack_sections,
)
from tidecast_collector.labels import Labels

_PAYLOAD_END = b"\xff"
_EARLIEST = struct.Struct("<q")
_FEW = 2
"""Of so few timestamps both forms would be equally long, and could not be told apart."""


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One batch with the number of each of its series."""

    numbers: Int64s
    batch: SampleBatch


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One frame as read back: series named here by number, and samples of series by number."""

    definitions: dict[int, Labels]
    numbers: Int64s
    offsets: Int64s
    timestamps: Int64s
    values: Float64s


def encode_record(definitions: dict[int, Labels], entry: LogEntry) -> bytes:
    """The payload of a frame."""
    batch = entry.batch
    counts = batch.offsets[1:] - batch.offsets[:-1]
    one_each = len(batch.timestamps) == len(counts) and bool(counts.all())
    sections = pack_sections(
        [
            np.array(list(definitions), dtype="<u4").tobytes(),
            encode_label_sets(list(definitions.values())) if definitions else b"",
            entry.numbers.astype("<u4").tobytes(),
            b"" if one_each else counts.astype("<u4").tobytes(),
            _encode_times(batch.timestamps),
            batch.values.astype("<f8", copy=False).tobytes(),
        ]
    )
    return sections + _PAYLOAD_END


def decode_record(payload: memoryview) -> LogRecord:
    """What `encode_record` was given; the arrays may not be written to."""
    defined, labels, numbers, counts, times, values = unpack_sections(payload)
    series = np.frombuffer(numbers, dtype="<u4").astype(np.int64)
    offsets = one_each(len(series))
    if len(counts):
        offsets = np.zeros(len(series) + 1, dtype=np.int64)
        np.cumsum(np.frombuffer(counts, dtype="<u4"), out=offsets[1:])
    samples = np.frombuffer(values, dtype="<f8")
    timestamps = _decode_times(times, len(samples))
    return LogRecord(_decode_names(defined, labels), series, offsets, timestamps, samples)


@lru_cache(maxsize=32)
def one_each(series: int) -> Int64s:
    """The offsets of so many series with one sample each; not to be written to."""
    return np.arange(series + 1)


def _decode_names(defined: memoryview, labels: memoryview) -> dict[int, Labels]:
    numbers = np.frombuffer(defined, dtype="<u4").tolist()
    if not numbers:
        return {}
    sets = decode_label_sets(bytes(labels))
    return dict(zip(numbers, sets, strict=True))


def _encode_times(timestamps: Int64s) -> bytes:
    if len(timestamps) > _FEW:
        earliest, latest = int(timestamps.min()), int(timestamps.max())
        if latest - earliest < 1 << 32:
            distances: bytes = (timestamps - earliest).astype("<u4").tobytes()
            return _EARLIEST.pack(earliest) + distances
    return timestamps.astype("<i8", copy=False).tobytes()


def _decode_times(section: memoryview, count: int) -> Int64s:
    if len(section) == 8 * count:
        return np.frombuffer(section, dtype="<i8")
    times = np.frombuffer(section, dtype="<u4", offset=_EARLIEST.size).astype(np.int64)
    times += _EARLIEST.unpack_from(section)[0]
    return times
