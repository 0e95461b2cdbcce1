"""The same questions to a real Prometheus and to the engine, over the same seeded data.

    python -m tests.promql.differential --seed 1 --count 5000

prints each expression whose answers differ, and exits 1 if there was one.
"""

from __future__ import annotations

import json
import math
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click

from tidecast.promql.encode import encode_result
from tidecast.promql.engine import Engine
from tidecast.samples.memory import MemorySamples
from tidecast_collector.errors import InvalidInput

from .fleet import START_MS, fleet
from .random_expressions import expressions
from .real_prometheus import Prometheus, running

# No time of a query is ever a sample's or a window's border: all end in the digit 7.
INSTANTS_MS = (START_MS + 1_234_567, START_MS + 3_900_007, START_MS + 7_000_017)
RANGE_MS = (START_MS + 1_800_007, START_MS + 5_400_007, 137_000)


def engine_of_the_fleet() -> Engine:
    samples = MemorySamples()
    samples.append(fleet())
    return Engine(samples)


def differences(
    server: Prometheus, engine: Engine, query: str, instants_ms: Iterable[int] = INSTANTS_MS
) -> list[str]:
    """How the answers differ, at these times and over the range."""
    found = []
    for theirs, mine in answers(server, engine, query, instants_ms):
        ordered = query.startswith("sort") and "error" != mine != theirs != "error"
        wrong = difference(theirs, mine, ordered=ordered and mine["resultType"] == "vector")
        if wrong:
            found.append(wrong)
    return found


def answers(
    server: Prometheus, engine: Engine, query: str, instants_ms: Iterable[int]
) -> Iterator[tuple[Any, Any]]:
    """(theirs, ours) for each time: the `data`, or "error"."""
    start, end, step = RANGE_MS
    asked = query.replace("holt_winters", "double_exponential_smoothing")
    for at_ms in instants_ms:
        theirs = server.query("query", query=query, time=seconds(at_ms))
        yield theirs.get("data", "error"), ours(lambda at=at_ms: engine.instant(asked, at))
    theirs = server.query(
        "query_range", query=query, start=seconds(start), end=seconds(end), step=seconds(step)
    )
    yield theirs.get("data", "error"), ours(lambda: engine.range(asked, start, end, step))


def seconds(milliseconds: int) -> str:
    return f"{milliseconds // 1000}.{milliseconds % 1000:03d}"


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


@click.command()
@click.option("--seed", default=1)
@click.option("--count", default=2_000)
def main(seed: int, count: int) -> None:
    """Compares so many random expressions."""
    engine = engine_of_the_fleet()
    wrong = 0
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as server:
        server.write(fleet())
        for query in expressions(seed, count):
            found = differences(server, engine, query)
            wrong += bool(found)
            for each in found:
                click.echo(f"{query}\n    {each[:400]}")
    click.echo(f"{count} expressions, {wrong} differ")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
