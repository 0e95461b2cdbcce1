"""Recurrence rules of RFC 5545: which are sound, and when they fall due."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

from dateutil.rrule import rrule, rruleset, rrulestr

MAX_OCCURRENCES = 200_000
"""More occurrences than this in one question are refused: a rule every second for years."""
_STEPS = {
    "SECONDLY": timedelta(seconds=1),
    "MINUTELY": timedelta(minutes=1),
    "HOURLY": timedelta(hours=1),
    "DAILY": timedelta(days=1),
    "WEEKLY": timedelta(weeks=1),
}
_UNTIL_UTC = re.compile(r"UNTIL=(\d{8}T\d{6})Z", re.IGNORECASE)


class TooManyOccurrences(ValueError):
    """A recurrence that falls due more often in the asked span than a calendar may."""


def checked_rule(rule: str, start: datetime) -> str:
    """The rule of an event that starts then, by the clock of its zone.

    Raises `ValueError` for what is no rule, does not go on from one period to the next, never falls
    due, or is counted further than `MAX_OCCURRENCES`.
    """
    if not rule:
        return ""
    try:
        parsed = _parsed(rule, start, ZoneInfo("UTC"))
        said = _parts(rule)
        interval, count = int(said.get("INTERVAL", 1)), int(said.get("COUNT", 1))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{rule!r} is no recurrence rule: {error}") from error
    if interval < 1 or count < 1:
        raise ValueError(f"{rule!r} is no recurrence rule: INTERVAL and COUNT are at least 1")
    if count > MAX_OCCURRENCES:
        raise ValueError(f"{rule!r} is counted further than {MAX_OCCURRENCES}; give it an UNTIL")
    if next(iter(parsed.replace(until=None, count=None)), None) is None:
        raise ValueError(f"{rule!r} never falls due")
    return rule


def starts_between(
    rule: str,
    first: datetime,
    zone: ZoneInfo,
    span: tuple[datetime, datetime],
    *,
    excluded: Collection[datetime] = (),
    added: Collection[datetime] = (),
) -> Iterator[datetime]:
    """When the event that starts `first`, and again by the rule, falls due within the span.

    All are times of the zone's clock, without tzinfo; both ends belong to the span. Raises
    `TooManyOccurrences`.
    """
    after, before = span
    series = rruleset()
    if rule:
        series.rrule(_parsed(rule, _shortly_before(rule, first, after), zone))
    else:
        series.rdate(first)
    for moment in added:
        series.rdate(moment)
    for moment in excluded:
        series.exdate(moment)
    for count, start in enumerate(series.xafter(after, inc=True)):
        if start > before:
            return
        if count >= MAX_OCCURRENCES:
            raise TooManyOccurrences(f"{rule!r} falls due over {MAX_OCCURRENCES} times")
        yield start


def _shortly_before(rule: str, first: datetime, after: datetime) -> datetime:
    """A start from which the rule falls due as from its first one, as far as `after` on.

    Whole intervals later, so that years of occurrences need not be gone through: the last of them
    but one, since of a week that begins in its midst BYSETPOS would choose another day.
    """
    said = _parts(rule)
    step = _STEPS.get(said["FREQ"])
    if step is None or "COUNT" in said:
        return first
    step *= int(said.get("INTERVAL", 1))
    return first + max((after - first) // step - 1, 0) * step


def _parsed(rule: str, start: datetime, zone: ZoneInfo) -> rrule:
    found = rrulestr(_UNTIL_UTC.sub(partial(_local_until, zone), rule), dtstart=start)
    if not isinstance(found, rrule):
        raise ValueError("it is several lines")
    return found


def _parts(rule: str) -> Mapping[str, str]:
    pairs = rule.upper().removeprefix("RRULE:").split(";")
    return dict(pair.strip().split("=", 1) for pair in pairs)


def _local_until(zone: ZoneInfo, found: re.Match[str]) -> str:
    until = datetime.strptime(found[1], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    return f"UNTIL={until.astimezone(zone):%Y%m%dT%H%M%S}"
