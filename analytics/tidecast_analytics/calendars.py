"""Calendars: agreed service time, maintenance and other hours of work, in time zones, DST right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tidecast_analytics.recurrences import (
    MAX_OCCURRENCES,
    TooManyOccurrences,
    starts_between,
)
from tidecast_analytics.spans import NEVER, Spans, spans

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class WeeklyHours:
    """Hours that come again each week: on `weekdays` (Monday is 0) from `opens` to `closes`.

    Local wall-clock minutes after midnight, 0 <= opens < closes <= 1440: a whole day lasts 23 or 25
    hours when clocks change. Hours past midnight are two of these.
    """

    weekdays: frozenset[int]
    opens_minute: int = 0
    closes_minute: int = 1440


@dataclass(frozen=True, slots=True)
class Event:
    """Something in a calendar: once from `start` to `end`, or again by an RFC 5545 `rule`.

    `start` and `end` are local wall-clock times (without tzinfo) in `zone`. Each occurrence lasts
    as many exact seconds as the first (RFC 5545, 3.8.5.3, for DTEND), or, where `nominal`, ends at
    the wall-clock time that far after its start (as for DURATION and whole days). An UNTIL in UTC
    is taken as the zone's clock shows it.
    """

    start: datetime
    end: datetime
    zone: ZoneInfo
    rule: str = ""
    excluded: frozenset[datetime] = frozenset()
    added: frozenset[datetime] = frozenset()
    nominal: bool = False


@dataclass(frozen=True, slots=True)
class Calendar:
    """Agreed hours: the weekly ones and the events, less holidays and the events taken out.

    A calendar with neither weekly hours nor events is all of the time.
    """

    zone: ZoneInfo
    weekly: Sequence[WeeklyHours] = ()
    events: Sequence[Event] = ()
    holidays: frozenset[date] = field(default_factory=frozenset)
    without: Sequence[Event] = ()

    def spans(self, start_ms: int, end_ms: int) -> Spans:
        """Its time in [start, end); raises `TooManyOccurrences`."""
        if end_ms <= start_ms:
            return NEVER
        if self.weekly or self.events:
            hours = _weekly(self.weekly, self.zone, start_ms, end_ms)
            hours |= event_spans(self.events, start_ms, end_ms)
        else:
            hours = spans([(start_ms, end_ms)])
        if self.holidays:
            hours -= spans(_day_span(day, self.zone) for day in self.holidays)
        return hours.within(start_ms, end_ms) - event_spans(self.without, start_ms, end_ms)


ALWAYS = Calendar(ZoneInfo("UTC"))
"""Round the clock."""


def event_spans(events: Sequence[Event], start_ms: int, end_ms: int) -> Spans:
    """When any of the events goes on in [start, end); raises `TooManyOccurrences`."""
    found = [pair for event in events for pair in _occurrences(event, start_ms, end_ms)]
    return spans(found).within(start_ms, end_ms) if found else NEVER


def utc_ms(local: datetime, zone: ZoneInfo) -> int:
    """When a clock in the zone shows this time, in milliseconds UTC.

    Of a time that comes twice it is the first; one that is skipped is taken by the offset before
    the gap (RFC 5545, 3.3.5).
    """
    aware = local.replace(tzinfo=zone, fold=0)
    return round(aware.timestamp() * 1000)


def local_time(at_ms: int, zone: ZoneInfo) -> datetime:
    """What a clock in the zone shows at that time, without tzinfo."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at_ms)
    return moment.astimezone(zone).replace(tzinfo=None)


def time_zone(name: str) -> ZoneInfo:
    """The IANA time zone of this name; raises `ValueError`."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(
            f"{name!r} is no IANA time zone; write it as in Europe/Berlin or UTC"
        ) from error


def _day_span(day: date, zone: ZoneInfo) -> tuple[int, int]:
    midnight = datetime.combine(day, time())
    return utc_ms(midnight, zone), utc_ms(midnight + _DAY, zone)


def _weekly(hours: Sequence[WeeklyHours], zone: ZoneInfo, start_ms: int, end_ms: int) -> Spans:
    first = local_time(start_ms, zone).date()
    last = local_time(end_ms, zone).date()
    if (last - first).days > MAX_OCCURRENCES:
        raise TooManyOccurrences(f"weekly hours over {(last - first).days} days")
    found = []
    for offset in range((last - first).days + 1):
        midnight = datetime.combine(first + offset * _DAY, time())
        for each in hours:
            if midnight.weekday() in each.weekdays:
                opens = midnight + timedelta(minutes=each.opens_minute)
                closes = midnight + timedelta(minutes=each.closes_minute)
                found.append((utc_ms(opens, zone), utc_ms(closes, zone)))
    return spans(found)


def _occurrences(event: Event, start_ms: int, end_ms: int) -> Iterator[tuple[int, int]]:
    wall_clock = event.end - event.start
    exact_ms = utc_ms(event.end, event.zone) - utc_ms(event.start, event.zone)
    for start in _starts(event, start_ms - max(exact_ms, 0), end_ms):
        began_ms = utc_ms(start, event.zone)
        ended_ms = utc_ms(start + wall_clock, event.zone) if event.nominal else began_ms + exact_ms
        yield began_ms, ended_ms


def _starts(event: Event, start_ms: int, end_ms: int) -> Iterator[datetime]:
    """Local starts that may reach into the span; a day more on both sides for the clocks."""
    if not event.rule and not event.added:
        return iter((event.start,))
    return starts_between(
        event.rule,
        event.start,
        event.zone,
        (local_time(start_ms, event.zone) - _DAY, local_time(end_ms, event.zone) + _DAY),
        excluded=event.excluded,
        added=event.added,
    )
