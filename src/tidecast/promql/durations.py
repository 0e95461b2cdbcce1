"""PromQL durations such as `1h30m`, as milliseconds."""

from __future__ import annotations

import re

UNITS_MS = {
    "y": 31_536_000_000,
    "w": 604_800_000,
    "d": 86_400_000,
    "h": 3_600_000,
    "m": 60_000,
    "s": 1_000,
    "ms": 1,
}
MAX_DURATION_MS = (2**63 - 1) // 1_000_000
"""The longest duration that Prometheus can hold, which counts nanoseconds in an int64."""

DURATION_PATTERN = (
    r"(?=[0-9])(?:[0-9]+y)?(?:[0-9]+w)?(?:[0-9]+d)?(?:[0-9]+h)?(?:[0-9]+m(?!s))?"
    r"(?:[0-9]+s)?(?:[0-9]+ms)?"
)
_PART = re.compile(r"([0-9]+)(ms|[ywdhms])")


def duration_ms(text: str) -> int | None:
    """The milliseconds of a duration that matches `DURATION_PATTERN`; None where it overflows."""
    total = 0
    for number, unit in _PART.findall(text):
        if len(number) > 19:
            return None
        total += int(number) * UNITS_MS[unit]
    return total if total <= MAX_DURATION_MS else None


def format_duration(milliseconds: int) -> str:
    """The shortest duration text of these milliseconds.

    >>> format_duration(5_400_000), format_duration(0), format_duration(-60_001)
    ('1h30m', '0s', '-1m1ms')
    """
    if milliseconds == 0:
        return "0s"
    rest = abs(milliseconds)
    text = ""
    for unit, size in UNITS_MS.items():
        count, left = divmod(rest, size)
        # Years and weeks only where nothing is left over, since people read 8d better than 1w1d.
        if count and (unit not in ("y", "w") or not left):
            text += f"{count}{unit}"
            rest = left
    return f"-{text}" if milliseconds < 0 else text
