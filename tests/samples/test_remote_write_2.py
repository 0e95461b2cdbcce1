"""Remote-write 2.0 bodies: what an independent encoder writes is read back, nonsense refused."""

import cramjam
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidecast.samples import remote_write_2
from tidecast.samples.protocol import MetricMetadata
from tidecast.samples.remote_write import VERSION_2, BodyTooLarge, decode_body
from tidecast.samples.remote_write_2 import decode_message_2
from tidecast_collector.errors import InvalidInput

from . import support
from .remote_write_messages import field, sample, varint
from .support import batch_of, content, labels_of
from .test_remote_write import points


class Symbols:
    """The table that a sender fills while it encodes."""

    def __init__(self):
        self.refs = {"": 0}

    def ref(self, text):
        return self.refs.setdefault(text, len(self.refs))

    def encoded(self):
        return b"".join(field(4, text.encode()) for text in self.refs)


def series(symbols, labels, samples, extra=b""):
    refs = b"".join(varint(symbols.ref(text)) for pair in labels for text in pair)
    return field(5, field(1, refs) + b"".join(sample(at, bits) for at, bits in samples) + extra)


def about(symbols, kind, help_text, unit):
    refs = field(3, symbols.ref(help_text)) + field(4, symbols.ref(unit))
    return field(5, field(1, kind) + refs)


requests = st.lists(st.tuples(support.series, points), max_size=5)


@given(request=requests, symbols_last=st.booleans(), encoding=st.sampled_from(["snappy", "zstd"]))
def test_what_is_encoded_is_decoded(request, symbols_last, encoding):
    symbols = Symbols()
    encoded = b"".join(series(symbols, labels, samples) for labels, samples in request)
    message = encoded + symbols.encoded() if symbols_last else symbols.encoded() + encoded
    pack = cramjam.snappy.compress_raw if encoding == "snappy" else cramjam.zstd.compress
    found = decode_body(bytes(pack(message)), encoding=encoding, proto=VERSION_2)
    decoded = [
        (labels, list(zip(times.tolist(), values.view(np.uint64).tolist(), strict=True)))
        for labels, times, values in found.batch
    ]
    assert decoded == [(labels, samples) for labels, samples in request if samples]


def test_a_known_body():
    # symbols "", "__name__", "up"; timeseries{labels_refs 1, 2; samples{1.0 @ 1700000000000}}:
    # 1.0 is 3ff0000000000000, 1700000000000 is the varint 80 d0 95 ff bc 31.
    message = bytes.fromhex(
        "2200" "22085f5f6e616d655f5f" "22027570"
        "2a16" "0a020102" "1210" "09000000000000f03f" "1080d095ffbc31"
    )  # fmt: skip
    expected = batch_of((labels_of("up"), [1_700_000_000_000], [1.0]))
    assert content(decode_message_2(message).batch) == content(expected)


def test_metadata_comes_with_its_series():
    symbols = Symbols()
    plain = series(symbols, labels_of("a"), [(1, 1)])
    told = series(symbols, labels_of("b_bytes"), [(1, 1)], about(symbols, 1, "Bytes.", "bytes"))
    odd = series(symbols, labels_of("c"), [(1, 1)], about(symbols, 99, "?", ""))
    found = decode_message_2(symbols.encoded() + plain + told + odd)
    assert found.metadata == {
        "b_bytes": MetricMetadata("counter", "Bytes.", "bytes"),
        "c": MetricMetadata("unknown", "?"),
    }


def test_histograms_and_exemplars_are_counted_start_timestamps_passed_over():
    symbols = Symbols()
    start_timestamp = field(2, field(2, 7) + field(3, 5)) + field(6, 5)
    message = series(symbols, labels_of("a"), [(1, 1)], field(4, b"") + start_timestamp)
    message += series(symbols, labels_of("b"), [], field(3, b""))
    found = decode_message_2(symbols.encoded() + message)
    assert (found.exemplars, found.histograms) == (1, 1)
    assert list(found.batch.labels) == [labels_of("a")]
    assert found.batch.timestamps.tolist() == [1, 7]


def test_references_need_not_be_packed_and_may_be_large():
    symbols = Symbols()
    for i in range(300):
        symbols.ref(str(i))
    name, value = symbols.ref("__name__"), symbols.ref("up")
    message = field(5, field(1, name) + field(1, value) + sample(1, 1))
    message += series(symbols, labels_of("x"), [(2, 2)])
    found = decode_message_2(symbols.encoded() + message)
    assert list(found.batch.labels) == [labels_of("up"), labels_of("x")]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (field(4, b"x"), "byte 2 .*first symbol is not empty"),
        (field(5, field(1, b"\x01\x02")), "byte 4 .*symbol 1 is referred to, there are 0"),
        (field(4, b"") + field(5, field(1, b"\x00")), "byte 6 .*a label name without a value"),
        (field(5, b"\x12\x02\x09\x01"), "byte 4 .*reaches past"),
        (field(5, b"\x10\x01"), "byte 3 .*wire type 0 instead of 2"),
        (b"\x28\x01", "byte 1 .*wire type 0 instead of 2"),
        (field(5, field(1, b"\x01" * 70_000)), "more than 65536 bytes of label references"),
    ],
)
def test_a_malformed_message_is_refused_with_its_place(message, expected):
    with pytest.raises(InvalidInput, match=expected):
        decode_message_2(message)


def test_long_symbols_referred_to_often_are_refused(monkeypatch):
    monkeypatch.setattr(remote_write_2, "MAX_LABEL_BYTES", 5000)
    symbols = Symbols()
    message = b"".join(
        series(symbols, (("__name__", "x" * 400), ("n", str(i))), [(1, 1)]) for i in range(20)
    )
    with pytest.raises(BodyTooLarge, match="more than 5000 bytes"):
        decode_message_2(symbols.encoded() + message)


@given(st.binary(max_size=300))
def test_noise_is_read_or_refused_and_nothing_else(noise):
    try:
        found = decode_message_2(noise)
    except InvalidInput as error:
        assert str(error).startswith("byte ")
    else:
        assert len(found.batch.timestamps) == found.batch.offsets[-1]


@given(request=requests, data=st.data())
def test_a_damaged_message_is_read_or_refused(request, data):
    symbols = Symbols()
    encoded = b"".join(series(symbols, labels, samples) for labels, samples in request)
    message = symbols.encoded() + encoded
    at = data.draw(st.integers(0, len(message) - 1))
    byte = data.draw(st.integers(0, 255))
    for changed in (message[:at], message[:at] + bytes([byte]) + message[at + 1 :]):
        try:
            found = decode_message_2(changed)
        except InvalidInput:
            continue
        assert len(found.batch.values) == len(found.batch.timestamps)


def test_zstd_within_its_limit():
    message = Symbols().encoded() + bytes(field(7, bytes(5000)))
    body = bytes(cramjam.zstd.compress(message))
    assert len(decode_body(body, len(message), encoding="zstd", proto=VERSION_2).batch) == 0
    with pytest.raises(BodyTooLarge, match="more than the"):
        decode_body(body, len(message) - 1, encoding="zstd", proto=VERSION_2)
    for broken in (body[:-2], body + b"x", b"", b"snappy"):
        with pytest.raises(InvalidInput, match="byte 0: not a"):
            decode_body(broken, encoding="zstd", proto=VERSION_2)
