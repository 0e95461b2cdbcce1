"""Planned events and recorded changes from a policy file: what makes usage unusual at known times,
and what may have moved it for good.

    events:
      sale:                        the label: earlier ones alike teach what to expect
        host: shop-*               a pattern as of file names; all hosts unless given
        calendar:
          time_zone: Europe/Berlin
          events:
            - {start: "2026-11-27T00:00", end: "2026-11-30T00:00"}
      holiday:
        calendar:
          holidays: ["2026-12-25"]
          icalendar: holidays.ics  beside this file

    changes:
      - at: 2026-11-03T22:00+01:00     without an offset it is UTC
        title: logs moved to their own volume
        host: web-*                    patterns as above
        known: 2026-10-20              since when it was planned; else since it was made, or now
        by: ann
        expected: +20%                 of the usage, where it is still to come; or +300GB
        expected_limit: +1TB           of what there is, as of an added disk

Calendars are written as in the other policy files, but without weekly hours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import NamedTuple

from tidecast.policy.calendars import ReadFile, read_calendar
from tidecast.policy.model import InvalidPolicy
from tidecast_alerts.yaml_nodes import Field, Problems, read_yaml
from tidecast_analytics.calendars import Calendar, event_spans, utc_ms
from tidecast_analytics.changes import Change, concerns
from tidecast_analytics.events import Event
from tidecast_analytics.expectations import parse_amount
from tidecast_analytics.recurrences import TooManyOccurrences
from tidecast_analytics.spans import Spans, spans

MAX_FILE_BYTES = 4 << 20
_LONGEST_MS = 90 * 86_400_000
_EXPECTED = ("expected", "expected_limit")
_PATTERNS = ("host", "resource", "item")
_YEARS = (1971, 2199)


@dataclass(frozen=True, slots=True)
class PlannedEvents:
    """The events of one label; the patterns say which resources they concern."""

    label: str
    calendar: Calendar
    host: str = "*"
    resource: str = "*"
    item: str = "*"

    def concern(self, host: str, resource: str, item: str) -> bool:
        """Whether they concern this resource."""
        return concerns((self.host, self.resource, self.item), (host, resource, item))

    def between(self, start_ms: int, end_ms: int) -> tuple[Event, ...]:
        """Those in [start, end), in order; what overlaps or touches is one event.

        One of more than 90 days is several. Raises `InvalidPolicy` where a rule gives too many.
        """
        calendar = self.calendar
        try:
            found = event_spans(calendar.events, start_ms, end_ms) | _holidays(calendar)
            found -= event_spans(calendar.without, start_ms, end_ms)
        except TooManyOccurrences as error:
            raise InvalidPolicy(f"the events {self.label!r}: {error}") from error
        return tuple(
            Event(first, min(first + _LONGEST_MS, last_ms), self.label)
            for first_ms, last_ms in found.within(start_ms, end_ms)
            for first in range(first_ms, last_ms, _LONGEST_MS)
        )


def _holidays(calendar: Calendar) -> Spans:
    return spans(
        (
            utc_ms(datetime.combine(day, time()), calendar.zone),
            utc_ms(datetime.combine(day + timedelta(days=1), time()), calendar.zone),
        )
        for day in calendar.holidays
    )


class PlansFile(NamedTuple):
    """What a file plans."""

    events: Sequence[PlannedEvents] = ()
    changes: Sequence[Change] = ()


NOTHING_PLANNED = PlansFile()


def load_plans(path: Path) -> PlansFile:
    """What a file plans; raises `InvalidPolicy` with every fault, located."""
    problems = Problems(str(path))
    root = read_yaml(_text(path), problems)
    parts = root.mapping({"events", "changes"}) if root else {}
    events = list(_labels(parts["events"], _beside(path))) if "events" in parts else []
    changes = [_change(each) for each in parts["changes"].items()] if "changes" in parts else []
    if problems.found:
        raise InvalidPolicy(problems.report())
    return PlansFile(events, changes)


def _change(body: Field) -> Change:
    fields = body.mapping({*_PATTERNS, *_EXPECTED, "at", "title", "known", "by"})
    for name in ("at", "title"):
        if name not in fields or not fields[name].text():
            body.wrong(f"a change needs {'an' if name == 'at' else 'a'} {name!r}")
    at_ms = fields["at"].read(_moment_ms, 0) if "at" in fields else 0
    known_ms = fields["known"].read(_moment_ms, 0) if "known" in fields else at_ms

    def text(name: str, otherwise: str = "") -> str:
        return fields[name].text() if name in fields else otherwise

    host, resource, item = (text(name, "*") for name in _PATTERNS)
    usage, limit = (fields[n].read(_amount, "") if n in fields else "" for n in _EXPECTED)
    return Change(
        at_ms, known_ms, text("title"), text("by"), host, resource, item, usage=usage, limit=limit
    )


def _amount(text: str) -> str:
    parse_amount(text)
    return text


def _moment_ms(text: str) -> int:
    moment = datetime.fromisoformat(text)
    if not _YEARS[0] <= moment.year <= _YEARS[1]:
        raise ValueError(f"{text!r} lies outside of the years {_YEARS[0]} to {_YEARS[1]}")
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def _labels(body: Field, read_file: ReadFile) -> Iterator[PlannedEvents]:
    for label, about in body.mapping(None).items():
        fields = about.mapping({*_PATTERNS, "calendar"})
        if "calendar" not in fields:
            about.wrong(f"the events {label!r} need a 'calendar'")
            continue
        calendar = read_calendar(fields["calendar"], read_file)
        if calendar.weekly:
            fields["calendar"].wrong("weekly hours are no events; give 'events' with a 'rule'")
        patterns = {name: fields[name].text() for name in _PATTERNS if name in fields}
        yield PlannedEvents(label, calendar, **patterns)


def _beside(path: Path) -> ReadFile:
    def read(name: str) -> str:
        try:
            return _text(path.parent / name)
        except InvalidPolicy as error:
            raise ValueError(str(error)) from error

    return read


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise InvalidPolicy(f"{path}: larger than {MAX_FILE_BYTES} bytes; split it")
        return path.read_text("utf-8")
    except OSError as error:
        raise InvalidPolicy(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InvalidPolicy(f"{path}: not UTF-8: {error}") from error
