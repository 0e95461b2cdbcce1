"""Prometheus' alert state machine: a rule's vector and its active alerts give its alerts now.

Pure: no store, no clock. Source: Prometheus, "Alerting rules" and the alert generator
specification 1.0 (pending, `for`, firing, `keep_firing_for`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tidecast_alerts.model import Alert, AlertState
from tidecast_alerts.ports import VectorSample
from tidecast_alerts.rules import AlertingRule, RuleGroup
from tidecast_alerts.template_functions import Query
from tidecast_alerts.templates import TemplateData
from tidecast_collector.labels import NAME, Labels, make_labels

ALERTNAME = "alertname"
OUTAGE_TOLERANCE_MS = 3_600_000
"""A pending alert that nobody looked at for longer starts its `for` anew (Prometheus: 1 h)."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What templates know besides the sample."""

    query: Query
    external_labels: Labels = ()
    external_url: str = ""


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A rule's pending and firing alerts after an evaluation, or why it failed."""

    alerts: Sequence[Alert]
    error: str = ""


def evaluate_rule(
    rule: AlertingRule,
    group: RuleGroup,
    at_ms: int,
    vector: Sequence[VectorSample],
    active: Sequence[Alert],
    surroundings: Surroundings,
) -> Evaluated:
    """The rule's alerts at this time, sorted by labels.

    `active` are its pending and firing alerts so far. Two elements with the same labels are an
    error that leaves them as they are; more alerts than the group's limit is one that drops all.
    """
    breaches: dict[Labels, Alert] = {}
    for sample in vector:
        breach = _breach(rule, group, at_ms, sample, surroundings)
        if breach.labels in breaches:
            return Evaluated(
                active,
                "vector contains metrics with the same labelset after applying alert labels",
            )
        breaches[breach.labels] = breach
    before = {alert.labels: alert for alert in active}
    now = [_continued(rule, before.get(labels), breach) for labels, breach in breaches.items()]
    now += [
        alert
        for labels, alert in before.items()
        if labels not in breaches and _keeps_firing(rule, group, alert, at_ms)
    ]
    if group.limit and len(now) > group.limit:
        return Evaluated((), f"exceeded limit of {group.limit} with {len(now)} alerts")
    return Evaluated(sorted(now, key=lambda alert: alert.labels))


def keep_firing_since_ms(group: RuleGroup, alert: Alert, at_ms: int) -> int | None:
    """Since when the alert fires only because of `keep_firing_for`: None while it breaches."""
    if alert.last_breach_ms is None or alert.last_breach_ms >= at_ms:
        return None
    return min(alert.last_breach_ms + group.interval_ms, at_ms)


def _breach(
    rule: AlertingRule,
    group: RuleGroup,
    at_ms: int,
    sample: VectorSample,
    surroundings: Surroundings,
) -> Alert:
    data = TemplateData(
        labels=sample.labels,
        value=sample.value,
        external_labels=surroundings.external_labels,
        external_url=surroundings.external_url,
        query=surroundings.query,
    )
    labels = {name: value for name, value in sample.labels if name != NAME}
    labels |= {name: text.expand_or_explain(data, rule.name) for name, text in rule.labels}
    labels[ALERTNAME] = rule.name
    return Alert(
        group=group.name,
        rule=rule.key,
        labels=make_labels((_storable(name), _storable(text)) for name, text in labels.items()),
        annotations={
            name: _storable(text.expand_or_explain(data, rule.name))
            for name, text in rule.annotations
        },
        state=AlertState.PENDING,
        value=sample.value,
        active_at_ms=at_ms,
        last_breach_ms=at_ms,
    )


def _storable(text: str) -> str:
    """The text without NUL, which databases refuse: one hostile label must not stop the others."""
    return text.replace("\0", "\ufffd")


def _continued(rule: AlertingRule, before: Alert | None, breach: Alert) -> Alert:
    """The breach as a new alert, or as the alert it goes on from; firing once `for` is over."""
    at_ms = breach.active_at_ms
    alert = breach
    if before is not None and not _forgotten(before, at_ms):
        alert = replace(
            before,
            value=breach.value,
            annotations=breach.annotations,
            last_breach_ms=at_ms,
        )
    if alert.state is AlertState.PENDING and at_ms - alert.active_at_ms >= rule.for_ms:
        return replace(alert, state=AlertState.FIRING, fired_at_ms=at_ms)
    return alert


def _forgotten(alert: Alert, at_ms: int) -> bool:
    seen_ms = alert.active_at_ms if alert.last_breach_ms is None else alert.last_breach_ms
    return alert.state is AlertState.PENDING and at_ms - seen_ms > OUTAGE_TOLERANCE_MS


def _keeps_firing(rule: AlertingRule, group: RuleGroup, alert: Alert, at_ms: int) -> bool:
    since_ms = keep_firing_since_ms(group, alert, at_ms)
    return (
        alert.state is AlertState.FIRING
        and since_ms is not None
        and at_ms - since_ms < rule.keep_firing_for_ms
    )
