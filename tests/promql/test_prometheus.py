"""The same data and the same questions to a real Prometheus and to the engine: the same answers."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

import pytest

from tidecast.promql.encode import encode_result
from tidecast.promql.engine import Engine
from tidecast.samples.memory import MemorySamples
from tidecast_collector.errors import InvalidInput

from .expressions import EXPRESSIONS
from .fleet import START_MS, fleet
from .real_prometheus import Prometheus, running
from .version_differences import VERSION_DIFFERENCES

pytestmark = pytest.mark.servers

# No time of a query is ever a sample's or a window's border: all end in the digit 7.
INSTANTS_MS = (START_MS + 1_234_567, START_MS + 3_900_007, START_MS + 7_000_017)
RANGE_MS = (START_MS + 1_800_007, START_MS + 5_400_007, 137_000)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    with running(tmp_path_factory.mktemp("prometheus")) as prometheus:
        prometheus.write(fleet())
        yield prometheus


@pytest.fixture(scope="module")
def engine() -> Engine:
    samples = MemorySamples()
    samples.append(fleet())
    return Engine(samples)


def seconds(milliseconds: int) -> str:
    return f"{milliseconds // 1000}.{milliseconds % 1000:03d}"


def answers(server: Prometheus, engine: Engine, query: str) -> Iterator[tuple[Any, Any]]:
    """(theirs, ours) for each time: the `data`, or "error"."""
    start, end, step = RANGE_MS
    for at_ms in INSTANTS_MS:
        theirs = server.query("query", query=query, time=seconds(at_ms))
        yield theirs.get("data", "error"), ours(lambda at=at_ms: engine.instant(query, at))
    theirs = server.query(
        "query_range", query=query, start=seconds(start), end=seconds(end), step=seconds(step)
    )
    yield theirs.get("data", "error"), ours(lambda: engine.range(query, start, end, step))


def ours(ask: Any) -> Any:
    try:
        return json.loads(encode_result(ask()))
    except InvalidInput:
        return "error"


def difference(theirs: Any, mine: Any, *, ordered: bool) -> str:
    """The first difference of two answers, "" where there is none."""
    if "error" in (theirs, mine):
        return "" if theirs == mine else f"Prometheus: {theirs}, Tidecast: {mine}"
    if theirs["resultType"] != mine["resultType"]:
        return f"result type {theirs['resultType']}, not {mine['resultType']}"
    if theirs["resultType"] in ("scalar", "string"):
        return points([theirs["result"]], [mine["result"]])
    key = (lambda element: 0) if ordered else (lambda element: sorted(element["metric"].items()))
    left, right = sorted(theirs["result"], key=key), sorted(mine["result"], key=key)
    if [element["metric"] for element in left] != [element["metric"] for element in right]:
        return f"series {[e['metric'] for e in left]}, not {[e['metric'] for e in right]}"
    for one, other in zip(left, right, strict=True):
        found = points(
            one.get("values", [one.get("value")]), other.get("values", [other.get("value")])
        )
        if found:
            return f"{one['metric']}: {found}"
    return ""


def points(left: list[Any], right: list[Any]) -> str:
    if [point[0] for point in left] != [point[0] for point in right]:
        return f"times {[point[0] for point in left]}, not {[point[0] for point in right]}"
    for (at, one), (_, other) in zip(left, right, strict=True):
        a, b = float(one), float(other)
        if not (math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12) or (a != a and b != b)):
            return f"at {at}: {one}, not {other}"
    return ""


@pytest.mark.parametrize("query", EXPRESSIONS)
def test_agrees_with_prometheus(server: Prometheus, engine: Engine, query: str) -> None:
    ordered = query.startswith("sort")
    found = [
        difference(theirs, mine, ordered=ordered and mine["resultType"] == "vector")
        for theirs, mine in answers(server, engine, query)
    ]
    if query in VERSION_DIFFERENCES:
        assert any(found), f"no longer a difference: {query}"
    else:
        assert not any(found), found


def test_enough_is_compared() -> None:
    assert len(set(EXPRESSIONS)) == len(EXPRESSIONS) >= 150
    assert set(EXPRESSIONS) >= set(VERSION_DIFFERENCES)
