"""Changes over HTTP and by command: recorded, listed, withdrawn, and known to forecasts."""

from __future__ import annotations

import http.client
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
from tests.scenario.driver import Server, eventually, now_ms, run_command
from tests.server.asking import send

HOUR_MS = 3_600_000
PREFIX = "/api/tidecast/v1"
MOVED = {"title": "moved the logs", "by": "ann", "host": "change-1", "item": "/var"}


def changes(server: Server) -> list[dict[str, Any]]:
    told = server.json(f"{PREFIX}/changes")["changes"]
    return [each for each in told if each["host"].startswith("change-")]


def test_a_change_is_recorded_listed_and_withdrawn(shared: Server) -> None:
    at = "2026-01-02T04:00:00+01:00"
    status, kept = send(shared, "POST", "/changes", {**MOVED, "at": at, "known": at})
    assert (status, kept["state"], kept["at"]) == (200, "done", "2026-01-02T03:00:00Z")
    assert (kept["known"], kept["resource"], kept["withdrawn"]) == (kept["at"], "*", None)
    assert changes(shared) == [kept]
    assert shared.json(f"{PREFIX}/changes?since=2100-01-01T00:00:00Z") == {"changes": []}

    planned = run_command(
        "change", "record", "more logs", "--host=change-*", "--at=2099-01-01", "--by=bob",
        f"--server={shared.url}",
    )  # fmt: skip
    assert planned == f"{kept['id'] + 1}: planned at 2099-01-01T00:00:00Z: more logs\n"
    listed = run_command("change", "list", f"--server={shared.url}").splitlines()
    states = [line.split()[1] for line in listed if " change-" in line]
    assert states == ["planned", "done"], "the newest first, whatever other tests have recorded"

    number = str(kept["id"])
    done = run_command("change", "withdraw", number, f"--server={shared.url}")
    assert done == f"{number}: withdrawn: moved the logs\n"
    assert [each["state"] for each in changes(shared)] == ["planned", "withdrawn"]
    status, refused = send(shared, "POST", f"/changes/{number}/withdraw", {"by": "ann"})
    assert status == 404
    assert "withdrawn already" in refused["detail"]


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"host": ""}, "host must be a text"),
        ({"title": "x" * 1001}, "title must be a text of 1 to 1000 characters"),
        ({"by": 3}, "by must be a text"),
        ({"at": "soon"}, "cannot parse"),
        ({"at": 3}, "at must be a time"),
        ({"known": "2099-01-01T00:00:00Z"}, "known lies in the future"),
        ({"title": "a\0b"}, "NUL"),
    ],
)
def test_what_is_no_change_is_refused(shared: Server, wrong: dict[str, Any], why: str) -> None:
    before = changes(shared)
    status, told = send(shared, "POST", "/changes", {**MOVED, **wrong})
    assert status == 400
    assert why in told["detail"]
    assert changes(shared) == before


def test_a_recorded_change_is_behind_the_next_forecast(shared: Server) -> None:
    hours = now_ms() // HOUR_MS * HOUR_MS - HOUR_MS * np.arange(30 * 24 - 1, -1, -1)
    moved_ms = int(hours[20 * 24])
    usage = 30 + np.arange(30 * 24) / 24 - 20 * (hours > moved_ms)
    series = {
        "instance": "moved-9", "resource": "filesystem", "item": "/var", "unit": "bytes",
        "timestamps_ms": hours.tolist(), "max": usage.tolist(), "mark": [90.0] * len(hours),
    }  # fmt: skip
    send(shared, "POST", "/usage", {"source": "csv:changes", "series": [series]})
    key = "host=moved-9&resource=filesystem&item=/var"
    at = f"{np.datetime64(moved_ms, 'ms')}Z"
    status, _ = send(shared, "POST", "/changes", {**MOVED, "host": "moved-9", "at": at})
    assert status == 200

    def told() -> list[dict[str, Any]]:
        found = shared.json(f"{PREFIX}/resource?{key}")
        known = [each for each in found["reasons"] if "recorded change" in each]
        return known and [found]

    (found,) = eventually(told, "the forecast knows of the change")
    assert found["state"] == "in_horizon"
    (seen,) = shared.json(f"{PREFIX}/forecasts/explain?{key}")["changes"]
    assert (seen["title"], seen["to_come"]) == ("moved the logs", False)
    assert seen["size"] == pytest.approx(-20, abs=1)
    page = shared.get(f"/resources?{key}&explain=1").decode()
    assert "moved the level by" in page


def test_what_a_planned_change_is_expected_to_do_moves_the_forecast(shared: Server) -> None:
    hours = now_ms() // HOUR_MS * HOUR_MS - HOUR_MS * np.arange(20 * 24 - 1, -1, -1)
    usage = 50 + np.random.default_rng(1).normal(0, 0.2, hours.size)
    series = {
        "instance": "doubles-9", "resource": "filesystem", "item": "/v[1]", "unit": "bytes",
        "timestamps_ms": hours.tolist(), "max": usage.tolist(), "mark": [90.0] * len(hours),
    }  # fmt: skip
    send(shared, "POST", "/usage", {"source": "csv:changes", "series": [series]})
    key = "host=doubles-9&resource=filesystem&item=%2Fv%5B1%5D"
    at_ms = now_ms() + 20 * 24 * HOUR_MS
    form = {
        "host": "doubles-9", "resource": "filesystem", "item": "/v[1]", "title": "twice the load",
        "by": "ann", "at": str(np.datetime64(at_ms, "ms"))[:16], "expected": "+100%",
    }  # fmt: skip
    assert post_form(shared, "/resources/changes", form) == (303, f"/resources?{key}#changes")

    def told() -> list[dict[str, Any]]:
        found = shared.json(f"{PREFIX}/resource?{key}")
        return [found] if found["state"] == "in_horizon" else []

    (found,) = eventually(told, "the forecast counts on the change")
    assert abs(ms_of(found["p50"]) - at_ms) < 26 * HOUR_MS
    assert any("the forecast counts on it: usage +100%" in each for each in found["reasons"])
    (seen,) = shared.json(f"{PREFIX}/forecasts/explain?{key}")["changes"]
    assert (seen["to_come"], seen["expected"]) == (True, "usage +100%")
    page = shared.get(f"/resources?{key}").decode()
    assert "twice the load" in page and "Dotted lines are recorded changes" in page

    assert post_form(shared, "/resources/changes", {**form, "expected": "a lot"}) == (400, "")
    listed = run_command("change", "list", "--format=json", f"--server={shared.url}")
    assert '"+100%"' in listed and "a lot" not in listed
    status, refused = send(shared, "POST", "/changes", {**MOVED, "expected_limit": "more"})
    assert (status, "'more' is no amount" in refused["detail"]) == (400, True)


def ms_of(text: str) -> int:
    return int(np.datetime64(text.removesuffix("Z"), "ms").astype(np.int64))


def post_form(server: Server, path: str, form: dict[str, str]) -> tuple[int, str]:
    """The status of what a browser's form gets, and where it is sent to."""
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"))
    kind = {"content-type": "application/x-www-form-urlencoded"}
    connection.request("POST", path, urlencode(form), kind)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status, answer.headers.get("location", "")
