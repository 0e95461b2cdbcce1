"""Remote-write bodies: what an independent encoder writes is read back, and nonsense is refused."""

import cramjam
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidecast.samples import protobuf
from tidecast.samples.batch import STALE_NAN_BITS
from tidecast.samples.protocol import MetricMetadata
from tidecast.samples.remote_write import (
    BodyTooLarge,
    decode_body,
    decode_message,
    decode_quickly,
    decode_strictly,
)
from tidecast_collector.errors import InvalidInput
from tidecast_collector.labels import make_labels

from . import support
from .remote_write_messages import field, label, sample, series
from .support import batch_of, content, labels_of


def about(name, kind, help_text, unit):
    texts = field(2, name.encode()) + field(4, help_text.encode()) + field(5, unit.encode())
    return field(3, (field(1, kind) if kind else b"") + texts)


timestamps = st.one_of(
    st.integers(0, 2**42),
    st.integers(1_500_000_000_000, 2_000_000_000_000),
    st.integers(-(2**63), 2**63 - 1),
)
points = st.lists(st.tuples(timestamps, support.bits), max_size=5)
requests = st.lists(st.tuples(support.series, points), max_size=5)


@given(request=requests, zeros=st.booleans())
def test_what_is_encoded_is_decoded(request, zeros):
    message = b"".join(series(labels, samples, zeros=zeros) for labels, samples in request)
    found = decode_body(bytes(cramjam.snappy.compress_raw(message)))
    decoded = [
        (labels, list(zip(times.tolist(), values.view(np.uint64).tolist(), strict=True)))
        for labels, times, values in found.batch
    ]
    assert decoded == [(labels, samples) for labels, samples in request if samples]


def test_a_known_body():
    # WriteRequest{timeseries{labels{"__name__" "up"} samples{1.0 @ 1700000000000}}}, byte by byte:
    # 1.0 is 3ff0000000000000, 1700000000000 is the varint 80 d0 95 ff bc 31.
    message = bytes.fromhex(
        "0a220a0e0a085f5f6e616d655f5f12027570121009000000000000f03f1080d095ffbc31"
    )
    found = decode_message(message)
    expected = batch_of((labels_of("up"), [1_700_000_000_000], [1.0]))
    assert content(found.batch) == content(expected)


def test_labels_are_put_in_order_and_empty_ones_left_out():
    pairs = [("zone", "x"), ("__name__", "up"), ("host", "")]
    found = decode_message(series(pairs, [(1, 0)]))
    assert list(found.batch.labels) == [make_labels(pairs)]


def test_labels_may_stand_around_the_samples():
    inside = label("__name__", "up") + sample(1, 1) + label("host", "a") + sample(2, 2)
    found = decode_message(field(1, inside))
    assert list(found.batch.labels) == [labels_of("up", host="a")]
    assert found.batch.timestamps.tolist() == [1, 2]


def test_exemplars_and_histograms_are_counted_and_their_series_left_out():
    extra = field(3, b"") + field(3, sample(1, 1)) + field(4, field(1, 7))
    found = decode_message(
        series(labels_of("a"), [(1, 1)], extra) + series(labels_of("b"), [], field(4, b""))
    )
    assert (found.exemplars, found.histograms) == (2, 2)
    assert list(found.batch.labels) == [labels_of("a")]


def test_metadata():
    message = (
        about("up", 2, "Whether the scrape worked.", "")
        + about("x_bytes_total", 1, "", "bytes")
        + about("odd", 99, "", "")
        + about("plain", 0, "ä", "")
    )
    assert decode_message(message).metadata == {
        "up": MetricMetadata("gauge", "Whether the scrape worked."),
        "x_bytes_total": MetricMetadata("counter", "", "bytes"),
        "odd": MetricMetadata("unknown", ""),
        "plain": MetricMetadata("unknown", "ä"),
    }


def test_unknown_fields_are_stepped_over():
    strange = field(7, 300) + field(8, b"text") + b"\x49" + bytes(8) + b"\x55" + bytes(4)
    found = decode_message(
        strange + field(1, label("__name__", "up") + strange + sample(1, 5) + strange) + strange
    )
    assert found.batch.timestamps.tolist() == [1]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (b"\x0a", "byte 1 .*without an end"),
        (b"\x0a\x05\x0a", "byte 0 .*reaches past"),
        (b"\x08\x01", "byte 1 .*wire type 0 instead of 2"),
        (b"\x0b", "byte 0 .*wire type 3"),
        (b"\x00\x00", "byte 0 .*field number 0"),
        (b"\x80" * 11, "byte 0 .*without an end"),
        (b"\x3a" + b"\xff" * 9 + b"\x7f", "byte 1 .*more than 64 bits"),
        (field(1, b"\x0a\x7f"), "byte 2 .*reaches past"),
        (field(1, b"\x12\x02\x09\x01"), "byte 4 .*reaches past"),
        (field(1, b"\x12\x02\x08\x01"), "byte 5 .*value has wire type 0"),
        (field(1, b"\x12\x03\x12\x01\x01"), "byte 6 .*timestamp has wire type 2"),
        (field(1, b"\x10\x01"), "byte 2 .*wire type 0 instead of 2"),
        # 1 series at byte 2, label at 2, text "\xff" at 2 + 2 + 2.
        (field(1, b"\x0a\x03\x0a\x01\xff" + sample(1, 1)), "byte 6 .*not UTF-8"),
        (field(3, b"\x12\x01\xff"), "byte 4 .*not UTF-8"),
    ],
)
def test_a_malformed_message_is_refused_with_its_place(message, expected):
    with pytest.raises(InvalidInput, match=expected):
        decode_message(message)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", "byte 0: no length"),
        (b"\xff\xff\xff\xff\xff\x01", "byte 5: no length"),
        (b"\xff\xff\xff\xff\x1f", "byte 5: no length"),
        (b"\x05", "byte 1: .*ends after its length"),
        (b"\x05\x10hell", "not a snappy block"),
        (b"\x04\x10hello", "not a snappy block"),
        (b'{"not": "snappy"}', "not a snappy block"),
    ],
)
def test_what_is_not_snappy_is_refused(body, expected):
    with pytest.raises(InvalidInput, match=expected):
        decode_body(body)


