"""Burn-rate alerts of SLOs as Prometheus rule files: recorded error ratios, and alerts on them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import yaml

from tidecast_alerts.slo.model import (
    BurnCondition,
    Doubt,
    Indicator,
    InvalidSLO,
    Objective,
    Operator,
    RatioIndicator,
    ServiceLevelObjective,
)
from tidecast_alerts.slo.queries import error_ratio, event_queries
from tidecast_alerts.slo.windows import promql_duration
from tidecast_analytics.burn_rates import BurnWindows, doubts, window_sets
from tidecast_analytics.error_budgets import BudgetingMethod
from tidecast_collector.labels import LABEL_NAME

WINDOWS_KEY = "tidecast-burn-windows"
MINIMUM_EVENTS_KEY = "tidecast-minimum-events"
RUNBOOK_KEYS = ("runbook", "runbook_url", "tidecast-runbook")
DEFAULT_WINDOWS = "google"
ERROR_RATIO = "tidecast_slo:error_ratio:rate"
SLICE_ERROR_RATIO = "tidecast_slo:slice_error_ratio:rate"
EVENTS = "tidecast_slo:events:increase"


@dataclass(frozen=True, slots=True)
class BurnAlert:
    """One alert: every recorded ratio in `windows_seconds` compares so with the threshold, or,
    `without_data`, is not there."""

    name: str
    severity: str
    windows_seconds: Sequence[int]
    operator: Operator
    threshold_ratio: float
    factor: float
    for_seconds: int
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    selector: str
    """Label matchers of the recorded series."""
    series_labels: Mapping[str, str]
    minimum_events: float = 0.0
    without_data: bool = False

    @property
    def expression(self) -> str:
        """PromQL that gives a sample while every window burns too fast, or lacks data."""
        if self.without_data:
            window = promql_duration(self.windows_seconds[0])
            return f"absent({ERROR_RATIO}{window}{self.selector})"
        threshold = repr(self.threshold_ratio)
        terms = [
            f"{ERROR_RATIO}{promql_duration(seconds)}{self.selector} "
            f"{self.operator.promql} {threshold}"
            for seconds in self.windows_seconds
        ]
        if self.minimum_events:
            window = promql_duration(max(self.windows_seconds))
            terms.append(f"{EVENTS}{window}{self.selector} >= {self.minimum_events:g}")
        return " and ".join(terms)


def burn_windows(slo: ServiceLevelObjective, chosen: str = "") -> Sequence[BurnWindows]:
    """The windows of the set that is asked for, that the SLO's annotation names, or Google's.

    Raises `InvalidSLO` for a set that is not there.
    """
    sets = window_sets(slo.window.duration.seconds)
    name = chosen or slo.annotations.get(WINDOWS_KEY, DEFAULT_WINDOWS)
    if name not in sets:
        raise InvalidSLO(
            f"{slo.where}: there are no burn-rate windows {name!r}; take one of {', '.join(sets)}"
        )
    return sets[name]


@dataclass(frozen=True, slots=True)
class _Asked:
    """What an alert is to watch for."""

    severity: str
    windows_seconds: Sequence[int]
    operator: Operator
    factor: float
    threshold_ratio: float
    for_seconds: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    without_data: bool = False


def burn_alerts(
    slo: ServiceLevelObjective, objective: Objective, chosen: str = ""
) -> list[BurnAlert]:
    """The alerts on one objective; none where nothing measures it."""
    if objective.indicator is None:
        return []
    period = slo.window.duration.seconds
    conditions = [_condition(objective, each) for each in slo.alerting.conditions]
    silent = [each for each in conditions if each.without_data]
    asked = [each for each in conditions if not each.without_data] or [
        _Asked(
            each.severity,
            (each.long_seconds, each.short_seconds),
            Operator.GT,
            each.factor(period),
            each.threshold_ratio(period, objective.target_ratio),
            slo.alerting.severity_waits.get(each.severity, 0),
        )
        for each in burn_windows(slo, chosen)
        if each.severity not in slo.alerting.disabled
    ]
    return [_alert(slo, objective, each) for each in (*asked, *silent)]


def _condition(objective: Objective, condition: BurnCondition) -> _Asked:
    labels = {"condition": condition.name, "notify": ",".join(condition.targets)}
    return _Asked(
        condition.severity,
        (condition.window_seconds,),
        condition.operator,
        condition.threshold,
        round(condition.threshold * (1 - objective.target_ratio), 12),
        condition.for_seconds,
        {name: text for name, text in labels.items() if text},
        condition.without_data,
    )


def _alert(slo: ServiceLevelObjective, objective: Objective, asked: _Asked) -> BurnAlert:
    alerting, own = slo.alerting, series_labels(slo, objective)
    windows = [promql_duration(seconds) for seconds in asked.windows_seconds]
    labels = {
        **_usable(slo.labels),
        **_usable(alerting.labels),
        "severity": asked.severity,
        **_usable(alerting.severity_labels.get(asked.severity, {})),
        **asked.labels,
        "long_window": windows[0],
        **own,
    }
    title = slo.title or slo.name
    about = f"{title}, {objective.name}" if objective.name else title
    runbooks = [slo.annotations[key] for key in RUNBOOK_KEYS if key in slo.annotations]
    summary, description = _told(objective, asked, windows)
    annotations = {
        "summary": f"{about}: {summary}",
        "description": description,
        **({"runbook_url": runbooks[0]} if runbooks else {}),
        **alerting.annotations,
        **alerting.severity_annotations.get(asked.severity, {}),
    }
    return BurnAlert(
        alerting.name or ("SLOWithoutData" if asked.without_data else "SLOBurnRate"),
        asked.severity,
        asked.windows_seconds,
        asked.operator,
        asked.threshold_ratio,
        asked.factor,
        asked.for_seconds,
        labels,
        annotations,
        label_matchers(own),
        {**_usable(slo.labels), **own},
        minimum_events(slo) if isinstance(objective.indicator, RatioIndicator) else 0.0,
        asked.without_data,
    )


def _told(objective: Objective, asked: _Asked, windows: Sequence[str]) -> tuple[str, str]:
    """The summary and the description of an alert."""
    if asked.without_data:
        return (
            "there is nothing to tell its service level from",
            f"There is no error ratio over {windows[0]}: no samples, or no events.",
        )
    return (
        f"the error budget is spent over {asked.factor:g} times too fast",
        f"The error ratio over {' and over '.join(windows)} is "
        f"{_words(asked.operator)} {asked.threshold_ratio!r}: "
        f"burn rate {asked.factor:g} x (1 - {objective.target_ratio!r}).",
    )


def minimum_events(slo: ServiceLevelObjective) -> float:
    """How many events there must be within the long window; raises `InvalidSLO`."""
    text = slo.annotations.get(MINIMUM_EVENTS_KEY, "0")
    if not text.isdigit():
        raise InvalidSLO(f"{slo.where}: {MINIMUM_EVENTS_KEY}: {text!r} is not a whole number")
    return float(text)


def series_labels(slo: ServiceLevelObjective, objective: Objective) -> dict[str, str]:
    """What tells the series of this objective from all others."""
    own = {"slo": slo.name, "service": slo.service}
    return {**own, "objective": objective.name} if objective.name else own


def rule_group(slo: ServiceLevelObjective, chosen: str = "") -> dict[str, object]:
    """The rule group of one SLO, as it stands in a rule file; without rules if nothing measures."""
    recorded: list[dict[str, object]] = []
    alerting: list[dict[str, object]] = []
    for objective in slo.objectives:
        alerts = burn_alerts(slo, objective, chosen)
        if objective.indicator is not None:
            recorded += _recorded(slo, objective, objective.indicator, alerts)
        alerting += [_alerting_rule(alert) for alert in alerts]
    return {"name": f"slo-{slo.name}", "rules": recorded + alerting}


def rule_file(slos: Iterable[ServiceLevelObjective], chosen: str = "") -> str:
    """A Prometheus rule file with a group for each SLO that something measures."""
    groups = [rule_group(slo, chosen) for slo in slos]
    return dump({"groups": [group for group in groups if group["rules"]]})


def dump(document: object) -> str:
    """The document in YAML."""
    return yaml.safe_dump(document, sort_keys=False, width=100, allow_unicode=True)


def rule_doubts(slos: Iterable[ServiceLevelObjective], chosen: str = "") -> list[Doubt]:
    """Alerts that can never fire, windows that do not fit the period or the time slices."""
    found = []
    for slo in slos:
        for objective in slo.objectives:
            found += [
                Doubt(slo.where, f"{slo.name}: {why}")
                for why in alert_doubts(slo, objective, chosen)
            ]
    return found


def alert_doubts(
    slo: ServiceLevelObjective,
    objective: Objective,
    chosen: str = "",
    events_per_second: float | None = None,
) -> list[str]:
    """Why the objective's alerts would not do; with the rate of events also which see too few."""
    period, why = slo.window.duration.seconds, []
    burning = [each for each in slo.alerting.conditions if not each.without_data]
    if not burning:
        for windows in burn_windows(slo, chosen):
            name = f"{windows.severity} over {promql_duration(windows.long_seconds)}: "
            target = objective.target_ratio
            why += [name + each for each in doubts(windows, period, target, events_per_second)]
            if (objective.slice_seconds or 0) > windows.short_seconds:
                why.append(name + "its short window is shorter than one time slice")
    for alert in burn_alerts(slo, objective, chosen) if burning else ():
        if (
            not alert.without_data
            and alert.operator in {Operator.GT, Operator.GTE}
            and alert.threshold_ratio > 1
        ):
            why.append(f"it can never fire: {alert.factor:g} x the budget is more than all events")
    return why


