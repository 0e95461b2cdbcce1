"""Availability reports and plans, by hand, on both databases."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from tidecast.journeys.availability_plan import common_causes, planned_parts
from tidecast.journeys.availability_report import (
    Asked,
    answers,
    asked,
    availability_document,
    month_span,
)
from tidecast.policy.reading import read_policy
from tidecast.records import Records
from tidecast_analytics.timelines import ComponentState, Observation
from tidecast_collector.errors import InvalidInput

HOUR = 3_600_000
UP, DEGRADED, DOWN, UNKNOWN = ComponentState
POLICY = read_policy(
    {
        "policy.yaml": """
services:
  shop: {title: Web shop, rests_on: [web, {parallel: [db-1, db-2]}]}
costs:
  - {resource: "db-*", unit: server, quantity: 1, once: 900, monthly: 40, currency: EUR}
"""
    }
)
MONTH = asked(0, 1000 * HOUR, None, 2000 * HOUR)


def say(records: Records, component: str, *states: tuple[int, ComponentState]) -> None:
    with records.unit() as unit:
        unit.outages.observe(
            [Observation(component, state, h * HOUR, h * HOUR, "check") for h, state in states]
        )


@pytest.fixture
def shop(records: Records) -> Records:
    """1,000 hours: web is down for 2 of them, the databases for 10 each, 5 of those together."""
    say(records, "web", (0, UP), (100, DOWN), (102, UP))
    say(records, "db-1", (0, UP), (200, DOWN), (210, UP))
    say(records, "db-2", (0, UP), (205, DOWN), (215, UP))
    return records


def test_the_figures_of_a_service(shop: Records) -> None:
    with shop.reading() as unit:
        (found,) = answers(POLICY, unit, MONTH, ["shop"])
    told = availability_document(POLICY, MONTH, found)
    # Down 2 h and 5 h of 1,000.
    assert told["availability"] == pytest.approx(0.993)
    assert (told["breaks"], told["down_seconds"]) == (2, 7 * 3600)
    assert told["mtbf_seconds"] == pytest.approx(993 / 2 * 3600)
    assert told["mtrs_seconds"] == pytest.approx(3.5 * 3600)
    assert told["mtbsi_seconds"] == told["mtbf_seconds"] + told["mtrs_seconds"]
    # chi2(0.95; 6) = 12.5916, chi2(0.05; 4) = 0.7107.
    assert told["mtbf_lowest_seconds"] == pytest.approx(2 * 993 * 3600 / 12.5916, rel=1e-4)
    assert told["mtbf_highest_seconds"] == pytest.approx(2 * 993 * 3600 / 0.7107, rel=1e-4)
    # web 0.998, each database 0.99.
    assert told["modelled_availability"] == pytest.approx(0.998 * (1 - 0.01**2))
    assert told["single_points_of_failure"] == ["web"]
    assert told["cut_sets"] == [["web"], ["db-1", "db-2"]]
    assert [outage["counted_seconds"] for outage in told["outages"]] == [2 * 3600, 5 * 3600]
    assert told["tree"]["kind"] == "all of"
    assert told["tree"]["parts"][1]["kind"] == "any of"
    assert sum(told["category_seconds"].values()) == 1000 * 3600


def test_the_plan_shares_downtime_and_models_a_second_part(shop: Records) -> None:
    with shop.reading() as unit:
        (found,) = answers(POLICY, unit, MONTH, ["shop"])
    parts = {part.component: part for part in planned_parts(POLICY, found)}
    # The databases' 5 hours together are shared.
    assert {name: part.lost_ms / HOUR for name, part in parts.items()} == {
        "db-1": 2.5,
        "db-2": 2.5,
        "web": 2,
    }
    # A second web: 1 - 0.002^2 in place of 0.998, both times the databases' 0.9999.
    gain = (1 - 0.002**2 - 0.998) * 0.9999 * 1000 * HOUR
    assert parts["web"].gain_ms == pytest.approx(gain)
    assert parts["web"].costs == []
    assert parts["db-1"].costs == ["900 EUR once, 40 EUR each month"]
    (cause,) = common_causes(POLICY, found)
    # Independent: 0.01 x 0.01 of 1,000 h is 0.1 h.
    assert (cause.joint_ms, cause.index) == (5 * HOUR, pytest.approx(50))


def test_a_component_alone_is_judged_round_the_clock(shop: Records) -> None:
    with shop.reading() as unit:
        (found,) = answers(POLICY, unit, MONTH, ["db-1"])
    told = availability_document(POLICY, MONTH, found)
    assert (told["kind"], told["availability"], told["tree"]) == ("component", 0.99, None)


def test_time_that_is_not_over_is_judged_so_far() -> None:
    assert asked(0, 10, None, 7) == Asked(0, 10, None, 7)
    assert asked(0, 10, 5, 7) == Asked(0, 10, 5, 5)
    for wrong in ((0, 10, None, 0), (5, 10, 4, 20), (10, 10, None, 20), (0, 2**50, None, 20)):
        with pytest.raises(InvalidInput):
            asked(*wrong)


def test_a_month_is_that_of_its_zone() -> None:
    start, end = month_span("2026-10", ZoneInfo("Europe/Berlin"))
    assert (end - start) == (31 * 24 + 1) * HOUR
    assert month_span("2026-12", ZoneInfo("UTC"))[1] == month_span("2027-01", ZoneInfo("UTC"))[0]
    for wrong in ("2026-13", "2026-1", "0000-01", "October"):
        with pytest.raises(ValueError, match="is no month"):
            month_span(wrong, ZoneInfo("UTC"))