def test_a_body_is_refused_by_its_announced_size():
    with pytest.raises(BodyTooLarge, match="4294967295 bytes, at most 33554432"):
        decode_body(b"\xff\xff\xff\xff\x0f" + b"\x00" * 20)
    body = bytes(cramjam.snappy.compress_raw(series(labels_of("up"), [(1, 1)])))
    with pytest.raises(BodyTooLarge):
        decode_body(body, max_bytes=10)


def test_a_body_of_countless_empty_fields_is_refused(monkeypatch):
    monkeypatch.setattr(protobuf, "MAX_FIELDS", 1000)
    body = bytes(cramjam.snappy.compress_raw(b"\x0a\x00" * 1001))
    with pytest.raises(BodyTooLarge, match="more than 1000 fields"):
        decode_body(body)


@given(st.binary(max_size=300))
def test_noise_is_read_or_refused_and_nothing_else(noise):
    for decode in (decode_message, decode_body):
        try:
            found = decode(noise)
        except InvalidInput as error:
            assert str(error).startswith("byte ")
        else:
            assert len(found.batch.timestamps) == found.batch.offsets[-1]


@given(request=requests, data=st.data())
def test_a_damaged_message_is_read_or_refused(request, data):
    message = b"".join(series(labels, samples, field(3, b"")) for labels, samples in request)
    message += about("up", 1, "help", "unit")
    at = data.draw(st.integers(0, len(message) - 1))
    byte = data.draw(st.integers(0, 255))
    for changed in (message[:at], message[:at] + bytes([byte]) + message[at + 1 :]):
        try:
            found = decode_message(changed)
        except InvalidInput:
            continue
        assert len(found.batch.values) == len(found.batch.timestamps)
        assert len(found.batch.timestamps) <= sum(len(samples) for _, samples in request) + 20


usual_points = st.lists(
    st.tuples(st.integers(2**35, 2**42 - 1), st.sampled_from([0, 1, 1 << 63, STALE_NAN_BITS])),
    min_size=1,
    max_size=5,
)
usual_requests = st.lists(
    st.tuples(support.series | st.just(labels_of("up", host="h" * 300)), usual_points), max_size=5
)


def decoded(batch):
    return list(batch.labels), batch.offsets.tolist(), batch.timestamps.tolist(), bits_of(batch)


def bits_of(batch):
    return batch.values.view(np.uint64).tolist()


@given(usual_requests)
def test_the_quick_way_is_taken_for_the_usual_form(request):
    message = b"".join(series(labels, samples) for labels, samples in request)
    quick = decode_quickly(message)
    assert (quick is None) == (not request)
    if quick is not None:
        assert decoded(quick) == decoded(decode_strictly(message).batch)


@given(request=usual_requests, data=st.data())
def test_the_quick_way_never_differs_from_the_strict_one(request, data):
    message = bytearray(b"".join(series(labels, samples) for labels, samples in request))
    for _ in range(data.draw(st.integers(1, 3))):
        if message:
            at = data.draw(st.integers(0, len(message) - 1))
            message[at] = data.draw(st.sampled_from([0, 7, 9, 10, 16, 18, 127, 128, 255]))
    message = bytes(message)
    try:
        strict = decode_strictly(message)
    except InvalidInput:
        with pytest.raises(InvalidInput):
            decode_message(message)
    else:
        assert decoded(decode_message(message).batch) == decoded(strict.batch)


@pytest.mark.parametrize("look", [b"\x12\x07\x10", b"\x12\x10\x09", b"\x0a\x12\x07\x10"])
def test_a_value_that_looks_like_a_sample_is_a_value(look):
    now = 1_700_000_000_000
    for at in range(9 - len(look)):
        bits = int.from_bytes(bytes(at) + look + bytes(8 - at - len(look)), "little")
        message = series(labels_of("up"), [(now, bits), (now + 1, 1)])
        message += series(labels_of("up", host="a"), [(now, 2), (now, bits)])
        for cut in (message, message[:-1], message + b"\x00"):
            try:
                expected = decoded(decode_strictly(cut).batch)
            except InvalidInput:
                with pytest.raises(InvalidInput):
                    decode_message(cut)
            else:
                assert decoded(decode_message(cut).batch) == expected


def test_labels_cut_short_are_not_taken_for_known_ones():
    known = series(labels_of("up", host="a"), [(1_700_000_000_000, 1)])
    decode_message(known)
    # The second label's length reaches past its text into the sample behind it.
    chunk = label("__name__", "up") + label("host", "a")[:-1]
    message = field(1, chunk + sample(1_700_000_000_000, 1))
    for decode in (decode_message, decode_strictly):
        with pytest.raises(InvalidInput):
            decode(message)
