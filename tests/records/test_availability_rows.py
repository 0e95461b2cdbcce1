"""The list of services is kept, and done again where something that it rests on has changed."""

from __future__ import annotations

import pytest

from tidecast.journeys import availability_rows
from tidecast.journeys.availability_report import asked
from tidecast.journeys.availability_rows import AvailabilityRows, Row
from tidecast.journeys.configuration_items import keep_facts, parse_facts
from tidecast.policy.model import Policy
from tidecast.policy.reading import read_policy
from tidecast.records import Records
from tidecast.records.availability import Classification
from tidecast_analytics import calendars
from tidecast_analytics.timelines import ClassificationKind, ComponentState, Observation

HOUR = 3_600_000
UP, DEGRADED, DOWN, UNKNOWN = ComponentState
POLICY = read_policy(
    {"policy.yaml": "services: {a: {rests_on: web}, b: {rests_on: [db, web-2]}, c: {}, d: {}}"}
)
NOW = 1000 * HOUR
MONTH = asked(0, NOW, None, NOW)


def say(records: Records, component: str, *states: tuple[int, ComponentState]) -> None:
    with records.unit() as unit:
        unit.outages.observe(
            [Observation(component, state, h * HOUR, h * HOUR, "check") for h, state in states]
        )


def told(rows: AvailabilityRows, policy: Policy = POLICY, now_ms: int = NOW) -> dict[str, Row]:
    return {row.name: row for row in rows.of(policy, MONTH, "month", now_ms)[1]}


def down(found: dict[str, Row]) -> dict[str, float]:
    return {name: row.document["down_seconds"] / 3600 for name, row in found.items()}


@pytest.fixture
def rows(records: Records, monkeypatch: pytest.MonkeyPatch) -> AvailabilityRows:
    # However quick this machine is, what is kept stays for the test.
    monkeypatch.setattr(availability_rows, "PATIENCE", 1e12)
    say(records, "web", (0, UP), (10, DOWN), (12, UP))
    say(records, "db", (0, UP))
    say(records, "web-2", (0, UP))
    return AvailabilityRows(records)


def test_only_what_has_changed_is_done_again(records: Records, rows: AvailabilityRows) -> None:
    first = told(rows)
    assert down(first) == {"a": 2, "b": 0, "c": 0, "d": 0}
    assert told(rows)["a"] is first["a"]
    say(records, "db", (20, DOWN), (23, UP))
    second = told(rows)
    assert down(second) == {"a": 2, "b": 3, "c": 0, "d": 0}
    assert second["a"] is first["a"]
    # What is later than the period changes nothing of it.
    say(records, "web", (2000, DOWN))
    assert told(rows)["a"] is first["a"]


def test_words_and_their_withdrawal_count(records: Records, rows: AvailabilityRows) -> None:
    first = told(rows)
    word = Classification(
        "web", ClassificationKind.RECLASSIFICATION, 10 * HOUR, 11 * HOUR, "why", "ann", NOW, UP
    )
    with records.unit() as unit:
        number = unit.outages.classify(word).id
    assert down(told(rows))["a"] == 1 and told(rows)["b"] is first["b"]
    assert number is not None
    with records.unit() as unit:
        unit.outages.withdraw(number, "ann", NOW)
    assert down(told(rows))["a"] == 2


def test_another_policy_or_relation_does_all_again(
    records: Records, rows: AvailabilityRows
) -> None:
    first = told(rows)
    other = read_policy({"policy.yaml": "services: {a: {rests_on: db}}"})
    assert down(told(rows, other)) == {"a": 0}
    again = told(rows)
    assert again["b"] is not first["b"]
    facts = {"source": "cmdb", "relations": [{"subject": "db", "kind": "runs_on", "object": "esx"}]}
    say(records, "esx", (0, UP), (30, DOWN), (31, UP))
    assert told(rows)["b"] is again["b"]
    with records.unit() as unit:
        keep_facts(unit, parse_facts(facts, 0, int), "ann", 0)
    related = told(rows)
    assert related["b"] is not again["b"] and "esx" in related["b"].watches


def test_time_passes(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(availability_rows, "PATIENCE", 0)
    rows = AvailabilityRows(records)
    first = told(rows)
    assert told(rows, now_ms=NOW + 1)["a"] is not first["a"]


def test_a_service_that_cannot_be_worked_out_says_so_in_its_row(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calendars, "MAX_OCCURRENCES", 500)
    seconds = "{start: '1970-01-01T00:00', duration: 1s, rule: FREQ=SECONDLY}"
    text = (
        f"calendars: {{ticks: {{events: [{seconds}]}}}}\n"
        "services: {a: {rests_on: web}, bad: {rests_on: web, agreed_service_time: ticks}}"
    )
    found = told(AvailabilityRows(records), read_policy({"p.yaml": text}))
    assert not found["a"].why_not and found["bad"].why_not
    assert found["bad"].document["sentence"].startswith("cannot be worked out: ")
    assert min(found.values(), key=lambda row: row.lowest_ratio).name == "bad"
