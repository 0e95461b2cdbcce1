"""Forecasts over HTTP on a real server: explained, scored, made again, back-tested."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from tests.scenario.driver import Server, eventually, now_ms
from tests.server.asking import send

HOUR_MS = 3_600_000
PREFIX = "/api/tidecast/v1"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("forecasts")) as running:
        send(running, "POST", "/usage", {"source": "csv:test", "series": [*histories()]})
        eventually(lambda: len(resources(running)) == 3, "all are forecast")
        eventually(lambda: explained(running), "statsmodels is loaded")
        yield running


def explained(server: Server) -> bool:
    """Whether the worker has taken a history apart; on a busy machine its imports take long."""
    try:
        return bool(server.json(f"{PREFIX}/forecasts/explain?{address('waves')}"))
    except TimeoutError:
        return False


def histories() -> Iterator[dict[str, Any]]:
    end, count = now_ms() // HOUR_MS * HOUR_MS, 21 * 24
    hours = [end - HOUR_MS * i for i in range(count - 1, -1, -1)]
    x = np.arange(count)
    usages = {
        "grows": 40 + x / 24,
        "waves": 40 + 9 * np.sin(x / 24 * 2 * np.pi),
        "percent": np.where(x == 200, 150.0, 50.0 + x % 7),
    }
    for name, usage in usages.items():
        yield {
            "instance": "web-1",
            "resource": "custom",
            "item": name,
            "unit": "count",
            "timestamps_ms": hours,
            "mean": usage.tolist(),
            "limit": [100.0] * count,
            "mark": [90.0] * count,
        }


def resources(server: Server) -> list[dict[str, Any]]:
    report = server.json(f"{PREFIX}/capacity")
    return [each for each in report["resources"] if each["published"]]


def address(item: str) -> str:
    return f"host=web-1&resource=custom&item={item}"


def test_a_forecast_is_explained(server: Server) -> None:
    told = server.json(f"{PREFIX}/forecasts/explain?{address('grows')}")
    assert told["state"] == "in_horizon"
    assert told["span"]["values"] == 21 * 24
    assert told["mark"] == {"value": 90, "source": "90% of the limit, by the default policy"}
    assert told["parts"]["rise_per_day"] == pytest.approx(1, abs=0.05)
    assert told["parts_lacking"] == ""
    assert told["method"]["members"]
    assert told["probability"] > 0.9
    assert told["last_errors"] == []


def test_what_is_wrong_with_a_history_is_told_everywhere(server: Server) -> None:
    (found,) = server.json(f"{PREFIX}/forecasts/explain?{address('percent')}")["findings"]
    assert (found["kind"], found["severity"]) == ("over_limit", "note")
    (row,) = [each for each in resources(server) if each["item"] == "percent"]
    assert row["findings"] == [found]
    page = server.get(f"/resources?{address('percent')}").decode()
    assert "What is wrong with its history" in page
    assert "1 value above 100" in page
    assert "What is wrong" not in server.get(f"/resources?{address('grows')}").decode()


def test_the_page_tells_all_that_is_behind_a_forecast(server: Server) -> None:
    plain = server.get(f"/resources?{address('waves')}").decode()
    assert "explain=1#explained" in plain
    page = server.get(f"/resources?{address('waves')}&explain=1").decode()
    assert "Season of the day" in page
    assert 'class="fan parts"' in page


def test_nothing_is_scored_on_the_first_day(server: Server) -> None:
    assert server.json(f"{PREFIX}/forecasts/scores?{address('grows')}")["scores"] == []
    fleet = server.json(f"{PREFIX}/forecasts")
    assert (fleet["fleet"]["scored"], fleet["fleet"]["coverage80"]) == (0, None)
    assert b"tidecast_forecast_held" not in server.get("/metrics")


def test_every_forecast_is_made_again_when_asked(server: Server) -> None:
    before = {each["item"]: each["published"] for each in resources(server)}
    status, told = send(server, "POST", "/forecasts/run", {})
    assert (status, told["due"]) == (200, True)
    done = eventually(
        lambda: (run := server.json(f"{PREFIX}/forecasts/run")) and not run["due"] and run
    )
    assert (done["running"], done["done"], done["total"]) == (False, 3, 3)
    assert done["started"]
    assert all(each["published"] > before[each["item"]] for each in resources(server))
    metrics = server.get("/metrics").decode()
    assert 'tidecast_forecast_run_series{state="done"} 3.0' in metrics


def test_promtool_finds_nothing_wrong_with_the_metrics(server: Server) -> None:
    metrics = server.get("/metrics")
    assert b'tidecast_time_to_mark_seconds{instance="web-1",item="grows",quantile="0.5"' in metrics
    done = subprocess.run(
        ["/usr/bin/promtool", "check", "metrics"], input=metrics, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_back_tests_come_in_pages(server: Server) -> None:
    selector = quote('{instance="web-1",item=~"grows|waves"}')
    asked = f"{PREFIX}/backtest?match={selector}&horizon=3d&origins=1&limit=1"
    first, second = (server.json(f"{asked}&offset={offset}") for offset in (0, 1))
    assert (first["total"], first["series"]) == (2, 1)
    assert {row["series"] for row in first["scores"]} == {"web-1:custom:grows"}
    assert {row["series"] for row in second["scores"]} == {"web-1:custom:waves"}
    rows = {row["method"]: row for row in first["scores"]}
    # One a day for three days: the day before is off by one, two and three.
    assert rows["snaive 24 h"]["mae"] == pytest.approx(2, abs=0.01)
    assert rows["tidecast"]["mae"] < 0.5
    assert server.json(f"{asked}&offset=2")["scores"] == []
