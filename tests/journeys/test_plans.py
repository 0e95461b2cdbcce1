"""Planned events and recorded changes: whom they concern, when they are known, what they did."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from tests.journeys.support import H0, HOUR_MS
from tests.journeys.test_forecast_fleet import DAY_MS, HORIZON_MS, KEY, filling, fleet, latest

from tidecast.journeys.explain_forecast import Anatomy, explanation, iso
from tidecast.journeys.forecast_fleet import AGAIN_MS, Fleet, Run, forecast_fleet
from tidecast.journeys.plans import Plans, key_of_series
from tidecast.journeys.usage_records import ResourceKey
from tidecast.policy.events import load_plans
from tidecast.policy.model import InvalidPolicy
from tidecast.records import RecordedChange, Records
from tidecast_analytics.events import Event
from tidecast_analytics.expectations import Amount
from tidecast_analytics.outlook import History, OutlookState

STEP_MS = H0 - 10 * DAY_MS


def change(at_ms: int, title: str = "moved the logs", **more: object) -> RecordedChange:
    told = {"at_ms": at_ms, "known_ms": at_ms, "recorded_ms": at_ms, "title": title, "by": "ann"}
    return RecordedChange(**{**told, **more})


def stepping(records: Records) -> Fleet:
    """28 days of a half per cent a day; ten days ago two thirds of it were moved away."""
    usage = filling(growth_a_day=0.5)
    level = usage.max - np.where(usage.hours_ms > STEP_MS, 30.0, 0.0)
    return fleet(records, replace(usage, mean=level, p95=level, max=level))


def test_a_recorded_change_is_no_shrinking(records: Records) -> None:
    moved = change(STEP_MS, host="web-*", item="/var")
    knowing = replace(stepping(records), plans=Plans(recorded=[moved]))
    forecast_fleet(knowing, Run(H0), H0, HORIZON_MS)
    (found,) = latest(records).values()
    # 20 now and half a per cent a day: 90 is 140 days away, and no dates come from the step.
    assert found.state == OutlookState.BEYOND_HORIZON
    assert found.mean[-1] == pytest.approx(20 + 0.5 * 90, abs=5)
    assert f"The step is a recorded change of {told(STEP_MS)} UTC: moved the logs (by ann)." in (
        found.reasons
    )
    (seen,) = explanation(found, Anatomy(None, ()))["changes"]
    assert seen.pop("size") == pytest.approx(-30, abs=1)
    by_hand = {
        "at": iso(STEP_MS),
        "title": "moved the logs",
        "by": "ann",
        "to_come": False,
        "expected": "",
    }
    assert seen == by_hand


def test_what_did_nothing_and_what_is_to_come(records: Records) -> None:
    plans = Plans(
        recorded=[
            change(H0 - 5 * DAY_MS, "new certificate"),
            change(H0 + DAY_MS, "more logs", known_ms=H0 - DAY_MS),
            change(H0 - DAY_MS, "elsewhere", host="db-1"),
            change(H0 - DAY_MS, "not done", withdrawn_ms=H0 - HOUR_MS),
            change(H0 - DAY_MS, "told later", known_ms=H0 + 1),
        ]
    )
    forecast_fleet(replace(fleet(records, filling()), plans=plans), Run(H0), H0, HORIZON_MS)
    (found,) = latest(records).values()
    told_of = explanation(found, Anatomy(None, ()))["changes"]
    assert [(each["title"], each["size"], each["to_come"]) for each in told_of] == [
        ("new certificate", None, False),
        ("more logs", None, True),
    ]
    about = [each for each in found.reasons if "certificate" in each or "logs" in each]
    assert about == [
        f"Planned for {told(H0 + DAY_MS)} UTC: more logs (by ann); by how much it moves the level "
        "is seen afterwards."
    ]


def test_a_change_makes_the_forecasts_of_its_resources_due(records: Records) -> None:
    other = ResourceKey("other", "thing", "")
    some = fleet(records, filling(), filling(other))
    forecast_fleet(some, Run(H0), H0, HORIZON_MS)
    later = H0 + AGAIN_MS // 2
    assert forecast_fleet(some, Run(later, everything=False), later, HORIZON_MS) == 0
    knowing = replace(some, plans=Plans(recorded=[change(H0, host="web-1", recorded_ms=later)]))
    assert forecast_fleet(knowing, Run(later, everything=False), later, HORIZON_MS) == 1
    assert {name: each.published_ms for name, each in latest(records).items()} == {
        str(KEY): later,
        str(other): H0,
    }


def test_planned_events_come_with_the_history(tmp_path: Path) -> None:
    day = datetime.fromtimestamp(H0 // 1000, UTC).date().isoformat()
    path = tmp_path / "plans.yaml"
    path.write_text(f"events: {{sale: {{host: web-1, calendar: {{holidays: [{day}]}}}}}}")
    plans, usage = Plans(load_plans(path)), filling()
    history = History(usage.hours_ms, usage.max)
    midnight = H0 // DAY_MS * DAY_MS
    given, changes = plans.beside(KEY, history, H0, HORIZON_MS)
    assert given.events == [Event(midnight, midnight + DAY_MS, "sale")]
    assert plans.beside(ResourceKey("db-1", "thing"), history, H0, HORIZON_MS)[0].events == []
    assert (given.changes_ms, changes) == ((), [])
    nothing = History(np.empty(0, dtype=np.int64), np.empty(0))
    assert plans.beside(KEY, nothing, H0, HORIZON_MS) == (nothing, [])


def test_the_series_of_a_file_are_resources() -> None:
    assert key_of_series("web-3:filesystem:/var") == ("web-3", "filesystem", "/var")
    assert key_of_series("sales") == ("sales", "custom", "")
    assert key_of_series(":odd") == (":odd", "custom", "")


def told(at_ms: int) -> str:
    return str(iso(at_ms))[:16].replace("T", " ")


def test_a_file_tells_what_planned_changes_are_expected_to_do(tmp_path: Path) -> None:
    path = tmp_path / "plans.yaml"
    path.write_text(
        "changes:\n"
        "  - {at: 2027-03-01, title: doubled, host: web-1, expected: +100%}\n"
        "  - {at: 2027-04-01, title: a disk, host: 'web-*', expected_limit: -20}\n"
        "  - {at: 2027-05-01, title: nothing said, host: web-1}\n"
    )
    hours = np.arange(48, dtype=np.int64) * HOUR_MS
    seen = History(hours, np.ones(48))
    plans = Plans(load_plans(path))
    given, changes = plans.beside(ResourceKey("web-1", "cpu"), seen, H0, HORIZON_MS)
    # Nobody said since when they are planned: they are known now.
    assert [each.title for each in changes] == ["doubled", "a disk", "nothing said"]
    doubled, disk = given.expected
    assert (doubled.usage, doubled.limit) == (Amount(ratio=1.0), Amount())
    assert (disk.usage, disk.limit) == (Amount(), Amount(size=-20.0))
    given, _ = plans.beside(ResourceKey("db-1", "cpu"), seen, H0, HORIZON_MS)
    assert given.expected == ()


def test_what_is_no_amount_is_located(tmp_path: Path) -> None:
    path = tmp_path / "plans.yaml"
    path.write_text("changes:\n  - {at: 2027-03-01, title: x, expected: a lot}\n")
    with pytest.raises(InvalidPolicy, match=r"plans.yaml:2:.*'a lot' is no amount"):
        load_plans(path)
