"""Our own API: described as it is, refusing with problem details, doing what it says."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import validate
from tests.scenario.driver import Server, eventually, now_ms, series
from tests.server.asking import JSON, raw, send

from tidecast.server.anomaly_api import AnomalyApi
from tidecast.server.assess_api import AssessApi
from tidecast.server.availability_api import AvailabilityApi
from tidecast.server.backup_api import BackupApi
from tidecast.server.change_api import ChangeApi
from tidecast.server.configuration_api import ConfigurationApi
from tidecast.server.forecast_api import ForecastApi
from tidecast.server.policy_api import PolicyApi
from tidecast.server.sla_api import SlaApi
from tidecast.server.slo_api import SloApi
from tidecast.server.tidecast_api import TidecastApi

HOUR_MS = 3_600_000
PREFIX = "/api/tidecast/v1"
RULES = """
groups:
  - name: quick
    interval: 1s
    rules:
      - alert: Broken
        expr: oapi_broken > 0
        labels: {severity: critical, resource: thing}
        annotations: {summary: "it is =broken"}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("ours")
    rules: Path = directory / "rules.yml"
    rules.write_text(RULES)
    with Server(directory, f"--rules-file={rules}") as running:
        yield running


def usage(host: str, *, hours: int = 400, **more: Any) -> dict[str, Any]:
    """An import of a resource of this host that grows to 60 and has the limit 100."""
    end = now_ms() // HOUR_MS * HOUR_MS
    series = {
        "instance": host,
        "resource": "custom",
        "unit": "count",
        "timestamps_ms": [end - HOUR_MS * i for i in range(hours - 1, -1, -1)],
        "mean": [60 - 0.05 * i for i in range(hours - 1, -1, -1)],
        "limit": [100.0] * hours,
        "mark": [90.0] * hours,
    }
    return {"source": "csv:test", "series": [{**series, **more}]}


def capacity(server: Server, host: str) -> list[dict[str, Any]]:
    report = server.json(f"{PREFIX}/capacity")
    return [each for each in report["resources"] if each["host"] == host]


# --- the description ---


def test_the_description_is_valid_openapi_and_tells_every_route(server: Server) -> None:
    document = server.json(f"{PREFIX}/openapi.json")
    validate(document)
    assert document["openapi"].startswith("3.1")
    told = {
        (method.upper(), path)
        for path, item in document["paths"].items()
        for method in item
        if method in ("get", "post", "put", "delete", "patch")
    }
    settings = type("Settings", (), {"data_dir": Path()})
    nothing: Any = type("Nothing", (), {"status": None, "settings": settings})()
    routes = {
        (method, route.path.removeprefix(PREFIX).replace(":int}", "}"))
        for route in [
            *TidecastApi(nothing, nothing, nothing).routes(),
            *BackupApi(nothing).routes(),
            *ForecastApi(nothing, nothing).routes(),
            *SlaApi(nothing).routes(),
            *SloApi(nothing).routes(),
            *PolicyApi(nothing).routes(),
            *AssessApi(nothing, nothing).routes(),
            *ConfigurationApi(nothing).routes(),
            *AvailabilityApi(nothing, nothing).routes(),
            *AnomalyApi(nothing).routes(),
            *ChangeApi(nothing, nothing).routes(),
        ]
        for method in (route.methods or ()) - {"HEAD"}
    }
    assert told == routes


