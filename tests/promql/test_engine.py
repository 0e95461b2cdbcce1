"""The engine's doors: results, limits, time-outs, and one selection for each selector."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from math import fsum

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidecast.promql.engine import Engine
from tidecast.promql.errors import InvalidRange, ParseError, QueryError, QueryTimeout
from tidecast.promql.result import Matrix, Scalar, String, Vector
from tidecast.promql.segments import segment_sums
from tidecast.promql.settings import QueryLimits, QueryOptions
from tidecast.promql.windows import window_extremes, window_sums
from tidecast.samples.batch import SampleBatch
from tidecast.samples.matchers import Matchers
from tidecast.samples.memory import MemorySamples
from tidecast.samples.protocol import LimitExceeded, SelectLimits
from tidecast_collector.labels import Labels, make_labels


def samples_of(*series: tuple[str, Sequence[float]], step_ms: int = 10_000) -> MemorySamples:
    samples = MemorySamples()
    for instance, values in series:
        labels = make_labels({"__name__": "m", "i": instance})
        times = np.arange(len(values), dtype=np.int64) * step_ms
        samples.append(SampleBatch.of([(labels, times, np.array(values, float))]))
    return samples


SELECT_LIMITS = SelectLimits()


class Recording(MemorySamples):
    """Remembers what was selected."""

    def __init__(self) -> None:
        super().__init__()
        self.selected: list[tuple[int, int]] = []

    def select(
        self, matchers: Matchers, start_ms: int, end_ms: int, limits: SelectLimits = SELECT_LIMITS
    ) -> SampleBatch:
        self.selected.append((start_ms, end_ms))
        return super().select(matchers, start_ms, end_ms, limits)


def labelled(value: object) -> dict[Labels, list[float]]:
    assert isinstance(value, Matrix)
    return {labels: values.tolist() for labels, _, values in value}


def test_instant_gives_each_kind_of_result() -> None:
    engine = Engine(samples_of(("a", [1, 2, 3])))
    assert engine.instant("1 + 1", 5).value == Scalar(5, 2.0)
    assert engine.instant("'x'", 5).value == String(5, "x")
    vector = engine.instant("m", 15_000).value
    assert isinstance(vector, Vector)
    assert list(vector) == [((("__name__", "m"), ("i", "a")), 2.0)]
    matrix = engine.instant("m[15s]", 20_000).value
    assert isinstance(matrix, Matrix)
    assert [t.tolist() for _, t, _ in matrix] == [[10_000, 20_000]]


def test_range_gives_a_matrix_sorted_by_labels() -> None:
    engine = Engine(samples_of(("b", [1, 2, 3]), ("a", [4, 5, 6])))
    value = engine.range("sort_desc(m)", 0, 20_000, 10_000).value
    assert labelled(value) == {
        (("__name__", "m"), ("i", "a")): [4, 5, 6],
        (("__name__", "m"), ("i", "b")): [1, 2, 3],
    }
    assert isinstance(value, Matrix)
    assert [labels[1][1] for labels in value.labels] == ["a", "b"]


def test_many_operators_in_a_row() -> None:
    engine = Engine(samples_of(("a", [1, 2, 3])))
    count = 1_200
    for operand, value in (("m", 3.0), ("1", 1.0)):
        found = engine.instant(" + ".join([operand] * count), 20_000).value
        assert isinstance(found, Vector | Scalar)
        assert (found.value if isinstance(found, Scalar) else found.values[0]) == value * count
    # The constant side is broadcast: 3 + 3 + ... at each step.
    fixed = engine.range(" + ".join(["m @ 20"] * count), 0, 20_000, 10_000).value
    assert labelled(fixed) == {(("i", "a"),): [3_600, 3_600, 3_600]}
    joined = " or ".join(f"label_replace(m, 'i', '{n}', '', '')" for n in range(200))
    many = engine.instant(joined, 20_000).value
    assert isinstance(many, Vector)
    assert len(many.labels) == 200


def test_each_selector_is_read_once_for_all_steps_and_subqueries() -> None:
    samples = Recording()
    Engine(samples).range(
        "m + max_over_time(rate(m[2m])[10m:1m] offset 1m)", 3_600_000, 7_200_000, 60_000
    )
    assert samples.selected == [
        (3_300_001, 7_200_000),
        # Steps from 3,600 - 60 - 600 + 60 s to 7,200 - 60 s; the rate looks 2 m further back.
        (2_880_001, 7_140_000),
    ]


def test_what_is_fixed_by_at_is_read_for_one_step() -> None:
    samples = Recording()
    Engine(samples).range("sum(rate(m[1m] @ 600))", 0, 3_600_000, 60_000)
    assert samples.selected == [(540_001, 600_000)]


@pytest.mark.parametrize(
    ("start", "end", "step", "message"),
    [
        (0, 10, 0, "zero or negative query resolution step widths are not accepted"),
        (10, 0, 1, "end timestamp must not be before start time"),
        (0, 11_001, 1, "exceeded maximum resolution of 11,000 points per timeseries"),
    ],
)
def test_ranges_that_make_no_sense_are_refused(
    start: int, end: int, step: int, message: str
) -> None:
    with pytest.raises(InvalidRange, match=message):
        Engine(MemorySamples()).range("1", start, end, step)


def test_limits_are_kept() -> None:
    samples = samples_of(*((str(i), [1] * 100) for i in range(10)))
    few_series = Engine(samples, limits=QueryLimits(select=SelectLimits(series=5)))
    with pytest.raises(LimitExceeded, match="10 series"):
        few_series.instant("m", 10_000)
    few_cells = Engine(samples, limits=QueryLimits(cells=500))
    with pytest.raises(LimitExceeded, match="10 series x 100 steps"):
        few_cells.range("m", 0, 990_000, 10_000)
    with pytest.raises(LimitExceeded):
        few_cells.instant("max_over_time(vector(1)[100d:1s])", 0)


def test_labels_made_by_a_query_stay_short() -> None:
    engine = Engine(samples_of(("abc", [1])))
    query = "m"
    for _ in range(12):  # each value is ten times the one before
        query = f'label_replace({query}, "i", "{"$1" * 10}", "i", "(.*)")'
    with pytest.raises(QueryError, match="label of more than 65536 characters"):
        engine.instant(query, 0)
    sources = ", ".join(['"i"'] * 10_000)
    with pytest.raises(QueryError, match=r"label_join\(\) makes a label"):
        engine.instant(f'label_join(m, "all", ";;;;;;;;", {sources})', 0)
    assert engine.instant('label_join(m, "all", ";", "i", "no", "i")', 0).value.labels == [
        make_labels({"__name__": "m", "i": "abc", "all": "abc;;abc"})
    ]


def test_a_query_stops_when_its_time_is_up() -> None:
    clock = iter(range(100))
    engine = Engine(samples_of(("a", [1])), monotonic=lambda: float(next(clock)))
    with pytest.raises(QueryTimeout, match="timed out in query execution after 2 seconds"):
        engine.instant("sum(sum(sum(sum(m))))", 0, QueryOptions(timeout_seconds=2))


def test_long_work_within_one_function_stops_too() -> None:
    clock = iter(range(100))
    engine = Engine(samples_of(("a", [1] * 500)), monotonic=lambda: float(next(clock)))
    with pytest.raises(QueryTimeout):
        engine.instant(
            "double_exponential_smoothing(m[2h], 0.5, 0.5)",
            5_000_000,
            QueryOptions(timeout_seconds=20),
        )


def test_count_values_does_not_outgrow_memory() -> None:
    samples = samples_of(("a", range(100)))
    with pytest.raises(LimitExceeded, match="100 series x 100 steps"):
        Engine(samples, limits=QueryLimits(cells=5_000)).range(
            "count_values('v', m)", 0, 990_000, 10_000
        )


def test_samples_ages_apart_are_still_found() -> None:
    samples = MemorySamples()
    far = 1 << 52
    for row in range(4096):
        labels = make_labels({"__name__": "m", "i": str(row)})
        batch = (labels, np.array([-far, 0, far]), np.array([1.0, 2.0, 3.0]))
        samples.append(SampleBatch.of([batch]))
    value = Engine(samples).range("sum(m)", -far, far, far).value
    assert labelled(value) == {(): [4096.0, 8192.0, 12288.0]}
    with pytest.raises(InvalidRange, match="time is out of range"):
        Engine(samples).instant("m", 1 << 54)


def test_durations_that_depend_on_the_query_are_checked_when_it_runs() -> None:
    engine = Engine(samples_of(("a", [1, 2, 3])))
    with pytest.raises(ParseError, match="1:15: parse error: duration must be greater than 0"):
        engine.instant("sum_over_time(m[step()])", 20_000)
    value = engine.range("sum_over_time(m[range()])", 0, 20_000, 20_000).value
    assert labelled(value) == {(("i", "a"),): [1, 5]}
    with pytest.raises(ParseError, match="1:6: parse error: division by zero"):
        engine.instant("m[5m / 0]", 0)


FLOATS = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e15, max_value=1e15)
VALUES = st.lists(FLOATS, min_size=1, max_size=40)


@given(VALUES, st.data())
@settings(deadline=None)
def test_window_sums_are_as_good_as_exact(values: list[float], data: st.DataObject) -> None:
    bounds = st.integers(0, len(values))
    pairs = data.draw(st.lists(st.tuples(bounds, bounds).map(sorted), min_size=1, max_size=10))
    first, last = np.array(pairs).T
    offsets = np.array([0, len(values)])
    found = window_sums(np.array(values), offsets, first[None], last[None], lambda: None)[0]
    for (low, high), total in zip(pairs, found.tolist(), strict=True):
        exact = fsum(values[low:high])
        scale = max(map(abs, values[low:high]), default=0.0)
        assert abs(total - exact) <= 1e-15 * abs(exact) + 1e-29 * scale * 40


@given(VALUES, st.data())
@settings(deadline=None)
def test_window_extremes_are_those_of_a_plain_loop(
    values: list[float], data: st.DataObject
) -> None:
    bounds = st.integers(0, len(values))
    pairs = data.draw(st.lists(st.tuples(bounds, bounds).map(sorted), min_size=1, max_size=10))
    first, last = np.array(pairs).T
    found = window_extremes(np.array(values), first, last, np.fmax)
    for (low, high), most in zip(pairs, found.tolist(), strict=True):
        assert most == max(values[low:high]) if high > low else most != most


@given(VALUES, st.lists(st.integers(0, 50), min_size=2, max_size=10))
@settings(deadline=None)
def test_extremes_of_one_window_of_each_series_are_those_of_a_plain_loop(
    values: list[float], borders: list[int]
) -> None:
    borders = sorted(min(each, len(values)) for each in borders)
    first, last = np.array(borders[::2][: len(borders) // 2]), np.array(borders[1::2])
    found = window_extremes(np.array(values), first[:, None], last[:, None], np.fmin)
    for low, high, least in zip(first, last, found[:, 0].tolist(), strict=True):
        assert least == min(values[low:high]) if high > low else least != least


@given(st.lists(st.lists(FLOATS, max_size=9), min_size=1, max_size=6))
@settings(deadline=None)
def test_segment_sums_are_as_good_as_exact(segments: list[list[float]]) -> None:
    ids = np.repeat(np.arange(len(segments)), [len(segment) for segment in segments])
    flat = np.array([value for segment in segments for value in segment])
    for segment, total in zip(segments, segment_sums(flat, ids, len(segments)), strict=True):
        scale = max(map(abs, segment), default=0.0)
        assert abs(total - fsum(segment)) <= 1e-15 * abs(fsum(segment)) + 1e-29 * scale * 40


@given(st.lists(VALUES, min_size=1, max_size=4), st.sampled_from([7, 20, 31]))
@settings(deadline=None, max_examples=15)
def test_a_range_is_its_instants(series: list[list[float]], step_seconds: int) -> None:
    engine = Engine(samples_of(*((str(i), values) for i, values in enumerate(series))))
    for query in (
        "m",
        "sum(m)",
        "rate(m[1m])",
        "topk(2, m)",
        "quantile_over_time(0.5, m[30s])",
        "max_over_time(avg(m)[1m:7s])",
        "m - on () group_left sum(m)",
        "m > 0 or -m",
    ):
        start, end, step = 3_000, 120_000, step_seconds * 1000
        whole = labelled_points(engine.range(query, start, end, step).value)
        single: dict[tuple[Labels, int], float] = {}
        for at_ms in range(start, end + 1, step):
            vector = engine.instant(query, at_ms).value
            assert isinstance(vector, Vector)
            single |= {(labels, at_ms): value for labels, value in vector}
        assert whole == pytest.approx(single, rel=1e-9, abs=1e-6)


def labelled_points(value: object) -> dict[tuple[Labels, int], float]:
    assert isinstance(value, Matrix)
    return {
        (labels, at_ms): number
        for labels, times, values in value
        for at_ms, number in zip(times.tolist(), values.tolist(), strict=True)
    }


def test_results_are_frozen() -> None:
    scalar = Engine(MemorySamples()).instant("1", 0).value
    with pytest.raises(dataclasses.FrozenInstanceError):
        scalar.at_ms = 1  # type: ignore[misc, union-attr]
