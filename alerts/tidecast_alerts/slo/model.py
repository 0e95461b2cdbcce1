"""Service level objectives as plain data, whatever format they were written in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeAlias
from zoneinfo import ZoneInfo

from tidecast_alerts.slo.windows import Duration
from tidecast_analytics.calendars import local_time, utc_ms
from tidecast_analytics.error_budgets import BudgetingMethod
from tidecast_collector.errors import InvalidInput

UTC = ZoneInfo("UTC")


class InvalidSLO(InvalidInput):
    """SLO documents that are refused; the message lists every fault as `file:line:column: why`."""


class Operator(StrEnum):
    """How a measured value compares with the one that is asked for."""

    LTE = "lte"
    GTE = "gte"
    LT = "lt"
    GT = "gt"

    @property
    def promql(self) -> str:
        """The operator in PromQL."""
        return {"lte": "<=", "gte": ">=", "lt": "<", "gt": ">"}[self.value]


@dataclass(frozen=True, slots=True)
class TimeWindow:
    """The period of a budget: the last so much time, or periods of it from `starts` on."""

    duration: Duration
    starts: datetime | None = None
    """Local time in `zone` at which a calendar period begins; None: the window rolls."""
    zone: ZoneInfo = UTC

    @property
    def rolling(self) -> bool:
        """Whether it ends now, whenever that is."""
        return self.starts is None

    def period(self, at_ms: int) -> tuple[int, int]:
        """The [start, end) in ms of the period at that time; a rolling one ends there.

        Calendar periods are counted from `starts` in whole days, weeks or months of the zone's
        clock, before it as well as after it.
        """
        if self.starts is None:
            return at_ms - self.duration.seconds * 1000, at_ms
        passed = (local_time(at_ms, self.zone) - self.starts).total_seconds()
        about = int(passed // self.duration.seconds)
        # Months are longer than the 30 days that they count here: begin well before.
        count = about - 2 - abs(about) // 40
        while self._boundary(count + 1) <= at_ms:
            count += 1
        return self._boundary(count), self._boundary(count + 1)

    def _boundary(self, count: int) -> int:
        assert self.starts is not None
        value, unit = self.duration.value * count, self.duration.unit
        if self.duration.months:
            return utc_ms(_plus_months(self.starts, self.duration.months * count), self.zone)
        if unit in {"d", "w"}:
            later = self.starts + timedelta(days=value * (7 if unit == "w" else 1))
            return utc_ms(later, self.zone)
        return utc_ms(self.starts, self.zone) + count * self.duration.seconds * 1000


@dataclass(frozen=True, slots=True)
class RatioIndicator:
    """Good, or bad, of all events. `counter`: the queries are counters that only ever grow."""

    total: str
    good: str = ""
    bad: str = ""
    counter: bool = False


@dataclass(frozen=True, slots=True)
class RawIndicator:
    """A ratio that is measured already, of successes or of failures."""

    query: str
    failures: bool


@dataclass(frozen=True, slots=True)
class ThresholdIndicator:
    """A value that is good while it compares with the objective's as that says."""

    query: str


Indicator: TypeAlias = RatioIndicator | RawIndicator | ThresholdIndicator


@dataclass(frozen=True, slots=True)
class BurnCondition:
    """An alert that is asked for: the burn rate over the window compares so with the threshold, or,
    `without_data`, there is no burn rate."""

    name: str
    severity: str
    operator: Operator
    threshold: float
    window_seconds: int
    for_seconds: int = 0
    targets: Sequence[str] = ()
    without_data: bool = False


@dataclass(frozen=True, slots=True)
class Alerting:
    """How the alerts of one SLO look, and how many seconds each severity waits; `disabled`
    severities make none.

    `conditions` on burn rates take the place of the burn-rate windows where there are any.
    """

    name: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    severity_labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    severity_annotations: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    severity_waits: Mapping[str, int] = field(default_factory=dict)
    disabled: frozenset[str] = frozenset()
    conditions: Sequence[BurnCondition] = ()


@dataclass(frozen=True, slots=True)
class Objective:
    """One target. `indicator` is None where no Prometheus query measures it; `why_not` says why."""

    name: str
    target_ratio: float
    indicator: Indicator | None
    why_not: str = ""
    operator: Operator | None = None
    value: float | None = None
    slice_target: float | None = None
    slice_seconds: int | None = None
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class ServiceLevelObjective:
    """An SLO; `where` it stands is `file:line:column`. Several objectives are told apart by name.

    It is `composite` where each objective has an indicator and a weight of its own.
    """

    name: str
    service: str
    where: str
    method: BudgetingMethod
    window: TimeWindow
    objectives: Sequence[Objective]
    title: str = ""
    description: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    alerting: Alerting = field(default_factory=Alerting)
    composite: bool = False


@dataclass(frozen=True, slots=True)
class Doubt:
    """Something that is valid but will not do what is meant; `where` as of the SLO."""

    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


@dataclass(frozen=True, slots=True)
class ServiceLevels:
    """All SLOs of some documents, by name, how many documents of which kind, and doubts."""

    slos: Mapping[str, ServiceLevelObjective]
    kinds: Mapping[str, int]
    doubts: Sequence[Doubt]


def _plus_months(start: datetime, months: int) -> datetime:
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    following = datetime(year + (month + 1) // 12, (month + 1) % 12 + 1, 1)  # noqa: DTZ001
    last = (following - timedelta(days=1)).day
    return start.replace(year=year, month=month + 1, day=min(start.day, last))
