"""One sentence of meaning for each resource."""

from __future__ import annotations

from tidecast_reports.capacity import ResourceOutlook, TrackRecord
from tidecast_reports.units import (
    clock_duration,
    date,
    date_range,
    duration,
    moment_from,
    quantity,
    share,
)

_NAMES = {
    "cpu": "CPU",
    "memory": "Memory",
    "swap": "Swap",
    "filesystem": "Filesystem",
    "inodes": "Inodes",
    "network": "Network",
    "disk": "Disk",
    "file_handles": "File handles",
}

STATE_NAMES = {
    "over_now": "over its mark",
    "in_horizon": "runs out",
    "beyond_horizon": "beyond horizon",
    "not_growing": "not growing",
    "not_enough_data": "too little history",
    "no_mark": "no mark",
}
"""How each typed answer is called in front of people; `no_mark`: nothing there is to be crossed."""


def resource_name(resource: str, item: str) -> str:
    """What people call a resource.

    >>> resource_name("filesystem", "/var"), resource_name("inodes", "/var")
    ('/var', 'Inodes of /var')
    >>> resource_name("cpu", ""), resource_name("network", "eth0"), resource_name("custom", "q")
    ('CPU', 'Network eth0', 'q')
    """
    if item and resource in ("filesystem", "custom"):
        return item
    name = _NAMES.get(resource, resource.replace("_", " ").capitalize())
    if not item:
        return name
    return f"{name} of {item}" if resource == "inodes" else f"{name} {item}"


def subject(outlook: ResourceOutlook) -> str:
    """The resource and its host, e.g. "/var on web-3"."""
    name = resource_name(outlook.resource, outlook.item)
    return f"{name} on {outlook.host}" if outlook.host else name


def mark_text(outlook: ResourceOutlook) -> str:
    """The mark as a share of the limit where there is one, e.g. "90 %"."""
    if outlook.mark is None:
        return "its mark"
    return share(outlook.mark, outlook.limit, outlook.unit)


def usage_text(outlook: ResourceOutlook) -> str:
    """The usage as a share of the limit where there is one, otherwise with its unit."""
    if outlook.usage is None:
        return "unknown"
    return share(outlook.usage, outlook.limit, outlook.unit)


def usage_detail(outlook: ResourceOutlook) -> str:
    """The usage in full, e.g. "41.2 GiB of 50 GiB"; "" where the share says it all."""
    if outlook.usage is None or outlook.limit is None or outlook.unit == "ratio":
        return ""
    limit = quantity(outlook.limit, outlook.unit)
    return f"{quantity(outlook.usage, outlook.unit)} of {limit}"


def sentence(outlook: ResourceOutlook, now_ms: int, horizon_days: int) -> str:
    """When the resource reaches its mark and how surely, without a full stop.

    E.g. "/var on web-3 reaches 90 % between 3 Feb and 9 Mar (P10–P90), most likely 18 Feb".
    """
    return f"{subject(outlook)} {predicate(outlook, now_ms, horizon_days)}"


def predicate(outlook: ResourceOutlook, now_ms: int, horizon_days: int) -> str:
    """The sentence without its subject."""
    mark = mark_text(outlook)
    if outlook.over_this_hour or outlook.state == "over_now":
        return _over(outlook)
    if outlook.state == "in_horizon" and outlook.p50_ms is not None:
        return _within(outlook, outlook.p50_ms, now_ms)
    if outlook.state == "beyond_horizon":
        return _beyond(outlook, now_ms, horizon_days)
    if outlook.state == "not_growing":
        return f"is not growing: {usage_text(outlook)} used, mark {mark}"
    if outlook.state == "no_mark":
        return f"has no mark to reach: {usage_text(outlook)} now"
    return _unknown(outlook, now_ms)


def fast_sentence(outlook: ResourceOutlook) -> str:
    """What the last hours say, e.g. "full in 2:40 (P10–P90 1:50–4:10)"; "" where they say nothing.

    From two days on it is told in days: a rise of hours says no more than that.
    """
    if outlook.full_in_seconds is None:
        return ""
    p10, p50, p90 = outlook.full_in_seconds
    if p50 >= 2 * 86_400:
        return f"full in {duration(p50)} at the present rate"
    spread = f"{clock_duration(p10)}–{clock_duration(p90)}"
    return f"full in {clock_duration(p50)} h (P10–P90 {spread})"


def track_sentence(outlook: ResourceOutlook) -> str:
    """How its past forecasts fared, e.g. "10 of the last 10 forecasts for it held"."""
    if outlook.track is None or outlook.track.scored == 0:
        return "no forecast for it has been scored yet"
    return f"{outlook.track.held} of the last {outlook.track.scored} forecasts for it held"


def fleet_track_sentence(track: TrackRecord) -> str:
    """How the forecasts of the fleet fared, e.g. "38 of 40 forecasts held"."""
    text = f"{track.held} of {track.scored} forecasts held"
    if track.coverage80 is not None:
        text += f", {track.coverage80 * 100:.0f} % of what came lay within their 80 % bands"
    return text


def _over(outlook: ResourceOutlook) -> str:
    mark = mark_text(outlook)
    if outlook.over_this_hour and outlook.provisional is not None:
        peak = share(outlook.provisional, outlook.limit, outlook.unit)
        return f"is over its mark in this hour: {peak} used, mark {mark}"
    return f"is over its mark now: {usage_text(outlook)} used, mark {mark}"


def _within(outlook: ResourceOutlook, p50_ms: int, now_ms: int) -> str:
    mark, likely = mark_text(outlook), date(p50_ms, now_ms)
    span = date_range(outlook.p10_ms, outlook.p90_ms, now_ms)
    if not span or span.startswith("on "):
        return f"reaches {mark} most likely on {likely}" + (" (P10–P90)" if span else "")
    return f"reaches {mark} {span}, most likely {likely}"


def _beyond(outlook: ResourceOutlook, now_ms: int, horizon_days: int) -> str:
    mark = mark_text(outlook)
    if outlook.p10_ms is not None:
        first = date(outlook.p10_ms, now_ms)
        return f"most likely stays below {mark} for {horizon_days} days, at the earliest {first}"
    return f"stays below {mark} for the next {horizon_days} days"


def _unknown(outlook: ResourceOutlook, now_ms: int) -> str:
    if outlook.possible_ms is not None and outlook.possible_ms > now_ms:
        when = moment_from(outlook.possible_ms, now_ms)
        return f"has too little history yet: a first forecast is possible {when}"
    return "has too little history for a forecast"
