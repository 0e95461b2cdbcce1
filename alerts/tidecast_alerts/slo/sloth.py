"""Sloth's `prometheus/v1` documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tidecast_alerts.slo.fields import Keys, finite, truth, where
from tidecast_alerts.slo.model import (
    Alerting,
    Doubt,
    Indicator,
    Objective,
    RatioIndicator,
    RawIndicator,
    ServiceLevelObjective,
    TimeWindow,
)
from tidecast_alerts.slo.queries import WINDOW
from tidecast_alerts.slo.windows import Duration
from tidecast_alerts.yaml_nodes import Field
from tidecast_analytics.error_budgets import BudgetingMethod
from tidecast_collector.labels import LABEL_NAME

PERIOD = TimeWindow(Duration(30, "d"))


def read_sloth(root: Field, doubts: list[Doubt]) -> Sequence[ServiceLevelObjective]:
    """The SLOs of the document, named `service-name`."""
    keys = Keys.of(root, {"version", "service", "labels", "slos"}, doubts, ("service", "slos"))
    version = keys.text("version")
    if version != "prometheus/v1":
        (keys.fields.get("version") or root).wrong("only version prometheus/v1 of Sloth is read")
    service, labels = keys.text("service"), _labels(keys)
    if "service" in keys and not service:
        keys.fields["service"].wrong("service must not be empty")
    found = [_slo(item, service, labels, doubts) for item in keys.items("slos")]
    if "slos" in keys and not found:
        keys.fields["slos"].wrong("at least one SLO must be given")
    return found


def _slo(
    item: Field, service: str, labels: Mapping[str, str], doubts: list[Doubt]
) -> ServiceLevelObjective:
    known = {"name", "description", "objective", "labels", "sli", "plugins", "alerting"}
    keys = Keys.of(item, known, doubts, ("name", "objective", "sli", "alerting"))
    name = keys.text("name")
    if "name" in keys and not name:
        keys.fields["name"].wrong("name must not be empty")
    if "plugins" in keys:
        keys.fields["plugins"].wrong("Sloth's plugins are not run here; write the queries out")
    target = keys.read("objective", _objective, 0.0)
    return ServiceLevelObjective(
        f"{service}-{name}",
        service,
        where(item),
        BudgetingMethod.OCCURRENCES,
        PERIOD,
        (Objective("", target, _indicator(keys)),),
        title=name,
        description=keys.text("description"),
        labels={**labels, **_labels(keys)},
        annotations={"tidecast-burn-windows": "sloth"},
        alerting=_alerting(keys),
    )


def _indicator(keys: Keys) -> Indicator | None:
    sli = keys.inner("sli", {"raw", "events", "plugin"})
    if sli is None:
        return None
    if "plugin" in sli:
        sli.fields["plugin"].wrong("Sloth's plugins are not run here; write events or raw out")
        return None
    chosen = sli.one_of(("raw", "events"))
    if chosen == "raw":
        raw = sli.inner("raw", {"error_ratio_query"}, ("error_ratio_query",))
        return RawIndicator(_query(raw, "error_ratio_query"), True) if raw else None
    queries = ("error_query", "total_query")
    events = sli.inner("events", queries, queries) if chosen else None
    if events is None:
        return None
    error, total = (_query(events, key) for key in queries)
    return RatioIndicator(total, bad=error, counter=True)


def _query(keys: Keys, key: str) -> str:
    query = keys.text(key).strip()
    if key in keys and not WINDOW.search(query):
        keys.fields[key].wrong(f"{key} must use {{{{.window}}}} for its range")
    return query


def _alerting(keys: Keys) -> Alerting:
    known = {"name", "labels", "annotations", "page_alert", "ticket_alert"}
    alerting = keys.inner("alerting", known)
    if alerting is None:
        return Alerting()
    labels: dict[str, Mapping[str, str]] = {}
    annotations: dict[str, Mapping[str, str]] = {}
    disabled = set()
    for severity in ("page", "ticket"):
        alert = alerting.inner(f"{severity}_alert", {"disable", "labels", "annotations"})
        if alert is None:
            continue
        # Sloth's own example has `disable` among the labels; there it is only a label.
        labels[severity] = _labels(alert)
        annotations[severity] = alert.texts("annotations")
        if alert.read("disable", truth, False):
            disabled.add(severity)
    name = alerting.text("name")
    if not name and len(disabled) < 2:
        alerting.body.wrong("alerting needs a name unless both alerts are disabled")
    return Alerting(
        name,
        _labels(alerting),
        alerting.texts("annotations"),
        labels,
        annotations,
        frozenset(disabled),
    )


def _labels(keys: Keys) -> dict[str, str]:
    for name in keys.texts("labels"):
        if not LABEL_NAME.fullmatch(name):
            keys.fields["labels"].wrong(f"{name!r} is no label name")
    return keys.texts("labels")


def _objective(text: str) -> float:
    found = finite(text)
    if not 0 < found <= 100:
        raise ValueError(f"{text} is not in (0, 100]")
    if found == 100:
        raise ValueError("100 leaves no budget, so that no burn rate can be told; ask for less")
    return round(found / 100, 14)