# --- refusals ---


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "why"),
    [
        ("GET", "/nothing", b"", 404, ""),
        ("DELETE", "/usage", b"", 405, ""),
        ("GET", "/incidents/999999", b"", 404, "no incident 999999"),
        ("GET", "/incidents/" + "9" * 30, b"", 400, "does not fit"),
        ("GET", "/incidents/x", b"", 404, ""),
        ("GET", "/incidents?state=shut", b"", 400, "state: 'shut'"),
        ("POST", "/incidents/999999/resolve", b'{"by": "me"}', 404, "999999"),
        ("POST", "/incidents/999999/acknowledge", b'{"by": "me"}', 404, "999999"),
        ("POST", "/incidents/1/acknowledge", b'{"by": ""}', 400, "by must not be empty"),
        ("POST", "/incidents/1/acknowledge", b"{}", 400, "by must be a text"),
        ("GET", "/resource", b"", 404, "no resource"),
        ("GET", "/resource?host=a&resource=b&item=c", b"", 404, "'a:b:c'"),
        ("POST", "/usage", b"", 400, "not JSON"),
        ("POST", "/usage", b"{", 400, "not JSON"),
        ("POST", "/usage", b"[]", 400, "must be a JSON object"),
        ("POST", "/usage", b"\xff", 400, "not JSON"),
        ("POST", "/usage", b'{"source": "x", "series": 1}', 400, "series must be a list"),
        ("POST", "/usage", b"[" * 100_000, 400, "not JSON"),
        ("POST", "/hosts/retire", b'{"resource": "x"}', 400, "host must be a text"),
        ("POST", "/hosts/retire", b'{"host": "nobody"}', 404, "nobody"),
        ("POST", "/hosts/retire", b'{"host": "a\\u0000b"}', 400, "NUL"),
        ("POST", "/imports", b'{"key": "k", "source": "s"}', 400, "chunk must be a text"),
        ("PUT", "/settings/generated", b'{"value": "yes"}', 400, "value must be true or false"),
        ("POST", "/imports", b'{"key":"' + b"k" * 70_000 + b'"}', 413, "larger than"),
        ("GET", "/forecasts/scores", b"", 400, "which resource"),
        ("GET", "/forecasts/explain?host=nobody", b"", 404, "'nobody'"),
        ("GET", "/backtest?horizon=x", b"", 400, "horizon"),
        ("GET", "/backtest?horizon=9y", b"", 400, "two years"),
        ("GET", "/backtest?origins=0", b"", 400, "origins must be a whole number from 1 to 52"),
        ("GET", "/backtest?limit=21", b"", 400, "from 1 to 20"),
        ("GET", "/backtest?match={job=%22x%22}", b"", 400, "not by job"),
        ("GET", "/backtest?match=up%2Bup", b"", 400, "no single selector"),
        ("GET", "/backtest?match={", b"", 400, "parse error"),
        ("GET", "/reports/capacity?format=pdf", b"", 400, "'pdf' is not html or csv"),
    ],
)
def test_refusals_are_problem_details(
    server: Server, method: str, path: str, body: bytes, status: int, why: str
) -> None:
    told, headers, answer = raw(server, method, PREFIX + path, JSON, body)
    assert (told, headers["content-type"]) == (status, "application/problem+json"), answer
    problem = json.loads(answer)
    assert set(problem) == {"type", "title", "status", "detail"}
    assert problem["status"] == status
    assert why in problem["detail"]


def test_compressed_bodies_have_the_same_limits(server: Server) -> None:
    zipped = {"Content-Encoding": "gzip"}
    good = gzip.compress(json.dumps(usage("zip-1", hours=2)).encode())
    assert send(server, "POST", "/usage", good, zipped) == (200, {"written": 6})
    bomb = gzip.compress(b" " * (17 << 20))
    for body, status in ((b"no gzip", 400), (good[:-9], 413), (bomb, 413)):
        assert send(server, "POST", "/usage", body, zipped)[0] == status


# --- imports ---


