"""iCalendar files (RFC 5545): events with their rules, exceptions, moved occurrences and zones."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from tidecast.policy.defined_zones import defined_zone
from tidecast_analytics.calendars import Event
from tidecast_analytics.recurrences import checked_rule

if TYPE_CHECKING:
    from icalendar import Component
    from icalendar import Event as IEvent

MAX_EVENTS = 10_000
UTC = ZoneInfo("UTC")
_BEGIN = re.compile(r"^BEGIN:VEVENT\s*$", re.IGNORECASE | re.MULTILINE)
_TIMES = {"DTSTART", "DTEND", "DURATION", "RRULE", "RDATE", "EXDATE", "RECURRENCE-ID", "EXRULE"}


@dataclass(frozen=True, slots=True)
class _Read:
    """An event of the file at a line; `moved` is which occurrence of its series it stands for."""

    line: int
    series: str
    event: Event
    added: tuple[Event, ...] = ()
    moved: date | None = None
    cancelled: bool = False


def from_icalendar(text: str, zone: ZoneInfo, filename: str = "") -> list[Event]:
    """The events of an iCalendar file that are not cancelled; times without a zone are of `zone`.

    An event with a RECURRENCE-ID stands in the place of that occurrence of its series. Raises
    `ValueError` with the line (`filename:line:column: why`) for what is no iCalendar, for times,
    rules and zones that are none, and for more than `MAX_EVENTS` events.
    """
    # Few have such files, and loading this is a tenth of the server's start.
    import icalendar  # noqa: PLC0415

    try:
        calendars = icalendar.Calendar.from_ical(text, multiple=True)
        if not calendars:
            raise ValueError("there is no BEGIN:VCALENDAR ... END:VCALENDAR in it")
        events = [each for calendar in calendars for each in calendar.walk("VEVENT")]
        zones = {name: found for each in calendars for name, found in _zones(each)}
    except (ValueError, IndexError, KeyError) as error:
        raise ValueError(f"{filename}:1:1: not iCalendar: {error}") from error
    if len(events) > MAX_EVENTS:
        raise ValueError(f"{filename}: {len(events)} events; at most {MAX_EVENTS} are read")
    lines = [text.count("\n", 0, found.start()) + 1 for found in _BEGIN.finditer(text)]
    found = []
    for line, each in zip(lines, events, strict=True):
        try:
            assert isinstance(each, icalendar.Event)
            found.append(_event(each, zone, zones, line))
        except ValueError as error:
            name = f"{each.get('SUMMARY', each.get('UID', ''))!s:.80}"
            raise ValueError(f"{filename}:{line}:1: the event {name!r}: {error}") from error
    return list(_with_moved(found))


def _with_moved(found: list[_Read]) -> Iterator[Event]:
    """All events that take place: a series without the occurrences for which others stand."""
    moved: dict[str, list[date]] = {}
    for each in found:
        if each.moved is not None:
            moved.setdefault(each.series, []).append(each.moved)
    for each in found:
        if each.cancelled:
            continue
        yield from each.added
        if each.moved is not None:
            yield each.event
            continue
        gone = frozenset(_start_of(each.event, one) for one in moved.get(each.series, ()))
        if each.event.rule or each.event.added or each.event.start not in gone:
            yield replace(each.event, excluded=each.event.excluded | gone)


def _zones(calendar: Component) -> Iterator[tuple[str, ZoneInfo]]:
    import icalendar  # noqa: PLC0415

    for each in calendar.walk("VTIMEZONE"):
        assert isinstance(each, icalendar.Timezone)
        # Where the name is known, the time zone database knows it better than an old export.
        if not getattr(each.to_tz(), "key", None):
            yield each.tz_name, defined_zone(each)


def _event(event: IEvent, zone: ZoneInfo, zones: Mapping[str, ZoneInfo], line: int) -> _Read:
    _raise_if_wrong(event)
    first = event.DTSTART
    if first is None:
        raise ValueError("it has no DTSTART")
    whole_days = not isinstance(first, datetime)
    start, zone = _local(first, str(event["DTSTART"].params.get("TZID", "")), zone, zones)
    if event.DTEND is not None:
        end = _in_zone(event.DTEND, zone)
    elif event.DURATION is not None:
        end = start + event.DURATION
    else:
        end = start + timedelta(days=1 if whole_days else 0)
    if end < start:
        raise ValueError("it ends before it begins")
    rules = [str(rule.to_ical(), "utf-8") for rule in event.rrules]
    if len(rules) > 1 or "EXRULE" in event:
        raise ValueError("of RRULEs it may have one, and no EXRULE; make it several events")
    alone = Event(start, end, zone, nominal=whole_days or event.DTEND is None)
    excluded = frozenset(_start_of(alone, each) for each in event.exdates)
    also = [(_in_zone(each, zone), until) for each, until in event.rdates]
    return _Read(
        line,
        str(event.get("UID", line)),
        replace(
            alone,
            rule=checked_rule(rules[0], start) if rules else "",
            excluded=excluded,
            added=frozenset(begins for begins, until in also if until is None),
        ),
        tuple(
            Event(begins, _in_zone(until, zone), zone)
            for begins, until in also
            if until is not None and begins not in excluded
        ),
        _occurrence(event),
        str(event.get("STATUS", "")).upper() == "CANCELLED",
    )


def _raise_if_wrong(event: IEvent) -> None:
    """What the parser could not read is told where it is about time; the rest is nobody's loss."""
    for name, why in event.errors:
        if not name or name.upper() in _TIMES:
            raise ValueError(f"{name or 'a line'}: {why}")


def _occurrence(event: IEvent) -> date | None:
    """Which occurrence of its series it stands for; None where it is no exception."""
    which = event.get("RECURRENCE-ID")
    if which is None:
        return None
    if "RANGE" in which.params:
        raise ValueError("RECURRENCE-ID with a RANGE is not read; end the series and begin another")
    moment: date = which.dt
    return moment


def _start_of(event: Event, moment: date) -> datetime:
    """The occurrence that is meant: a day alone means the one that starts on it."""
    if isinstance(moment, datetime):
        return _in_zone(moment, event.zone)
    return datetime.combine(moment, event.start.time())


def _local(
    moment: date, name: str, zone: ZoneInfo, zones: Mapping[str, ZoneInfo]
) -> tuple[datetime, ZoneInfo]:
    """What the clock shows there, and whose clock."""
    if not isinstance(moment, datetime):
        return _in_zone(moment, zone), zone
    if name in zones:
        return moment.replace(tzinfo=None), zones[name]
    if moment.tzinfo is not None:
        known = getattr(moment.tzinfo, "key", None)
        own = ZoneInfo(known) if known else UTC
        return moment.astimezone(own).replace(tzinfo=None), own
    if name:
        raise ValueError(f"TZID {name!r} is no IANA time zone, and no VTIMEZONE defines it")
    return moment, zone


def _in_zone(moment: date, zone: ZoneInfo) -> datetime:
    if not isinstance(moment, datetime):
        return datetime.combine(moment, time())
    return moment.astimezone(zone).replace(tzinfo=None) if moment.tzinfo else moment
