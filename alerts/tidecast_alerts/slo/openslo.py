"""OpenSLO v1 documents: SLO, SLI and DataSource, by the rules of the specification."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from tidecast_alerts.slo.fields import (
    Keys,
    Metadata,
    at_most,
    finite,
    percent,
    read_metadata,
    read_name,
    share,
    where,
)
from tidecast_alerts.slo.model import (
    UTC,
    Doubt,
    Indicator,
    Operator,
    RatioIndicator,
    RawIndicator,
    ThresholdIndicator,
    TimeWindow,
)
from tidecast_alerts.slo.openslo_alerts import (
    HEAD,
    AlertPolicy,
    Reference,
    inline_or_reference,
    read_alert_policy,
    read_operator,
)
from tidecast_alerts.slo.windows import Duration, read_duration
from tidecast_alerts.yaml_nodes import Field
from tidecast_analytics.calendars import time_zone
from tidecast_analytics.error_budgets import BudgetingMethod

DEFAULT_WINDOW = TimeWindow(Duration(30, "d"))


@dataclass(frozen=True, slots=True)
class Source:
    """One query: its source's type, or the DataSource that says it."""

    query: str
    type: str
    data_source: str


@dataclass(frozen=True, slots=True)
class Measured:
    """What an SLI measures by: an indicator and the sources of its queries."""

    indicator: Indicator
    sources: Sequence[Source]


OrSLI: TypeAlias = Measured | Reference | None


@dataclass(frozen=True, slots=True)
class WrittenObjective:
    """An objective as it is written; `sli` is its own (composite SLOs), or None."""

    title: str
    target_ratio: float
    operator: Operator | None
    value: float | None
    slice_target: float | None
    slice_seconds: int | None
    sli: OrSLI
    weight: float


@dataclass(frozen=True, slots=True)
class WrittenSLO:
    """An SLO as it is written, before its references are followed."""

    metadata: Metadata
    where: str
    description: str
    service: str
    sli: OrSLI
    method: BudgetingMethod
    window: TimeWindow
    objectives: Sequence[WrittenObjective]
    policies: Sequence[AlertPolicy | Reference]


def read_sli(keys: Keys) -> Measured | None:
    """An SLI, of its own or within an SLO; None after a fault."""
    read_metadata(keys)
    spec = keys.inner("spec", {"description", "thresholdMetric", "ratioMetric"})
    if spec is None:
        return None
    spec.description()
    chosen = spec.one_of(("thresholdMetric", "ratioMetric"))
    if chosen == "thresholdMetric":
        source = _metric(spec, chosen)
        return Measured(ThresholdIndicator(source.query), (source,)) if source else None
    return _ratio(spec) if chosen else None


def _ratio(spec: Keys) -> Measured | None:
    known = ("counter", "good", "bad", "total", "rawType", "raw")
    ratio = spec.inner("ratioMetric", known)
    if ratio is None:
        return None
    counter = ratio.flag("counter")
    if ratio.one_of(("total", "raw")) == "raw":
        ratio.one_of(("raw", "good", "bad"))
        raw_type = ratio.text("rawType")
        if raw_type not in {"success", "failure"}:
            (ratio.fields.get("rawType") or ratio.body).wrong(
                "rawType must be success or failure beside raw"
            )
        source = _metric(ratio, "raw")
        if source is None:
            return None
        return Measured(RawIndicator(source.query, raw_type == "failure"), (source,))
    counted = ratio.one_of(("good", "bad"))
    total = _metric(ratio, "total")
    part = _metric(ratio, counted) if counted else None
    if total is None or part is None:
        return None
    indicator = RatioIndicator(total.query, counter=counter, **{counted: part.query})
    return Measured(indicator, (part, total))