def test_imported_usage_is_forecast_and_shown(server: Server) -> None:
    status, answer = send(server, "POST", "/usage", usage("grow-1"))
    assert (status, answer) == (200, {"written": 1200})
    assert send(server, "POST", "/usage", usage("grow-1"))[0] == 200, "twice is once"

    def forecast() -> dict[str, Any] | None:
        found = capacity(server, "grow-1")
        return found[0] if found and found[0]["state"] == "in_horizon" else None

    shown = eventually(forecast, "the import is forecast")
    # 60 now, 0.05 an hour more: 90 after 600 hours, that is 25 days.
    assert (shown["usage"], shown["limit"], shown["mark"]) == (60, 100, 90)
    assert shown["p10"] <= shown["p50"] <= shown["p90"]
    assert shown["source"] == "csv"
    assert "grow-1" in shown["sentence"]
    assert len(server.query(shown["query"] + "[2d]")) == 1
    whole = server.json(f"{PREFIX}/resource?host=grow-1&resource=custom")
    assert len(whole["history"]["values"]) == 400
    assert len(whole["forecast"]["times_ms"]) == len(whole["forecast"]["hi95"]) > 168


def test_late_samples_become_usage_records_again_and_again(server: Server) -> None:
    """The hour is closed long ago: its samples are late, and so are those that correct it."""
    hour = now_ms() // HOUR_MS * HOUR_MS - 5 * HOUR_MS
    labels = {"instance": "late-1:9100", "mountpoint": "/data", "fstype": "ext4", "device": "sdb"}
    size = series("node_filesystem_size_bytes", **labels)
    free = series("node_filesystem_avail_bytes", **labels)

    def recorded() -> dict[str, float]:
        found = server.query('{__name__=~"tidecast_.*",instance="late-1",item="/data"}[1d]')
        return {
            each["metric"].get("stat", each["metric"]["__name__"]): float(value)
            for each in found
            for at, value in each["values"]
            if at * 1000 == hour
        }

    minutes = [hour - i * 60_000 for i in range(60)]
    server.write((size, [(at, 1000.0) for at in minutes]))
    server.write((free, [(at, 900.0) for at in minutes]))
    expected = {"mean": 100, "p95": 100, "max": 100, "tidecast_limit": 1000, "tidecast_mark": 900}
    eventually(lambda: recorded() == expected, "60 minutes with 100 of 1000 used")
    server.write((free, [(at, 300.0) for at in minutes[:15]]))
    # 15 minutes with 700 and 45 with 100: the mean is 250; a quarter is more than 5 %.
    corrected = {**expected, "mean": 250, "p95": 700, "max": 700}
    eventually(lambda: recorded() == corrected, "the hour is computed again")
    assert capacity(server, "late-1")[0]["item"] == "/data"


def test_a_refused_import_changes_nothing(server: Server) -> None:
    bad = usage("half-1", hours=3)
    bad["series"].append({**bad["series"][0], "unit": 5})
    status, problem = send(server, "POST", "/usage", bad)
    assert status == 400
    assert "series[1].unit" in problem["detail"]
    assert capacity(server, "half-1") == []
    assert server.query('tidecast_usage{instance="half-1"}') == []


def test_chunks_of_an_import_are_remembered(server: Server) -> None:
    assert server.json(f"{PREFIX}/imports?key=k1") == {"done": []}
    for chunk in ("b", "a", "b"):
        document = {"key": "k1", "source": "csv", "chunk": chunk}
        assert send(server, "POST", "/imports", document)[0] == 200
    assert server.json(f"{PREFIX}/imports?key=k1") == {"done": ["a", "b"]}
    assert server.json(f"{PREFIX}/imports?key=k2") == {"done": []}


def test_generated_data_is_labelled(server: Server) -> None:
    try:
        assert send(server, "PUT", "/settings/generated", {"value": True}) == (200, {"value": True})
        eventually(lambda: server.json(f"{PREFIX}/capacity")["generated"])
        assert b"generated" in server.get("/")
    finally:
        send(server, "PUT", "/settings/generated", {"value": False})


def test_the_report_is_a_document(server: Server) -> None:
    send(server, "POST", "/usage", usage("report-1", hours=3))
    eventually(lambda: capacity(server, "report-1"))
    status, headers, body = raw(server, "GET", f"{PREFIX}/reports/capacity?format=csv")
    assert (status, headers["content-type"]) == (200, "text/csv; charset=utf-8")
    rows = list(csv.DictReader(io.StringIO(body.decode())))
    assert "report-1" in {row["host"] for row in rows}
    status, headers, body = raw(server, "GET", f"{PREFIX}/reports/capacity")
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert b"<html" in body
    assert b"report-1" in body


