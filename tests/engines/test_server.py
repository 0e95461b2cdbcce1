"""A server over an engine does what a server over its own store does."""

from __future__ import annotations

import json
import math
import re
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.engines.conftest import Engine
from tests.scenario.driver import Server, eventually, free_port, now_ms, series, start

from tidecast_collector.labels import Labels

pytestmark = pytest.mark.servers

STEP_MS, HOUR_MS = 15_000, 3_600_000
PHASE_MS = 7
"""So that no sample and no border of a window falls on a second, where versions differ."""

RULES = """
groups:
  - name: engine
    interval: 1s
    rules:
      - record: instance:avail:ratio
        expr: node_filesystem_avail_bytes / node_filesystem_size_bytes
      - alert: DiskFull
        expr: probe_avail_bytes / probe_size_bytes < 0.10
        labels: {severity: critical, resource: filesystem, item: '{{ $labels.mountpoint }}'}
"""

EXPRESSIONS = [
    "node_load1",
    "-node_load1",
    'node_load1{instance=~"web-.*", job!="other"} > 0.999',
    "node_load1 > bool 1.5",
    "node_load1 offset 10m",
    "sum(node_load1)",
    "avg by (instance) (node_load1)",
    "max without (instance) (node_load1)",
    "topk(1, node_load1)",
    "count_values('load', floor(node_load1))",
    "quantile(0.5, node_load1)",
    "stddev(node_load1)",
    "rate(node_cpu_seconds_total[5m])",
    "increase(node_cpu_seconds_total{mode='idle'}[10m])",
    "1 - avg by (instance) (rate(node_cpu_seconds_total{mode='idle'}[5m]))",
    "node_filesystem_avail_bytes / node_filesystem_size_bytes",
    "node_filesystem_size_bytes - node_filesystem_avail_bytes",
    "max_over_time(node_load1[10m])",
    "avg_over_time(node_load1[10m])",
    "quantile_over_time(0.9, node_load1[30m])",
    "count_over_time(node_load1[10m])",
    "last_over_time(node_load1[1h])",
    "ceil(node_load1 * 3.7)",
    "clamp_max(node_load1, 1.5)",
    "node_load1 and on (instance) node_filesystem_size_bytes",
    "node_load1 unless on (instance) (node_filesystem_size_bytes > 1e11)",
    "node_load1 or node_filesystem_size_bytes",
    "node_load1 * on (instance) group_left (mountpoint) node_filesystem_size_bytes",
    "label_replace(node_load1, 'host', '$1', 'instance', '(.*)-.*')",
    "absent(nothing_of_this_name)",
    "scalar(sum(node_load1))",
    "vector(scalar(node_load1{instance='web-1'}))",
    "sort_desc(node_load1)",
    "count({job='node'})",
    # What names our own series is evaluated by us, with the engine's fetched.
    "node_filesystem_size_bytes * on (instance) group_left () "
    "max by (instance) (last_over_time(tidecast_limit{resource='cpu'}[3h]))",
    "last_over_time(tidecast_usage[3h])",
    "count({instance='web-1', __name__=~'node_load1|tidecast_limit'})",
]


def history(first_ms: int, last_ms: int) -> dict[Labels, list[tuple[int, float]]]:
    """Two hosts: a load that swings, counters of even growth, a disk that fills."""
    times = range(first_ms, last_ms, STEP_MS)
    found: dict[Labels, list[tuple[int, float]]] = {}
    for number, host in enumerate(("web-1", "web-2"), start=1):
        disk = {"instance": host, "mountpoint": "/var", "device": "/dev/sda1", "fstype": "ext4"}
        found[series("node_load1", instance=host)] = [
            (t, number + round(math.sin((t - first_ms) / 6e5), 3)) for t in times
        ]
        for mode, share in (("idle", 0.75), ("user", 0.25)):
            found[series("node_cpu_seconds_total", instance=host, cpu="0", mode=mode)] = [
                (t, 1000 + share * (t - first_ms) / 1000) for t in times
            ]
        found[series("node_filesystem_size_bytes", **disk)] = [(t, number * 1e11) for t in times]
        found[series("node_filesystem_avail_bytes", **disk)] = [
            (t, number * 1e11 - 1e10 - (t - first_ms)) for t in times
        ]
    return found


