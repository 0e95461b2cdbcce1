"""Results as JSON, as clients of Prometheus read them."""

from __future__ import annotations

import json
import math
from decimal import Decimal

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from tidecast.promql.encode import encode_pieces, encode_result
from tidecast.promql.numbers import format_sample
from tidecast.promql.result import Matrix, QueryResult, Scalar, String, Vector
from tidecast_collector.labels import make_labels


@given(st.floats(), st.integers(-(10**12), 10**14))
@example(1e21, 0)
@example(5e-324, 1)
@example(-0.0, -1)
@example(1.7976931348623157e308, 1_700_000_000_120)
def test_any_value_and_time_reads_back(value: float, at_ms: int) -> None:
    data = json.loads(encode_result(QueryResult(Scalar(at_ms, value))))
    assert data["resultType"] == "scalar"
    seconds, text = data["result"]
    assert round(seconds * 1000) == at_ms
    assert "e" not in text.removeprefix("-") or text in ("NaN",)
    assert float(text) == value or (math.isnan(value) and text == "NaN")


def test_values_and_times_are_written_as_prometheus_does() -> None:
    vector = Vector(
        1_700_000_000_120,
        [make_labels({"__name__": "m", "i": str(i)}) for i in range(5)],
        np.array([1.0, np.inf, -np.inf, np.nan, 1e21]),
    )
    assert encode_result(QueryResult(vector)) == (
        b'{"resultType":"vector","result":['
        b'{"metric":{"__name__":"m","i":"0"},"value":[1700000000.12,"1"]},'
        b'{"metric":{"__name__":"m","i":"1"},"value":[1700000000.12,"+Inf"]},'
        b'{"metric":{"__name__":"m","i":"2"},"value":[1700000000.12,"-Inf"]},'
        b'{"metric":{"__name__":"m","i":"3"},"value":[1700000000.12,"NaN"]},'
        b'{"metric":{"__name__":"m","i":"4"},"value":[1700000000.12,"1e+21"]}]}'
    )


def test_a_matrix_keeps_each_series_apart() -> None:
    matrix = Matrix(
        [(("a", "1"),), ()],
        np.array([0, 2, 3]),
        np.array([0, 1500, 60_000]),
        np.array([0.1, -0.0, 3e-7]),
    )
    assert encode_result(QueryResult(matrix)) == (
        b'{"resultType":"matrix","result":['
        b'{"metric":{"a":"1"},"values":[[0,"0.1"],[1.5,"-0"]]},'
        b'{"metric":{},"values":[[60,"3e-07"]]}]}'
    )


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_reads_back(text: str) -> None:
    assert json.loads(encode_result(QueryResult(String(0, text))))["result"] == [0, text]
    vector = Vector(0, [(("a", text),)], np.zeros(1))
    read = json.loads(encode_result(QueryResult(vector)))["result"]
    assert read == [{"metric": {"a": text}, "value": [0, "0"]}]


samples_of_a_series = st.lists(
    st.tuples(
        st.integers(-(10**12), 10**15),
        st.one_of(st.floats(), st.integers(-(10**18), 10**18).map(float), st.just(1e-5)),
    ),
    min_size=1,
    max_size=30,
)


@given(st.lists(samples_of_a_series, max_size=4))
def test_every_series_reads_back(drawn: list[list[tuple[int, float]]]) -> None:
    series = [sorted(one, key=lambda sample: sample[0]) for one in drawn]
    matrix = Matrix(
        [(("i", str(i)),) for i in range(len(series))],
        np.cumsum([0, *map(len, series)]),
        np.array([at for one in series for at, _ in one], dtype=np.int64),
        np.array([value for one in series for _, value in one], dtype=np.float64),
    )
    read = json.loads(encode_result(QueryResult(matrix)), parse_float=Decimal)["result"]
    assert [each["metric"] for each in read] == [{"i": str(i)} for i in range(len(series))]
    for one, each in zip(series, read, strict=True):
        assert [int(Decimal(at) * 1000) for at, _ in each["values"]] == [at for at, _ in one]
        assert [text for _, text in each["values"]] == [format_sample(value) for _, value in one]


def test_a_long_series_is_written_in_parts_that_fit() -> None:
    count = 150_000
    matrix = Matrix([()], np.array([0, count]), np.arange(count), np.arange(count) / 8)
    pieces = list(encode_pieces(QueryResult(matrix)))
    assert max(map(len, pieces)) < 2_000_000
    points = json.loads(b"".join(pieces))["result"][0]["values"]
    assert points == [[i / 1000, format_sample(i / 8)] for i in range(count)]
