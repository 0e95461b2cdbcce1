"""The other side of Prometheus' remote-read: the request read, the responses written.

A response is one message of samples, or a stream of frames of XOR chunks.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cramjam
import numpy as np

from tidecast.samples.batch import SampleBatch
from tidecast.samples.matchers import Matcher, Matchers, MatchOp, compile_regex
from tidecast.samples.protobuf import LENGTH, VARINT, Walker
from tidecast.samples.protocol import LimitExceeded
from tidecast.samples.write_requests import encoded_samples
from tidecast.samples.xor_chunks import SAMPLES_A_CHUNK, encode_chunks
from tidecast_collector.errors import InvalidInput
from tidecast_collector.labels import Labels
from tidecast_collector.remote_write import encode_labels, encode_request, varint

MAX_QUERIES, MAX_MATCHERS = 32, 1000
SAMPLES, STREAMED_CHUNKS = 0, 1
"""Types of responses, as a request names them."""
SAMPLES_TYPE = "application/x-protobuf"
CHUNKS_TYPE = "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse"
_OPERATORS = (MatchOp.EQUAL, MatchOp.NOT_EQUAL, MatchOp.REGEX, MatchOp.NOT_REGEX)
_XOR = 1
_LONGEST_FRAME, _USUAL_FRAME = 1 << 16, 1 << 15
"""Snappy's framing holds so much in one piece, and with it its CRC-32C."""


@dataclass(frozen=True, slots=True)
class ReadQuery:
    """What is to be read: the series of a selector in [start, end]."""

    matchers: Matchers
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """The queries of a request, and whether their answers may be streamed as chunks."""

    queries: Sequence[ReadQuery]
    streamed: bool


def read_request_of(message: bytes) -> ReadRequest:
    """The unpacked `prompb.ReadRequest`; raises `InvalidInput` that says at which byte."""
    walker = Walker(message)
    queries: list[ReadQuery] = []
    accepted: list[int] = []
    for number, wire_type, start, end in walker.fields(0, len(message)):
        if number == 1:
            walker.expect(wire_type, LENGTH, start, "a query")
            queries.append(_query(walker, start, end))
        elif number == 2 and wire_type == VARINT:
            accepted.append(walker.varint(start, end)[0])
        elif number == 2:
            walker.expect(wire_type, LENGTH, start, "accepted_response_types")
            at = start
            while at < end:
                kind, at = walker.varint(at, end)
                accepted.append(kind)
        if len(queries) > MAX_QUERIES:
            raise InvalidInput(f"more than {MAX_QUERIES} queries in one request; send several")
    known = [kind for kind in accepted if kind in (SAMPLES, STREAMED_CHUNKS)] or [SAMPLES]
    return ReadRequest(queries, known[0] == STREAMED_CHUNKS)


def _query(walker: Walker, start: int, end: int) -> ReadQuery:
    times = {1: 0, 2: 0}
    matchers: list[Matcher] = []
    for number, wire_type, body, behind in walker.fields(start, end):
        if number in times:
            walker.expect(wire_type, VARINT, body, "a query's time")
            value = walker.varint(body, behind)[0]
            times[number] = value - (1 << 64) if value >= 1 << 63 else value
        elif number == 3:
            walker.expect(wire_type, LENGTH, body, "a matcher")
            matchers.append(_matcher(walker, body, behind))
    if not matchers or len(matchers) > MAX_MATCHERS:
        raise walker.refusal(start, f"a query has one to {MAX_MATCHERS} matchers")
    return ReadQuery(matchers, times[1], times[2])