def write(server: Server, found: dict[Labels, list[tuple[int, float]]]) -> None:
    """Oldest first in parts of ten minutes, as live samples would have come."""
    times = sorted({t for samples in found.values() for t, _ in samples})
    for first in range(0, len(times), 40):
        low, high = times[first], times[min(first + 40, len(times)) - 1]
        part = [(name, [s for s in all_ if low <= s[0] <= high]) for name, all_ in found.items()]
        server.write(*part)


def answer(server: Server, path: str, **query: str) -> Any:
    return server.json(f"/api/v1/{path}?{urlencode(query)}")["data"]


def comparable(data: dict[str, Any]) -> tuple[str, list[tuple[str, list[tuple[float, float]]]]]:
    """The result's kind, and by series its times and values in order."""
    result = data["result"]
    if data["resultType"] == "scalar":
        return "scalar", [("", [(result[0], float(result[1]))])]
    rows = [
        (
            json.dumps(each["metric"], sort_keys=True),
            [(at, float(value)) for at, value in each.get("values") or [each["value"]]],
        )
        for each in result
    ]
    return data["resultType"], rows


def assert_same(ours: dict[str, Any], embedded: dict[str, Any], ordered: bool) -> None:
    (kind, rows), (wanted_kind, wanted) = comparable(ours), comparable(embedded)
    assert kind == wanted_kind
    if not ordered:
        rows, wanted = sorted(rows), sorted(wanted)
    assert [name for name, _ in rows] == [name for name, _ in wanted]
    assert wanted
    for (_, points), (_, others) in zip(rows, wanted, strict=True):
        assert [at for at, _ in points] == [at for at, _ in others]
        assert [v for _, v in points] == pytest.approx([v for _, v in others], rel=1e-9, abs=1e-12)


@pytest.fixture
def over(engine: Engine, tmp_path: Path) -> Iterator[Server]:
    """A server that keeps its samples in the engine."""
    rules = tmp_path / "rules.yml"
    rules.write_text(RULES)
    with Server(tmp_path / "over", *engine.options, f"--rules-file={rules}") as server:
        yield server


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Server]:
    """A server over its own store."""
    with Server(tmp_path / "embedded") as server:
        yield server


def nothing_late(server: Server) -> bool:
    return bool(server.json("/api/tidecast/v1/status")["late_hours"] == 0)


def test_answers_and_usage_records_are_those_of_the_embedded_store(
    engine: Engine, over: Server, embedded: Server
) -> None:
    servers = (over, embedded)
    # An hour that is just being closed may be a record here and not yet there.
    hour = (now_ms() - 300_000) // HOUR_MS * HOUR_MS
    last = min(now_ms(), hour + HOUR_MS) - 60_000
    # Where a counter begins, engines extrapolate differently: the hours that count come later.
    found = history(hour - 2 * HOUR_MS - 600_000 + PHASE_MS, last)
    for server in servers:
        write(server, found)
    engine.show()
    names = engine.http.get_json("/api/v1/label/__name__/values")["data"]
    assert not [name for name in names if name.startswith("tidecast_")]

    def measured(server: Server) -> list[dict[str, Any]]:
        return server.query('last_over_time(tidecast_usage{stat="max"}[3h])')

    for server in servers:
        eventually(lambda server=server: nothing_late(server), "late hours are computed")
        eventually(lambda server=server: len(measured(server)) >= 4, "usage records")

    at = f"{(last // 1000 // 60 * 60 - 60) + 4.5:.3f}"
    begin = f"{(last // 1000 // 60 * 60 - 3660) + 4.5:.3f}"
    for expression in EXPRESSIONS:
        asked = {"query": expression, "time": at}
        ordered = expression.startswith(("sort", "topk"))
        assert_same(answer(over, "query", **asked), answer(embedded, "query", **asked), ordered)
        asked = {"query": expression, "start": begin, "end": at, "step": "60"}
        if not expression.startswith(("scalar", "vector")):
            ranges = [answer(server, "query_range", **asked) for server in servers]
            assert_same(*ranges, ordered=False)

    match = {"match[]": '{instance="web-1"}', "start": begin, "end": at}
    for path in ("series", "labels", "label/mountpoint/values"):
        ours, wanted = (answer(server, path, **match) for server in servers)
        assert [each for each in ours if not re.search("tidecast|instance:avail", str(each))] == [
            each for each in wanted if not re.search("tidecast|instance:avail", str(each))
        ]
        assert ours


