"""Calendars from policy files: weekly hours, holidays, events, and iCalendar files beside them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from dateutil.rrule import rrulestr

from tidecast_alerts.yaml_nodes import Field
from tidecast_analytics.calendars import Calendar, Event, WeeklyHours, time_zone
from tidecast_collector.durations import parse_duration_ms

if TYPE_CHECKING:
    from icalendar import Event as IEvent

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
EVERY_DAY = frozenset(range(7))
MAX_EVENTS = 10_000
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
    if "icalendar" in fields:
        events += fields["icalendar"].read(lambda path: from_icalendar(read_file(path), zone), [])
    if "without_icalendar" in fields:
        without += fields["without_icalendar"].read(
            lambda path: from_icalendar(read_file(path), zone), []
        )
    weekly = [hours for item in _items(fields.get("weekly")) for hours in _weekly(item)]
    holidays = [item.read(date.fromisoformat, date.min) for item in _items(fields.get("holidays"))]
    return Calendar(zone, tuple(weekly), tuple(events), frozenset(holidays), tuple(without))


def from_icalendar(text: str, zone: ZoneInfo) -> list[Event]:
    """The events of an iCalendar file that are not cancelled; times without a zone are of `zone`.

    Raises `ValueError` for what is no iCalendar, for a rule that is none, and for more than
    `MAX_EVENTS` events.
    """
    # Few have such files, and loading this is a tenth of the server's start.
    import icalendar  # noqa: PLC0415

    try:
        components = icalendar.Calendar.from_ical(text).walk("VEVENT")
    except (ValueError, IndexError, KeyError) as error:
        raise ValueError(f"not iCalendar: {error}") from error
    if len(components) > MAX_EVENTS:
        raise ValueError(f"{len(components)} events; at most {MAX_EVENTS} are read")
    return [
        _icalendar_event(each, zone)
        for each in components
        if isinstance(each, icalendar.Event) and str(each.get("STATUS", "")).upper() != "CANCELLED"
    ]


def _icalendar_event(event: IEvent, zone: ZoneInfo) -> Event:
    first = event.DTSTART
    if first is None:
        raise ValueError(f"the event {event.summary or ''!s:.80} has no DTSTART")
    whole_days = not isinstance(first, datetime)
    start, zone = _local(first, zone)
    if event.DTEND is not None:
        end = _in_zone(event.DTEND, zone)
    elif event.DURATION is not None:
        end = start + event.DURATION
    else:
        end = start + timedelta(days=1 if whole_days else 0)
    rules = [str(rule.to_ical(), "utf-8") for rule in event.rrules]
    if len(rules) > 1:
        raise ValueError(f"the event {event.summary or ''!s:.80} has {len(rules)} RRULEs")
    return Event(
        start,
        end,
        zone,
        checked_rule(rules[0]) if rules else "",
        frozenset(_in_zone(each, zone) for each in event.exdates),
        frozenset(_in_zone(each, zone) for each, _ in event.rdates),
        nominal=whole_days or event.DTEND is None,
    )


def _local(moment: date, zone: ZoneInfo) -> tuple[datetime, ZoneInfo]:
    """What the clock shows there, and whose clock."""
    if isinstance(moment, datetime) and moment.tzinfo is not None:
        name = getattr(moment.tzinfo, "key", None)
        own = ZoneInfo(name) if name else UTC
        return moment.astimezone(own).replace(tzinfo=None), own
    return _in_zone(moment, zone), zone


def _in_zone(moment: date, zone: ZoneInfo) -> datetime:
    if not isinstance(moment, datetime):
        return datetime.combine(moment, time())
    return moment.astimezone(zone).replace(tzinfo=None) if moment.tzinfo else moment


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
    rule = fields["rule"].read(checked_rule, "") if "rule" in fields else ""
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


def checked_rule(rule: str) -> str:
    """The RFC 5545 recurrence rule; raises `ValueError` for one that is none."""
    if rule:
        try:
            rrulestr(rule.upper().replace("Z", ""), dtstart=datetime(2026, 1, 1))  # noqa: DTZ001
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{rule!r} is no recurrence rule: {error}") from error
    return rule
