from __future__ import annotations

import math
import struct
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from tidecast_collector.labels import Labels
from tidecast_collector.remote_write import (
    METADATA_TYPES,
    InvalidWriteRequest,
    Metadata,
    Samples,
    decode_request,
    encode_labels,
    encode_request,
    encode_samples,
    varint,
)

TEXT = st.text(max_size=20)
LABELS = st.lists(st.tuples(TEXT, TEXT), max_size=5).map(tuple)
SAMPLES = st.lists(
    st.tuples(st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=True)), max_size=4
)
SERIES = st.lists(st.tuples(LABELS, SAMPLES), max_size=5)
METADATA = st.lists(
    st.builds(Metadata, st.sampled_from(METADATA_TYPES), TEXT, TEXT, TEXT), max_size=4
)


def _messages() -> Any:
    """google.protobuf's class for WriteRequest, from the schema written out."""
    kinds = descriptor_pb2.FieldDescriptorProto
    schema = {
        "Label": [("name", 1, kinds.TYPE_STRING, ""), ("value", 2, kinds.TYPE_STRING, "")],
        "Sample": [("value", 1, kinds.TYPE_DOUBLE, ""), ("timestamp", 2, kinds.TYPE_INT64, "")],
        "MetricMetadata": [
            ("type", 1, kinds.TYPE_INT32, ""),
            ("metric_family_name", 2, kinds.TYPE_STRING, ""),
            ("help", 4, kinds.TYPE_STRING, ""),
            ("unit", 5, kinds.TYPE_STRING, ""),
        ],
        "TimeSeries": [
            ("labels", 1, kinds.TYPE_MESSAGE, "Label"),
            ("samples", 2, kinds.TYPE_MESSAGE, "Sample"),
            ("exemplars", 3, kinds.TYPE_BYTES, "*"),
            ("histograms", 4, kinds.TYPE_BYTES, "*"),
        ],
        "WriteRequest": [
            ("timeseries", 1, kinds.TYPE_MESSAGE, "TimeSeries"),
            ("metadata", 3, kinds.TYPE_MESSAGE, "MetricMetadata"),
        ],
    }
    file = descriptor_pb2.FileDescriptorProto(name="rw.proto", package="rw", syntax="proto3")
    for name, fields in schema.items():
        message = file.message_type.add(name=name)
        for field, number, kind, of in fields:
            added = message.field.add(name=field, number=number, type=kind)
            added.label = kinds.LABEL_REPEATED if of else kinds.LABEL_OPTIONAL
            if kind == kinds.TYPE_MESSAGE:
                added.type_name = f".rw.{of}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("rw.WriteRequest"))


WriteRequestProto = _messages()


def _encode(series: list[tuple[Labels, Samples]], metadata: list[Metadata]) -> bytes:
    return encode_request(
        [(encode_labels(labels), encode_samples(samples)) for labels, samples in series], metadata
    )


def _bits(samples: Samples) -> list[tuple[int, bytes]]:
    return [(timestamp, struct.pack("<d", value)) for timestamp, value in samples]


@given(SERIES, METADATA)
def test_round_trip(series: list[tuple[Labels, Samples]], metadata: list[Metadata]) -> None:
    decoded = decode_request(_encode(series, metadata))
    assert [labels for labels, _ in decoded.series] == [labels for labels, _ in series]
    assert [_bits(samples) for _, samples in decoded.series] == [
        _bits(samples) for _, samples in series
    ]
    assert decoded.metadata == metadata
    assert (decoded.exemplars, decoded.histograms) == (0, 0)


@given(SERIES, METADATA)
def test_protobuf_reads_ours(
    series: list[tuple[Labels, Samples]], metadata: list[Metadata]
) -> None:
    message = WriteRequestProto.FromString(_encode(series, metadata))
    assert [
        tuple((label.name, label.value) for label in one.labels) for one in message.timeseries
    ] == [labels for labels, _ in series]
    assert [
        _bits([(sample.timestamp, sample.value) for sample in one.samples])
        for one in message.timeseries
    ] == [_bits(samples) for _, samples in series]
    assert [
        (METADATA_TYPES[one.type], one.metric_family_name, one.help, one.unit)
        for one in message.metadata
    ] == metadata