def test_what_the_asker_or_the_engine_does_wrong_is_told(engine: Engine, over: Server) -> None:
    status, body = over.request("GET", "/api/v1/query?query=sum(")
    assert (status, json.loads(body)["errorType"]) == (400, "bad_data")
    over.write((series("a"), [(now_ms(), 1.0)]), (series("a", instance="web-2"), [(now_ms(), 1.0)]))
    engine.show()
    many = urlencode({"query": "a + on () a"})
    status, body = over.request("GET", f"/api/v1/query?{many}")
    assert (status, json.loads(body)["errorType"]) == (422, "execution")
    assert "the samples engine refuses" in json.loads(body)["error"]


class Pushing:
    """web-1, which pushes four times a second how much of /var is available."""

    def __init__(self, server: Server) -> None:
        self.available = 50.0
        self._server, self._stop = server, threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Pushing:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(0.25):
            at = now_ms()
            self._server.write(
                (series("probe_size_bytes", mountpoint="/var"), [(at, 100.0)]),
                (series("probe_avail_bytes", mountpoint="/var"), [(at, self.available)]),
            )


@contextmanager
def agent(server: Server, directory: Path) -> Iterator[None]:
    process = start(
        directory / "agent.log",
        "tidecast_collector",
        f"--listen=127.0.0.1:{free_port()}",
        f"--push={server.url}/api/v1/write",
        f"--spool-dir={directory / 'spool'}",
        "--interval-seconds=1",
    )
    try:
        yield
    finally:
        process.stop()


def test_an_agent_pushes_through_us_and_rules_fire_and_resolve(
    engine: Engine, over: Server, tmp_path: Path
) -> None:
    def there(query: str) -> Sequence[Any]:
        form = [("query", query), ("nocache", "1"), ("latency_offset", "1s")]
        found: Sequence[Any] = engine.http.post_form("/api/v1/query", form)["data"]["result"]
        return found

    def named(*states: str) -> list[dict[str, Any]]:
        return [each for each in over.incidents(*states) if "DiskFull" in str(each)]

    with agent(over, tmp_path), Pushing(over) as host:
        eventually(lambda: there("node_load1"), "the agent's samples are in the engine")
        eventually(lambda: over.query("node_filesystem_size_bytes"), "and asked for by us")
        eventually(lambda: there("instance:avail:ratio"), "a recorded series is there too")
        eventually(lambda: over.query("probe_avail_bytes"), "the probe's as well")
        assert not named("open")
        host.available = 5.0
        eventually(lambda: named("open"), "an incident")
        host.available = 50.0
        eventually(lambda: named("resolved"), "it is over")
        assert not named("open")


def test_an_engine_that_is_away_is_told_and_our_own_goes_on(tmp_path: Path) -> None:
    away = f"http://127.0.0.1:{free_port()}"
    options = ("--samples-backend=prometheus", f"--samples-read-url={away}")
    with Server(tmp_path / "s", *options, f"--samples-write-url={away}/api/v1/write") as server:
        with pytest.raises(AssertionError, match="the samples engine"):
            server.write((series("a"), [(int(time.time() * 1000), 1.0)]))
        status, body = server.request("GET", "/api/v1/query?query=a")
        assert (status, json.loads(body)["errorType"]) == (503, "unavailable")
        for path in ("/", "/hosts", "/api/tidecast/v1/capacity"):
            assert server.request("GET", path)[0] == 200
        # What is our own is there all the same.
        assert server.query("vector(1)")
        assert server.get("/metrics")