def _metric(keys: Keys, key: str) -> Source | None:
    metric = keys.inner(key, {"metricSource"}, ("metricSource",))
    known = {"metricSourceRef", "type", "spec"}
    source = metric.inner("metricSource", known) if metric else None
    if source is None:
        return None
    if "spec" not in source:
        return _unasked(source)
    spec = source.fields["spec"].mapping(None)
    if source.fields["spec"].is_mapping and not spec:
        source.fields["spec"].wrong("spec must say what is to be queried")
    queries = [spec[name] for name in ("query", "promql") if name in spec]
    query = queries[0].text() if queries and not queries[0].is_mapping else ""
    named = source.reference("metricSourceRef") if "metricSourceRef" in source else ""
    return Source(query.strip(), source.text("type"), named)


def _unasked(source: Keys) -> Source | None:
    """A source whose spec is written down without a value: valid, and not measured."""
    if not source.body.is_mapping:
        return None
    if "spec" not in {str(key.value) for key, _ in source.body.node.value}:
        source.body.wrong(f"{source.body.key} lacks spec")
        return None
    source.doubts.append(Doubt(where(source.body), "its spec is empty: nothing can be measured"))
    return Source("", source.text("type"), "")


def read_data_source(keys: Keys) -> str:
    """The type of a DataSource. What its connection needs is its own matter, and is not kept."""
    read_metadata(keys)
    spec = keys.inner(
        "spec", {"description", "type", "connectionDetails"}, ("type", "connectionDetails")
    )
    if spec is None:
        return ""
    spec.description()
    return spec.text("type")


def read_slo(keys: Keys) -> WrittenSLO | None:
    """The SLO of a document of kind SLO; None where its faults leave nothing to go on with."""
    metadata = read_metadata(keys)
    known = {
        *("description", "service", "indicator", "indicatorRef", "budgetingMethod"),
        *("timeWindow", "objectives", "alertPolicies"),
    }
    spec = keys.inner("spec", known, ("service", "budgetingMethod", "objectives"))
    if spec is None:
        return None
    method = spec.read("budgetingMethod", _method, BudgetingMethod.OCCURRENCES)
    objectives = [_objective(item, method, keys.doubts) for item in spec.items("objectives")]
    if "objectives" in spec and not objectives:
        spec.fields["objectives"].wrong("at least one objective must be given")
    composite = any({"indicator", "indicatorRef"} & {*each.fields} for each, _ in objectives)
    own = {"indicator", "indicatorRef"} & {*spec.fields}
    if composite and own:
        spec.body.wrong(
            "indicator and indicatorRef stand either in the spec or in its objectives, not in both"
        )
    elif composite:
        for each, _ in objectives:
            each.one_of(("indicator", "indicatorRef"))
    sli = None if composite else _sli_of(spec)
    for each, written in objectives:
        _check_threshold(each, written.sli if composite else sli)
    policies = [_alert_policy(item, keys.doubts) for item in spec.items("alertPolicies")]
    return WrittenSLO(
        metadata,
        where(keys.body),
        spec.description(),
        spec.told("service"),
        sli,
        method,
        _window(spec),
        [written for _, written in objectives],
        [each for each in policies if each is not None],
    )


def _alert_policy(item: Field, doubts: list[Doubt]) -> AlertPolicy | Reference | None:
    """A policy or a reference to one; the specification's JSON schema takes a bare name too."""
    if item.is_mapping or item.is_list:
        return inline_or_reference(item, doubts, "AlertPolicy", "alertPolicyRef", read_alert_policy)
    return Reference("AlertPolicy", read_name(item, doubts), where(item))


def _sli_of(keys: Keys, needed: bool = True) -> OrSLI:
    chosen = keys.one_of(("indicator", "indicatorRef"), needed)
    if chosen == "indicatorRef":
        return Reference("SLI", keys.reference(chosen), where(keys.fields[chosen]))
    if not chosen:
        return None
    inner = keys.inner(chosen, HEAD, ("metadata", "spec"))
    return read_sli(inner) if inner else None


