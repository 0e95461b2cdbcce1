"""Whatever parses is answered or refused with a reason, and a range is the sum of its instants."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.scenario.driver import PATIENCE_SECONDS

from tidecast.promql.encode import encode_result
from tidecast.promql.engine import Engine
from tidecast.promql.errors import QueryError
from tidecast.promql.functions import SIGNATURES
from tidecast.promql.parser import parse
from tidecast.promql.result import Matrix, Scalar, Vector
from tidecast.promql.settings import QueryLimits
from tidecast.promql.tree import ValueType
from tidecast.samples.batch import STALE_NAN, SampleBatch
from tidecast.samples.memory import MemorySamples
from tidecast.samples.protocol import LimitExceeded
from tidecast_collector.errors import InvalidInput
from tidecast_collector.labels import Labels, make_labels

from .grammar import EXPRESSIONS

START_MS = 1_700_000_000_000
STEP_MS = 61_000


def engine() -> Engine:
    random = np.random.default_rng(3)
    samples = MemorySamples()
    for name in ("up", "cpu_total", "a:b:c", "sum", "by", "offset", "start", "rate"):
        for job in ("x", "y"):
            for le in ("0.5", "1", "+Inf", ""):
                times = START_MS + np.sort(random.choice(900_000, 40, replace=False))
                odd = [np.nan, np.inf, -np.inf, 0.0, float(STALE_NAN), 1e300, -1.0, 1.0, 2.0, 7.5]
                labels = make_labels({"__name__": name, "job": job, "le": le})
                samples.append(SampleBatch.of([(labels, times, random.choice(odd, 40))]))
    return Engine(samples, limits=QueryLimits(cells=200_000, timeout_seconds=PATIENCE_SECONDS))


ENGINE = engine()


@st.composite
def calls(draw: st.DrawFn) -> str:
    name = draw(st.sampled_from(sorted(SIGNATURES)))
    signature = SIGNATURES[name]
    texts = {
        ValueType.SCALAR: st.sampled_from(["0.5", "-1", "NaN", "time()", "scalar(up)", "1e9"]),
        ValueType.STRING: st.sampled_from(['"job"', '"le"', '"$1"', '"(.*)"', '"__name__"', '""']),
        ValueType.VECTOR: EXPRESSIONS,
        ValueType.MATRIX: st.sampled_from(["up[5m]", "(sum > 0)[10m:37s]", "{job='x'}[1m]"]),
    }
    return f"{name}({', '.join(draw(texts[each]) for each in signature.arguments)})"


def ask_range(query: str) -> dict[tuple[Labels, int], float]:
    value = ENGINE.range(query, START_MS, START_MS + 9 * STEP_MS, STEP_MS).value
    assert isinstance(value, Matrix)
    return {
        (labels, at_ms): number
        for labels, times, values in value
        for at_ms, number in zip(times.tolist(), values.tolist(), strict=True)
    }


def ask_instants(query: str) -> dict[tuple[Labels, int], float]:
    found: dict[tuple[Labels, int], float] = {}
    for at_ms in range(START_MS, START_MS + 10 * STEP_MS, STEP_MS):
        result = ENGINE.instant(query, at_ms)
        json.loads(encode_result(result))
        value = result.value
        assert isinstance(value, Vector | Scalar)
        if isinstance(value, Scalar):
            found[(), at_ms] = value.value
        else:
            found |= {(labels, at_ms): number for labels, number in value}
    return found


@given(EXPRESSIONS | calls())
@settings(max_examples=80, deadline=None)
def test_any_query_is_answered_or_refused_and_a_range_is_its_instants(query: str) -> None:
    try:
        tree = parse(query)
        whole = ask_range(query)
        single = ask_instants(query)
    except (InvalidInput, LimitExceeded):
        return
    if any(word in query for word in ("start()", "end()", "range()", "step()")):
        return  # these are other times in an instant query
    assert tree.type in (ValueType.VECTOR, ValueType.SCALAR)
    assert whole.keys() == single.keys()
    for key, number in whole.items():
        assert number == pytest.approx(single[key], rel=1e-9, abs=1e-9, nan_ok=True), key


@pytest.mark.parametrize(
    "query",
    [
        *(
            f"{name}(up[{length}] {boundary})"
            for name in ("rate", "increase", "delta")
            for length in ("17s", "5m")
            for boundary in ("anchored", "smoothed")
        ),
        "changes(up[3m] anchored) + resets(up[3m] anchored offset 1m)",
        "up smoothed",
        "up{job='x'} + on (le) fill(7) (sum{job='y'} > 0)",
        "up{job='x'} > on (job) group_left fill_right(0) sum{job='x', le='1'}",
        "up{job='x'} * ignoring (job) group_right fill_left(2) rate",
        "histogram_quantile(0.7, abs(up))",
        "histogram_fraction(0, 0.7, abs(up))",
        'histogram_quantiles(abs(up), "q", 0.1, time() % 2)',
        'info(up{le=""}, {__name__="rate", le="1"})',
        "limit_ratio(0.5, up) or limitk(2, sum)",
        "topk by (job) (1, up) unless bottomk by (job) (1, up)",
        "quantile_over_time(0.3, up[2m])",
        "mad_over_time(up[2m]) + ts_of_max_over_time(up[2m])",
        "max_of(time(), 1e9) + up",
    ],
)
def test_a_range_is_its_instants_in_what_is_new(query: str) -> None:
    whole, single = ask_range(query), ask_instants(query)
    assert whole.keys() == single.keys()
    assert whole
    for key, number in whole.items():
        assert number == pytest.approx(single[key], rel=1e-9, abs=1e-9, nan_ok=True), key


def test_a_collision_at_one_step_refuses_the_range() -> None:
    with pytest.raises(QueryError, match="same labelset"):
        ask_range("{job='x', le='1'} + 0")
