"""Remote-read answered: chunks are read bit by bit, samples by our own client."""

from __future__ import annotations

import struct

import cramjam
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidecast.samples.batch import SampleBatch
from tidecast.samples.matchers import Matcher, MatchOp
from tidecast.samples.protocol import LimitExceeded
from tidecast.samples.remote_read import read_request, read_response
from tidecast.samples.remote_read_answers import (
    ReadQuery,
    crc32c,
    frames,
    query_result,
    read_request_of,
    samples_response,
)
from tidecast.samples.xor_chunks import encode_chunks
from tidecast_collector.errors import InvalidInput
from tidecast_collector.labels import make_labels

from .remote_write_messages import field

MATCHERS = [
    Matcher("__name__", MatchOp.EQUAL, "up"),
    Matcher("a", MatchOp.NOT_EQUAL, ""),
    Matcher("b", MatchOp.REGEX, "x|y"),
    Matcher("c", MatchOp.NOT_REGEX, "é+"),
]
gaps = st.sampled_from([1, 15_000, 15_007, 8_192, 65_537, 524_288, 600_000, 10**10]) | st.integers(
    1, 2**40
)
bits = st.sampled_from([0, 1, 1 << 63, 0x7FF0000000000002, 2**64 - 1]) | st.integers(0, 2**64 - 1)


class Bits:
    """Reads a stream bit by bit."""

    def __init__(self, data: bytes) -> None:
        self.rest = "".join(f"{byte:08b}" for byte in data)

    def take(self, count: int) -> int:
        taken, self.rest = self.rest[:count], self.rest[count:]
        assert len(taken) == count
        return int(taken or "0", 2)

    def varint(self) -> int:
        value = shift = 0
        while (byte := self.take(8)) > 127:
            value, shift = value | (byte & 127) << shift, shift + 7
        return value | byte << shift

    def signed(self, size: int) -> int:
        value = self.take(size)
        return value - (1 << size) if value > 1 << (size - 1) else value


def read_chunk(data: bytes) -> list[tuple[int, int]]:
    """The samples of a chunk, as `tsdb/docs/format/chunks.md` describes them."""
    stream, samples = Bits(data[2:]), []
    at = value = delta = leading = trailing = 0
    for number in range(struct.unpack(">H", data[:2])[0]):
        if number == 0:
            zigzag = stream.varint()
            at, value = zigzag >> 1 ^ -(zigzag & 1), stream.take(64)
            samples.append((at, value))
            continue
        if number == 1:
            delta = stream.varint()
        else:
            ones = 0
            while ones < 4 and stream.take(1):
                ones += 1
            delta += stream.signed((0, 14, 17, 20, 64)[ones]) if ones else 0
        at += delta
        if stream.take(1):
            if stream.take(1):
                leading, size = stream.take(5), stream.take(6) or 64
                trailing = 64 - leading - size
            value ^= stream.take(64 - leading - trailing) << trailing
        samples.append((at, value))
    assert len(stream.rest) < 8
    return samples


@given(
    st.integers(-(10**12), 2**44), st.lists(st.tuples(gaps, bits), min_size=1), st.integers(1, 9)
)
def test_what_is_coded_is_read(first: int, drawn: list[tuple[int, int]], each: int) -> None:
    times = first + np.cumsum([gap for gap, _ in drawn])
    values = np.array([value for _, value in drawn], dtype=np.uint64)
    starts = np.arange(0, len(times), each)
    chunks = encode_chunks(times, values.view(np.float64), starts)
    found = [sample for chunk in chunks for sample in read_chunk(chunk)]
    assert found == list(zip(times.tolist(), values.tolist(), strict=True))


def test_a_known_chunk() -> None:
    """Two samples: time 1 is zigzag 02, value 1.0; 15 later (0f) the same: a zero bit."""
    (chunk,) = encode_chunks(np.array([1, 16]), np.array([1.0, 1.0]), np.array([0]))
    assert chunk.hex() == "0002023ff00000000000000f00"


def batch() -> SampleBatch:
    random = np.random.default_rng(1)
    return SampleBatch.of(
        (
            make_labels({"__name__": "up", "i": str(number)}),
            1_700_000_000_000 + np.arange(count) * 15_000,
            random.normal(size=count).round(2),
        )
        for number, count in enumerate((1, 120, 121, 30_000))
    )


def test_samples_are_read_by_our_own_client() -> None:
    both = samples_response([[query_result(batch())], []])
    found = read_response(both).batch
    assert list(found.labels) == list(batch().labels)
    np.testing.assert_array_equal(found.timestamps, batch().timestamps)
    np.testing.assert_array_equal(found.values, batch().values)


def test_frames_are_of_bounded_size_and_name_their_checksum() -> None:
    stream = b"".join(frames(batch(), 3))
    sizes = []
    while stream:
        size = shift = at = 0
        while True:
            size, shift, at = size | (stream[at] & 127) << shift, shift + 7, at + 1
            if stream[at - 1] < 128:
                break
        message = stream[at + 4 : at + 4 + size]
        assert struct.unpack(">I", stream[at : at + 4])[0] == crc32c(message)
        assert message.endswith(field(2, 3))
        sizes.append(size)
        stream = stream[at + 4 + size :]
    assert len(sizes) > 5
    assert max(sizes) < 40_000


def test_labels_that_fit_into_no_frame_are_told() -> None:
    labels = make_labels({"__name__": "up", "long": "x" * 40_000})
    one = SampleBatch.of([(labels, np.array([1]), np.array([1.0]))])
    with pytest.raises(LimitExceeded, match="ask for samples"):
        list(frames(one, 0))


def test_a_request_is_read() -> None:
    packed = read_request([MATCHERS, MATCHERS[:1]], -5, 7)
    message = bytes(cramjam.snappy.decompress_raw(packed))
    asked = read_request_of(message)
    assert asked.queries == [ReadQuery(MATCHERS, -5, 7), ReadQuery(MATCHERS[:1], -5, 7)]
    assert not asked.streamed
    assert read_request_of(field(2, b"\x01\x00")).streamed
    assert not read_request_of(field(2, 9) + field(2, 0) + field(2, 1)).streamed


@given(st.binary(max_size=60))
def test_nonsense_is_refused_with_its_place(message: bytes) -> None:
    try:
        read_request_of(message)
    except InvalidInput as error:
        assert str(error)
