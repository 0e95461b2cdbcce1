"""The quick way through 2.0 messages: taken for the usual form, never otherwise than strictly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidecast.samples import known_symbols
from tidecast.samples.batch import STALE_NAN_BITS
from tidecast.samples.known_labels import KnownLabels
from tidecast.samples.known_symbols import KnownSymbols
from tidecast.samples.protocol import MetricMetadata
from tidecast.samples.remote_write_2 import (
    decode_message_2,
    decode_quickly_2,
    decode_strictly_2,
)
from tidecast.samples.write_request import KNOWN_LABELS
from tidecast_collector.errors import InvalidInput

from . import support
from .remote_write_messages import field, sample
from .support import labels_of
from .test_remote_write_2 import Symbols, about, series

NOW_MS = 1_700_000_000_000

bits = st.sampled_from([0, 1, 1 << 63, STALE_NAN_BITS, 0x7FF8000000000001]) | st.integers(
    0, 2**64 - 1
)
points = st.lists(st.tuples(st.integers(2**35, 2**42 - 1), bits), min_size=1, max_size=4)
told = st.none() | st.tuples(st.integers(1, 5), st.sampled_from(["", "Help."]), st.just("s"))
requests = st.lists(st.tuples(support.series, points, told), min_size=1, max_size=6)


def encoded(request, *, spare=0):
    """The request as a message; `spare` symbols make references longer."""
    symbols = Symbols()
    for i in range(spare):
        symbols.ref(f"spare {i}")
    body = b"".join(
        series(symbols, labels, samples, about(symbols, *kind) if kind else b"")
        for labels, samples, kind in request
    )
    return symbols.encoded() + body


def read(found):
    batch = found.batch
    values = batch.values.view(np.uint64).tolist()
    return (
        list(batch.labels),
        batch.offsets.tolist(),
        batch.timestamps.tolist(),
        values,
        found.metadata,
        found.exemplars,
        found.histograms,
    )


def strictly(message):
    try:
        return read(decode_strictly_2(message))
    except InvalidInput:
        return None


@settings(deadline=None)
@given(request=requests, spare=st.sampled_from([0, 130]))
def test_the_usual_form_is_read_quickly(request, spare):
    message = encoded(request, spare=spare)
    for _ in range(2):
        quick = decode_quickly_2(message)
        assert quick is not None
        assert read(quick) == strictly(message)


@settings(deadline=None)
@given(request=requests, data=st.data())
def test_a_changed_byte_is_read_as_the_strict_decoder_reads_it(request, data):
    message = bytearray(encoded(request))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(message) - 1))
        message[at] = data.draw(st.sampled_from([0, 1, 2, 7, 9, 10, 16, 18, 34, 42, 127, 128, 255]))
    message = bytes(message)
    quick = decode_quickly_2(message)
    assert quick is None or read(quick) == strictly(message)
    try:
        by_the_door = read(decode_message_2(message))
    except InvalidInput:
        by_the_door = None
    assert by_the_door == strictly(message)


@settings(deadline=None)
@given(request=requests, data=st.data())
def test_a_piece_cut_out_is_read_as_the_strict_decoder_reads_it(request, data):
    message = encoded(request)
    low, high = sorted(data.draw(st.tuples(*[st.integers(0, len(message))] * 2)))
    for changed in (message[:low] + message[high:], message[:high] + message[low:]):
        quick = decode_quickly_2(changed)
        assert quick is None or read(quick) == strictly(changed)


def test_references_of_three_bytes_and_symbols_behind_series():
    message = encoded([(labels_of("up", host="far"), [(NOW_MS, 1)], None)], spare=17_000)
    quick = decode_quickly_2(message)
    assert quick is not None
    assert read(quick) == strictly(message)
    assert decode_quickly_2(message + field(4, b"late")) is None


def test_references_that_look_like_a_sample_are_references():
    symbols = Symbols()
    for i in range(30):
        symbols.ref(f"s{i}")
    names = list(symbols.refs)
    # References 18, 7, 16, 9: the tag of a sample, its length, the tag of its time.
    labels = (("__name__", "up"), (names[18], names[7]), (names[16], names[9]))
    message = series(symbols, labels, [(NOW_MS, 1)]) + series(symbols, labels, [(NOW_MS, 0)])
    message = symbols.encoded() + message
    quick = decode_quickly_2(message)
    assert quick is not None
    assert read(quick) == strictly(message)


def test_of_what_series_say_of_one_metric_the_last_counts():
    symbols = Symbols()
    first, second = (about(symbols, 1, text, "") for text in ("First.", "Second."))
    parts = [
        series(symbols, labels_of("up", host=str(i)), [(NOW_MS, 1)], kind)
        for i, kind in enumerate([first, second, first, b""])
    ]
    found = decode_quickly_2(symbols.encoded() + b"".join(parts))
    assert found is not None
    assert found.metadata == {"up": MetricMetadata("counter", "First.")}


@pytest.mark.parametrize(
    "unusual",
    [
        field(5, field(1, b"\x01\x02") + sample(5, 1)),
        field(5, field(1, b"\x01\x02\x01") + sample(NOW_MS, 1)),
        field(5, field(1, b"\x01\x63") + sample(NOW_MS, 1)),
        field(5, sample(NOW_MS, 1)),
        field(5, field(1, b"\x01\x02") + sample(NOW_MS, 1) + field(3, b"")),
    ],
)
def test_unusual_series_are_left_to_the_strict_decoder(unusual):
    symbols = Symbols()
    usual = series(symbols, labels_of("up"), [(NOW_MS, 1)])
    assert decode_quickly_2(symbols.encoded() + usual) is not None
    for message in (usual + unusual, unusual + usual, unusual):
        assert decode_quickly_2(symbols.encoded() + message) is None


def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr(known_symbols, "SPARE_BYTES", 2000)
    monkeypatch.setattr(known_symbols, "MAX_REQUESTS_BYTES", 0)
    known = KnownSymbols(KnownLabels())
    for i in range(100):
        text = str(i % 10).encode()
        spelt = b"\x0a\x0d\x0a\x08__name__\x12\x01" + text
        labels = known.of(
            [b"", b"__name__", text], np.array([1, 2]), np.array([0, 2]), lambda _, s=spelt: s
        )
        assert list(labels) == [labels_of(str(i % 10))]
        assert known.size_bytes <= 2000 + 600


def test_whole_requests_are_remembered_within_bounds(monkeypatch):
    monkeypatch.setattr(known_symbols, "MAX_REQUESTS_BYTES", 1500)
    known = KnownSymbols(KNOWN_LABELS)
    spelt = b"\x0a\x0d\x0a\x08__name__\x12\x01x"
    for count in (1, 2, 3, 2, 20, 1):
        refs, offsets = np.array([1, 2] * count), 2 * np.arange(count + 1)
        labels = known.of([b"", b"__name__", b"x"], refs, offsets, lambda _: spelt)
        assert list(labels) == [labels_of("x")] * count
    assert known._memory.requests_bytes <= 1500
