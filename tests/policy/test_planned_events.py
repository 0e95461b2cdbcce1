"""Planned events from a file: expanded in their zone, narrowed to resources, faults located."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tidecast.policy.events import load_plans
from tidecast.policy.model import InvalidPolicy
from tidecast_analytics.changes import Change

GOOD = """\
events:
  sale:
    host: shop-*
    resource: cpu
    calendar:
      time_zone: Europe/Berlin
      events:
        - {start: "2026-11-27T00:00", end: "2026-11-28T00:00", rule: "FREQ=WEEKLY;COUNT=3"}
  holiday:
    calendar:
      holidays: ["2026-12-25", "2026-12-26"]
      icalendar: days.ics
"""
ICS = """\
BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//x//y//
BEGIN:VEVENT
UID:1
DTSTAMP:20260101T000000Z
DTSTART;VALUE=DATE:20270101
DTEND;VALUE=DATE:20270102
SUMMARY:New Year
END:VEVENT
END:VCALENDAR
"""


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def written(tmp_path: Path, text: str = GOOD) -> Path:
    (tmp_path / "days.ics").write_text(ICS.replace("\n", "\r\n"))
    path = tmp_path / "events.yaml"
    path.write_text(text)
    return path


def test_events_by_hand(tmp_path: Path) -> None:
    sale, holiday = load_plans(written(tmp_path)).events
    # Midnight in Berlin is 23:00 UTC of the day before in winter; the range cuts the third.
    found = sale.between(ms("2026-11-01"), ms("2026-12-10"))
    assert [(each.start_ms, each.end_ms) for each in found] == [
        (ms("2026-11-26T23:00"), ms("2026-11-27T23:00")),
        (ms("2026-12-03T23:00"), ms("2026-12-04T23:00")),
    ]
    assert {each.label for each in found} == {"sale"}
    # Two days that touch are one event; New Year is from the file beside it.
    days = holiday.between(ms("2026-01-01"), ms("2028-01-01"))
    assert [(each.start_ms, each.end_ms) for each in days] == [
        (ms("2026-12-25"), ms("2026-12-27")),
        (ms("2027-01-01"), ms("2027-01-02")),
    ]


def test_whom_they_concern(tmp_path: Path) -> None:
    sale, holiday = load_plans(written(tmp_path)).events
    assert sale.concern("shop-2", "cpu", "")
    assert not sale.concern("web-2", "cpu", "")
    assert not sale.concern("shop-2", "memory", "")
    assert holiday.concern("web-2", "filesystem", "/var")
    assert hash(sale) != hash(holiday)


def test_changes_by_hand(tmp_path: Path) -> None:
    text = """\
changes:
  - {at: "2026-11-03T22:00+01:00", title: moved, host: web-*, item: /var, by: ann,
     known: 2026-10-20}
  - {at: 2026-11-04T00:30, title: new release}
"""
    moved, release = load_plans(written(tmp_path, text)).changes
    assert moved == Change(
        ms("2026-11-03T21:00"), ms("2026-10-20"), "moved", "ann", "web-*", "*", "/var"
    )
    assert release == Change(ms("2026-11-04T00:30"), ms("2026-11-04T00:30"), "new release")


def test_a_long_event_is_several(tmp_path: Path) -> None:
    text = (
        "events: {x: {calendar: {events: "
        "[{start: 2026-01-01T00:00, end: 2026-07-01T00:00}]}}}"
    )  # fmt: skip
    (long,) = load_plans(written(tmp_path, text)).events
    found = long.between(ms("2025-01-01"), ms("2027-01-01"))
    assert [round((each.end_ms - each.start_ms) / 86_400_000) for each in found] == [90, 90, 1]


def test_an_empty_file_plans_nothing(tmp_path: Path) -> None:
    for text in ("", "events: {}", "changes: []"):
        assert load_plans(written(tmp_path, text)) == ([], [])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("events: [1]", "1:9: expected a mapping"),
        ("evts: {}", "1:1: unknown key 'evts'"),
        ("events:\n  a: {host: x}", "2:6: the events 'a' need a 'calendar'"),
        ("events:\n  a: {calendar: {weekly: [{days: mon}]}}", "2:17: weekly hours are no events"),
        ("events:\n  a: {calendar: {icalendar: no.ics}}", "no.ics: cannot be read"),
        ("events:\n  a: {calendar: {holidays: [soon]}}", "2:29"),
        ("events: {", "not YAML"),
        ("changes: {at: 2026-01-01}", "1:10: expected a list"),
        ("changes: [{at: 2026-01-01}]", "1:11: a change needs a 'title'"),
        ("changes: [{title: x}]", "1:11: a change needs an 'at'"),
        ("changes: [{title: x, at: soon}]", "1:26: at: Invalid isoformat string: 'soon'"),
        ("changes: [{title: x, at: 0001-01-01}]", "1:26: at: '0001-01-01' lies outside"),
        ("changes: [{title: x, at: 2026-01-01, who: me}]", "1:38: unknown key 'who'"),
    ],
)
def test_faults_are_located(tmp_path: Path, text: str, why: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(InvalidPolicy) as refused:
        load_plans(path)
    assert str(refused.value).startswith(f"{path}:")
    assert why in str(refused.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidPolicy, match=r"nothing\.yaml: cannot be read: No such file"):
        load_plans(tmp_path / "nothing.yaml")
