"""Durations as OpenSLO writes them (5m, 4w, 1M) and as PromQL does (5m, 1h30m)."""

from __future__ import annotations

import re
from dataclasses import dataclass

UNIT_SECONDS = {
    "m": 60,
    "h": 3_600,
    "d": 86_400,
    "w": 7 * 86_400,
    "M": 30 * 86_400,
    "Q": 90 * 86_400,
    "Y": 365 * 86_400,
}
_MONTHS = {"M": 1, "Q": 3, "Y": 12}
_SHORTHAND = re.compile(r"([0-9]{1,6})([mhdwMQY])", re.ASCII)
MAX_SECONDS = 5 * 366 * 86_400


@dataclass(frozen=True, slots=True)
class Duration:
    """A whole number of minutes (m), hours, days, weeks, months (M), quarters or years."""

    value: int
    unit: str

    @property
    def seconds(self) -> int:
        """How long it is; a month counts 30 days, a quarter 90 and a year 365."""
        return self.value * UNIT_SECONDS[self.unit]

    @property
    def months(self) -> int:
        """How many calendar months it is; 0 where it is counted in smaller units."""
        return self.value * _MONTHS.get(self.unit, 0)

    def __str__(self) -> str:
        return f"{self.value}{self.unit}"


def read_duration(text: str) -> Duration:
    """The duration of the shorthand; raises `ValueError`.

    >>> read_duration("4w").seconds, read_duration("1Q").months
    (2419200, 3)
    """
    match = _SHORTHAND.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no duration; write a number and one of m, h, d, w, M, Q, Y")
    found = Duration(int(match[1]), match[2])
    if not 0 < found.seconds <= MAX_SECONDS:
        raise ValueError(f"{text!r} is not between a minute and five years")
    return found


def promql_duration(seconds: int) -> str:
    """The duration for a range selector.

    >>> promql_duration(300), promql_duration(5400), promql_duration(259200)
    ('5m', '1h30m', '3d')
    """
    parts = []
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"
