"""Arrays and labels as bytes and back: nothing may change by a single bit."""

import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidecast.samples import codec, value_codec
from tidecast.samples.batch import STALE_NAN
from tidecast.samples.label_table import encode_label_table, read_label_table
from tidecast.samples.pages import PAGE_NUMBERS

from . import support


@given(support.values)
def test_values_come_back_bit_for_bit(values):
    decoded = value_codec.decode_values(value_codec.encode_values(values), len(values))
    assert decoded.view(np.uint64).tolist() == values.view(np.uint64).tolist()


@given(st.lists(support.values, min_size=1, max_size=4))
def test_many_series_are_encoded_as_each_alone(series):
    offsets = np.cumsum([0, *map(len, series)])
    assert value_codec.encode_many(np.concatenate(series), offsets) == [
        value_codec.encode_values(values) for values in series
    ]


LONG = 2 * PAGE_NUMBERS + 300
KINDS = {
    "counter": np.arange(LONG) * 3.0,
    "two decimals": np.random.default_rng(2).integers(0, 9999, LONG) / 100,
    "floats": np.random.default_rng(3).random(LONG),
    "stale now and then": np.where(np.arange(LONG) % 700 == 5, STALE_NAN, np.arange(LONG)),
    "noise": np.random.default_rng(4).integers(0, 2**63, LONG).view(np.float64),
    "constant": np.full(LONG, np.pi),
}


@pytest.mark.parametrize("kind", KINDS)
@given(st.data())
def test_any_part_of_the_values_can_be_read(kind, data):
    count = data.draw(st.integers(1, LONG))
    low = data.draw(st.integers(0, count - 1))
    high = data.draw(st.integers(low + 1, count))
    values = KINDS[kind][:count]
    blob, expected = value_codec.encode_values(values), values[low:high].view(np.uint64).tolist()
    found = value_codec.decode_values(blob, count, slice(low, high))
    reading = value_codec.Reading(high - low)
    assert reading.read(blob, [(0, len(blob), zlib.crc32(blob), count, low, high - low, 0)])
    read = reading.values().view(np.uint64)
    assert found.view(np.uint64).tolist() == read.tolist() == expected


@given(st.lists(st.tuples(st.sampled_from(sorted(KINDS)), st.integers(1, 1500)), max_size=6))
@settings(deadline=None)
def test_series_of_all_kinds_are_read_together(chosen):
    parts = [KINDS[kind][:count] for kind, count in chosen]
    blobs = [value_codec.encode_values(values) for values in parts]
    ends = np.cumsum([0, *map(len, parts)]).tolist()
    begins = np.cumsum([0, *map(len, blobs)]).tolist()
    reading = value_codec.Reading(ends[-1])
    data = b"".join(blobs)
    for i in reversed(range(len(parts))):
        crc, count = zlib.crc32(blobs[i]), len(parts[i])
        assert reading.read(data, [(begins[i], len(blobs[i]), crc, count, 0, count, ends[i])])
    expected = np.concatenate([np.empty(0), *parts])
    assert reading.values().view(np.uint64).tolist() == expected.view(np.uint64).tolist()


def test_damaged_values_are_told():
    blob = value_codec.encode_values(KINDS["counter"])
    reading = value_codec.Reading(LONG)
    assert not reading.read(blob, [(0, len(blob), zlib.crc32(blob) ^ 1, LONG, 0, LONG, 0)])


@given(st.integers(1, LONG), st.integers(-5, LONG + 5), st.integers(-5, LONG + 5))
def test_any_part_of_the_timestamps_can_be_read(count, start, end):
    times = np.arange(count) * 10 + 3
    blob = value_codec.encode_timestamps(times)
    before, found = value_codec.decode_times_within(blob, count, start * 10, end * 10)
    inside = [time for time in times.tolist() if start * 10 <= time <= end * 10]
    assert found.tolist() == inside
    if inside:
        assert times[before] == inside[0]


@given(st.lists(st.integers(-(2**62), 2**62), min_size=1, max_size=300))
def test_timestamps_come_back(timestamps):
    array = np.array(timestamps, dtype=np.int64)
    assert (
        value_codec.decode_timestamps(value_codec.encode_timestamps(array), len(array)).tolist()
        == timestamps
    )


@pytest.mark.parametrize(
    ("values", "most_bytes"),
    [
        # One value, however often: form, count, bits = 1 + 4 + 8.
        (np.full(480, 1.5), 13),
        # A counter that grows by one: a few bytes of pcodec's own headers.
        (np.arange(480.0), 80),
        # Two decimals of 0.00 to 99.99 carry log2(10,000) = 13.3 bits, 797 bytes in 480.
        (np.random.default_rng(1).integers(0, 10_000, 480) / 100, 900),
        # A staleness marker stands apart and leaves the rest as small as it was.
        (np.append(np.arange(479.0), STALE_NAN), 100),
    ],
    ids=["constant", "counter", "two decimals", "stale at the end"],
)
def test_values_take_little_room(values, most_bytes):
    assert len(value_codec.encode_values(values)) <= most_bytes


@given(st.lists(support.series, max_size=20))
def test_label_sets_come_back(sets):
    assert codec.decode_label_sets(codec.encode_label_sets(sets)) == sets


@given(st.lists(support.series, max_size=20))
def test_label_tables_come_back(sets):
    table = read_label_table(memoryview(encode_label_table(sets)))
    assert table.labels(np.arange(len(table))) == sets
    for name in ("host", "absent"):
        expected = {value for labels in sets for key, value in labels if key == name}
        assert table.texts(np.arange(len(table)), name) == expected


@given(st.lists(st.binary(max_size=20), max_size=8))
def test_sections_come_back(sections):
    assert codec.unpack_sections(codec.pack_sections(sections)) == sections
