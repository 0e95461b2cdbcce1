"""Availabilities and downtimes in the words of people who answer for them."""

from __future__ import annotations

import math


def percent(ratio: float | None) -> str:
    """A share with three decimals, cut rather than rounded: 100 % means no loss at all.

    >>> percent(0.999999), percent(1), percent(0.29), percent(None)
    ('99.999 %', '100 %', '29.000 %', '-')
    """
    if ratio is None:
        return "-"
    return "100 %" if ratio == 1 else f"{math.floor(ratio * 100_000 + 1e-6) / 1000:.3f} %"


def downtime(seconds: float | None, otherwise: str = "-") -> str:
    """A length of time in its two largest units; `otherwise` where there is none.

    >>> downtime(11_520), downtime(90), downtime(200_000), downtime(0), downtime(None)
    ('3 h 12 m', '1 m 30 s', '2 d 7 h', '0 s', '-')
    """
    if seconds is None:
        return otherwise
    whole = round(seconds)
    parts = [
        (whole // 86_400, "d"),
        (whole // 3600 % 24, "h"),
        (whole // 60 % 60, "m"),
        (whole % 60, "s"),
    ]
    first = next((i for i, (count, _) in enumerate(parts) if count), 3)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2] if count) or "0 s"
