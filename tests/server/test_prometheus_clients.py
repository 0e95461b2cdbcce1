"""The Prometheus API as its clients use it: Grafana's data source, promtool, plain HTTP."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
import uvicorn
from starlette.applications import Starlette
from tests.scenario.driver import PATIENCE_SECONDS

from tidecast.clock import SystemClock
from tidecast.promql.engine import Engine
from tidecast.samples.batch import SampleBatch
from tidecast.samples.memory import MemorySamples
from tidecast.server.prometheus_api import PrometheusApi, unescape_name
from tidecast_alerts.engine import AlertEngine
from tidecast_collector.labels import make_labels


def samples() -> MemorySamples:
    held = MemorySamples()
    times = np.arange(0, 600_000, 10_000, dtype=np.int64)
    for job in ("a", "b", "c"):
        labels = make_labels({"__name__": "up", "job": job})
        held.append(SampleBatch.of([(labels, times, np.ones(len(times)))]))
    dotted = make_labels({"__name__": "hits", "http.code": "200"})
    held.append(SampleBatch.of([(dotted, times, times / 3)]))
    return held


@pytest.fixture
def app() -> Starlette:
    held = samples()
    alerts = AlertEngine.__new__(AlertEngine)  # no rules are asked for here
    return Starlette(routes=PrometheusApi(Engine(held), held, alerts, SystemClock()).routes())


async def call(app: Starlette, method: str, path: str, **parameters: Any) -> tuple[int, Any, int]:
    """(status, JSON, number of body parts) of one request; a POST sends its parameters as form."""
    form = urlencode(parameters, doseq=True).encode()
    post = method == "POST"
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "path": f"/api/v1/{path}",
        "raw_path": b"",
        "query_string": b"" if post else form,
        "headers": [(b"content-type", b"application/x-www-form-urlencoded")] if post else [],
    }
    waiting = [{"type": "http.request", "body": form if post else b"", "more_body": False}]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if waiting:
            return waiting.pop(0)
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    bodies = [message["body"] for message in sent if message["type"] == "http.response.body"]
    return sent[0]["status"], json.loads(b"".join(bodies)), len([each for each in bodies if each])


def ask(app: Starlette, path: str, method: str = "GET", **parameters: Any) -> tuple[int, Any]:
    status, body, _ = asyncio.run(call(app, method, path, **parameters))
    return status, body


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_queries_by_either_method(app: Starlette, method: str) -> None:
    status, body = ask(app, "query", method, query="sum(up)", time="100", stats="all")
    assert (status, body["data"]["result"]) == (200, [{"metric": {}, "value": [100, "3"]}])
    status, body = ask(app, "query_range", method, query="sum(up)", start=0, end=20, step=10)
    assert status == 200
    assert body["data"]["result"][0]["values"] == [[0, "3"], [10, "3"], [20, "3"]]


def test_a_limit_cuts_and_says_so(app: Starlette) -> None:
    for path, times in (("query", {"time": 9}), ("query_range", {"start": 0, "end": 9, "step": 9})):
        _, body = ask(app, path, query="up", limit=2, **times)
        assert [each["metric"]["job"] for each in body["data"]["result"]] == ["a", "b"]
        assert body["warnings"] == ["results truncated due to limit"]
        _, body = ask(app, path, query="up", limit=3, **times)
        assert "warnings" not in body
    _, body = ask(app, "label/job/values", limit=1)
    assert (body["data"], body["warnings"]) == (["a"], ["results truncated due to limit"])


def test_the_look_back_can_be_asked_for(app: Starlette) -> None:
    late = {"query": "count(up)", "time": 600 + 299}
    assert ask(app, "query", **late)[1]["data"]["result"] == []
    _, body = ask(app, "query", **late, lookback_delta="10m")
    assert body["data"]["result"][0]["value"][1] == "3"
    status, body = ask(app, "query", **late, lookback_delta="x")
    assert (status, body["errorType"]) == (400, "bad_data")


@pytest.mark.parametrize(
    ("path", "parameters", "status", "kind", "message"),
    [
        (
            "query",
            {"query": "sum("},
            400,
            "bad_data",
            'invalid parameter "query": 1:5: parse error: unclosed left parenthesis',
        ),
        ("query", {"query": "up + ignoring(job) up"}, 422, "execution", "duplicate series"),
        ("query_range", {"query": "up", "start": 5, "end": 1, "step": 1}, 400, "bad_data", '"end"'),
        (
            "query_range",
            {"query": "up", "start": 0, "end": 11001, "step": 1},
            400,
            "bad_data",
            "exceeded maximum resolution of 11,000 points per timeseries",
        ),
        ("series", {}, 400, "bad_data", "no match[] parameter provided"),
        ("labels", {"match[]": "up{"}, 400, "bad_data", 'invalid parameter "match[]": 1:4'),
        ("query_exemplars", {"query": "("}, 400, "bad_data", "parse error"),
    ],
)
def test_errors_are_told_as_prometheus_tells_them(
    app: Starlette, path: str, parameters: dict[str, Any], status: int, kind: str, message: str
) -> None:
    got, body = ask(app, path, **{"time": 100, **parameters})
    assert (got, body["status"], body["errorType"]) == (status, "error", kind)
    assert message in body["error"]


def test_a_query_out_of_time_is_a_timeout(app: Starlette) -> None:
    query = "sum_over_time(up[10m:1ms])"
    status, body = ask(app, "query", query=query, time=600, timeout="1ms")
    assert (status, body["errorType"]) == (503, "timeout")
    assert body["error"].startswith("query timed out in query execution")


def test_what_grafana_asks_besides(app: Starlette) -> None:
    assert ask(app, "query_exemplars", "POST", query="up", start=0, end=1)[1]["data"] == []
    assert ask(app, "format_query", query="sum by(job)(up)")[1]["data"] == "sum by (job) (up)"
    tree = ask(app, "parse_query", query="rate(up[5m] offset 1m) > on (job) 1 * up")[1]["data"]
    assert (tree["type"], tree["op"], tree["matching"]["labels"]) == ("binaryExpr", ">", ["job"])
    argument = tree["lhs"]["args"][0]
    assert (argument["type"], argument["range"], argument["offset"]) == (
        "matrixSelector",
        300_000,
        60_000,
    )
    assert ask(app, "status/buildinfo")[1]["data"]["version"].startswith("3.")
    assert ask(app, "status/flags")[1]["data"]["query.lookback-delta"] == "5m"
    assert "evaluation_interval: 1m" in ask(app, "status/config")[1]["data"]["yaml"]
    assert ask(app, "status/runtimeinfo")[1]["data"]["startTime"].endswith("Z")
    assert ask(app, "label/U__http_2e_code/values")[1]["data"] == ["200"]


def test_names_in_paths_are_unescaped() -> None:
    assert unescape_name("U__a__b_1F600_") == "a_b\N{GRINNING FACE}"


def test_large_answers_leave_in_pieces(app: Starlette) -> None:
    _, small, one = asyncio.run(call(app, "GET", "query", query="up", time=9))
    assert one == 1
    ranges = {"start": 0, "end": 599.9, "step": 0.1}
    copies = (f'label_replace(up / 3, "x", "{number}", "", "")' for number in (1, 2, 3))
    query = " or ".join(copies)
    _, large, parts = asyncio.run(call(app, "GET", "query_range", query=query, **ranges))
    assert parts > 1
    assert [len(each["values"]) for each in large["data"]["result"]] == [6000] * 9
    assert len(small["data"]["result"]) == 3


@pytest.fixture
def url(app: Starlette) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join()


def promtool(*arguments: str) -> str:
    tool = shutil.which("promtool")
    assert tool, "promtool is not installed: apt-get install prometheus"
    command = [tool, "query", *arguments]
    ran = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=PATIENCE_SECONDS
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.servers
def test_promtool_can_ask(url: str) -> None:
    assert promtool("instant", "--time=100", url, "sum(up)") == "{} => 3 @[100]\n"
    ranged = promtool("range", "--start=0", "--end=20", "--step=10s", url, 'up{job="a"}')
    assert "1 @[0]\n1 @[10]\n1 @[20]" in ranged
    found = promtool("series", '--match=up{job="b"}', "--start=0", "--end=100", url)
    assert '__name__="up"' in found
    assert promtool("labels", "--start=0", "--end=100", url, "job").split() == ["a", "b", "c"]
