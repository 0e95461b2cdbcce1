"""Prometheus' durations, as rule files, policies and command lines write them."""

from __future__ import annotations

import re

from tidecast_collector.errors import InvalidInput

_MILLISECONDS = {
    "y": 365 * 86_400_000,
    "w": 7 * 86_400_000,
    "d": 86_400_000,
    "h": 3_600_000,
    "m": 60_000,
    "s": 1_000,
    "ms": 1,
}
_DURATION = re.compile("".join(rf"(?:([0-9]{{1,9}}){unit})?" for unit in _MILLISECONDS))


def parse_duration_ms(text: str) -> int:
    """The milliseconds that a duration such as `1h30m` stands for; raises `InvalidInput`.

    >>> parse_duration_ms("1h30m"), parse_duration_ms("0"), parse_duration_ms("250ms")
    (5400000, 0, 250)
    """
    if text == "0":
        return 0
    match = _DURATION.fullmatch(text)
    if not text or match is None:
        raise InvalidInput(f"{text!r} is not a duration; write it as in 30s, 5m or 1h30m")
    amounts = zip(match.groups(default="0"), _MILLISECONDS.values(), strict=True)
    return sum(int(amount) * factor for amount, factor in amounts)
