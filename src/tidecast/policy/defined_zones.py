"""Time zones that an iCalendar file defines itself (VTIMEZONE), as zones like any other."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timezone
from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING, TypeAlias
from zoneinfo import ZoneInfo

from dateutil.rrule import rrulestr

if TYPE_CHECKING:
    from icalendar import Timezone, TimezoneDaylight, TimezoneStandard

LAST_YEAR = 2100
"""Clocks change as defined up to then."""

Onset = tuple[int, int, bool]
"""From which second since 1970 on (UTC), how far clocks are ahead in seconds, and whether that is
daylight saving time."""

Part: TypeAlias = "TimezoneStandard | TimezoneDaylight"


def defined_zone(definition: Timezone) -> ZoneInfo:
    """The zone that this VTIMEZONE defines, which has a STANDARD or DAYLIGHT part.

    Equal definitions give one and the same zone, so that what is in it can be compared.
    """
    parts: list[Part] = [*definition.standard, *definition.daylight]
    onsets = sorted(onset for part in parts for onset in _onsets(part))
    before = round(min(parts, key=lambda part: part.DTSTART).TZOFFSETFROM.total_seconds())
    return _zone(definition.tz_name, before, tuple(onsets))


def _onsets(part: Part) -> Iterator[Onset]:
    ahead = round(part.TZOFFSETTO.total_seconds())
    for local in _starts(part):
        begins = (local - part.TZOFFSETFROM).replace(tzinfo=UTC)
        yield round(begins.timestamp()), ahead, part.name == "DAYLIGHT"


def _starts(part: Part) -> Iterator[datetime]:
    """By what was the local time until then."""
    first = part.DTSTART
    yield first
    yield from (_midnight(each) for each, _ in part.rdates)
    for rule in part.rrules:
        text = str(rule.to_ical(), "utf-8")
        # A rule with an end in UTC needs to know what UTC is.
        zone = timezone(part.TZOFFSETFROM) if "Z" in text else None
        for start in rrulestr(text, dtstart=first.replace(tzinfo=zone)):
            if start.year > LAST_YEAR:
                break
            yield start.replace(tzinfo=None)


def _midnight(moment: date) -> datetime:
    return moment if isinstance(moment, datetime) else datetime.combine(moment, time())


@lru_cache(maxsize=1_000)
def _zone(name: str, before: int, onsets: tuple[Onset, ...]) -> ZoneInfo:
    """As a compiled zone file (RFC 9636) of version 2, whose first block is empty."""
    kinds = list(dict.fromkeys([(before, False), *(onset[1:] for onset in onsets)]))
    times = struct.pack(f">{len(onsets)}q", *(onset[0] for onset in onsets))
    places = bytes(kinds.index(onset[1:]) for onset in onsets)
    types = b"".join(struct.pack(">l?B", ahead, daylight, 0) for ahead, daylight in kinds)
    body = times + places + types + b"\0"
    counts = (0, 0, 0, len(onsets), len(kinds), 1)
    return ZoneInfo.from_file(
        BytesIO(_header((0,) * 6) + _header(counts) + body + b"\n\n"), key=name
    )


def _header(counts: Iterable[int]) -> bytes:
    return struct.pack(">4sc15x6L", b"TZif", b"2", *counts)
