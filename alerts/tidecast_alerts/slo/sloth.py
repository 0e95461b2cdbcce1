"""Sloth's `prometheus/v1` documents."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
from tidecast_collector.durations import parse_duration_ms
from tidecast_collector.labels import LABEL_NAME

PERIOD = TimeWindow(Duration(30, "d"))
SLOTH_GROUP = "sloth.slok.dev/"
"""What the `apiVersion` of Sloth's Kubernetes resources begins with."""
SUPPORTED_PLUGINS = re.compile(r"sloth\.dev/(core/.+|contrib/alert_for/v[0-9]+)")
"""Plugins of Sloth that do what is done here anyway."""
SEVERITIES = ("page", "ticket")
RAW_QUERIES = ("error_ratio_query", "errorRatioQuery")


@dataclass(frozen=True, slots=True)
class _Spelling:
    """How a format writes its keys: `error_query` in files, `errorQuery` in Kubernetes."""

    camel: bool

    def __call__(self, key: str) -> str:
        first, *rest = key.split("_")
        return first + "".join(map(str.capitalize, rest)) if self.camel else key


def read_sloth(root: Field, doubts: list[Doubt]) -> Sequence[ServiceLevelObjective]:
    """The SLOs of a `prometheus/v1` document, or of a Kubernetes resource of the same; each is
    named `service-name`."""
    spelling = _Spelling("apiVersion" in root.mapping(None))
    keys = _resource(root, doubts) if spelling.camel else _file(root, doubts)
    if keys is None:
        return ()
    service, labels = keys.text("service"), _labels(keys)
    if "service" in keys and not service:
        keys.fields["service"].wrong("service must not be empty")
    _check_plugins(keys, spelling("slo_plugins"))
    found = [_slo(item, service, labels, doubts, spelling) for item in keys.items("slos")]
    if "slos" in keys and not found:
        keys.fields["slos"].wrong("at least one SLO must be given")
    return found


def _file(root: Field, doubts: list[Doubt]) -> Keys:
    known = {"version", "service", "labels", "slos", "slo_plugins"}
    keys = Keys.of(root, known, doubts, ("service", "slos"))
    if keys.text("version") != "prometheus/v1":
        (keys.fields.get("version") or root).wrong("only version prometheus/v1 of Sloth is read")
    return keys


def _resource(root: Field, doubts: list[Doubt]) -> Keys | None:
    """The `spec` of a PrometheusServiceLevel; its `metadata` is Kubernetes' own matter."""
    known = {"apiVersion", "kind", "metadata", "spec", "status"}
    keys = Keys.of(root, known, doubts, ("kind", "spec"))
    if keys.text("apiVersion") != f"{SLOTH_GROUP}v1":
        keys.fields["apiVersion"].wrong(f"only apiVersion {SLOTH_GROUP}v1 of Sloth is read")
    if keys.text("kind") not in {"", "PrometheusServiceLevel"}:
        keys.fields["kind"].wrong(
            "of Sloth's kinds only PrometheusServiceLevel is read; windows of alerts are chosen by "
            "the annotation tidecast-burn-windows"
        )
        return None
    return keys.inner("spec", {"service", "labels", "slos", "sloPlugins"}, ("service", "slos"))


def _check_plugins(keys: Keys, key: str) -> None:
    """Plugins that would change what is measured or told are faults: they are not run here."""
    body = keys.inner(key, {"chain", "overridePrevious", "override_previous"})
    for item in body.items("chain") if body else ():
        plugin = Keys.of(item, {"id", "priority", "config"}, keys.doubts, ("id",))
        name = plugin.text("id")
        if "id" in plugin and not SUPPORTED_PLUGINS.fullmatch(name):
            plugin.fields["id"].wrong(
                f"Sloth's plugin {name} is not run here; write out what it does, or leave it away"
            )


def _slo(
    item: Field,
    service: str,
    labels: Mapping[str, str],
    doubts: list[Doubt],
    spelling: _Spelling,
) -> ServiceLevelObjective:
    known = {
        *("name", "description", "objective", "labels", "sli", "plugins", "alerting"),
        *(() if spelling.camel else ("interval",)),
    }
    keys = Keys.of(item, known, doubts, ("name", "objective", "sli", "alerting"))
    name = keys.text("name")
    if "name" in keys and not name:
        keys.fields["name"].wrong("name must not be empty")
    _check_plugins(keys, "plugins")
    if "interval" in keys:
        doubts.append(Doubt(where(keys.fields["interval"]), "'interval': rules keep the server's"))
    target = keys.read("objective", _objective, 0.0)
    return ServiceLevelObjective(
        f"{service}-{name}",
        service,
        where(item),
        BudgetingMethod.OCCURRENCES,
        PERIOD,
        (Objective("", target, _indicator(keys, spelling)),),
        title=name,
        description=keys.text("description"),
        labels={**labels, **_labels(keys)},
        annotations={"tidecast-burn-windows": "sloth"},
        alerting=_alerting(keys, spelling),
    )


def _indicator(keys: Keys, spelling: _Spelling) -> Indicator | None:
    sli = keys.inner("sli", {"raw", "events", "plugin"})
    if sli is None:
        return None
    if "plugin" in sli:
        sli.fields["plugin"].wrong("Sloth's plugins are not run here; write events or raw out")
        return None
    chosen = sli.one_of(("raw", "events"))
    if chosen == "raw":
        # Sloth's own files write this one in both ways.
        raw = sli.inner("raw", RAW_QUERIES)
        query = raw.one_of(RAW_QUERIES) if raw else ""
        return RawIndicator(_query(raw, query), True) if raw and query else None
    queries = (spelling("error_query"), spelling("total_query"))
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


def _alerting(keys: Keys, spelling: _Spelling) -> Alerting:
    alerts = {severity: spelling(f"{severity}_alert") for severity in SEVERITIES}
    alerting = keys.inner("alerting", {"name", "labels", "annotations", *alerts.values()})
    if alerting is None:
        return Alerting()
    labels: dict[str, Mapping[str, str]] = {}
    annotations: dict[str, Mapping[str, str]] = {}
    waits: dict[str, int] = {}
    disabled = set()
    for severity, key in alerts.items():
        alert = alerting.inner(key, {"disable", "for", "labels", "annotations"})
        if alert is None:
            continue
        # Sloth's own example has `disable` among the labels; there it is only a label.
        labels[severity] = _labels(alert)
        annotations[severity] = alert.texts("annotations")
        waits[severity] = alert.read("for", _wait, 0)
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
        waits,
        frozenset(disabled),
    )


def _wait(text: str) -> int:
    """Whole seconds of a duration as Prometheus writes them."""
    return round(parse_duration_ms(text) / 1000)


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
