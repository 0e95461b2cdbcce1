"""Which queries go to the engine as a whole, and what becomes of its answers; no engine needed."""

from __future__ import annotations

import contextlib
import json
import math
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import numpy as np
import pytest

from tidecast.config import Address, InvalidSettings, ServerSettings
from tidecast.promql.engine import Engine
from tidecast.promql.errors import (
    InvalidRange,
    ParseError,
    QueryCancelled,
    QueryError,
    QueryTimeout,
)
from tidecast.promql.parser import parse
from tidecast.promql.push_down import PushDownEngine
from tidecast.promql.remote_result import keeps_names
from tidecast.promql.result import Matrix, Scalar, Vector
from tidecast.promql.settings import QueryOptions
from tidecast.samples.batch import SampleBatch
from tidecast.samples.matchers import Matcher, MatchOp
from tidecast.samples.memory import MemorySamples
from tidecast.samples.prometheus import DeletionRefused, EngineAddress, PrometheusSamples
from tidecast.samples.protocol import SamplesUnavailable
from tidecast.samples.routed import RoutedSamples
from tidecast_collector.errors import TidecastError
from tidecast_collector.labels import make_labels

AT_MS = 1_700_000_000_123


class Recorded:
    """An engine that answers what it is told to, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.tokens: set[str | None] = set()
        self.status = 200
        self.status_of: dict[str, int] = {}
        self.drips = False
        self.connections: set[Any] = set()
        self.answer: Any = {"status": "success", "data": {"resultType": "vector", "result": []}}
        recorded = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode("latin-1")
                form = {name: values[0] for name, values in parse_qs(body).items()}
                recorded.asked.append((self.path, form))
                recorded.tokens.add(self.headers["Authorization"])
                recorded.connections.add(self.client_address)
                content = json.dumps(recorded.answer).encode()
                name = self.path.rpartition("/")[2]
                self.send_response(recorded.status_of.get(name, recorded.status))
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                with contextlib.suppress(OSError):
                    for piece in content if recorded.drips else []:
                        self.wfile.write(bytes([piece]))
                        time.sleep(0.1)
                    self.wfile.write(b"" if recorded.drips else content)

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}/select/0"


@pytest.fixture
def remote() -> Iterator[Recorded]:
    recorded = Recorded()
    thread = threading.Thread(target=recorded.http.serve_forever, args=(0.01,))
    thread.start()
    yield recorded
    recorded.http.shutdown()
    thread.join()
    recorded.http.server_close()


@pytest.fixture
def foreign(remote: Recorded, tmp_path: Path) -> Iterator[PrometheusSamples]:
    address = EngineAddress(remote.url, f"{remote.url}/write", "s3cret")
    samples = PrometheusSamples(address, tmp_path / "metadata.json")
    yield samples
    samples.close()


@pytest.fixture
def engine(foreign: PrometheusSamples) -> PushDownEngine:
    """Over that engine and a `tidecast_usage` of our own."""
    own = MemorySamples()
    usage = make_labels({"__name__": "tidecast_usage", "instance": "web-1", "stat": "mean"})
    own.append(SampleBatch.of([(usage, np.array([AT_MS - 1000]), np.array([0.5]))]))
    return PushDownEngine(Engine(RoutedSamples(own, foreign)), foreign, own)


@pytest.mark.parametrize(
    "query",
    [
        "sum by (job) (rate(node_cpu_seconds_total[5m]))",
        "tidecast_agent_spool_bytes > 1",
        '{job="node"}',  # no series of our own has a job
        '{__name__=~"node_.*"}',
        '{__name__=~"tidecast_usage", instance="web-9"}',
        "absent(nothing)",
    ],
)
def test_what_the_engine_has_is_asked_of_it_as_a_whole(
    query: str, engine: PushDownEngine, remote: Recorded
) -> None:
    assert len(engine.instant(query, AT_MS).value) == 0
    remote.answer["data"]["resultType"] = "matrix"
    engine.range(query, AT_MS, AT_MS + 60_000, 15_000)
    ((path, form), (range_path, range_form)) = remote.asked
    assert (path, range_path) == ("/select/0/api/v1/query", "/select/0/api/v1/query_range")
    assert (form["query"], form["time"], form["nocache"]) == (query, "1700000000.123", "1")
    assert range_form["query"] == query
    assert [range_form[name] for name in ("start", "end", "step")] == [
        "1700000000.123",
        "1700000060.123",
        "15.000",
    ]
    assert remote.tokens == {"Bearer s3cret"}


@pytest.mark.parametrize(
    ("query", "value"), [("tidecast_usage", 0.5), ("tidecast_usage * 2", 1.0), ("vector(2)", 2.0)]
)
def test_what_is_our_own_is_answered_here(
    query: str, value: float, engine: PushDownEngine, remote: Recorded
) -> None:
    found = engine.instant(query, AT_MS).value
    assert isinstance(found, Vector)
    assert found.values.tolist() == [value]
    assert remote.asked == []


@pytest.mark.parametrize("query", ['{__name__=~"tidecast_.*"} * 2', 'sum({stat="mean"})'])
def test_of_what_both_may_have_only_samples_are_fetched(
    query: str, engine: PushDownEngine, remote: Recorded
) -> None:
    remote.status = 500
    with pytest.raises(SamplesUnavailable):
        engine.instant(query, AT_MS)
    assert {path for path, _ in remote.asked} == {"/select/0/api/v1/read"}


def test_answers_read_as_ours_do(engine: PushDownEngine, remote: Recorded) -> None:
    remote.answer = {
        "status": "success",
        "data": {
            "resultType": "vector",
            "result": [
                {"metric": {"__name__": "b", "x": "2"}, "value": [1, "NaN"]},
                {"metric": {"__name__": "b", "x": "1"}, "value": [1, "+Inf"]},
                {"metric": {"x": "3"}, "histogram": [1, {}]},
            ],
        },
        "warnings": ["w"],
        "infos": ["i"],
    }
    result = engine.instant("b", AT_MS)
    assert isinstance(result.value, Vector)
    assert list(result.value.labels) == [
        (("__name__", "b"), ("x", "2")),
        (("__name__", "b"), ("x", "1")),
    ]
    assert math.isnan(result.value.values[0]) and math.isinf(result.value.values[1])
    assert (result.warnings, result.infos) == (("w",), ("i",))
    # An engine that keeps the metric's name where PromQL drops it.
    dropped = engine.instant("max_over_time(b[5m])", AT_MS).value
    assert isinstance(dropped, Vector)
    assert list(dropped.labels) == [(("x", "2"),), (("x", "1"),)]
    # An engine without scalars.
    scalar = engine.instant("scalar(b)", AT_MS).value
    assert isinstance(scalar, Scalar) and math.isnan(scalar.value)

    remote.answer["data"] = {
        "resultType": "matrix",
        "result": [
            {"metric": {"__name__": "b", "x": "2"}, "values": [[1.5, "1"], [2.5, "2"]]},
            {"metric": {"__name__": "b", "x": "1"}, "values": [[1.5, "3"]]},
        ],
    }
    matrix = engine.range("b", 1500, 2500, 1000).value
    assert isinstance(matrix, Matrix)
    assert [(dict(n)["x"], t.tolist(), v.tolist()) for n, t, v in matrix] == [
        ("1", [1500], [3.0]),
        ("2", [1500, 2500], [1.0, 2.0]),
    ]
    remote.answer["data"]["result"][1]["metric"]["x"] = "2"
    with pytest.raises(QueryError, match="same labelset"):
        engine.range("rate(b[5m])", 1500, 2500, 1000)


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (400, "1:1: parse error", QueryError),
        (422, "many-to-many matching", QueryError),
        (503, "query timed out in expression evaluation", QueryTimeout),
        (503, "overloaded", SamplesUnavailable),
        (429, "slow down", SamplesUnavailable),
        (500, "broken", SamplesUnavailable),
    ],
)
def test_its_errors_are_told_as_ours(
    status: int, error: str, kind: type[TidecastError], engine: PushDownEngine, remote: Recorded
) -> None:
    remote.status, remote.answer = status, {"status": "error", "error": error}
    with pytest.raises(kind, match=error):
        engine.instant("b", AT_MS)


@pytest.mark.parametrize(
    "answer",
    [
        [],
        {"status": "success"},
        {"status": "success", "data": {}},
        {"status": "success", "data": {"resultType": "vector", "result": [{"value": [1, "x"]}]}},
        {"status": "success", "data": {"resultType": "vector", "result": [{"value": 1}]}},
        {"status": "success", "data": {"resultType": "scalar", "result": []}},
        {"status": "success", "data": {"resultType": "matrix", "result": [{"values": [[1]]}]}},
        {
            "status": "success",
            "data": {"resultType": "matrix", "result": [{"metric": {}, "values": [[1e30, "1"]]}]},
        },
        {"status": "success", "data": {"resultType": "vector", "result": {"value": 1}}},
        {
            "status": "success",
            "data": {"resultType": "vector", "result": [{"metric": {"a": 1}, "value": [1, "1"]}]},
        },
    ],
)
def test_an_answer_that_is_none_is_told(
    answer: Any, engine: PushDownEngine, remote: Recorded
) -> None:
    remote.answer = answer
    with pytest.raises(SamplesUnavailable, match="the samples engine"):
        engine.instant("b", AT_MS)


@pytest.mark.parametrize("data", [None, "x", [1], [{"a": 1}], {"a": "b"}, {"a": [{}]}])
def test_names_that_are_none_are_told_as_its_fault(
    data: Any, engine: PushDownEngine, remote: Recorded, foreign: PrometheusSamples
) -> None:
    remote.answer = {"status": "success", "data": data}
    for ask in (foreign.series, foreign.label_names):
        with pytest.raises(SamplesUnavailable, match="the samples engine"):
            ask([[Matcher("a", MatchOp.EQUAL, "b")]], 0, 1)


def test_a_connection_is_used_again(engine: PushDownEngine, remote: Recorded) -> None:
    for _ in range(3):
        engine.instant("b", AT_MS)
    assert len(remote.connections) == 1


def test_an_answer_that_drips_in_is_not_waited_for(
    engine: PushDownEngine, remote: Recorded
) -> None:
    remote.drips = True
    with pytest.raises(QueryTimeout, match="did not answer within"):
        engine.instant("b", AT_MS, QueryOptions(timeout_seconds=0.0))


def test_a_query_that_cannot_be_asked_is_refused_here(
    engine: PushDownEngine, remote: Recorded
) -> None:
    with pytest.raises(ParseError):
        engine.instant("sum(", AT_MS)
    with pytest.raises(InvalidRange):
        engine.range("b[5m]", 0, 1000, 1000)
    with pytest.raises(InvalidRange, match="11,000 points"):
        engine.range("b", 0, 12_000_000, 1000)
    assert remote.asked == []


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("a", True),
        ("(a)", True),
        ("-a", False),
        ("a + 1", False),
        ("a > 1", True),
        ("a > bool 1", False),
        ("a and b", True),
        ("rate(a[5m])", False),
        ("last_over_time(a[5m])", True),
        ("abs(a)", False),
        ("topk(1, a)", True),
        ("sort(a)", True),
        ("label_replace(a, 'b', '$1', 'c', '(.*)')", True),
    ],
)
def test_where_promql_keeps_metric_names(query: str, kept: bool) -> None:
    assert keeps_names(parse(query)) is kept


def test_an_engine_without_its_admin_api_deletes_nothing(
    engine: PushDownEngine, remote: Recorded
) -> None:
    remote.answer = {"status": "success", "data": [], "error": "admin APIs disabled"}
    remote.status_of["delete_series"] = 503
    with pytest.raises(DeletionRefused, match=r"admin APIs disabled.*--web\.enable-admin-api"):
        engine.samples.delete([Matcher("__name__", MatchOp.EQUAL, "b")], 0, AT_MS)


def test_a_query_that_nobody_waits_for_is_not_sent(
    engine: PushDownEngine, remote: Recorded
) -> None:
    with pytest.raises(QueryCancelled):
        engine.instant("b", AT_MS, QueryOptions(cancelled=lambda: True))
    assert remote.asked == []
    engine.instant("b", AT_MS, QueryOptions(timeout_seconds=3, lookback_ms=60_000))
    ((_, form),) = remote.asked
    assert (form["timeout"], form["lookback_delta"]) == ("3s", "60.000")


def settings(**given: Any) -> ServerSettings:
    return ServerSettings(Path("data"), Address("127.0.0.1", 9797), **given)


def test_settings_of_an_engine_go_together() -> None:
    urls = {"samples_read_url": "http://e:1", "samples_write_url": "http://e:1/api/v1/write"}
    settings().check_samples()
    foreign = settings(samples_backend="prometheus", samples_token_file=Path("t"), **urls)
    foreign.check_samples()
    for wrong in (
        settings(samples_backend="prometheus"),
        settings(samples_backend="prometheus", samples_read_url="http://e:1"),
        settings(**urls),
    ):
        with pytest.raises(InvalidSettings, match="--samples-"):
            wrong.check_samples()
