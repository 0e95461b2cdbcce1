"""`tidecast availability` against a server that answers what the test says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.cli.support import answering, run

PREFIX = "/api/tidecast/v1"
SHORT: dict[str, Any] = {
    "name": "shop",
    "title": "Web shop",
    "kind": "service",
    "availability": 0.99279,
    "availability_lowest": 0.98,
    "availability_highest": 1.0,
    "agreed_seconds": 950_400.0,
    "down_seconds": 6600.0,
    "unknown_seconds": 11_520.0,
    "breaks": 2,
    "modelled_availability": None,
    "sentence": "99.279 %",
}
WORD = {"id": 7, "kind": "reclassification", "state": "up", "component": "web-1"}
WORD |= {"start": "2026-10-05T22:00:00Z", "end": "2026-10-06T01:00:00Z"}


def test_the_list_of_services_is_a_table_or_csv() -> None:
    with answering({f"{PREFIX}/availability": {"services": [SHORT]}}) as server:
        shown = run("availability", f"--server={server.url}", "--month", "2026-10")
        rows = run("availability", "--format", "csv", f"--server={server.url}")
    assert shown.output.splitlines()[1].split("  ")[:2] == ["shop", "99.279 %"]
    assert "1 h 50 m" in shown.output
    assert "3 h 12 m" in shown.output
    assert server.asked[0][1] == f"{PREFIX}/availability?month=2026-10&time_zone=UTC"
    assert rows.output.splitlines()[1].startswith("shop,99.279 %,98.000 %,100 %,1 h 50 m")


def test_a_word_is_sent_with_its_times_in_utc() -> None:
    with answering({f"{PREFIX}/classifications": WORD}) as server:
        done = run(
            "availability", "mark", "web-1", "--up", "2026-10-05T22:00", "2026-10-06T03:00+02:00",
            "--reason", "the probe was at fault", "--by", "ann", f"--server={server.url}",
        )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "7: reclassification up of web-1" in done.output
    assert json.loads(server.asked[0][2]) == {
        "component": "web-1",
        "kind": "reclassification",
        "state": "up",
        "start": "2026-10-05T22:00:00+00:00",
        "end": "2026-10-06T03:00:00+02:00",
        "reason": "the probe was at fault",
        "author": "ann",
    }


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["2026-10-05T22:00", "2026-10-06T03:00"], "say what it was: --maintenance"),
        (["--up", "yesterday", "2026-10-06T03:00"], "'yesterday' is no time"),
    ],
)
def test_a_word_that_is_none_is_not_sent(arguments: list[str], why: str) -> None:
    done = run("availability", "mark", "web-1", *arguments, "--reason", "x")
    assert done.exit_code == 2
    assert why in done.output


def test_the_plan_names_parts_and_common_causes() -> None:
    part = {"service": "shop", "component": "web", "lost_seconds": 1800.0, "gain_seconds": None}
    part |= {"availability_with_option": 0.9999, "costs": ["900 EUR once"]}
    cause = {"service": "shop", "components": ["db-1", "db-2"], "joint_seconds": 1200.0}
    cause |= {"predicted_seconds": 36.0, "index": 33.3}
    answer = {"parts": [part], "common_causes": [cause]}
    with answering({f"{PREFIX}/availability/plan": answer}) as server:
        shown = run("availability", "plan", f"--server={server.url}").output
    assert "30 m" in shown
    assert "900 EUR once" in shown
    assert "db-1 db-2" in shown
    assert "33.3" in shown
