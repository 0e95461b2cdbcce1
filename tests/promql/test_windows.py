"""Windows are found whichever way leads to them; quantiles of rows are those of segments."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tidecast.promql import lines
from tidecast.promql.fetch import windows_of
from tidecast.promql.segments import row_quantiles, segment_quantiles, segment_sums
from tidecast.samples.batch import SampleBatch
from tidecast.samples.columns import find, shared_columns

TIMES = st.lists(st.integers(0, 200), max_size=12, unique=True).map(sorted)


@given(
    st.lists(TIMES, min_size=1, max_size=6)
    | st.tuples(TIMES, st.integers(1, 5)).map(lambda pair: [pair[0]] * pair[1]),
    st.lists(st.integers(-10, 210), max_size=4),
    st.sampled_from([1, 20]),
)
@settings(deadline=None)
def test_places_are_found_as_by_hand(columns: list[list[int]], at: list[int], times: int) -> None:
    at = at * times  # many times are looked up in another way
    offsets = np.cumsum([0, *(len(column) for column in columns)])
    timestamps = np.array([each for column in columns for each in column], dtype=np.int64)
    found = find(offsets, timestamps, np.array(at, dtype=np.int64))
    expected = [
        [low + sum(each <= moment for each in column) for moment in at]
        for low, column in zip(offsets.tolist(), columns, strict=False)
    ]
    assert found.tolist() == expected


@given(
    st.integers(1, 6),
    st.integers(1, 6),
    st.lists(st.floats(-0.1, 1.1) | st.just(float("nan")), min_size=6, max_size=6),
    st.data(),
)
@settings(deadline=None)
def test_quantiles_of_rows(rows: int, width: int, wanted: list[float], data: st.DataObject) -> None:
    numbers = st.floats(allow_nan=False, allow_infinity=False, width=32)
    values = data.draw(st.lists(numbers, min_size=rows * width, max_size=rows * width))
    table = np.array(values).reshape(rows, width)
    quantiles = np.array(wanted[:rows])
    ids = np.repeat(np.arange(rows), width)
    np.testing.assert_array_equal(
        row_quantiles(table, quantiles), segment_quantiles(table.ravel(), ids, quantiles)
    )


@given(st.integers(0, 40), st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_sums_of_segments_are_exact_whichever_way_they_are_made(gap: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    ids = np.sort(random.integers(0, 5 + gap, 60))
    values = random.choice([1.0, -1.0, 2.0**80, -(2.0**80), 3.0], (60, 900))
    wide = segment_sums(values, ids, 50)
    narrow = np.stack([segment_sums(column, ids, 50) for column in values[:, :3].T], axis=1)
    np.testing.assert_array_equal(wide[:, :3], narrow)
    due = [math.fsum(values[ids == each, 0]) for each in range(50)]
    np.testing.assert_allclose(wide[:, 0], due, rtol=1e-12)


def test_series_that_only_look_alike_keep_their_own_columns() -> None:
    column = np.arange(0, 2_000, 10)
    other = column.copy()
    other[7] += 1  # between the places that are looked at first
    offsets = np.arange(4) * len(column)
    shared = shared_columns(offsets, np.concatenate((column, other, column)))
    assert shared.of[0] == shared.of[2] != shared.of[1]
    assert shared.example[shared.of].tolist() == [0, 1, 0]


@given(
    st.lists(st.lists(st.integers(-1000, 1000), min_size=0, max_size=40), min_size=1, max_size=4),
    st.integers(1, 300),
)
def test_lines_through_many_windows_are_those_through_each(
    series: list[list[int]], length_ms: int
) -> None:
    offsets = np.cumsum([0, *(len(values) for values in series)])
    times = [i * 10 for values in series for i in range(len(values))]
    batch = SampleBatch(
        [(("i", str(i)),) for i in range(len(series))],
        offsets,
        np.array(times, dtype=np.int64),
        np.array([each / 8 for values in series for each in values], dtype=np.float64),
    )
    ends = np.arange(1, 400, 9)
    named = np.zeros(len(series), bool)
    windows = windows_of(batch, named, ends - length_ms, ends, lambda: None)
    enough = windows.counts >= 2
    around = np.broadcast_to(ends.astype(float), enough.shape)
    with np.errstate(all="ignore"):
        for many, each in zip(
            lines._centred(windows, around), lines._summed(windows, around), strict=True
        ):
            np.testing.assert_allclose(many[enough], each[enough], rtol=1e-9, atol=1e-9)
