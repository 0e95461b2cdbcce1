"""What runs out first: the order of the list."""

from __future__ import annotations

from collections.abc import Iterable

from tidecast_reports.capacity import ResourceOutlook

_STATES = ("over_now", "in_horizon", "beyond_horizon", "not_enough_data", "not_growing", "no_mark")
_NEVER_MS = 2**63


def rank(outlooks: Iterable[ResourceOutlook], at_ms: int) -> list[ResourceOutlook]:
    """The outlooks, what runs out first in front, as seen at that time.

    Over its mark now, by the last hours or by the running one; then by the median date, then P10;
    then beyond the horizon, without enough data, not growing, without a mark, the fullest of each
    first. A rise of the last hours counts as a median date of its own: what is full in 2:40 comes
    before what reaches its mark in weeks.
    """
    return sorted(outlooks, key=lambda outlook: _place(outlook, at_ms))


def fullness(outlook: ResourceOutlook) -> float:
    """Usage over mark, 0 where either is unknown: 1 is at the mark."""
    if outlook.usage is None or not outlook.mark:
        return 0.0
    return outlook.usage / outlook.mark


def _place(outlook: ResourceOutlook, at_ms: int) -> tuple[int, float, float, float, str, str, str]:
    state = _STATES.index(outlook.state) if outlook.state in _STATES else len(_STATES)
    median = _NEVER_MS if outlook.p50_ms is None else outlook.p50_ms
    earliest = _NEVER_MS if outlook.p10_ms is None else outlook.p10_ms
    if outlook.full_in_seconds is not None and outlook.state != "over_now":
        p10, p50, _ = outlook.full_in_seconds
        state = _STATES.index("in_horizon")
        median = min(median, at_ms + round(p50 * 1000))
        earliest = min(earliest, at_ms + round(p10 * 1000))
    if outlook.over_this_hour:
        state = _STATES.index("over_now")
    if state == _STATES.index("over_now"):
        median = earliest = 0
    key = (outlook.host, outlook.resource, outlook.item)
    return (state, median, earliest, -fullness(outlook), *key)
