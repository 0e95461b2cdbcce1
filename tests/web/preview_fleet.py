"""A made-up fleet for the preview, the screenshots and the tests: plausible and seeded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from tidecast.web.data import ChangeSaid, HostSummary, HostView, PageStatus, ResourceView
from tidecast_alerts.model import (
    Incident,
    IncidentState,
    IncidentView,
    Signal,
    SignalState,
    TimelineEntry,
)
from tidecast_analytics.sanity import Finding, Severity
from tidecast_collector.errors import InvalidInput
from tidecast_collector.labels import make_labels
from tidecast_reports.capacity import (
    Band,
    CapacityReport,
    MarkedChange,
    PastForecast,
    ResourceOutlook,
    TrackRecord,
)
from tidecast_reports.ranking import rank

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
NOW_MS = 1_795_348_800_000  # 22 Nov 2026 12:00 UTC
HORIZON_DAYS = 90
GIB = 2.0**30


@dataclass(frozen=True)
class Shape:
    """How a made-up resource behaves, in shares of its limit."""

    now: float
    growth_a_day: float
    daily: float = 0.0
    weekly: float = 0.0
    noise: float = 0.004
    saw: float = 0.0
    step_days_ago: float = 0.0
    step: float = 0.0
    spread: float = 0.006


def outlook(
    host: str,
    resource: str,
    item: str,
    shape: Shape,
    *,
    state: str,
    days: tuple[float | None, float | None, float | None] = (None, None, None),
    unit: str = "bytes",
    limit: float | None = 50 * GIB,
    mark_share: float = 0.9,
    history_days: int = 120,
    reasons: Sequence[str] = (),
    method: str = "damped trend with weekly season",
    seed: int = 1,
) -> ResourceOutlook:
    """An outlook drawn from a shape; the dates are given, so that the pages can be judged alone."""
    random = np.random.default_rng(seed)
    scale = limit or 1.0
    hours = np.arange(-history_days * 24 + 1, 1)
    past = curve(hours, shape) + random.normal(0, shape.noise, hours.size)
    ahead = np.arange(1, HORIZON_DAYS * 24 + 1)
    mean = curve(ahead, replace(shape, saw=0.0)) - shape.saw / 2
    width = shape.spread * np.sqrt(ahead / 24)
    p10, p50, p90 = (None if day is None else NOW_MS + round(day * DAY_MS) for day in days)
    return ResourceOutlook(
        host=host,
        resource=resource,
        item=item,
        unit=unit,
        statistic="p95" if resource == "cpu" else "max",
        source="demo",
        usage=float(past[-1] * scale),
        limit=limit,
        mark=mark_share * scale,
        state=state,
        p10_ms=p10,
        p50_ms=p50,
        p90_ms=p90,
        reasons=reasons,
        method=method,
        query=f'tidecast_usage{{instance="{host}",resource="{resource}",item="{item}",stat="max"}}',
        published_ms=NOW_MS - HOUR_MS,
        history_ms=NOW_MS + hours.astype(np.int64) * HOUR_MS,
        history=np.clip(past, 0, 1) * scale,
        band=Band(
            times_ms=NOW_MS + ahead.astype(np.int64) * HOUR_MS,
            mean=mean * scale,
            lo80=(mean - 1.28 * width).clip(0) * scale,
            hi80=(mean + 1.28 * width) * scale,
            lo95=(mean - 1.96 * width).clip(0) * scale,
            hi95=(mean + 1.96 * width) * scale,
        ),
        provisional=float(past[-1] * scale * 1.004),
    )


def curve(hours: np.ndarray, shape: Shape) -> np.ndarray:
    day = hours / 24
    value = shape.now + shape.growth_a_day * day
    value = value + shape.daily * np.sin(2 * np.pi * (day - 0.35))
    value = value + shape.weekly * np.cos(2 * np.pi * (day - 2) / 7)
    if shape.saw:
        value = value + shape.saw * (((day + 2.2) % 7) / 7 - 1)
    if shape.step:
        value = value - shape.step * (day < -shape.step_days_ago)
    return np.clip(value, 0.0, None)


def fleet() -> list[ResourceOutlook]:
    """What the preview shows, in no order."""
    growing = (
        "Grows by 0.09 % of its limit a day; the trend is damped.",
        "A clean-up every Sunday.",
    )
    filling = outlook(
        "db-1",
        "filesystem",
        "/var/lib/postgresql",
        Shape(0.79, 0.0016, daily=0.004, step=0.06, step_days_ago=31),
        state="in_horizon",
        days=(48.2, 66.0, 89.0),
        limit=800 * GIB,
        seed=2,
        reasons=(
            "A step of +48 GiB on 22 Oct is kept as the new level.",
            "Grows by 1.3 GiB a day since.",
        ),
    )
    return [
        replace(
            outlook(
                "web-3",
                "filesystem",
                "/var",
                Shape(0.853, 0.0024, daily=0.003, saw=0.05, spread=0.008),
                state="in_horizon",
                days=(18.0, 29.0, 47.0),
                reasons=growing,
            ),
            track=TrackRecord(10, 10),
            findings=(
                Finding(
                    "gap",
                    Severity.NOTE,
                    NOW_MS - 40 * DAY_MS,
                    NOW_MS - 39 * DAY_MS,
                    "0.8% of it is missing; the longest gap lasts 24 hours.",
                    "Import what is missing (tidecast import), or live with wider bands.",
                ),
            ),
        ),
        replace(filling, track=TrackRecord(8, 9)),
        outlook(
            "shop-2",
            "cpu",
            "",
            Shape(0.56, 0.0019, daily=0.11, weekly=0.06, noise=0.02),
            state="in_horizon",
            days=(61, 84, None),
            unit="ratio",
            limit=None,
            mark_share=0.8,
            seed=3,
            reasons=("Busy from 8 to 18 h on working days.",),
        ),
        outlook(
            "cache-1",
            "memory",
            "",
            Shape(0.93, 0.0004, daily=0.004),
            state="over_now",
            limit=32 * GIB,
            seed=4,
            reasons=("At its mark since 20 Nov.",),
        ),
        replace(
            outlook(
                "web-1",
                "filesystem",
                "/srv/uploads",
                Shape(0.71, 0.0012),
                state="not_enough_data",
                history_days=2,
                limit=120 * GIB,
                seed=5,
                method="",
                reasons=("2 days of history; 3 are needed.",),
            ),
            full_in_seconds=(6600.0, 9600.0, 15000.0),
            band=None,
            published_ms=None,
            possible_ms=NOW_MS + DAY_MS,
        ),
        outlook(
            "db-1",
            "memory",
            "",
            Shape(0.62, 0.0007, daily=0.01),
            state="beyond_horizon",
            days=(82, None, None),
            limit=64 * GIB,
            seed=6,
            reasons=("Would reach its mark in about 130 days at this pace.",),
        ),
        outlook(
            "web-3",
            "cpu",
            "",
            Shape(0.31, 0.0, daily=0.1, weekly=0.04, noise=0.015),
            state="not_growing",
            unit="ratio",
            limit=None,
            mark_share=0.8,
            seed=7,
            method="seasonal naive, 168 h",
            reasons=("No upward trend in 120 days.",),
        ),
        outlook(
            "web-3",
            "inodes",
            "/var",
            Shape(0.18, 0.0),
            state="not_growing",
            unit="count",
            limit=3_276_800,
            seed=8,
            reasons=("Follows log rotation, no trend.",),
        ),
        outlook(
            "web-1",
            "memory",
            "",
            Shape(0.44, 0.0, daily=0.02),
            state="not_growing",
            limit=16 * GIB,
            seed=9,
            reasons=("No upward trend in 120 days.",),
        ),
        outlook(
            "shop-2",
            "network",
            "eth0",
            Shape(0.12, 0.0, daily=0.05),
            state="not_growing",
            unit="bytes_per_second",
            limit=1.25e8,
            mark_share=0.7,
            seed=10,
        ),
    ]


def first_day() -> list[ResourceOutlook]:
    """One host without history: what `tidecast up` shows after a minute."""
    keys = (
        ("filesystem", "/", "bytes", 100 * GIB, 0.61, 0.9),
        ("inodes", "/", "count", 6_553_600.0, 0.12, 0.9),
        ("memory", "", "bytes", 16 * GIB, 0.47, 0.9),
        ("cpu", "", "ratio", None, 0.08, 0.8),
        ("filesystem", "/boot", "bytes", 1 * GIB, 0.34, 0.9),
    )
    return [
        ResourceOutlook(
            host="my-laptop",
            resource=resource,
            item=item,
            unit=unit,
            statistic="max",
            source="agent",
            usage=share * (limit or 1.0),
            limit=limit,
            mark=mark * (limit or 1.0),
            state="not_enough_data",
            p10_ms=None,
            p50_ms=None,
            p90_ms=None,
            reasons=("No whole hour yet; 48 hours are needed.",),
            method="",
            query="",
            published_ms=None,
            history_ms=np.array([], dtype=np.int64),
            history=np.array([]),
            band=None,
            possible_ms=NOW_MS + 2 * DAY_MS,
        )
        for resource, item, unit, limit, share, mark in keys
    ]


def incident_views() -> list[IncidentView]:
    """One incident in each state."""
    opened = NOW_MS - 95 * 60_000
    filling = Incident(
        12,
        "filling/web-1//srv/uploads",
        "/srv/uploads on web-1 is filling fast",
        "critical",
        1,
        "web-1",
        "filesystem",
        "/srv/uploads",
        IncidentState.OPEN,
        opened,
    )
    signal = Signal(
        key="s1",
        cause=filling.cause,
        source="tidecast/FilesystemFillsFast",
        expression='tidecast_full_in_seconds{resource="filesystem",quantile="0.5"} < 14400',
        labels=make_labels(
            {
                "alertname": "FilesystemFillsFast",
                "instance": "web-1",
                "item": "/srv/uploads",
                "severity": "critical",
            }
        ),
        annotations={
            "summary": "Full in 2:40 h at the rate of the last hours",
            "description": "P10–P90 1:50–4:10. 34.8 GiB are left of 120 GiB.",
        },
        state=SignalState.FIRING,
        value=9600.0,
        first_firing_ms=opened,
        last_firing_ms=NOW_MS,
        evidence_ms=(NOW_MS - 20_000,),
        incident_id=12,
    )
    silent = replace(
        signal,
        key="s2",
        source="tidecast/FilesystemNearlyFull",
        state=SignalState.UNKNOWN,
        annotations={"summary": "Less than 30 % are left"},
        evidence_ms=(None,),
        last_firing_ms=NOW_MS - 40 * 60_000,
    )
    entries = (
        TimelineEntry(12, opened, "opened", "FilesystemFillsFast fires on web-1: full in 3:55 h."),
        TimelineEntry(12, opened + 4_000, "notified", "Webhook ops-chat took the notification."),
        TimelineEntry(
            12, opened + 25 * 60_000, "firing", "FilesystemNearlyFull fires as well: 29.4 % left."
        ),
        TimelineEntry(
            12,
            opened + 55 * 60_000,
            "unknown",
            "FilesystemNearlyFull is no longer seen, and no newer sample proves its end.",
        ),
        TimelineEntry(
            12,
            opened + 61 * 60_000,
            "comment",
            "Looks like the nightly import did not stop. Asking the shop team.",
            "anna",
        ),
    )
    memory = Incident(
        11,
        "memory/cache-1",
        "Memory on cache-1 is over its mark",
        "warning",
        3,
        "cache-1",
        "memory",
        "",
        IncidentState.ACKNOWLEDGED,
        NOW_MS - 2 * DAY_MS,
        NOW_MS - DAY_MS,
        "jonas",
    )
    lost = Incident(
        10,
        "silent/db-1",
        "db-1 is silent",
        "critical",
        1,
        "db-1",
        "",
        "",
        IncidentState.RESOLVED,
        NOW_MS - 9 * DAY_MS,
        NOW_MS - 9 * DAY_MS + 600_000,
        "anna",
        NOW_MS - 9 * DAY_MS + 47 * 60_000,
        "Fresh samples prove that the breach is over.",
    )
    return [
        IncidentView(filling, (signal, silent), entries),
        IncidentView(
            memory, (), (TimelineEntry(11, memory.opened_ms, "opened", "MemoryHigh fires."),)
        ),
        IncidentView(
            lost,
            (),
            (
                TimelineEntry(10, lost.opened_ms, "opened", "HostSilent fires on db-1."),
                TimelineEntry(10, lost.opened_ms + 47 * 60_000, "resolved", lost.resolution),
            ),
        ),
    ]


def past_band(at_ms: int, level: float) -> Band:
    """What was said then: a little less growth than came, and by days."""
    days = np.arange(1, HORIZON_DAYS + 1)
    mean, width = (level + 0.0021 * days) * 50 * GIB, 0.008 * np.sqrt(days) * 50 * GIB
    times = at_ms + days.astype(np.int64) * DAY_MS
    return Band(times, mean, mean - width, mean + width, mean - 2 * width, mean + 2 * width)


def ledger() -> list[PastForecast]:
    """A year's quarterly forecasts, one of them wrong, the newest yet to be scored."""
    rows = [
        PastForecast(
            NOW_MS - HOUR_MS,
            "in_horizon",
            NOW_MS + 18 * DAY_MS,
            NOW_MS + 29 * DAY_MS,
            NOW_MS + 47 * DAY_MS,
            "damped trend with weekly season",
        )
    ]
    for number in range(1, 6):
        at_ms = NOW_MS - number * 30 * DAY_MS
        rows.append(
            PastForecast(
                at_ms,
                "beyond_horizon" if number > 2 else "in_horizon",
                at_ms + 22 * DAY_MS if number < 3 else None,
                at_ms + 27 * DAY_MS if number < 3 else None,
                None,
                "damped trend with weekly season",
                at_ms + 26 * DAY_MS if number == 1 else None,
                number != 2,
                30,
                0.83 if number != 2 else 0.41,
                past_band(at_ms, 0.853 - 0.0021 * 30 * number),
            )
        )
    return rows


