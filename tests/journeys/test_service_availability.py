"""Availability of services from the ledger and the policy, by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tidecast.journeys.availability_plan import planned_parts
from tidecast.journeys.service_availability import Availabilities, Question, expanded
from tidecast.policy.reading import read_policy
from tidecast.records import Records
from tidecast.records.availability import Classification
from tidecast.records.configuration import Relation
from tidecast_analytics.availability import Category
from tidecast_analytics.timelines import ClassificationKind, ComponentState, Observation
from tidecast_collector.errors import InvalidInput

HOUR = 3_600_000
DAY = 24 * HOUR
UP, DEGRADED, DOWN, UNKNOWN = ComponentState

SHOP = """
services:
  shop: {rests_on: [web, database]}
  database: {rests_on: {parallel: [db-1, db-2]}}
  mail: {}
"""


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    with Records.open(f"sqlite:///{tmp_path / 'records.sqlite3'}") as opened:
        yield opened


def seen(component: str, state: ComponentState, at: int, known: int | None = None) -> Observation:
    return Observation(component, state, at, at if known is None else known, "rule")


def test_a_service_is_as_its_parts_are(records: Records) -> None:
    policy = read_policy({"p.yaml": SHOP})
    with records.unit() as unit:
        unit.outages.observe(
            [
                *(seen(name, UP, 0) for name in ("web", "db-1", "db-2")),
                # Both databases at once for one hour, one of them for four.
                seen("db-1", DOWN, 10 * HOUR),
                seen("db-1", UP, 14 * HOUR),
                seen("db-2", DOWN, 13 * HOUR),
                seen("db-2", UP, 14 * HOUR),
            ]
        )
        found = Availabilities(policy, unit, Question(0, DAY), ["shop", "mail"])
        shop, mail = found.of("shop"), found.of("mail")
    # 23 of 24 hours; modelled 1 x (1 - 4/24 x 1/24).
    assert shop.assessment.chosen.ratio == pytest.approx(23 / 24)
    assert shop.modelled_ratio == pytest.approx(1 - 4 / 24 / 24)
    assert shop.components["db-1"].chosen.ratio == pytest.approx(20 / 24)
    assert (mail.assessment.lowest, mail.assessment.highest) == (0, 1)
    assert mail.modelled_ratio is None


def test_where_degraded_is_down_the_model_needs_every_part(records: Records) -> None:
    strict = "parallel: [db-1, db-2]}, availability: {degraded: down}"
    text = SHOP.replace("parallel: [db-1, db-2]}", strict)
    policy = read_policy({"p.yaml": text})
    with records.unit() as unit:
        unit.outages.observe(
            [
                *(seen(name, UP, 0) for name in ("db-1", "db-2")),
                *(seen("db-1", DOWN, 10 * HOUR), seen("db-1", UP, 16 * HOUR)),
                *(seen("db-2", DOWN, 12 * HOUR), seen("db-2", UP, 15 * HOUR)),
            ]
        )
        found = Availabilities(policy, unit, Question(0, DAY), ["database"]).of("database")
    # Down from 10 to 16; by independent parts 18/24 x 21/24.
    assert found.assessment.chosen.ratio == pytest.approx(18 / 24)
    assert found.modelled_ratio == pytest.approx(18 / 24 * 21 / 24)
    # Of six hours one part alone was down for three, both for three: 4.5 and 1.5.
    lost = {part.component: part.lost_ms / HOUR for part in planned_parts(policy, found)}
    assert lost == pytest.approx({"db-1": 4.5, "db-2": 1.5})
    assert {part.gain_ms for part in planned_parts(policy, found)} == {None}


def test_what_is_observed_of_a_service_counts_for_those_that_rest_on_it(records: Records) -> None:
    policy = read_policy({"p.yaml": SHOP})
    with records.unit() as unit:
        unit.outages.observe(
            [
                *(seen(name, UP, 0) for name in ("web", "db-1", "db-2")),
                # A probe of the database itself, from hour 4 on; at the end it knows nothing.
                seen("database", UP, 4 * HOUR),
                seen("database", DOWN, 6 * HOUR),
                seen("database", UP, 9 * HOUR),
                seen("database", UNKNOWN, 20 * HOUR),
                # Both databases are down while the probe is well, and while it knows nothing.
                *(seen(name, DOWN, 12 * HOUR) for name in ("db-1", "db-2")),
                *(seen(name, UP, 13 * HOUR) for name in ("db-1", "db-2")),
                *(seen(name, DOWN, 21 * HOUR) for name in ("db-1", "db-2")),
                *(seen(name, UP, 23 * HOUR) for name in ("db-1", "db-2")),
            ]
        )
        found = Availabilities(policy, unit, Question(0, DAY), ["shop", "database"])
        shop, database = found.of("shop"), found.of("database")
        unit.outages.classify(
            Classification(
                "database", ClassificationKind.RECLASSIFICATION, 6 * HOUR, 8 * HOUR,
                "the probe was at fault", "ann", DAY, UP,
            )
        )  # fmt: skip
        later = Availabilities(policy, unit, Question(0, DAY), ["shop"]).of("shop")
    # Three hours by the probe and two by the parts, of which nothing is unknown.
    for each in (shop, database):
        assert each.assessment.chosen.down_ms == 5 * HOUR
        assert each.assessment.chosen.unknown_ms == 0
    assert later.assessment.chosen.down_ms == 3 * HOUR
    # What it rests on is judged by all that is known of it: the probe, too.
    assert {name: each.chosen.down_ms for name, each in shop.services.items()} == {
        "database": 5 * HOUR
    }
    assert [word.component for word in later.words] == ["database"]


def test_words_change_how_time_counts_also_later_and_can_be_left_out(records: Records) -> None:
    policy = read_policy({"p.yaml": SHOP})
    with records.unit() as unit:
        unit.outages.observe(
            [seen("mail", UP, 0), seen("mail", DOWN, 2 * HOUR), seen("mail", UP, 6 * HOUR)]
        )
        for kind, start, end, state in (
            (ClassificationKind.MAINTENANCE, 2 * HOUR, 3 * HOUR, None),
            (ClassificationKind.RECLASSIFICATION, 5 * HOUR, 6 * HOUR, UP),
            (ClassificationKind.ANNOTATION, 3 * HOUR, 4 * HOUR, None),
        ):
            unit.outages.classify(
                Classification("mail", kind, start, end, "why", "ann", 100 * HOUR, state)
            )
        now = Availabilities(policy, unit, Question(0, DAY), ["mail"]).of("mail")
        then = Availabilities(policy, unit, Question(0, DAY, 99 * HOUR), ["mail"]).of("mail")
    # Down 3-5 of 23 agreed hours now; before anybody said anything 2-6 of 24.
    assert now.assessment.chosen.ratio == pytest.approx(21 / 23)
    assert then.assessment.chosen.ratio == pytest.approx(20 / 24)
    assert now.assessment.chosen.categories[Category.MAINTENANCE].total_ms() == HOUR
    assert len(now.words) == 3


def test_a_parent_that_is_down_is_shown_by_relation(records: Records) -> None:
    policy = read_policy({"p.yaml": "services: {app: {availability: {parent_down: excluded}}}"})
    with records.unit() as unit:
        unit.configuration.put_relations("yaml", [Relation("app", "runs_on", "host", "yaml", 0)], 0)
        unit.outages.observe(
            [
                seen("app", UP, 0),
                seen("app", DOWN, 2 * HOUR),
                seen("app", UP, 8 * HOUR),
                seen("host", UP, 0),
                seen("host", DOWN, 2 * HOUR),
                seen("host", UP, 6 * HOUR),
            ]
        )
        found = Availabilities(policy, unit, Question(0, DAY), ["app"]).of("app")
    # Four of the six hours are the host's: 2 of 20 remain.
    assert found.assessment.chosen.ratio == pytest.approx(18 / 20)
    assert found.assessment.chosen.categories[Category.PARENT_DOWN].total_ms() == 4 * HOUR


def test_what_is_not_there_or_turns_in_a_circle_is_refused() -> None:
    policy = read_policy({"p.yaml": SHOP})
    with pytest.raises(InvalidInput, match="no service 'none'"):
        expanded(policy, "none")


def test_what_does_not_count_for_the_service_counts_for_no_part_of_it(records: Records) -> None:
    policy = read_policy({"p.yaml": "services: {app: {rests_on: [web]}}"})
    with records.unit() as unit:
        unit.outages.observe(
            [seen("web", UP, 0), seen("web", DOWN, 2 * HOUR), seen("web", UP, 6 * HOUR)]
        )
        unit.outages.classify(
            Classification(
                "app", ClassificationKind.EXCLUSION, 2 * HOUR, 4 * HOUR, "why", "ann", DAY
            )
        )
        app = Availabilities(policy, unit, Question(0, DAY), ["app"]).of("app")
    # Down 4-6 of 22 hours, by the service and by its model alike.
    assert app.assessment.chosen.ratio == pytest.approx(20 / 22)
    assert app.modelled_ratio == pytest.approx(20 / 22)
