"""Numbers and times as people read them: binary bytes, percentages, durations, dates in UTC."""

from __future__ import annotations

import math
from datetime import UTC, datetime

SECOND_MS = 1_000
DAY_MS = 86_400_000
NEARBY_DAYS = 270
"""Within this many days a date is told without its year and cannot be mistaken."""

_BINARY = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_DECIMAL = ("", " k", " M", " G", " T", " P")
_STEPS = (
    ("year", 365 * 86_400, 2 * 365 * 86_400),
    ("month", 30 * 86_400, 90 * 86_400),
    ("week", 7 * 86_400, 14 * 86_400),
    ("day", 86_400, 47 * 3_600),
    ("hour", 3_600, 2 * 3_600),
    ("minute", 60, 60),
)
"""Unit, its seconds, and the shortest duration (in seconds) that is told in it."""


def quantity(value: float, unit: str) -> str:
    """A value with its unit.

    >>> quantity(0.8731, "ratio"), quantity(1_610_612_736, "bytes"), quantity(12_400, "count")
    ('87.3 %', '1.5 GiB', '12.4 k')
    >>> quantity(90, "bytes_per_second"), quantity(8.25, "seconds"), quantity(3, "")
    ('90 B/s', '8.25 s', '3')
    """
    if not math.isfinite(value):
        return "unknown"
    if unit == "ratio":
        return f"{_short(round(value * 100, 2), 3)} %"
    if unit in ("bytes", "bytes_per_second"):
        text = _scaled(value, 1024, _BINARY, " ")
        return text if unit == "bytes" else f"{text}/s"
    if unit == "seconds":
        return f"{_short(value, 3)} s"
    text = _scaled(value, 1000, _DECIMAL, "")
    return text if unit in ("count", "") else f"{text} {unit.replace('_', ' ')}"


def share(value: float, limit: float | None, unit: str) -> str:
    """The value as a share of its limit where it has one, otherwise with its unit.

    >>> share(45.0, 50.0, "bytes"), share(0.9, None, "ratio"), share(3e9, None, "bytes")
    ('90 %', '90 %', '2.79 GiB')
    """
    if unit != "ratio" and limit is not None and limit > 0:
        return quantity(value / limit, "ratio")
    return quantity(value, unit)


def duration(seconds: float) -> str:
    """A duration rounded to the unit in which people would say it.

    >>> duration(1_900_000), duration(86_400), duration(150), duration(20)
    ('3 weeks', '24 hours', '2 minutes', 'less than a minute')
    """
    for name, size, shortest in _STEPS:
        if seconds >= shortest:
            count = round(seconds / size)
            return f"{count} {name}" if count == 1 else f"{count} {name}s"
    return "less than a minute"


def clock_duration(seconds: float) -> str:
    """Hours and minutes.

    >>> clock_duration(9_600), clock_duration(100_000), clock_duration(0)
    ('2:40', '27:47', '0:00')
    """
    minutes = round(max(seconds, 0) / 60)
    return f"{minutes // 60}:{minutes % 60:02d}"


def moment_from(at_ms: int, now_ms: int) -> str:
    """How far a time lies from now.

    >>> moment_from(21 * 86_400_000, 0), moment_from(0, 300_000), moment_from(5, 0)
    ('in 3 weeks', '5 minutes ago', 'now')
    """
    seconds = (at_ms - now_ms) / SECOND_MS
    if abs(seconds) < 1:
        return "now"
    return f"in {duration(seconds)}" if seconds > 0 else f"{duration(-seconds)} ago"


def full_date(at_ms: int) -> str:
    """The day in UTC.

    >>> full_date(1_802_908_800_000)
    '18 Feb 2027'
    """
    return f"{_utc(at_ms).day} {_utc(at_ms):%b %Y}"


def date(at_ms: int, now_ms: int) -> str:
    """The day in UTC, with its year only where that could be mistaken.

    >>> date(1_802_908_800_000, 1_798_000_000_000), date(1_802_908_800_000, 1_700_000_000_000)
    ('18 Feb', '18 Feb 2027')
    """
    if abs(at_ms - now_ms) > NEARBY_DAYS * DAY_MS:
        return full_date(at_ms)
    return f"{_utc(at_ms).day} {_utc(at_ms):%b}"


def timestamp(at_ms: int) -> str:
    """The minute in UTC.

    >>> timestamp(1_802_908_800_000)
    '18 Feb 2027 00:00 UTC'
    """
    return f"{full_date(at_ms)} {_utc(at_ms):%H:%M} UTC"


def iso(at_ms: int) -> str:
    """ISO 8601 in UTC to the second.

    >>> iso(1_802_908_800_000)
    '2027-02-18T00:00:00Z'
    """
    return f"{_utc(at_ms):%Y-%m-%dT%H:%M:%SZ}"


def date_range(p10_ms: int | None, p90_ms: int | None, now_ms: int) -> str:
    """The days between which the mark is reached with 80 % probability; "" where P10 is unknown.

    >>> day = 86_400_000
    >>> date_range(33 * day, 67 * day, 0), date_range(33 * day, 33 * day + 5, 0)
    ('between 3 Feb and 9 Mar (P10–P90)', 'on 3 Feb (P10–P90)')
    >>> date_range(33 * day, None, 0)
    'from 3 Feb on (P10)'
    """
    if p10_ms is None:
        return ""
    first = date(p10_ms, now_ms)
    if p90_ms is None:
        return f"from {first} on (P10)"
    last = date(p90_ms, now_ms)
    return f"on {first} (P10–P90)" if first == last else f"between {first} and {last} (P10–P90)"


def _utc(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / SECOND_MS, UTC)


def _scaled(value: float, base: int, names: tuple[str, ...], gap: str) -> str:
    size, power = abs(value), 0
    while size >= base * 0.9995 and power < len(names) - 1:
        size, power = size / base, power + 1
    sign = "-" if value < 0 else ""
    return f"{sign}{_short(size, 4 if size >= 1000 else 3)}{gap}{names[power]}"


def _short(value: float, digits: int) -> str:
    """At most so many significant digits, whole numbers whole, no exponent and no trailing zeros.

    >>> _short(90.0, 3), _short(8.254, 3), _short(123456.0, 3), _short(-0.0, 3)
    ('90', '8.25', '123456', '0')
    """
    if abs(value) >= 10 ** (digits - 1):
        return f"{value:.0f}"
    text = f"{value:.{digits}g}" if abs(value) >= 1e-3 else f"{value:.3f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return text.removeprefix("-") if float(text) == 0 else text