@dataclass
class PreviewData:
    """`PageData` out of memory; acknowledging and resolving work."""

    outlooks: list[ResourceOutlook] = field(default_factory=fleet)
    views: list[IncidentView] = field(default_factory=incident_views)
    generated: bool = False
    history: str = ""
    now_ms: int = NOW_MS

    def status(self) -> PageStatus:
        unresolved = [view for view in self.views if view.incident.resolved_ms is None]
        return PageStatus("0.1.0", self.now_ms, len(unresolved), self.generated, self.history)

    def capacity(self) -> CapacityReport:
        return CapacityReport(
            "What runs out first", self.now_ms, HORIZON_DAYS, self.outlooks, self.generated
        )

    def hosts(self) -> Sequence[HostSummary]:
        names = sorted({outlook.host for outlook in self.outlooks})
        return [self._summary(name) for name in names]

    def _summary(self, name: str) -> HostSummary:
        own = rank([item for item in self.outlooks if item.host == name], self.now_ms)
        open_incidents = [
            view
            for view in self.views
            if view.incident.host == name and view.incident.resolved_ms is None
        ]
        seen = self.now_ms - (26 * 60_000 if name == "cache-1" else 7_000)
        return HostSummary(
            name,
            seen,
            name == "cache-1",
            len(own),
            len(open_incidents),
            HORIZON_DAYS,
            own[0] if own else None,
        )

    def host(self, name: str) -> HostView | None:
        if name not in {outlook.host for outlook in self.outlooks}:
            return None
        summary = self._summary(name)
        return HostView(
            name,
            summary.last_seen_ms,
            summary.silent,
            HORIZON_DAYS,
            [item for item in self.outlooks if item.host == name],
            [view.incident for view in self.views if view.incident.host == name],
        )

    def resource(self, host: str, resource: str, item: str) -> ResourceView | None:
        for found in self.outlooks:
            if (found.host, found.resource, found.item) == (host, resource, item):
                return ResourceView(found, HORIZON_DAYS, ledger() if found.track else (), ())
        return None

    def explanation(self, host: str, resource: str, item: str) -> dict[str, object] | None:
        return None

    def record_change(self, said: ChangeSaid) -> None:
        if "?" in said.expected:
            raise InvalidInput(f"{said.expected!r} is no amount")
        marked = MarkedChange(said.at_ms or self.now_ms, said.title, said.by, said.expected)
        key = (said.host, said.resource, said.item)
        self.outlooks = [
            replace(each, changes=(*each.changes, marked))
            if (each.host, each.resource, each.item) == key
            else each
            for each in self.outlooks
        ]

    def incidents(self) -> Sequence[Incident]:
        return [view.incident for view in self.views]

    def incident(self, incident_id: int) -> IncidentView | None:
        return next((view for view in self.views if view.incident.id == incident_id), None)

    def acknowledge(self, incident_id: int, by: str, comment: str) -> None:
        self._change(
            incident_id,
            "acknowledged",
            by,
            comment,
            state=IncidentState.ACKNOWLEDGED,
            acknowledged_ms=self.now_ms,
            acknowledged_by=by,
        )

    def resolve(self, incident_id: int, by: str, comment: str) -> None:
        self._change(
            incident_id,
            "resolved",
            by,
            comment,
            state=IncidentState.RESOLVED,
            resolved_ms=self.now_ms,
            resolution=comment,
        )

    def _change(self, incident_id: int, kind: str, by: str, comment: str, **change: object) -> None:
        place = next(i for i, view in enumerate(self.views) if view.incident.id == incident_id)
        view = self.views[place]
        if view.incident.resolved_ms is not None:
            raise InvalidInput(f"INC-{incident_id} is resolved already")
        entry = TimelineEntry(incident_id, self.now_ms, kind, comment or kind, by)
        self.views[place] = replace(
            view, incident=replace(view.incident, **change), timeline=(*view.timeline, entry)
        )