def test_the_status_says_what_is_still_to_be_done(server: Server) -> None:
    status = server.json(f"{PREFIX}/status")
    assert set(status) == {"late_hours", "forecasts_due", "usage_until_ms"}
    assert status["usage_until_ms"] % HOUR_MS == 0


# --- incidents and retirement ---


def open_incidents(server: Server, host: str) -> list[dict[str, Any]]:
    return [each for each in server.incidents("open", "acknowledged") if each["host"] == host]


def test_an_incident_is_acknowledged_and_resolved_by_name(server: Server) -> None:
    server.write((series("oapi_broken", instance="inc-1"), [(now_ms(), 1.0)]))
    (opened,) = eventually(lambda: open_incidents(server, "inc-1"), "it opens")
    assert (opened["state"], opened["resource"]) == ("open", "thing")
    path = f"/incidents/{opened['id']}"
    status, view = send(server, "POST", f"{path}/acknowledge", {"by": "eve", "comment": "on it"})
    assert (status, view["state"], view["acknowledged_by"]) == (200, "acknowledged", "eve")
    assert "on it" in json.dumps(view["timeline"])
    status, view = send(server, "POST", f"{path}/resolve", {"by": "eve"})
    assert (status, view["state"]) == (200, "resolved")
    assert server.json(PREFIX + path) == view
    status, _ = send(server, "POST", f"{path}/acknowledge", {"by": "eve"})
    assert 400 <= status < 500, "what is over is not acknowledged any more"


def test_what_is_retired_leaves_and_what_is_heard_of_again_returns(server: Server) -> None:
    hour_end = now_ms() // HOUR_MS * HOUR_MS + HOUR_MS
    send(server, "POST", "/usage", usage("gone-1", hours=5))
    server.write((series("oapi_broken", instance="gone-1"), [(now_ms(), 1.0)]))
    eventually(lambda: capacity(server, "gone-1"), "it is known")
    eventually(lambda: open_incidents(server, "gone-1"), "it is broken")
    server.write((series("oapi_broken", instance="gone-1"), [(now_ms(), 0.0)]))
    status, answer = send(server, "POST", "/hosts/retire", {"host": "gone-1", "by": "eve"})
    assert (status, answer) == (200, {"host": "gone-1", "incidents_closed": 1})
    (closed,) = (each for each in server.incidents() if each["host"] == "gone-1")
    assert closed["state"] == "resolved"
    assert "retired" in closed["resolution"]
    eventually(lambda: not capacity(server, "gone-1"), "it is not ranked any more")
    assert not [h for h in server.json(f"{PREFIX}/hosts")["hosts"] if h["host"] == "gone-1"]
    assert server.query('tidecast_usage{instance="gone-1",stat="mean"}[2d]'), "its history stays"
    # Old history is no sign of life, and neither is the hour in which it was retired.
    send(server, "POST", "/usage", usage("gone-1", hours=5))
    send(server, "POST", "/usage", usage("gone-1", hours=1, timestamps_ms=[hour_end]))
    assert send(server, "POST", "/hosts/retire", {"host": "gone-1"})[0] == 404
    later = now_ms() // HOUR_MS * HOUR_MS + 2 * HOUR_MS
    again = usage("gone-1", hours=1, timestamps_ms=[later])
    assert send(server, "POST", "/usage", again)[0] == 200
    eventually(lambda: capacity(server, "gone-1"), "it is back")
    server.write((series("node_load1", instance="gone-1"), [(now_ms(), 0.0)]))
    assert [h for h in server.json(f"{PREFIX}/hosts")["hosts"] if h["host"] == "gone-1"]
