"""Observations and words through the API of a running server."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.scenario.driver import Server
from tests.server.asking import JSON

PREFIX = "/api/tidecast/v1"
HOUR = 3_600_000
NOV = 1_761_955_200_000
"""2025-11-01T00:00:00Z."""


def post(server: Server, path: str, body: object) -> tuple[int, Any]:
    status, answer = server.request("POST", PREFIX + path, json.dumps(body).encode(), JSON)
    return status, json.loads(answer)


def ask(server: Server, path: str, **query: object) -> Any:
    return server.json(f"{PREFIX}{path}?{urlencode(query, doseq=True)}")


def seen(component: str, *states: tuple[str, int], source: str = "check") -> dict[str, Any]:
    """Observations of hours of November 2025, each known when it was."""
    return {
        "observations": [
            {
                "component": component,
                "state": state,
                "from": NOV + hour * HOUR,
                "known_at": NOV + hour * HOUR,
                "source": source,
            }
            for state, hour in states
        ]
    }


def test_observations_are_added_once_and_told_as_known_on_a_day(shared: Server) -> None:
    body = seen("obs-1", ("up", 0), ("down", 5), ("up", 6))
    assert post(shared, "/observations", body) == (200, {"taken": 3, "added": 3})
    assert post(shared, "/observations", body) == (200, {"taken": 3, "added": 0})
    late = {"component": "obs-1", "state": "down", "from": "2025-11-01T08:00:00+00:00"}
    late |= {"known_at": "2025-11-02T10:00:00+02:00", "source": "ann"}
    assert post(shared, "/observations", {"observations": [late]})[1]["added"] == 1
    period = {"component": "obs-1", "start": NOV, "end": "2025-11-03T00:00:00Z"}
    told = ask(shared, "/observations", **period)["observations"]
    assert [(one["state"], one["from"]) for one in told] == [
        ("up", "2025-11-01T00:00:00Z"),
        ("down", "2025-11-01T05:00:00Z"),
        ("up", "2025-11-01T06:00:00Z"),
        ("down", "2025-11-01T08:00:00Z"),
    ]
    assert told[-1]["known_at"] == "2025-11-02T08:00:00Z"
    before = ask(shared, "/observations", **period, known_on="2025-11-02T07:59:59Z")
    assert len(before["observations"]) == 3


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"state": "broken"}, "observations[1].state: 'broken' is not one of up, degraded, down"),
        ({"from": "2025-11-01"}, "observations[1].from: '2025-11-01' is no time"),
        ({"from": None}, "observations[1].from: it is missing"),
        ({"from": True}, "observations[1].from: 'True' is no time"),
        ({"known_at": "2099-01-01T00:00:00Z"}, "observations[1].known_at: it lies in the future"),
        ({"known_at": 0}, "observations[1].from: it lies after the time at which it was known"),
        ({"component": "a\nb"}, "observations[1].component: at most 200 printable"),
        ({"source": " "}, "observations[1].source: a text that is not empty"),
        ({"extra": 1}, "observations[1].extra: unknown; known: component"),
    ],
)
def test_a_wrong_observation_is_located_and_nothing_is_kept(
    shared: Server, change: dict[str, Any], why: str
) -> None:
    body = seen("obs-wrong", ("up", 0), ("down", 5))
    body["observations"][1] |= change
    status, problem = post(shared, "/observations", body)
    assert status == 400
    assert why in problem["detail"]
    assert not ask(shared, "/observations", component="obs-wrong", start=0)["observations"]


def test_too_many_observations_are_refused(shared: Server) -> None:
    one = seen("obs-many", ("up", 0))["observations"]
    status, problem = post(shared, "/observations", {"observations": one * 10_001})
    assert (status, problem["detail"]) == (400, "observations: from 1 to 10000 are taken at once")


def test_a_word_stands_until_it_is_withdrawn(shared: Server) -> None:
    word = {"component": "obs-2", "kind": "maintenance", "start": NOV, "end": NOV + HOUR}
    word |= {"reason": "new disks", "author": "ann"}
    status, kept = post(shared, "/classifications", word)
    assert status == 200
    assert (kept["kind"], kept["end"]) == ("maintenance", "2025-11-01T01:00:00Z")
    # Sent twice it stands once.
    assert post(shared, "/classifications", word)[1] == kept
    period = {"component": "obs-2", "start": NOV, "end": NOV + HOUR}
    assert ask(shared, "/classifications", **period)["classifications"] == [kept]
    path = f"/classifications/{kept['id']}/withdraw"
    status, gone = post(shared, path, {"by": "bob"})
    assert (status, gone["withdrawn_by"]) == (200, "bob")
    assert not ask(shared, "/classifications", **period)["classifications"]
    assert post(shared, path, {"by": "bob"})[0] == 404


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"end": NOV}, "end: it must lie after 'start'"),
        ({"kind": "holiday"}, "kind: 'holiday' is not one of maintenance, exclusion"),
        ({"kind": "reclassification"}, "state: a reclassification needs one"),
        ({"state": "up"}, "state: a reclassification needs one, and nothing else has one"),
        ({"reason": ""}, "reason: a text that is not empty"),
        ({"author": None}, "author: it is missing"),
    ],
)
def test_a_wrong_word_is_refused(shared: Server, change: dict[str, Any], why: str) -> None:
    word = {"component": "obs-3", "kind": "exclusion", "start": NOV, "end": NOV + HOUR}
    status, problem = post(
        shared, "/classifications", word | {"reason": "strike", "author": "ann"} | change
    )
    assert status == 400
    assert why in problem["detail"]


# --- figures ---


def test_a_component_is_told_as_known_on_a_day(shared: Server) -> None:
    body = seen("obs-4", ("up", 0), ("down", 5), ("up", 6), ("unknown", 10), ("up", 12))
    post(shared, "/observations", body)
    word = {"component": "obs-4", "kind": "maintenance", "start": NOV + 5 * HOUR}
    word |= {"end": NOV + 6 * HOUR, "reason": "new disks", "author": "ann"}
    day = {"start": NOV, "end": NOV + 24 * HOUR}
    before = ask(shared, "/availability", component="obs-4", **day)
    kept = post(shared, "/classifications", word)[1]
    after = ask(shared, "/availability", component="obs-4", **day)
    # Down 1 of 22 known hours; at worst 3 of 24. Then nothing of 23, of which 2 are unknown.
    assert before["availability"] == pytest.approx(21 / 22)
    assert before["availability_lowest"] == pytest.approx(21 / 24)
    assert before["availability_highest"] == pytest.approx(23 / 24)
    assert (after["availability"], after["availability_lowest"]) == (1, pytest.approx(21 / 23))
    assert after["unknown_seconds"] == 2 * 3600
    then = ask(shared, "/availability", component="obs-4", **day, known_on=NOV + 48 * HOUR)
    assert (then["availability"], then["words"]) == (before["availability"], [])
    assert after["words"][0]["id"] == kept["id"]


@pytest.mark.parametrize(
    ("query", "status", "why"),
    [
        ("component=nobody", 404, "nothing was observed of a component"),
        ("service=nobody", 404, "there is no service 'nobody'"),
        ("service=a&component=b", 400, "give one of them"),
        ("month=2026-13", 400, "'2026-13' is no month"),
        ("month=2026-10&time_zone=Mars/Phobos", 400, "no IANA time zone"),
        ("month=2026-10&start=0", 400, "give a month, or start and end"),
        ("month=2090-01", 400, "had not begun"),
        ("start=2026-10-05", 400, "start: '2026-10-05' is no time"),
        ("start=5&end=5", 400, "end must lie after start"),
        ("start=0&end=2026-10-05T00:00:00Z", 400, "at most three years"),
        ("known_on=yesterday", 400, "known_on: 'yesterday' is no time"),
    ],
)
def test_what_cannot_be_answered_says_why(
    shared: Server, query: str, status: int, why: str
) -> None:
    got, problem = shared.request("GET", f"{PREFIX}/availability?{query}")
    assert got == status
    assert why in json.loads(problem)["detail"]


def test_without_a_policy_there_are_no_services(shared: Server) -> None:
    assert ask(shared, "/availability")["services"] == []
    assert ask(shared, "/availability/plan")["parts"] == []
    assert b"No service is known yet" in shared.get("/services")
