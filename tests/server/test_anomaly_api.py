"""Anomalies over HTTP on a real server, beside what the page and PromQL say of them."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from tests.cli.support import run
from tests.scenario.driver import Server, eventually, now_ms
from tests.server.asking import send

HOUR_MS = 3_600_000
PREFIX = "/api/tidecast/v1"
HOST = "strange-1"
MATCH = quote(f'{{instance="{HOST}"}}')
COUNT = 42 * 24
SPIKE = COUNT - 5


@pytest.fixture(scope="module")
def server(shared: Server) -> Server:
    send(shared, "POST", "/usage", {"source": "csv:test", "series": usages()})
    eventually(lambda: len(asked(shared)["leaks"]) == 1, "the fleet is looked at")
    return shared


def usages() -> list[dict[str, Any]]:
    end = now_ms() // HOUR_MS * HOUR_MS
    x = np.arange(COUNT)
    random = np.random.default_rng(1)
    shapes = {
        "waves": 50 + 10 * np.sin(x / 24 * 2 * np.pi) + random.normal(0, 1, COUNT),
        "leaks": 500 + 2.0 * (x % 100) + random.normal(0, 3, COUNT),
        "steps": 50 + random.normal(0, 1, COUNT) + 30.0 * (x >= COUNT - 200),
    }
    shapes["waves"][SPIKE] += 60
    return [
        {
            "instance": HOST,
            "resource": "custom",
            "item": item,
            "unit": "count",
            "timestamps_ms": [end - HOUR_MS * i for i in range(COUNT - 1, -1, -1)],
            "mean": values.tolist(),
        }
        for item, values in shapes.items()
    ]


def asked(server: Server, more: str = "") -> Any:
    return server.json(f"{PREFIX}/anomalies?match={MATCH}{more}")


def stamp(hours_ago: int) -> str:
    at = now_ms() // HOUR_MS * HOUR_MS - hours_ago * HOUR_MS
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_a_spike_a_step_and_a_leak_are_told(server: Server) -> None:
    told = asked(server, "&min_score=3")
    (spike,) = [each for each in told["anomalies"] if each["item"] == "waves"]
    assert spike["first"] == stamp(4)
    assert spike["value"] > 90
    assert spike["usual"] == pytest.approx(50 + 10 * np.sin(SPIKE / 24 * 2 * np.pi), abs=4)
    assert spike["once_in_weeks"] >= 1000
    assert [(each["item"], each["at"]) for each in told["shifts"]] == [("steps", stamp(199))]
    (leak,) = told["leaks"]
    assert leak["item"] == "leaks"
    assert leak["rate_per_day"] == pytest.approx(48, rel=0.1)
    assert leak["restarts"][-1] == stamp(COUNT - 1 - 1000)


def test_since_and_score_narrow(server: Server) -> None:
    every, late = asked(server), asked(server, f"&since={(now_ms() - 12 * HOUR_MS) / 1000}")
    assert "waves" in {each["item"] for each in late["anomalies"]}
    assert late["shifts"] == []
    assert 0 < late["total"] < every["total"]
    peaks = [each["peak"] for each in every["anomalies"]]
    assert peaks == sorted(peaks, reverse=True)
    nobody = quote('{instance="nobody"}')
    assert server.json(f"{PREFIX}/anomalies?match={nobody}")["resources"] == 0


@pytest.mark.parametrize(
    "query", ["since=yesterday", "min_score=x", "min_score=nan", "min_score=-1", "match=rate(x)"]
)
def test_what_makes_no_sense_is_refused(server: Server, query: str) -> None:
    status, answer = send(server, "GET", f"/anomalies?{query}", b"")
    assert status == 400
    assert answer["detail"]


def test_the_newest_score_is_a_series(server: Server) -> None:
    text = server.get("/metrics").decode()
    shown = [line for line in text.splitlines() if f'instance="{HOST}"' in line]
    values = [float(v.rsplit(" ", 1)[1]) for v in shown if v.startswith("tidecast_anomaly_score")]
    assert len(values) == 3
    assert all(-1 <= value <= 6 and math.isfinite(value) for value in values)


def test_the_page_gives_it_as_a_reason(server: Server) -> None:
    eventually(lambda: "It leaks" in page(server, "leaks"), "the page says that it leaks")
    assert "Strange in the last day" in page(server, "waves")


def page(server: Server, item: str) -> str:
    return server.get(f"/resources?host={HOST}&resource=custom&item={item}").decode()


def test_the_command_line_shows_the_same(server: Server) -> None:
    selector = f'{{instance="{HOST}"}}'
    done = run("anomalies", selector, "--leaks", TIDECAST_SERVER=server.url)
    assert done.exit_code == 0, done.output
    assert done.output.splitlines()[1].startswith(f"{HOST}")
    assert "leaks" in done.output
    strict = run("anomalies", selector, "--expected-per-week", "0.001", TIDECAST_SERVER=server.url)
    assert stamp(4) in strict.output
