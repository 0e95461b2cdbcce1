"""Windows are found whichever way leads to them; quantiles of rows are those of segments."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tidecast.promql.segments import row_quantiles, segment_quantiles
from tidecast.promql.windows import find

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
