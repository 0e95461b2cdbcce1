"""Calendars from policy files: weekly hours, holidays, events, and iCalendar files beside them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

from tidecast.policy.icalendar_files import from_icalendar
from tidecast_alerts.yaml_nodes import Field
from tidecast_analytics.calendars import Calendar, Event, WeeklyHours, time_zone
from tidecast_analytics.recurrences import checked_rule
from tidecast_collector.durations import parse_duration_ms

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
EVERY_DAY = frozenset(range(7))
UTC = ZoneInfo("UTC")

ReadFile = Callable[[str], str]
"""The text of a file beside the policy file; raises `ValueError` where it cannot be had."""

KEYS = {
    "time_zone",
    "weekly",
    "holidays",
    "events",
    "without",
    "icalendar",
    "without_icalendar",
    "serves",
}

WEEKLY_KEYS = {"days", "from", "to"}
EVENT_KEYS = {"summary", "start", "end", "duration", "rule", "excluded", "time_zone"}


def read_calendar(body: Field, read_file: ReadFile) -> Calendar:
    """The calendar of this mapping, as `KEYS` names its parts; faults get noted, located."""
    fields = body.mapping(KEYS)
    zone = fields["time_zone"].read(time_zone, UTC) if "time_zone" in fields else UTC
    events = _events(fields.get("events"), zone)
    without = _events(fields.get("without"), zone)

    def from_file(path: str) -> list[Event]:
        return from_icalendar(read_file(path), zone, path)

    if "icalendar" in fields:
        events += fields["icalendar"].read(from_file, [])
    if "without_icalendar" in fields:
        without += fields["without_icalendar"].read(from_file, [])
    weekly = [hours for item in _items(fields.get("weekly")) for hours in _weekly(item)]
    holidays = [item.read(date.fromisoformat, date.min) for item in _items(fields.get("holidays"))]
    return Calendar(zone, tuple(weekly), tuple(events), frozenset(holidays), tuple(without))


def _items(field: Field | None) -> Sequence[Field]:
    return field.items() if field else ()


def _weekly(item: Field) -> list[WeeklyHours]:
    fields = item.mapping(WEEKLY_KEYS)
    days = fields["days"].read(_weekdays, EVERY_DAY) if "days" in fields else EVERY_DAY
    opens = fields["from"].read(_minute, 0) if "from" in fields else 0
    closes = fields["to"].read(_minute, 1440) if "to" in fields else 1440
    if opens < closes:
        return [WeeklyHours(days, opens, closes)]
    if opens == closes:
        item.wrong("these hours end when they begin; for whole days leave out 'from' and 'to'")
        return []
    # Past midnight: the rest of the day, and the first hours of the next.
    after = [WeeklyHours(frozenset((day + 1) % 7 for day in days), 0, closes)] if closes else []
    return [WeeklyHours(days, opens, 1440), *after]


def _weekdays(text: str) -> frozenset[int]:
    """`mon-fri, sun`: days and ranges of them."""
    found: set[int] = set()
    for part in text.lower().split(","):
        first, _, last = (name.strip() for name in part.partition("-"))
        if first not in DAYS or (last and last not in DAYS):
            raise ValueError(f"{part.strip()!r} is no weekday; write days as in mon-fri or sat,sun")
        low, high = DAYS.index(first), DAYS.index(last or first)
        found |= {day % 7 for day in range(low, high + (1 if high >= low else 8))}
    return frozenset(found)


def _minute(text: str) -> int:
    hour, colon, minute = text.partition(":")
    if not (colon and hour.isdigit() and minute.isdigit() and len(minute) == 2):
        raise ValueError(f'{text!r} is no time of day; write it quoted, as in "08:30"')
    found = int(hour) * 60 + int(minute)
    if int(minute) > 59 or found > 1440:
        raise ValueError(f"{text!r} is no time of day from 00:00 to 24:00")
    return found


def _events(field: Field | None, zone: ZoneInfo) -> list[Event]:
    found = [_event(item, zone) for item in _items(field)]
    return [event for event in found if event is not None]


def _event(item: Field, zone: ZoneInfo) -> Event | None:
    fields = item.mapping(EVENT_KEYS)
    zone = fields["time_zone"].read(time_zone, zone) if "time_zone" in fields else zone
    if "start" not in fields or ("end" in fields) == ("duration" in fields):
        item.wrong("an event needs a 'start', and an 'end' or a 'duration'")
        return None
    start = fields["start"].read(wall_clock, None)
    end = fields["end"].read(wall_clock, None) if "end" in fields else None
    if start and "duration" in fields:
        length_ms = fields["duration"].read(parse_duration_ms, 0)
        end = start + timedelta(milliseconds=length_ms)
    rule = ""
    if start and "rule" in fields:
        rule = fields["rule"].read(partial(checked_rule, start=start), "")
    excluded = [each.read(wall_clock, None) for each in _items(fields.get("excluded"))]
    if start is None or end is None:
        return None
    if end <= start:
        item.wrong("the event ends before it begins")
    gone = frozenset(moment for moment in excluded if moment)
    return Event(start, end, zone, rule, gone, nominal="duration" in fields)


def wall_clock(text: str) -> datetime | None:
    """A local time as in 2026-03-01T22:00 or 2026-03-01 22:00; raises `ValueError`."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no time; write it as in 2026-03-01T22:00") from error
    if found.tzinfo is not None:
        raise ValueError(
            f"{text!r}: times here are those of the calendar's zone, without an offset"
        )
    return found
