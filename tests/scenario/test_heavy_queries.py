"""A heavy query from outside: meanwhile writes are acknowledged and rules evaluated."""

from __future__ import annotations

import contextlib
import http.client
import json
import time
import urllib.parse
from pathlib import Path
from typing import Any

import pytest
from tests.scenario.driver import Server, eventually, now_ms, series

pytestmark = pytest.mark.scenario

RULES = """
groups:
  - name: watched
    interval: 1s
    rules:
      - record: watched:load
        expr: sum(node_load1)
"""
AT_ONCE_SECONDS = 5.0
"""Generous, for busy machines: an idle server takes milliseconds, the query minutes."""
FOR_SECONDS = 5.0
SERIES = 8


def heavy(expression: str, times: int) -> str:
    """The expression, added to itself until it is there 2^times times."""
    for _ in range(times):
        expression = f"({expression}) + ({expression})"
    return expression


def send(server: Server, value: float) -> None:
    server.write(*((series("node_load1", cpu=str(i)), [(now_ms(), value)]) for i in range(SERIES)))


def last_evaluation(server: Server) -> str:
    groups = server.json("/api/v1/rules?type=record")["data"]["groups"]
    (watched,) = [group for group in groups if group["name"] == "watched"]
    return str(watched["lastEvaluation"])


def workers(server: Server) -> list[int]:
    """The processes that the server has started for heavy work."""
    assert server.process is not None
    tasks = Path(f"/proc/{server.process.popen.pid}/task").glob("*/children")
    children = [int(pid) for file in tasks for pid in file.read_text().split()]
    return [pid for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def ask(server: Server, query: str, **more: Any) -> http.client.HTTPConnection:
    """A connection on which the query has been asked."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
    form = urllib.parse.urlencode({"query": query, **more})
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", "/api/v1/query", form, headers)
    return connection


def test_writes_and_rules_go_on_and_an_unwanted_query_ends(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yml"
    rules.write_text(RULES)
    with Server(tmp_path / "server", f"--rules-file={rules}") as server:
        send(server, 1)
        eventually(lambda: server.query("watched:load"), what="the rule was evaluated")
        assert highest_in_the_worker(server) == 8  # 1 x 2^3, of a sample in memory alone
        # Far more than it gets time for: 1,024 subqueries of 8 x 100,000 steps.
        endless = heavy("count_over_time(node_load1[100s:1ms])", 10)
        with contextlib.closing(ask(server, endless, timeout="100s")):
            (worker,) = eventually(lambda: workers(server), what="a worker for the query")
            spent = processor_seconds(worker)
            began, evaluations, slowest = time.monotonic(), set(), 0.0
            while time.monotonic() - began < FOR_SECONDS:
                before = time.monotonic()
                send(server, before)
                evaluations.add(last_evaluation(server))
                assert server.query("sum(node_load1)")
                slowest = max(slowest, time.monotonic() - before)
                time.sleep(0.1)
            assert slowest < AT_ONCE_SECONDS
            assert len(evaluations) > 1
            assert worker in workers(server)
            assert processor_seconds(worker) > spent
            assert b'tidecast_queries_total{where="worker"}' in server.get("/metrics")
        eventually(lambda: rests(server), what="nobody works for an answer that nobody wants")


def highest_in_the_worker(server: Server) -> float:
    connection = ask(server, f"max({heavy('max_over_time(node_load1[100s:1ms])', 3)})")
    answer = json.loads(connection.getresponse().read())
    connection.close()
    assert workers(server)
    return float(answer["data"]["result"][0]["value"][1])


def rests(server: Server) -> bool:
    before = {pid: processor_seconds(pid) for pid in workers(server)}
    time.sleep(0.3)
    return all(processor_seconds(pid) - before.get(pid, 0) < 0.05 for pid in workers(server))


def test_limits_are_told_as_prometheus_tells_them(tmp_path: Path) -> None:
    options = ("--query.max-samples=20", "--query.max-memory=64")
    with Server(tmp_path / "server", *options, "--query.lookback-delta=1m") as server:
        for value in range(4):
            send(server, value)
        flags = server.json("/api/v1/status/flags")["data"]
        assert flags["query.max-samples"] == "20"
        assert flags["query.lookback-delta"] == "1m"
        for query, status, kind in (
            ("node_load1[5m]", 422, "execution"),
            ("count_over_time(node_load1[100s:0.1ms])", 400, "bad_data"),
            ("count_over_time(node_load1[1000s:1ms])", 422, "execution"),
            ("count_over_time(vector(1)[20s:1ms])", 200, ""),
            (heavy("count_over_time(vector(1)[100s:1ms])", 9), 503, "timeout"),
        ):
            timeout = {"timeout": "300ms"} if kind == "timeout" else {}
            connection = ask(server, query, **timeout)
            answer = connection.getresponse()
            body = json.loads(answer.read())
            connection.close()
            assert (answer.status, body.get("errorType", "")) == (status, kind), body