@given(SERIES, METADATA, st.integers(0, 3))
def test_we_read_protobufs(
    series: list[tuple[Labels, Samples]], metadata: list[Metadata], extras: int
) -> None:
    message = WriteRequestProto()
    for labels, samples in series:
        one = message.timeseries.add(exemplars=[b"\x08\x01"] * extras, histograms=[b""] * extras)
        for name, value in labels:
            one.labels.add(name=name, value=value)
        for timestamp, number in samples:
            one.samples.add(value=number, timestamp=timestamp)
    for entry in metadata:
        message.metadata.add(
            type=METADATA_TYPES.index(entry.type),
            metric_family_name=entry.name,
            help=entry.help,
            unit=entry.unit,
        )
    decoded = decode_request(message.SerializeToString())
    assert [(labels, _bits(samples)) for labels, samples in decoded.series] == [
        (labels, _bits(samples)) for labels, samples in series
    ]
    assert decoded.metadata == metadata
    assert (decoded.exemplars, decoded.histograms) == (extras * len(series),) * 2


@given(st.binary(max_size=80))
def test_what_we_accept_protobuf_accepts(message: bytes) -> None:
    try:
        decode_request(message)
    except InvalidWriteRequest as error:
        assert "at byte" in str(error)
        return
    WriteRequestProto.FromString(message)


@given(SERIES.filter(bool), st.data())
def test_a_flipped_byte_is_never_read_where_protobuf_refuses(
    series: list[tuple[Labels, Samples]], draw: st.DataObject
) -> None:
    message = bytearray(_encode(series, []))
    message[draw.draw(st.integers(0, len(message) - 1))] ^= draw.draw(st.integers(1, 255))
    try:
        WriteRequestProto.FromString(bytes(message))
    except DecodeError:
        with pytest.raises(InvalidWriteRequest):
            decode_request(bytes(message))


def test_the_bytes_of_one_sample() -> None:
    # TimeSeries (field 1): Label (1) "__name__"="up"; Sample (2): double 1.0, timestamp 300 ms,
    # which is 0b10_0101100 = ac 02 as a varint. Label: 2+8 + 2+2 = 14; Sample: 1+8 + 1+2 = 12;
    # TimeSeries: 2+14 + 2+12 = 30.
    message = _encode([((("__name__", "up"),), [(300, 1.0)])], [])
    assert message == (
        b"\x0a\x1e"
        b"\x0a\x0e\x0a\x08__name__\x12\x02up"
        b"\x12\x0c\x09\x00\x00\x00\x00\x00\x00\xf0\x3f\x10\xac\x02"
    )


def test_the_staleness_marker_keeps_its_bits() -> None:
    stale = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]
    ((_, samples),) = decode_request(_encode([((), [(1, stale)])], [])).series
    assert math.isnan(samples[0][1])
    assert struct.pack("<d", samples[0][1]) == struct.pack("<Q", 0x7FF0000000000002)


def test_unknown_fields_are_skipped() -> None:
    unknown = b"\x3a\x02xy" + b"\x40\x05" + b"\x49" + bytes(8) + b"\x55" + bytes(4)
    assert decode_request(unknown) == ([], [], 0, 0)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"\x0a", "at byte 1: a varint is cut short"),
        (b"\x0a\x05abc", "at byte 0: field 1 needs 5 bytes and 3 are left"),
        (b"\x08\x01", "at byte 0: wire type 0 where 2 is due"),
        (b"\x0b", "at byte 0: wire type 3"),
        (b"\x02\x00", "at byte 0: field 0"),
        (b"\x40" + b"\xff" * 10 + b"\x01", "at byte 1: a varint is longer than 64 bits"),
        (b"\x40" + b"\xff" * 9 + b"\x02", "at byte 1: a varint is longer than 64 bits"),
        (b"\x0a\x05\x0a\x03\x0a\x01\xff", "at byte 6: text is not UTF-8"),
        (b"\x0a\x04\x12\x02\x08\x01", "at byte 4: wire type 0 where 1 is due"),
        (b"\x0a\x05\x12\x03\x12\x01x", "at byte 4: wire type 2 where 0 is due"),
        (b"\x0a\x02\x18\x01", "at byte 2: wire type 0 where 2 is due"),
        (b"\x0a\x03\x0a\x05a", "at byte 2: field 1 needs 5 bytes and 1 are left"),
    ],
)
def test_refusals_name_the_byte(message: bytes, reason: str) -> None:
    with pytest.raises(InvalidWriteRequest, match=reason):
        decode_request(message)


@given(st.integers(0, 2**64 - 1))
def test_varint_is_protobufs(number: int) -> None:
    signed = number - 2**64 if number >> 63 else number
    message = WriteRequestProto()
    message.timeseries.add().samples.add(timestamp=signed)
    sample = message.timeseries[0].samples[0].SerializeToString()
    assert sample == (b"\x10" + varint(number) if number else b"")
