"""Messages read by what came before them: never otherwise than the strict decoder reads them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidecast.samples import predicted_write
from tidecast.samples.batch import STALE_NAN_BITS
from tidecast.samples.predicted_write import Predictor
from tidecast.samples.remote_write import decode_message, decode_strictly
from tidecast.samples.usual_write import decode_usual
from tidecast.samples.write_request import KNOWN_LABELS
from tidecast_collector.errors import InvalidInput

from .remote_write_messages import field, label, sample, series
from .support import labels_of

NOW_MS = 1_700_000_000_000
LOOKS_LIKE_A_SAMPLE = int.from_bytes(b"\x12\x07\x10\x80\x80\x12\x10\x09", "little")
BITS = [0, 1 << 63, STALE_NAN_BITS, 0x7FF8000000000001, 0x3FF0000000000000, LOOKS_LIKE_A_SAMPLE]

numbers = st.integers(0, 40)
counts = st.integers(1, 3)
bits = st.sampled_from(BITS) | st.integers(0, 2**64 - 1)
times = st.integers(2**35, 2**42 - 1)


def named(number):
    """Labels of a length that depends on the number: with it changes the length's length."""
    return labels_of("up", host="h" * (number * 7 % 120), number=str(number))


@st.composite
def messages(draw, order):
    """A message with these series, in this order."""
    points = st.lists(st.tuples(times, bits), min_size=1, max_size=draw(counts))
    return b"".join(series(named(number), draw(points)) for number in order)


@st.composite
def streams(draw):
    """Messages that bring the same series, with borders that drift and a few changes."""
    order = draw(st.lists(numbers, min_size=1, max_size=8, unique=True))
    found = []
    for _ in range(draw(st.integers(2, 4))):
        change = draw(st.sampled_from(["none", "rotated", "swapped", "more", "fewer"]))
        if change == "rotated":
            shift = draw(st.integers(0, len(order)))
            order = order[shift:] + order[:shift]
        elif change == "swapped":
            order = draw(st.permutations(order))
        elif change == "more":
            order.insert(draw(st.integers(0, len(order))), draw(numbers))
        elif len(order) > 1 and change == "fewer":
            order.pop(draw(st.integers(0, len(order) - 1)))
        found.append(draw(messages(order)))
    return found


def read(batch):
    """Labels, offsets, times and value bits: all that a batch is."""
    bits = batch.values.view(np.uint64).tolist()
    return list(batch.labels), batch.offsets.tolist(), batch.timestamps.tolist(), bits


def strictly(message):
    """The same as the strict decoder has it, None where it refuses."""
    try:
        return read(decode_strictly(message).batch)
    except InvalidInput:
        return None


def learnt(*known):
    """A predictor that has read these messages."""
    predictor = Predictor(KNOWN_LABELS.of)
    for message in known:
        learn(predictor, message)
    return predictor


def learn(predictor, message):
    """Has it remember the message, where the general quick way can read it."""
    usual = decode_usual(message)
    if usual is None:
        return
    bounds = zip(usual.labels_start.tolist(), usual.labels_end.tolist(), strict=True)
    labels = KNOWN_LABELS.of([message[start:end] for start, end in bounds], lambda i: i)
    predictor.learn(message, usual, labels)


def message_of(order, *, zero=(), count=1, at_ms=NOW_MS):
    """A message with these series, all 1.0 but those that are zero."""
    one = 0x3FF0000000000000
    return b"".join(
        series(named(n), [(at_ms + i, 0 if n in zero else one) for i in range(count)])
        for n in order
    )


@settings(deadline=None)
@given(streams())
def test_a_stream_of_messages_is_read_as_the_strict_decoder_reads_it(stream):
    predictor = learnt(stream[0])
    for message in stream:
        found = predictor.read(message)
        if found is None:
            learn(predictor, message)
        else:
            assert read(found) == strictly(message)


