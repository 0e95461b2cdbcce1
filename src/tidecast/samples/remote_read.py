"""Prometheus' remote-read, raw samples: the request written, the response read.

Messages are `prompb.ReadRequest` and `prompb.ReadResponse`; both travel as one snappy block.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cramjam
import numpy as np

from tidecast.samples.batch import Float64s, Int64s, SampleBatch
from tidecast.samples.matchers import Matchers, MatchOp
from tidecast_collector.errors import InvalidInput
from tidecast_collector.labels import Labels, make_labels
from tidecast_collector.remote_write import varint

MAX_RESPONSE_BYTES = 1 << 30
_OPERATORS = {MatchOp.EQUAL: 0, MatchOp.NOT_EQUAL: 1, MatchOp.REGEX: 2, MatchOp.NOT_REGEX: 3}
_DOUBLE = struct.Struct("<d")


class InvalidReadResponse(InvalidInput):
    """Bytes that are no remote-read response."""


@dataclass(frozen=True, slots=True)
class ReadSamples:
    """What a response holds: its float samples, and how many native histograms beside them."""

    batch: SampleBatch
    histograms: int


def _bytes_field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def _number_field(number: int, value: int) -> bytes:
    return varint(number << 3) + varint(value)


def read_request(selectors: Sequence[Matchers], start_ms: int, end_ms: int) -> bytes:
    """The compressed request for the raw samples of these selectors in [start, end]."""
    message = b"".join(
        _bytes_field(
            1,
            _number_field(1, start_ms)
            + _number_field(2, end_ms)
            + b"".join(
                _bytes_field(
                    3,
                    _number_field(1, _OPERATORS[matcher.op])
                    + _bytes_field(2, matcher.name.encode())
                    + _bytes_field(3, matcher.value.encode()),
                )
                for matcher in matchers
            ),
        )
        for matchers in selectors
    )
    # Field 2 lists the accepted response types: 0 is SAMPLES, in which staleness markers survive.
    return bytes(cramjam.snappy.compress_raw(message + _number_field(2, 0)))


def read_response(body: bytes) -> ReadSamples:
    """The samples of a compressed response; a series that two selectors found stands there once.

    Raises `InvalidReadResponse`.
    """
    series: dict[Labels, tuple[Int64s, Float64s]] = {}
    histograms = 0
    try:
        length, _ = _varint(body, 0)
        if length > MAX_RESPONSE_BYTES:
            raise InvalidReadResponse(f"the response unpacks to {length} bytes: too much at once")
        message = bytes(cramjam.snappy.decompress_raw(body))
        for result in _messages(message, 0, len(message), 1):
            for start, end in _messages(message, *result, 1):
                labels, times, values, found = _time_series(message, start, end)
                histograms += found
                if len(times):
                    series[labels] = (times, values)
    except (IndexError, UnicodeDecodeError, struct.error, cramjam.DecompressionError) as error:
        raise InvalidReadResponse(f"this is no remote-read response: {error}") from error
    batch = SampleBatch.of((labels, *columns) for labels, columns in series.items())
    return ReadSamples(batch, histograms)


def _varint(data: bytes, position: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[position]
        position += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, position
        shift += 7
        if shift > 63:
            raise IndexError("a varint is longer than ten bytes")


def _fields(data: bytes, position: int, end: int) -> Iterator[tuple[int, int, int]]:
    """(field number, where its content starts, where it ends), whatever its wire type."""
    while position < end:
        key, position = _varint(data, position)
        start = position
        match key & 7:
            case 0:
                _, position = _varint(data, position)
            case 1:
                position += 8
            case 2:
                length, start = _varint(data, position)
                position = start + length
            case 5:
                position += 4
            case kind:
                raise IndexError(f"unknown wire type {kind}")
        if position > end:
            raise IndexError("a field reaches beyond its message")
        yield key >> 3, start, position


def _messages(data: bytes, position: int, end: int, number: int) -> Iterator[tuple[int, int]]:
    return ((start, stop) for field, start, stop in _fields(data, position, end) if field == number)


def _time_series(data: bytes, position: int, end: int) -> tuple[Labels, Int64s, Float64s, int]:
    labels: list[tuple[str, str]] = []
    times, values = array("q"), array("d")
    histograms = 0
    for field, start, stop in _fields(data, position, end):
        if field == 1:
            parts = {key: data[i:j].decode() for key, i, j in _fields(data, start, stop)}
            labels.append((parts.get(1, ""), parts.get(2, "")))
        elif field == 2:
            time_ms, value = _sample(data, start, stop)
            times.append(time_ms)
            values.append(value)
        elif field == 4:
            histograms += 1
    return (
        make_labels(labels),
        np.frombuffer(times, dtype=np.int64),
        np.frombuffer(values, dtype=np.float64),
        histograms,
    )


def _sample(data: bytes, position: int, end: int) -> tuple[int, float]:
    time_ms, value = 0, 0.0
    while position < end:
        key = data[position]
        if key == 0x09:
            (value,) = _DOUBLE.unpack_from(data, position + 1)
            position += 9
        elif key == 0x10:
            time_ms, position = _varint(data, position + 1)
        else:
            raise IndexError(f"a sample has an unknown field (key {key})")
    if position > end:
        raise IndexError("a sample reaches beyond its message")
    return time_ms - (1 << 64) if time_ms >= 1 << 63 else time_ms, value
