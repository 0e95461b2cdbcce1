"""Where the ticks of a chart stand and how they read."""

from __future__ import annotations

import math
from datetime import UTC, datetime

HOUR_MS = 3_600_000
DAY_MS = 86_400_000

_HOURS = (1, 2, 3, 6, 12)
_DAYS = (1, 2, 4, 7, 14)
_MONTHS = (1, 2, 3, 6, 12, 24, 60, 120)


def value_ticks(top: float, count: int = 4, base: int = 10) -> list[float]:
    """Round values from 0 to at most `top`, about `count` steps of them.

    >>> value_ticks(1.0), value_ticks(7.3), value_ticks(6000, base=2)
    ([0.0, 0.25, 0.5, 0.75, 1.0], [0.0, 2.0, 4.0, 6.0], [0.0, 2048.0, 4096.0])
    """
    if not (math.isfinite(top) and top > 0):
        return [0.0]
    raw = top / count
    if base == 2:
        step = 2.0 ** math.ceil(math.log2(raw))
    else:
        power = 10.0 ** math.floor(math.log10(raw) + 1e-9)
        step = next(f * power for f in (1, 2, 2.5, 5, 10) if f * power >= raw * (1 - 1e-9))
    return [index * step for index in range(math.floor(top / step * (1 + 1e-9)) + 1)]


def time_ticks(first_ms: int, last_ms: int, count: int = 5) -> list[tuple[int, str]]:
    """At most `count` round times (hours, days or month beginnings in UTC) and their labels.

    >>> time_ticks(0, 100 * 86_400_000)
    [(0, 'Jan 1970'), (2678400000, 'Feb'), (5097600000, 'Mar'), (7776000000, 'Apr')]
    """
    span = last_ms - first_ms
    if span <= 0:
        return []
    for hours in _HOURS:
        if span <= count * hours * HOUR_MS:
            return _regular(first_ms, last_ms, hours * HOUR_MS, "%H:%M")
    for days in _DAYS:
        if span <= count * days * DAY_MS:
            return _regular(first_ms, last_ms, days * DAY_MS, "%-d %b")
    for months in _MONTHS:
        ticks = _month_ticks(first_ms, last_ms, months)
        if len(ticks) <= count:
            return ticks
    return []


def _regular(first_ms: int, last_ms: int, step_ms: int, pattern: str) -> list[tuple[int, str]]:
    start = -(-first_ms // step_ms) * step_ms
    times_ms = range(start, last_ms + 1, step_ms)
    return [(at_ms, _utc(at_ms).strftime(pattern)) for at_ms in times_ms]


def _month_ticks(first_ms: int, last_ms: int, months: int) -> list[tuple[int, str]]:
    begin, end = _utc(first_ms), _utc(last_ms)
    ticks: list[tuple[int, str]] = []
    index = -(-(begin.year * 12 + begin.month - 1) // months) * months
    while index <= end.year * 12 + end.month - 1:
        year, month = divmod(index, 12)
        at_ms = round(datetime(year, month + 1, 1, tzinfo=UTC).timestamp() * 1000)
        if first_ms <= at_ms <= last_ms:
            told = not ticks or month == 0 or months >= 12
            text = f"{_utc(at_ms):%b %Y}" if told else f"{_utc(at_ms):%b}"
            ticks.append((at_ms, text))
        index += months
    return ticks


def _utc(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)
