"""One sentence of meaning for each typed answer."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tidecast_reports.capacity import ResourceOutlook, TrackRecord
from tidecast_reports.sentences import (
    fast_sentence,
    fleet_track_sentence,
    resource_name,
    sentence,
    track_sentence,
    usage_detail,
)

DAY_MS = 86_400_000
NOW_MS = 1_798_761_600_000  # 1 Jan 2027
Vary = Callable[..., ResourceOutlook]


def say(outlook: ResourceOutlook) -> str:
    return sentence(outlook, NOW_MS, 90)


def test_within_the_horizon_it_tells_the_range_and_the_likeliest_day(outlook: Vary) -> None:
    # 33, 48 and 67 days after 1 January 2027 are 3 February, 18 February and 9 March
    assert say(outlook()) == (
        "/var on web-3 reaches 90 % between 3 Feb and 9 Mar (P10–P90), most likely 18 Feb"
    )


def test_an_open_range_says_from_when_on(outlook: Vary) -> None:
    assert say(outlook(p90_ms=None)) == (
        "/var on web-3 reaches 90 % from 3 Feb on (P10), most likely 18 Feb"
    )


def test_a_range_of_one_day_is_said_once(outlook: Vary) -> None:
    day = NOW_MS + 5 * DAY_MS
    assert say(outlook(p10_ms=day, p50_ms=day, p90_ms=day)) == (
        "/var on web-3 reaches 90 % most likely on 6 Jan (P10–P90)"
    )


@pytest.mark.parametrize(
    ("state", "change", "text"),
    [
        ("over_now", {"usage": 47 * 2.0**30}, "is over its mark now: 94 % used, mark 90 %"),
        ("beyond_horizon", {"p10_ms": None}, "stays below 90 % for the next 90 days"),
        ("beyond_horizon", {}, "most likely stays below 90 % for 90 days, at the earliest 3 Feb"),
        ("not_growing", {}, "is not growing: 80 % used, mark 90 %"),
        ("no_mark", {"mark": None}, "has no mark to reach: 80 % now"),
        ("not_enough_data", {}, "has too little history for a forecast"),
        (
            "not_enough_data",
            {"possible_ms": NOW_MS + 2 * DAY_MS},
            "has too little history yet: a first forecast is possible in 2 days",
        ),
    ],
)
def test_every_other_answer(outlook: Vary, state: str, change: dict[str, float], text: str) -> None:
    assert say(outlook(**{"p50_ms": None, "p90_ms": None, "state": state, **change})) == (
        f"/var on web-3 {text}"
    )


def test_a_resource_without_limit_tells_its_mark_in_its_unit(outlook: Vary) -> None:
    told = say(outlook(limit=None, unit="count", mark=12_000.0, resource="custom", item="queue"))
    assert told.startswith("queue on web-3 reaches 12 k between")


def test_the_fast_path_tells_hours_and_minutes(outlook: Vary) -> None:
    assert fast_sentence(outlook(full_in_seconds=(6600.0, 9600.0, 15_000.0))) == (
        "full in 2:40 h (P10–P90 1:50–4:10)"
    )
    assert fast_sentence(outlook(full_in_seconds=(1e5, 3e5, 1e6))) == (
        "full in 3 days at the present rate"
    )
    assert fast_sentence(outlook()) == ""


def test_the_track_record(outlook: Vary) -> None:
    assert track_sentence(outlook(track=TrackRecord(9, 10))) == (
        "9 of the last 10 forecasts for it held"
    )
    assert track_sentence(outlook()) == "no forecast for it has been scored yet"


def test_usage_in_full_is_said_only_where_the_share_leaves_it_open(outlook: Vary) -> None:
    assert usage_detail(outlook()) == "40 GiB of 50 GiB"
    assert usage_detail(outlook(unit="ratio", limit=1.0)) == ""


def test_names_of_resources() -> None:
    assert resource_name("cpu", "") == "CPU"
    assert resource_name("inodes", "/var") == "Inodes of /var"
    assert resource_name("connection_pool", "main") == "Connection pool main"


def test_a_peak_of_the_running_hour_is_said_to_be_of_this_hour(outlook: Vary) -> None:
    full = outlook(state="not_growing", provisional=49.0 * 2.0**30)
    assert say(full) == "/var on web-3 is over its mark in this hour: 98 % used, mark 90 %"


def test_the_fleets_track_record() -> None:
    assert fleet_track_sentence(TrackRecord(38, 40)) == "38 of 40 forecasts held"
    assert fleet_track_sentence(TrackRecord(38, 40, 0.786)) == (
        "38 of 40 forecasts held, 79 % of what came lay within their 80 % bands"
    )
