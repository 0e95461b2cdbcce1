"""Remote-write 1.0 messages: an encoder with kept label bytes, and a strict decoder.

Schema: prometheus/prometheus, prompb/remote.proto and prompb/types.proto.

    WriteRequest   1 timeseries*, 3 metadata*
    TimeSeries     1 labels*, 2 samples*, 3 exemplars*, 4 histograms*
    Label          1 name, 2 value
    Sample         1 value (double), 2 timestamp (int64, milliseconds)
    MetricMetadata 1 type, 2 metric_family_name, 4 help, 5 unit
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from tidecast_collector.errors import InvalidInput
from tidecast_collector.labels import Labels

METADATA_TYPES = (
    "unknown",
    "counter",
    "gauge",
    "histogram",
    "gaugehistogram",
    "summary",
    "info",
    "stateset",
)
"""Names of `MetricMetadata.MetricType`, by number."""

Samples: TypeAlias = list[tuple[int, float]]
"""(timestamp in milliseconds UTC, value) pairs."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_DOUBLE = struct.Struct("<d")
_INT64_SIGN = 1 << 63


class InvalidWriteRequest(InvalidInput):
    """Bytes that are not a remote-write 1.0 message; the message names the byte offset."""


class Metadata(NamedTuple):
    """What a metric is: its type by name (`METADATA_TYPES`), its name, its help and its unit."""

    type: str
    name: str
    help: str
    unit: str = ""


class WriteRequest(NamedTuple):
    """A decoded message: series in the order sent, metadata, and what we count but do not keep.

    Labels are as they were sent: neither sorted nor checked.
    """

    series: list[tuple[Labels, Samples]]
    metadata: list[Metadata]
    exemplars: int = 0
    histograms: int = 0


def encode_labels(labels: Labels) -> bytes:
    """The `labels` fields of a TimeSeries; the part of it that never changes."""
    return b"".join(
        _field(1, _field(1, name.encode("utf-8")) + _field(2, value.encode("utf-8", "replace")))
        for name, value in labels
    )


def encode_samples(samples: Iterable[tuple[int, float]]) -> bytes:
    """The `samples` fields of a TimeSeries."""
    parts = []
    for timestamp_ms, value in samples:
        stamp = varint(timestamp_ms)
        parts.append(b"\x12%c\x09%b\x10%b" % (10 + len(stamp), _DOUBLE.pack(value), stamp))
    return b"".join(parts)


def encode_request(
    series: Iterable[tuple[bytes, bytes]], metadata: Iterable[Metadata] = ()
) -> bytes:
    """A WriteRequest of series given as (encoded labels, encoded samples)."""
    parts: list[bytes] = []
    for labels, samples in series:
        parts += (_series_start(len(labels) + len(samples)), labels, samples)
    for entry in metadata:
        parts.append(_field(3, _encode_metadata(entry)))
    return b"".join(parts)


@lru_cache(maxsize=4096)
def _series_start(length: int) -> bytes:
    return b"\x0a" + varint(length)


def varint(number: int) -> bytes:
    """The number as a protobuf varint; negative ones as 64-bit two's complement."""
    number &= 0xFFFFFFFFFFFFFFFF
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def decode_request(message: bytes) -> WriteRequest:
    """The message, read strictly: raises `InvalidWriteRequest` with the byte offset.

    Unknown fields are skipped, as protobuf demands; a known field of the wrong wire type, a cut
    message, an over-long varint and text that is not UTF-8 are refused.
    """
    request = WriteRequest([], [])
    exemplars = histograms = 0
    for number, wire, value, at in _fields(message, 0, len(message)):
        if number == 1:
            labels, samples, more_exemplars, more_histograms = _series(
                message, *_span(wire, value, at)
            )
            request.series.append((labels, samples))
            exemplars += more_exemplars
            histograms += more_histograms
        elif number == 3:
            request.metadata.append(_metadata(message, *_span(wire, value, at)))
    return request._replace(exemplars=exemplars, histograms=histograms)


def _field(number: int, payload: bytes) -> bytes:
    return b"%c%b%b" % (number << 3 | _BYTES, varint(len(payload)), payload)


def _encode_metadata(entry: Metadata) -> bytes:
    kind = METADATA_TYPES.index(entry.type) if entry.type in METADATA_TYPES else 0
    texts = ((2, entry.name), (4, entry.help), (5, entry.unit))
    return (b"\x08" + varint(kind) if kind else b"") + b"".join(
        _field(number, text.encode("utf-8", "replace")) for number, text in texts if text
    )