def _objective(
    item: Field, method: BudgetingMethod, doubts: list[Doubt]
) -> tuple[Keys, WrittenObjective]:
    known = {
        *("displayName", "op", "value", "target", "targetPercent", "timeSliceTarget"),
        *("timeSliceWindow", "indicator", "indicatorRef", "compositeWeight"),
    }
    needed: tuple[str, ...] = ()
    if method is BudgetingMethod.TIMESLICES:
        needed = ("timeSliceTarget", "timeSliceWindow")
    elif method is BudgetingMethod.RATIO_TIMESLICES:
        needed = ("timeSliceWindow",)
    keys = Keys.of(item, known, doubts, needed)
    chosen = keys.one_of(("target", "targetPercent"))
    reader = percent if chosen == "targetPercent" else share
    window = keys.read("timeSliceWindow", _slice_window, None)
    return keys, WrittenObjective(
        keys.read("displayName", at_most(255), ""),
        keys.read(chosen, reader, 0.0) if chosen else 0.0,
        keys.read("op", read_operator, None),
        keys.read("value", finite, None),
        keys.read("timeSliceTarget", _slice_target, None),
        window.seconds if window else None,
        _sli_of(keys, needed=False),
        keys.read("compositeWeight", _weight, 1.0),
    )


def _check_threshold(objective: Keys, sli: OrSLI) -> None:
    """A thresholdMetric that stands here needs something to be compared with."""
    if isinstance(sli, Measured) and isinstance(sli.indicator, ThresholdIndicator):
        missing = [key for key in ("op", "value") if key not in objective]
        if missing:
            objective.body.wrong(f"a thresholdMetric needs {' and '.join(missing)} here")


def _window(spec: Keys) -> TimeWindow:
    items = spec.items("timeWindow")
    if "timeWindow" not in spec:
        spec.doubts.append(Doubt(where(spec.body), "no timeWindow: taken as the last 30 days"))
        return DEFAULT_WINDOW
    if len(items) != 1:
        spec.fields["timeWindow"].wrong("exactly one time window must be given")
        return DEFAULT_WINDOW
    keys = Keys.of(items[0], {"duration", "isRolling", "calendar"}, spec.doubts, ("duration",))
    duration = keys.read("duration", read_duration, DEFAULT_WINDOW.duration)
    rolling = keys.flag("isRolling", "calendar" not in keys)
    if rolling and "calendar" in keys:
        keys.fields["calendar"].wrong("'calendar' cannot be given where 'isRolling' is true")
    if not rolling and "calendar" not in keys:
        keys.body.wrong("'calendar' must be given where 'isRolling' is false")
    if "isRolling" not in keys and "calendar" not in keys:
        keys.body.wrong("one of 'isRolling: true' and 'calendar' must be given")
    calendar = keys.inner("calendar", {"startTime", "timeZone"}, ("startTime", "timeZone"))
    if calendar is None:
        return TimeWindow(duration)
    starts = calendar.read("startTime", _start_time, None)
    zone = calendar.read("timeZone", time_zone, UTC)
    return TimeWindow(duration, None if rolling else starts, zone)


def _method(text: str) -> BudgetingMethod:
    if text not in list(BudgetingMethod):
        raise ValueError(f"{text!r} is not one of {', '.join(BudgetingMethod)}")
    return BudgetingMethod(text)


def _start_time(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007
    except ValueError as error:
        raise ValueError(f"{text!r} is no time; write it as in 2026-01-01 00:00:00") from error


def _slice_window(text: str) -> Duration:
    """A duration, or a number of minutes."""
    return read_duration(f"{text}m" if text.isdigit() else text)


def _slice_target(text: str) -> float:
    found = finite(text)
    if not 0 < found <= 1:
        raise ValueError(f"{text} is not in (0, 1]")
    return found


def _weight(text: str) -> float:
    found = finite(text)
    if not 0 < found < math.inf:
        raise ValueError(f"{text} is not above 0")
    return found
