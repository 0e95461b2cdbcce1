"""The same data and the same questions to a real Prometheus and to the engine: the same answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tidecast.promql.engine import Engine

from .differential import INSTANTS_MS, differences, engine_of_the_fleet
from .expressions import EXPRESSIONS
from .fleet import fleet
from .random_expressions import expressions
from .real_prometheus import Prometheus, running
from .ugly_fleet import engine_of_late_writes, ugly_expressions, ugly_fleet
from .version_differences import VERSION_DIFFERENCES

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    with running(tmp_path_factory.mktemp("prometheus")) as prometheus:
        prometheus.write(fleet())
        yield prometheus


@pytest.fixture(scope="module")
def engine() -> Engine:
    return engine_of_the_fleet()


@pytest.mark.parametrize("query", EXPRESSIONS)
def test_agrees_with_prometheus(server: Prometheus, engine: Engine, query: str) -> None:
    found = differences(server, engine, query)
    if query in VERSION_DIFFERENCES:
        assert found, f"no longer a difference: {query}"
    else:
        assert not found


def test_agrees_with_prometheus_on_random_expressions(server: Prometheus, engine: Engine) -> None:
    # `python -m tests.promql.differential --seed N --count 5000` compares as many as one likes.
    wrong = {
        query: found
        for query in expressions(seed=1, count=250)
        if (found := differences(server, engine, query, INSTANTS_MS[1:2]))
    }
    assert not wrong


def test_agrees_with_prometheus_on_ugly_data(tmp_path: Path) -> None:
    # `python -m tests.soak --part compare` compares more of it.
    engine = engine_of_late_writes(1, tmp_path / "store")
    (tmp_path / "prometheus").mkdir()
    with running(tmp_path / "prometheus") as server:
        server.write(ugly_fleet(1))
        wrong = {
            query: found
            for query in ugly_expressions(seed=2, count=150)
            if (found := differences(server, engine, query, INSTANTS_MS[1:2]))
        }
    assert not wrong


def test_enough_is_compared() -> None:
    assert len(set(EXPRESSIONS)) == len(EXPRESSIONS) >= 150
    assert set(EXPRESSIONS) >= set(VERSION_DIFFERENCES)
