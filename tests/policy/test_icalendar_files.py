"""iCalendar files as calendar programs write them: what takes place, and every fault's place."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidecast.policy.icalendar_files import from_icalendar
from tidecast.policy.model import InvalidPolicy
from tidecast.policy.reading import read_policy
from tidecast_analytics.calendars import event_spans, utc_ms

ZURICH = ZoneInfo("Europe/Zurich")
ZONE = """\
BEGIN:VTIMEZONE
TZID:/bank.example/Bern
BEGIN:STANDARD
DTSTART:19961027T030000
RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:19810329T020000
RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
END:DAYLIGHT
END:VTIMEZONE
"""


day = datetime.fromisoformat


def ics(*events: str, zone: str = ZONE) -> str:
    bodies = "".join(f"BEGIN:VEVENT\n{event}\nEND:VEVENT\n" for event in events)
    return f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//bank//\n{zone}{bodies}END:VCALENDAR\n"


def held(text: str, first: str, last: str) -> list[str]:
    """`start/end` of what takes place, as a clock in Zurich shows it."""
    span = [utc_ms(datetime.fromisoformat(each), ZURICH) for each in (first, last)]
    found = event_spans(from_icalendar(text, ZURICH, "bank.ics"), *span)
    return [
        "/".join(f"{datetime.fromtimestamp(ms / 1000, ZURICH):%m-%dT%H:%M}" for ms in pair)
        for pair in found
    ]


WEEKLY = """\
UID:weekly
DTSTART;TZID=/bank.example/Bern:20260104T020000
DTEND;TZID=/bank.example/Bern:20260104T040000
RRULE:FREQ=WEEKLY;BYDAY=SU
EXDATE;TZID=/bank.example/Bern:20260111T020000"""


def test_a_zone_of_the_file_keeps_its_wall_clock_through_the_change() -> None:
    # Summer time began on 29 March 2026 at 2: what lasts from 2 to 4 lasts two hours from 3 on,
    # since the end is as many exact seconds after the start as the first time (RFC 5545, 3.8.5.3).
    assert held(ics(WEEKLY), "2026-03-20", "2026-04-06") == [
        "03-22T02:00/03-22T04:00",
        "03-29T03:00/03-29T05:00",
        "04-05T02:00/04-05T04:00",
    ]


def test_occurrences_are_moved_and_cancelled_one_by_one() -> None:
    moved = (
        "UID:weekly\nRECURRENCE-ID;TZID=/bank.example/Bern:20260118T020000\n"
        "DTSTART:20260118T210000Z\nDURATION:PT1H30M"
    )
    cancelled = (
        "UID:weekly\nRECURRENCE-ID:20260125T010000Z\nSTATUS:CANCELLED\n"
        "DTSTART:20260125T010000Z\nDTEND:20260125T030000Z"
    )
    by_day = (
        "UID:weekly\nRECURRENCE-ID;VALUE=DATE:20260201\nDTSTART:20260202T010000Z\nDURATION:PT1H"
    )
    other = "UID:another\nDTSTART:20260118T010000Z\nDTEND:20260118T013000Z"
    assert held(ics(moved, WEEKLY, cancelled, by_day, other), "2026-01-01", "2026-02-09") == [
        "01-04T02:00/01-04T04:00",
        "01-18T02:00/01-18T02:30",  # of the other event
        "01-18T22:00/01-18T23:30",
        "02-02T02:00/02-02T03:00",
        "02-08T02:00/02-08T04:00",
    ]


def test_an_exception_stands_for_an_event_without_a_rule_too() -> None:
    once = "UID:a\nDTSTART:20260105T000000Z\nDTEND:20260105T010000Z"
    moved = "UID:a\nRECURRENCE-ID:20260105T000000Z\nDTSTART:20260106T000000Z\nDURATION:PT1H"
    assert held(ics(once, moved), "2026-01-01", "2026-02-01") == ["01-06T01:00/01-06T02:00"]


def test_added_periods_have_a_length_of_their_own() -> None:
    patches = (
        'UID:p\nDTSTART;TZID="W. Europe Standard Time":20260113T200000\nDURATION:PT2H\n'
        "RRULE:FREQ=MONTHLY;BYDAY=2TU\n"
        "RDATE;VALUE=PERIOD:20260120T190000Z/PT30M,20260127T190000Z/20260127T200000Z\n"
        "RDATE;TZID=Europe/Zurich:20260129T200000\nEXDATE:20260127T190000Z"
    )
    assert held(ics(patches), "2026-01-01", "2026-03-01") == [
        "01-13T20:00/01-13T22:00",
        "01-20T20:00/01-20T20:30",
        "01-29T20:00/01-29T22:00",
        "02-10T20:00/02-10T22:00",
    ]


def test_whole_days_hold_in_the_calendars_zone_and_several_calendars_may_stand_in_a_file() -> None:
    days = "UID:d\nDTSTART;VALUE=DATE:20251231\nDTEND;VALUE=DATE:20260102\nRRULE:FREQ=YEARLY"
    floating = "UID:f\nDTSTART:20260103T000000\nDURATION:PT1H\nEXDATE;VALUE=DATE:20260104\n"
    floating += "RRULE:FREQ=DAILY;UNTIL=20260105T220000Z"
    assert held(ics(days) + ics(floating, zone=""), "2026-01-01", "2027-01-01") == [
        "01-01T00:00/01-02T00:00",
        "01-03T00:00/01-03T01:00",
        "01-05T00:00/01-05T01:00",
        "12-31T00:00/01-01T00:00",
    ]


@given(at=st.datetimes(day("1997-01-01"), day("2099-12-31")), fold=st.integers(0, 1))
def test_a_defined_zone_is_the_one_it_describes(at: datetime, fold: int) -> None:
    (event,) = from_icalendar(ics(WEEKLY), ZURICH)
    local = at.replace(fold=fold)
    assert local.replace(tzinfo=event.zone).utcoffset() == local.replace(tzinfo=ZURICH).utcoffset()
    moment = at.replace(tzinfo=UTC)
    ours, theirs = (moment.astimezone(zone) for zone in (event.zone, ZURICH))
    assert ours.replace(tzinfo=None) == theirs.replace(tzinfo=None)


def test_a_defined_zone_compares_as_equal_and_may_end_its_rules() -> None:
    assert from_icalendar(ics(WEEKLY), ZURICH) == from_icalendar(ics(WEEKLY), ZURICH)
    # Winter time for good from the end of the summer time of 2026 on.
    for_good = ZONE.replace("BYDAY=-1SU;BYMONTH=3", "BYDAY=-1SU;BYMONTH=3;UNTIL=20260329T010000Z")
    (event,) = from_icalendar(ics(WEEKLY, zone=for_good), ZURICH)
    offsets = [datetime(year, 7, 1, tzinfo=event.zone).utcoffset() for year in (2025, 2026, 2027)]
    assert offsets == [timedelta(hours=2), timedelta(hours=2), timedelta(hours=1)]


START = "UID:x\nSUMMARY:Patching\nDTSTART:20260101T000000Z\n"


@pytest.mark.parametrize(
    ("event", "why"),
    [
        ("UID:x", "it has no DTSTART"),
        ("DTSTART:tomorrow", "DTSTART: Wrong date"),
        (START + "DTEND:20251231T000000Z", "it ends before it begins"),
        (START + "RRULE:FREQ=OFTEN", "RRULE: Expected frequency"),
        (START + "RRULE:FREQ=DAILY;INTERVAL=0", "INTERVAL and COUNT are at least 1"),
        (START + "RRULE:FREQ=DAILY;COUNT=300000", "is counted further than 200000"),
        (START + "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "never falls due"),
        (START + "RRULE:FREQ=DAILY\nRRULE:FREQ=WEEKLY", "it may have one"),
        (START + "EXDATE:rubbish", "EXDATE: Expected"),
        (START + "rubbish", "a line: "),
        ("DTSTART;TZID=Nowhere/Land:20260101T000000", "TZID 'Nowhere/Land' is no IANA time zone"),
        (START + "RECURRENCE-ID;RANGE=THISANDFUTURE:20260101T000000Z", "end the series"),
    ],
)
def test_every_fault_has_its_line(event: str, why: str) -> None:
    sound = "UID:s\nDTSTART:20260101T000000Z\nDURATION:PT1H"
    files = {
        "a/p.yaml": "calendars:\n  c: {icalendar: bank.ics}",
        "a/bank.ics": ics(sound, event, zone=""),
    }
    with pytest.raises(InvalidPolicy) as refused:
        read_policy(files)
    assert str(refused.value).startswith("a/p.yaml:2:18: icalendar: bank.ics:9:1: the event ")
    assert why in str(refused.value)


def test_what_is_wrong_besides_the_times_is_nobodys_loss() -> None:
    text = ics(START + "DURATION:PT1H\nGEO:somewhere\nX-ALT-DESC:<b>", zone="")
    assert held(text, "2026-01-01", "2026-01-02") == ["01-01T01:00/01-01T02:00"]


@pytest.mark.parametrize("text", ["", "rubbish", "BEGIN:VCALENDAR\nBEGIN:VEVENT\n"])
def test_what_is_no_icalendar_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^bank\.ics:1:1: not iCalendar"):
        from_icalendar(text, ZURICH, "bank.ics")


def test_a_zone_without_offsets_is_refused() -> None:
    with pytest.raises(ValueError, match="not iCalendar: at least one component"):
        from_icalendar(ics(WEEKLY, zone="BEGIN:VTIMEZONE\nTZID:/x\nEND:VTIMEZONE\n"), ZURICH)


def test_a_rule_of_every_minute_since_years_is_asked_at_once() -> None:
    text = ics("UID:m\nDTSTART:19700101T000000Z\nDURATION:PT30S\nRRULE:FREQ=MINUTELY", zone="")
    # Going through all 29 million minutes before would take minutes.
    assert len(held(text, "2026-01-01T00:00", "2026-01-01T01:00")) == 60
