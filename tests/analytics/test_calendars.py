"""Hours of work in time zones, on the days when clocks change too."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidecast_analytics.calendars import (
    ALWAYS,
    Calendar,
    Event,
    TooManyOccurrences,
    WeeklyHours,
    event_spans,
    local_time,
    utc_ms,
)
from tidecast_analytics.spans import NEVER, spans

HOUR = 3_600_000
BERLIN, NEW_YORK, UTC_ZONE = (
    ZoneInfo("Europe/Berlin"),
    ZoneInfo("America/New_York"),
    ZoneInfo("UTC"),
)
EVERY_DAY = frozenset(range(7))
WORKDAYS = frozenset(range(5))


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def wall(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_round_the_clock_is_all_of_the_time() -> None:
    assert ALWAYS.spans(5, 99) == spans([(5, 99)])
    assert ALWAYS.spans(99, 5) == NEVER


def test_the_day_clocks_go_forward_has_23_hours_and_back_25() -> None:
    day = Calendar(BERLIN, (WeeklyHours(EVERY_DAY),))
    # Berlin is UTC+1 in winter: 29 March 2026 runs from 28th 23:00 to 29th 22:00 UTC.
    spring = day.spans(ms("2026-03-28T23:00"), ms("2026-03-29T22:00"))
    assert spring.total_ms() == 23 * HOUR
    autumn = Calendar(BERLIN, (WeeklyHours(frozenset({6})),)).spans(
        ms("2026-10-24T00:00"), ms("2026-10-27T00:00")
    )
    # Sunday 25 October 2026: 24th 22:00 to 25th 23:00 UTC.
    assert list(autumn) == [(ms("2026-10-24T22:00"), ms("2026-10-25T23:00"))]
    assert autumn.total_ms() == 25 * HOUR


def test_office_hours_keep_the_wall_clock_through_the_change() -> None:
    office = Calendar(BERLIN, (WeeklyHours(WORKDAYS, 9 * 60, 17 * 60),))
    found = office.spans(ms("2026-03-27T00:00"), ms("2026-03-31T00:00"))
    assert list(found) == [
        (ms("2026-03-27T08:00"), ms("2026-03-27T16:00")),
        (ms("2026-03-30T07:00"), ms("2026-03-30T15:00")),
    ]


def test_holidays_and_events_taken_out_are_not_agreed() -> None:
    closing = Event(wall("2026-12-24T12:00"), wall("2026-12-24T17:00"), BERLIN)
    office = Calendar(
        BERLIN,
        (WeeklyHours(WORKDAYS, 9 * 60, 17 * 60),),
        holidays=frozenset({date(2026, 12, 25)}),
        without=(closing,),
    )
    found = office.spans(ms("2026-12-24T00:00"), ms("2026-12-26T00:00"))
    assert list(found) == [(ms("2026-12-24T08:00"), ms("2026-12-24T11:00"))]


def test_a_time_that_is_skipped_or_comes_twice() -> None:
    # 02:30 is skipped on 29 March: by the offset before the gap it is 01:30 UTC, 03:30 local.
    assert utc_ms(wall("2026-03-29T02:30"), BERLIN) == ms("2026-03-29T01:30")
    # 02:30 comes twice on 25 October: the first is in summer time.
    assert utc_ms(wall("2026-10-25T02:30"), BERLIN) == ms("2026-10-25T00:30")


def test_an_exact_and_a_nominal_end_differ_on_the_day_of_the_change() -> None:
    saturday = wall("2026-03-21T22:00")
    window = {"end": saturday + timedelta(hours=8), "zone": BERLIN, "rule": "FREQ=WEEKLY"}
    week = (ms("2026-03-28T12:00"), ms("2026-03-30T00:00"))
    exact = event_spans([Event(saturday, **window)], *week)  # type: ignore[arg-type]
    nominal = event_spans([Event(saturday, nominal=True, **window)], *week)  # type: ignore[arg-type]
    assert list(exact) == [(ms("2026-03-28T21:00"), ms("2026-03-29T05:00"))]
    assert list(nominal) == [(ms("2026-03-28T21:00"), ms("2026-03-29T04:00"))]


def test_rules_end_leave_out_and_add() -> None:
    # The first Sunday of each month, 02:00-04:00 in New York, four times; in May a week later.
    event = Event(
        wall("2026-03-01T02:00"),
        wall("2026-03-01T04:00"),
        NEW_YORK,
        "FREQ=MONTHLY;BYDAY=1SU;COUNT=4",
        excluded=frozenset({wall("2026-05-03T02:00")}),
        added=frozenset({wall("2026-05-10T02:00")}),
    )
    found = event_spans([event], ms("2026-01-01T00:00"), ms("2027-01-01T00:00"))
    assert [datetime.fromtimestamp(s / 1000, UTC).strftime("%m-%dT%H") for s, _ in found] == [
        "03-01T07",
        "04-05T06",
        "05-10T06",
        "06-07T06",
    ]


def test_an_until_in_utc_is_of_the_zone() -> None:
    # 23:00 UTC on the 3rd is 00:00 on the 4th in Berlin (winter): the 4th itself is still in.
    event = Event(
        wall("2026-01-01T00:00"),
        wall("2026-01-01T01:00"),
        BERLIN,
        "FREQ=DAILY;UNTIL=20260103T230000Z",
    )
    found = event_spans([event], ms("2026-01-01T00:00"), ms("2026-02-01T00:00"))
    assert [local_time(s, BERLIN).day for s, _ in found] == [2, 3, 4]


def test_the_29th_of_february_comes_in_leap_years() -> None:
    event = Event(wall("2024-02-29T00:00"), wall("2024-03-01T00:00"), UTC_ZONE, "FREQ=YEARLY")
    found = event_spans([event], ms("2024-01-01T00:00"), ms("2032-12-31T00:00"))
    assert [local_time(s, UTC_ZONE).year for s, _ in found] == [2024, 2028, 2032]


def test_a_rule_for_every_second_of_years_is_refused() -> None:
    event = Event(wall("2020-01-01T00:00"), wall("2020-01-01T00:00:01"), UTC_ZONE, "FREQ=SECONDLY")
    with pytest.raises(TooManyOccurrences, match="falls due over"):
        event_spans([event], ms("2020-01-01T00:00"), ms("2022-01-01T00:00"))
    with pytest.raises(TooManyOccurrences, match="weekly hours"):
        Calendar(UTC_ZONE, (WeeklyHours(EVERY_DAY),)).spans(0, 2**45)


@given(
    st.sampled_from([BERLIN, NEW_YORK, UTC_ZONE, ZoneInfo("Australia/Lord_Howe")]),
    st.integers(0, 23 * 60),
    st.integers(1, 60),
    st.integers(ms("2024-01-01T00:00") // HOUR, ms("2027-01-01T00:00") // HOUR),
    st.integers(1, 24 * 40),
)
def test_what_is_open_is_what_a_clock_in_the_zone_says(
    zone: ZoneInfo, opens: int, minutes: int, hour: int, hours: int
) -> None:
    calendar = Calendar(zone, (WeeklyHours(WORKDAYS, opens, opens + minutes),))
    start, end = hour * HOUR, (hour + hours) * HOUR
    found = calendar.spans(start, end)
    for at in range(start, end, 7 * HOUR + 60_000):
        local = local_time(at, zone)
        minute = local.hour * 60 + local.minute
        skipped = local_time(utc_ms(local, zone), zone) != local or utc_ms(local, zone) != at
        if not skipped and opens + 60 < minute < 24 * 60 - 61:
            open_now = local.weekday() in WORKDAYS and opens <= minute < opens + minutes
            assert found.contains(at) == open_now


@given(st.integers(ms("2025-01-01T00:00"), ms("2027-01-01T00:00")), st.integers(1, 90))
def test_two_neighbouring_questions_are_one(start: int, days: int) -> None:
    maintenance = Event(
        wall("2025-01-04T22:00"), wall("2025-01-05T06:00"), BERLIN, "FREQ=WEEKLY;INTERVAL=2"
    )
    calendar = Calendar(BERLIN, (WeeklyHours(EVERY_DAY, 60, 1380),), without=(maintenance,))
    middle, end = start + days * 8 * HOUR, start + days * 24 * HOUR
    whole = calendar.spans(start, end)
    assert calendar.spans(start, middle) | calendar.spans(middle, end) == whole