def _recorded(
    slo: ServiceLevelObjective,
    objective: Objective,
    indicator: Indicator,
    alerts: Sequence[BurnAlert],
) -> list[dict[str, object]]:
    own = {**_usable(slo.labels), **series_labels(slo, objective)}
    rules = [_record("tidecast_slo:objective:ratio", f"vector({objective.target_ratio!r})", own)]
    sliced = slo.method is not BudgetingMethod.OCCURRENCES
    slice_seconds = objective.slice_seconds or 60
    base = f"{SLICE_ERROR_RATIO}{promql_duration(slice_seconds)}"
    if sliced:
        rules.append(_record(base, error_ratio(objective, indicator, slice_seconds), own))
    selected = base + label_matchers(series_labels(slo, objective))
    for seconds in sorted({each for alert in alerts for each in alert.windows_seconds}):
        window = promql_duration(seconds)
        if slo.method is BudgetingMethod.TIMESLICES:
            allowed = round(1 - (objective.slice_target or objective.target_ratio), 12)
            step = promql_duration(slice_seconds)
            query = f"avg_over_time(({selected} > bool {allowed!r})[{window}:{step}])"
        elif sliced:
            query = f"avg_over_time({selected}[{window}])"
        else:
            query = error_ratio(objective, indicator, seconds)
        rules.append(_record(f"{ERROR_RATIO}{window}", query, own))
    for seconds in sorted({max(each.windows_seconds) for each in alerts if each.minimum_events}):
        events = event_queries(objective, indicator, seconds).total
        rules.append(_record(f"{EVENTS}{promql_duration(seconds)}", events, own))
    return rules


def _record(name: str, query: str, labels: Mapping[str, str]) -> dict[str, object]:
    return {"record": name, "expr": query, "labels": dict(labels)}


def _alerting_rule(alert: BurnAlert) -> dict[str, object]:
    rule: dict[str, object] = {"alert": alert.name, "expr": alert.expression}
    if alert.for_seconds:
        rule["for"] = promql_duration(alert.for_seconds)
    return {**rule, "labels": dict(alert.labels), "annotations": dict(alert.annotations)}


def label_matchers(labels: Mapping[str, str]) -> str:
    """The braces of a selector that these labels fit."""
    return "{" + ", ".join(f"{name}={quoted(value)}" for name, value in labels.items()) + "}"


def quoted(text: str) -> str:
    """The text as a PromQL string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _usable(labels: Mapping[str, str]) -> dict[str, str]:
    """Those that Prometheus takes as labels."""
    return {name: value for name, value in labels.items() if LABEL_NAME.fullmatch(name)}


def _words(operator: Operator) -> str:
    return {"gt": "above", "gte": "at least", "lt": "below", "lte": "at most"}[operator.value]
