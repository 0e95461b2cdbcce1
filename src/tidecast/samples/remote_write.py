"""Prometheus remote-write 1.0 bodies as sample batches.

A body is a snappy block holding the protobuf message `WriteRequest`:

    WriteRequest { repeated TimeSeries timeseries = 1; repeated MetricMetadata metadata = 3; }
    TimeSeries { repeated Label labels = 1; repeated Sample samples = 2;
                 repeated Exemplar exemplars = 3; repeated Histogram histograms = 4; }
    Label { string name = 1; string value = 2; }
    Sample { double value = 1; int64 timestamp = 2; }
    MetricMetadata { enum type = 1; string metric_family_name = 2;
                     string help = 4; string unit = 5; }

Labels come back in every request, so the bytes of a series' labels are remembered with what they
mean.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

import cramjam
import numpy as np

from tidecast.samples.batch import SampleBatch
from tidecast.samples.protocol import MetricMetadata
from tidecast.samples.usual_write import decode_usual
from tidecast_collector.errors import InvalidInput
from tidecast_collector.labels import Labels, make_labels

MAX_DECODED_BYTES = 32 << 20
MAX_FIELDS = 4_000_000
"""No body of honest size has so many fields; one of empty fields would only burn time."""
_MAX_REMEMBERED = 200_000
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_DOUBLE_BITS = struct.Struct("<Q")
_METRIC_TYPES = (
    "unknown",
    "counter",
    "gauge",
    "histogram",
    "gaugehistogram",
    "summary",
    "info",
    "stateset",
)

_remembered: dict[bytes, Labels] = {}


class BodyTooLarge(InvalidInput):
    """A body that unpacks to more bytes than are taken at once."""


@dataclass(frozen=True, slots=True)
class WriteRequest:
    """What a body holds: samples, metadata by metric name, and how much of other kinds was skipped.

    Series without samples (of exemplars or histograms only) are not in the batch.
    """

    batch: SampleBatch
    metadata: dict[str, MetricMetadata]
    exemplars: int = 0
    histograms: int = 0


def decode_body(body: bytes, max_bytes: int = MAX_DECODED_BYTES) -> WriteRequest:
    """What a snappy-compressed body holds.

    Raises `BodyTooLarge` before unpacking more than `max_bytes`, and `InvalidInput` naming the
    byte where the body is not what it should be.
    """
    size, start = _uncompressed_size(body)
    if size > max_bytes:
        raise BodyTooLarge(
            f"byte 0: the body unpacks to {size} bytes, at most {max_bytes} are taken"
        )
    if size and start == len(body):
        raise InvalidInput(f"byte {start}: the snappy block ends after its length")
    try:
        message = bytes(cramjam.snappy.decompress_raw(body))
    except cramjam.DecompressionError as error:
        raise InvalidInput(f"byte {start}: not a snappy block: {error}") from error
    return decode_message(message)


def decode_message(message: bytes) -> WriteRequest:
    """What an uncompressed `WriteRequest` holds; raises `InvalidInput` with the byte's offset."""
    batch = decode_usual(message, _labels)
    return decode_strictly(message) if batch is None else WriteRequest(batch, {})


def decode_strictly(message: bytes) -> WriteRequest:
    """The same for a message of any form, with every byte looked at."""
    return _Decoder(message).request()


def _uncompressed_size(body: bytes) -> tuple[int, int]:
    """The size that a snappy block announces (32 bits), and where its content starts."""
    size = 0
    for at, byte in enumerate(body[:5]):
        size |= (byte & 0x7F) << (7 * at)
        if byte < 0x80:
            if size >= 1 << 32:
                break
            return size, at + 1
    raise InvalidInput(f"byte {min(len(body), 5)}: no length of a snappy block")


@dataclass(slots=True)
class _Collected:
    labels: list[Labels] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    timestamps: list[int] = field(default_factory=list)
    value_bits: list[int] = field(default_factory=list)
    metadata: dict[str, MetricMetadata] = field(default_factory=dict)
    exemplars: int = 0
    histograms: int = 0


def _labels(chunk: bytes, at: int) -> Labels:
    """The labels that a run of label fields at this place means."""
    labels = _remembered.get(chunk)
    if labels is None:
        labels = _Decoder(chunk, at).label_pairs()
        if len(_remembered) >= _MAX_REMEMBERED:
            _remembered.clear()
        _remembered[chunk] = labels
    return labels