@settings(deadline=None)
@given(stream=streams(), data=st.data())
def test_a_changed_byte_is_read_as_the_strict_decoder_reads_it_or_not_at_all(stream, data):
    predictor = learnt(*stream)
    message = bytearray(data.draw(st.sampled_from(stream)))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(message) - 1))
        message[at] = data.draw(st.sampled_from([0, 7, 9, 10, 16, 18, 127, 128, 255]))
    found = predictor.read(bytes(message))
    assert found is None or read(found) == strictly(bytes(message))


@settings(deadline=None)
@given(stream=streams(), data=st.data())
def test_a_piece_cut_out_or_put_in_is_read_as_the_strict_decoder_reads_it(stream, data):
    predictor = learnt(*stream)
    message = data.draw(st.sampled_from(stream))
    low, high = sorted(data.draw(st.tuples(*[st.integers(0, len(message))] * 2)))
    for changed in (message[:low] + message[high:], message[:high] + message[low:]):
        found = predictor.read(changed)
        assert found is None or read(found) == strictly(changed)
        try:
            by_the_door = read(decode_message(changed).batch)
        except InvalidInput:
            by_the_door = None
        assert by_the_door == strictly(changed)


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize(
    ("order", "zero"),
    [
        (range(30), ()),
        (range(30), (0, 7, 8, 29)),
        (range(10, 30), (12,)),
        (range(20), ()),
        ([*range(15, 30), *range(15)], (3,)),
        ([*range(10), 35, *range(10, 30)], ()),
        ([*range(10), *range(11, 30)], ()),
        ([*range(30), *range(30)], ()),
    ],
)
def test_what_is_much_as_before_is_predicted(order, zero, count):
    predictor = learnt(message_of(range(30), zero=(1, 2, 3), count=count))
    message = message_of(order, zero=zero, count=count, at_ms=NOW_MS + 15_000)
    found = predictor.read(message)
    assert found is not None
    assert read(found) == strictly(message)


def test_messages_are_predicted_over_the_borders_of_those_before():
    predictor = learnt(message_of(range(20)), message_of(range(20, 40)))
    for first in (5, 12, 19):
        message = message_of([*range(first, 40), *range(first)])
        found = predictor.read(message)
        assert found is not None
        assert read(found) == strictly(message)


def test_a_message_of_another_order_is_left_to_others():
    known = list(range(40))
    predictor = learnt(message_of(known))
    assert predictor.read(message_of(known[::-1])) is None


@pytest.mark.parametrize(
    "unusual",
    [
        # A time of another length, fields in another order, something else among the samples.
        series(named(1), [(5, 1)]),
        field(1, label("__name__", "up") + field(2, field(2, NOW_MS) + b"\x09" + bytes(8))),
        field(1, label("__name__", "up") + sample(NOW_MS, 1) + field(4, b"")),
        field(1, label("__name__", "up")),
        field(1, sample(NOW_MS, 1)),
        field(1, field(1, b"\x0a\x01\xff") + sample(NOW_MS, 1)),
        field(1, b"\x0a" + bytes([200]) + sample(NOW_MS, 1)),
        field(3, b""),
        b"\x0a\xff\xff\xff\xff\x0f",
        b"\x0a",
    ],
)
def test_unusual_series_are_left_to_the_strict_decoder(unusual):
    known = message_of(range(10))
    predictor = learnt(known)
    for message in (unusual, known + unusual, unusual + known):
        assert predictor.read(message) is None


def test_no_more_is_remembered_than_there_is_room_for(monkeypatch):
    most = 2 * learnt(message_of(range(10))).remembered_bytes - 1
    monkeypatch.setattr(predicted_write, "MAX_BYTES", most)
    first, second = message_of(range(10)), message_of(range(10, 20))
    predictor = learnt(first, second)
    assert predictor.read(first) is not None or predictor.read(second) is not None
    assert predictor.remembered_bytes <= most


def test_what_is_superseded_is_forgotten():
    predictor = learnt(message_of(range(10)))
    size = predictor.remembered_bytes
    for i in range(5):
        learn(predictor, message_of(range(10), at_ms=NOW_MS + i))
    assert predictor.remembered_bytes == size
