"""Moments as people and as wire formats read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def readable(ms: int) -> str:
    """A moment for people.

    >>> readable(1763805600123)
    '2025-11-22 10:00:00 UTC'
    """
    return f"{_EPOCH + timedelta(milliseconds=ms):%Y-%m-%d %H:%M:%S} UTC"


def rfc3339(ms: int) -> str:
    """A moment for machines, as Prometheus and Alertmanager write it.

    >>> rfc3339(1763805600123), rfc3339(1763805600000)
    ('2025-11-22T10:00:00.123Z', '2025-11-22T10:00:00Z')
    """
    fraction = f".{ms % 1000:03d}".rstrip("0").rstrip(".")
    return f"{_EPOCH + timedelta(milliseconds=ms - ms % 1000):%Y-%m-%dT%H:%M:%S}{fraction}Z"