_Value: TypeAlias = int | tuple[int, int]
"""A varint's number, or the (start, end) of anything else."""


def _fields(message: bytes, at: int, end: int) -> Iterator[tuple[int, int, _Value, int]]:
    """(field number, wire type, value, offset of the field) one after the other."""
    while at < end:
        start = at
        tag, at = _read_varint(message, at, end)
        number, wire = tag >> 3, tag & 7
        if not 0 < number < 1 << 29:
            raise InvalidWriteRequest(f"remote-write message at byte {start}: field {number}")
        value: _Value
        if wire == _VARINT:
            value, at = _read_varint(message, at, end)
        elif wire in (_BYTES, _FIXED64, _FIXED32):
            if wire == _BYTES:
                length, at = _read_varint(message, at, end)
            else:
                length = 8 if wire == _FIXED64 else 4
            if length > end - at:
                raise InvalidWriteRequest(
                    f"remote-write message at byte {start}: field {number} needs {length} bytes "
                    f"and {end - at} are left"
                )
            value = (at, at + length)
            at += length
        else:
            raise InvalidWriteRequest(f"remote-write message at byte {start}: wire type {wire}")
        yield number, wire, value, start


def _read_varint(message: bytes, at: int, end: int) -> tuple[int, int]:
    value = 0
    for position in range(at, min(at + 10, end)):
        byte = message[position]
        value |= (byte & 0x7F) << (7 * (position - at))
        if byte < 0x80:
            if value >> 64:
                break
            return value, position + 1
    reason = "a varint is cut short" if end - at < 10 else "a varint is longer than 64 bits"
    raise InvalidWriteRequest(f"remote-write message at byte {at}: {reason}")


def _span(wire: int, value: _Value, at: int, expected: int = _BYTES) -> tuple[int, int]:
    if wire != expected or isinstance(value, int):
        raise InvalidWriteRequest(
            f"remote-write message at byte {at}: wire type {wire} where {expected} is due"
        )
    return value


def _number(wire: int, value: _Value, at: int) -> int:
    if wire != _VARINT or not isinstance(value, int):
        raise InvalidWriteRequest(
            f"remote-write message at byte {at}: wire type {wire} where {_VARINT} is due"
        )
    return value


def _text(message: bytes, start: int, end: int) -> str:
    try:
        return message[start:end].decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidWriteRequest(
            f"remote-write message at byte {start + error.start}: text is not UTF-8"
        ) from error


def _series(message: bytes, start: int, end: int) -> tuple[Labels, Samples, int, int]:
    labels: list[tuple[str, str]] = []
    samples: Samples = []
    exemplars = histograms = 0
    for number, wire, value, at in _fields(message, start, end):
        if number == 1:
            labels.append(_label(message, *_span(wire, value, at)))
        elif number == 2:
            samples.append(_sample(message, *_span(wire, value, at)))
        elif number == 3:
            _span(wire, value, at)
            exemplars += 1
        elif number == 4:
            _span(wire, value, at)
            histograms += 1
    return tuple(labels), samples, exemplars, histograms


def _label(message: bytes, start: int, end: int) -> tuple[str, str]:
    name = value = ""
    for number, wire, field, at in _fields(message, start, end):
        if number == 1:
            name = _text(message, *_span(wire, field, at))
        elif number == 2:
            value = _text(message, *_span(wire, field, at))
    return name, value


def _sample(message: bytes, start: int, end: int) -> tuple[int, float]:
    timestamp_ms, value = 0, 0.0
    for number, wire, field, at in _fields(message, start, end):
        if number == 1:
            (value,) = _DOUBLE.unpack_from(message, _span(wire, field, at, _FIXED64)[0])
        elif number == 2:
            unsigned = _number(wire, field, at)
            timestamp_ms = unsigned - (1 << 64) if unsigned & _INT64_SIGN else unsigned
    return timestamp_ms, value


def _metadata(message: bytes, start: int, end: int) -> Metadata:
    kind = 0
    texts = {2: "", 4: "", 5: ""}
    for number, wire, field, at in _fields(message, start, end):
        if number == 1:
            kind = _number(wire, field, at)
        elif number in texts:
            texts[number] = _text(message, *_span(wire, field, at))
    known: Sequence[str] = METADATA_TYPES
    return Metadata(known[kind] if kind < len(known) else "unknown", texts[2], texts[4], texts[5])