def _matcher(walker: Walker, start: int, end: int) -> Matcher:
    kind, texts = 0, {2: "", 3: ""}
    for number, wire_type, body, behind in walker.fields(start, end):
        if number == 1:
            walker.expect(wire_type, VARINT, body, "a matcher's type")
            kind = walker.varint(body, behind)[0]
        elif number in texts:
            walker.expect(wire_type, LENGTH, body, "a matcher's text")
            texts[number] = walker.text(body, behind)
    if kind >= len(_OPERATORS):
        raise walker.refusal(start, f"matcher type {kind}")
    operator = _OPERATORS[kind]
    if operator in (MatchOp.REGEX, MatchOp.NOT_REGEX):
        compile_regex(texts[3])
    return Matcher(texts[2], operator, texts[3])


def query_result(batch: SampleBatch) -> bytes:
    """The series of one query as `prompb.QueryResult`, which they are one behind the other."""
    return encode_request(
        (encode_labels(labels), encoded_samples(times, values)) for labels, times, values in batch
    )


def samples_response(results: Sequence[Sequence[bytes]]) -> bytes:
    """The compressed response to a request, of the parts of each query's result in order."""
    message = b"".join(_field(1, b"".join(parts)) for parts in results)
    return bytes(cramjam.snappy.compress_raw(message))


def frames(batch: SampleBatch, query: int) -> Iterator[bytes]:
    """The series of the query of this number as frames, each with its length and CRC-32C.

    Raises `LimitExceeded` for a series whose labels do not fit into one.
    """
    if not len(batch.timestamps):
        return
    counts = np.diff(batch.offsets)
    chunks_each = -(-counts // SAMPLES_A_CHUNK)
    ends = np.cumsum(chunks_each)
    place = np.arange(int(ends[-1])) - np.repeat(ends - chunks_each, chunks_each)
    starts = np.repeat(batch.offsets[:-1], chunks_each) + SAMPLES_A_CHUNK * place
    data = encode_chunks(batch.timestamps, batch.values, starts)
    first_ms = batch.timestamps[starts].tolist()
    last = np.append(starts[1:], len(batch.timestamps)) - 1
    last_ms = batch.timestamps[last].tolist()
    coded = [
        _field(2, _number(1, low) + _number(2, high) + _number(3, _XOR) + _field(4, chunk))
        for low, high, chunk in zip(first_ms, last_ms, data, strict=True)
    ]
    begin = 0
    for labels, end in zip(batch.labels, ends.tolist(), strict=True):
        yield from _frames_of(labels, coded[begin:end], query)
        begin = end


def _frames_of(labels: Labels, chunks: Sequence[bytes], query: int) -> Iterator[bytes]:
    head = encode_labels(labels)
    if len(head) > _USUAL_FRAME:
        raise LimitExceeded(
            f"a series has labels of {len(head)} bytes, more than the {_USUAL_FRAME} that are "
            "streamed; ask for samples instead of chunks"
        )
    held: list[bytes] = []
    size = len(head)
    for chunk in chunks:
        if held and size + len(chunk) > _USUAL_FRAME:
            yield _frame(_field(1, head + b"".join(held)) + _number(2, query))
            held, size = [], len(head)
        held.append(chunk)
        size += len(chunk)
    if held:
        yield _frame(_field(1, head + b"".join(held)) + _number(2, query))


def _frame(message: bytes) -> bytes:
    return varint(len(message)) + struct.pack(">I", crc32c(message)) + message


def crc32c(data: bytes) -> int:
    """The CRC-32C of at most 65,536 bytes: what snappy's framing writes, unmasked.

    Source: snappy's `framing_format.txt`, section 3.

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    assert 0 < len(data) <= _LONGEST_FRAME
    framed = bytes(cramjam.snappy.compress(data))
    # Ten bytes name the format, four say what follows and how long it is.
    masked: int = struct.unpack_from("<I", framed, 14)[0]
    turned = (masked - 0xA282EAD8) & 0xFFFFFFFF
    return (turned >> 17 | turned << 15) & 0xFFFFFFFF


def _field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def _number(number: int, value: int) -> bytes:
    return varint(number << 3) + varint(value & 0xFFFFFFFFFFFFFFFF)