class _Decoder:
    """Walks one message; every position is checked against the end of what contains it."""

    def __init__(self, message: bytes, base: int = 0) -> None:
        self._data = message
        self._base = base
        self._fields_left = MAX_FIELDS
        self._found = _Collected()

    def request(self) -> WriteRequest:
        for number, wire_type, start, end in self._fields(0, len(self._data)):
            if number == 1:
                self._expect(wire_type, _LENGTH, start, "timeseries")
                self._series(start, end)
            elif number == 3:
                self._expect(wire_type, _LENGTH, start, "metadata")
                self._metadata(start, end)
        found = self._found
        offsets = np.zeros(len(found.counts) + 1, dtype=np.int64)
        np.cumsum(found.counts, out=offsets[1:])
        batch = SampleBatch(
            found.labels,
            offsets,
            np.array(found.timestamps, dtype=np.int64),
            np.array(found.value_bits, dtype=np.uint64).view(np.float64),
        )
        return WriteRequest(batch, found.metadata, found.exemplars, found.histograms)

    def _series(self, start: int, end: int) -> None:
        data, found = self._data, self._found
        labels: list[bytes] = []
        labels_at = -1
        before = len(found.timestamps)
        at = start
        while at < end:
            self._spend_field(at)
            number, wire_type, body, following = self._field(at, end)
            if number in (1, 2, 3, 4):
                self._expect(wire_type, _LENGTH, at, "a field of a series")
            if number == 2:
                self._sample(body, following)
            elif number == 1:
                labels.append(data[at:following])
                labels_at = at if labels_at < 0 else labels_at
            elif number == 3:
                found.exemplars += 1
            elif number == 4:
                found.histograms += 1
            at = following
        if len(found.timestamps) > before:
            found.counts.append(len(found.timestamps) - before)
            found.labels.append(_labels(b"".join(labels), labels_at))

    def _sample(self, start: int, end: int) -> None:
        bits = timestamp = 0
        for number, wire_type, body, _ in self._fields(start, end):
            if number == 1:
                self._expect(wire_type, _FIXED64, body, "a sample's value")
                bits = _DOUBLE_BITS.unpack_from(self._data, body)[0]
            elif number == 2:
                self._expect(wire_type, _VARINT, body, "a sample's timestamp")
                timestamp = _signed(self._varint(body, end)[0])
        self._found.value_bits.append(bits)
        self._found.timestamps.append(timestamp)

    def label_pairs(self) -> Labels:
        """The labels in a run of label fields."""
        pairs = []
        for _, _, start, end in self._fields(0, len(self._data)):
            name = value = ""
            for number, wire_type, body, following in self._fields(start, end):
                if number in (1, 2):
                    self._expect(wire_type, _LENGTH, body, "a label's text")
                    text = self._text(body, following)
                    name, value = (text, value) if number == 1 else (name, text)
            pairs.append((name, value))
        return make_labels(pairs)

    def _metadata(self, start: int, end: int) -> None:
        kind = 0
        texts = {2: "", 4: "", 5: ""}
        for number, wire_type, body, following in self._fields(start, end):
            if number == 1:
                self._expect(wire_type, _VARINT, body, "a metric's type")
                kind = self._varint(body, end)[0]
            elif number in texts:
                self._expect(wire_type, _LENGTH, body, "a metric's metadata")
                texts[number] = self._text(body, following)
        if texts[2]:
            name = _METRIC_TYPES[kind] if kind < len(_METRIC_TYPES) else "unknown"
            self._found.metadata[texts[2]] = MetricMetadata(name, texts[4], texts[5])

    def _text(self, start: int, end: int) -> str:
        try:
            return self._data[start:end].decode()
        except UnicodeDecodeError as error:
            raise self._refusal(start + error.start, "text that is not UTF-8") from error

    def _fields(self, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
        """Number, wire type, start and end of the content of each field."""
        at = start
        while at < end:
            self._spend_field(at)
            number, wire_type, body, at = self._field(at, end)
            yield number, wire_type, body, at

    def _spend_field(self, at: int) -> None:
        self._fields_left -= 1
        if self._fields_left < 0:
            raise BodyTooLarge(f"byte {self._base + at}: more than {MAX_FIELDS} fields")

    def _field(self, at: int, end: int) -> tuple[int, int, int, int]:
        tag, body = self._varint(at, end)
        number, wire_type = tag >> 3, tag & 7
        if not 0 < number < 1 << 29:
            raise self._refusal(at, f"field number {number}")
        if wire_type == _LENGTH:
            length, body = self._varint(body, end)
            following = body + length
        elif wire_type == _VARINT:
            following = self._varint(body, end)[1]
        elif wire_type in (_FIXED64, _FIXED32):
            following = body + (8 if wire_type == _FIXED64 else 4)
        else:
            raise self._refusal(at, f"wire type {wire_type}")
        if following > end:
            raise self._refusal(at, "a field reaches past the end of its message")
        return number, wire_type, body, following

    def _varint(self, at: int, end: int) -> tuple[int, int]:
        value = shift = 0
        for position in range(at, min(end, at + 10)):
            byte = self._data[position]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if value >= 1 << 64:
                    raise self._refusal(at, "a number of more than 64 bits")
                return value, position + 1
            shift += 7
        raise self._refusal(at, "a number without an end")

    def _expect(self, wire_type: int, expected: int, at: int, what: str) -> None:
        if wire_type != expected:
            raise self._refusal(at, f"{what} has wire type {wire_type} instead of {expected}")

    def _refusal(self, at: int, what: str) -> InvalidInput:
        return InvalidInput(f"byte {self._base + at} of the unpacked request: {what}")


def _signed(value: int) -> int:
    """A 64-bit two's complement number."""
    return value - (1 << 64) if value >= 1 << 63 else value
