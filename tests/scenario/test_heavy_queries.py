"""A heavy query from outside: meanwhile writes are acknowledged and rules evaluated."""

from __future__ import annotations

import contextlib
import http.client
import json
import time
import urllib.parse
from pathlib import Path
from typing import Any

import psutil
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
AT_ONCE_SECONDS = 30.0
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


def workers(server: Server) -> dict[int, float]:
    """The processes that the server has started for heavy work, and their processor seconds."""
    assert server.process is not None
    found = {}
    for child in psutil.Process(server.process.popen.pid).children():
        with contextlib.suppress(psutil.Error):  # it may end just now
            if "spawn_main" in " ".join(child.cmdline()):
                times = child.cpu_times()
                found[child.pid] = times.user + times.system
    return found


def at_work(server: Server) -> list[int]:
    """Those among them that compute."""
    before = workers(server)
    time.sleep(0.3)
    return [pid for pid, spent in workers(server).items() if spent - before.get(pid, 0) >= 0.05]


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
            eventually(lambda: at_work(server), what="a worker for the query")
            began, evaluations, slowest = time.monotonic(), set(), 0.0
            while time.monotonic() - began < FOR_SECONDS or len(evaluations) < 2:
                before = time.monotonic()
                send(server, before)
                evaluations.add(last_evaluation(server))
                assert server.query("sum(node_load1)")
                slowest = max(slowest, time.monotonic() - before)
                time.sleep(0.1)
            assert slowest < AT_ONCE_SECONDS
            eventually(lambda: at_work(server), what="it is still at work")
            assert b'tidecast_queries_total{where="worker"}' in server.get("/metrics")
        eventually(lambda: not at_work(server), what="nobody works for an answer that nobody wants")


def highest_in_the_worker(server: Server) -> float:
    connection = ask(server, f"max({heavy('max_over_time(node_load1[100s:1ms])', 3)})")
    answer = json.loads(connection.getresponse().read())
    connection.close()
    assert workers(server)
    return float(answer["data"]["result"][0]["value"][1])


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
