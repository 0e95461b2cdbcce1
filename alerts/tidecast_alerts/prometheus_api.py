"""Rules and alerts as the JSON of Prometheus' `/api/v1/rules` and `/api/v1/alerts`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from tidecast_alerts.engine import GroupStatus, RuleStatus
from tidecast_alerts.evaluation import keep_firing_since_ms
from tidecast_alerts.go_format import format_shortest_exponent
from tidecast_alerts.model import Alert, AlertState
from tidecast_alerts.rules import AlertingRule, RuleGroup
from tidecast_alerts.times import rfc3339
from tidecast_collector.errors import InvalidInput

_NEVER = "0001-01-01T00:00:00Z"
_TYPES = {"": "", "alert": "alerting", "record": "recording"}


def api_rules(
    status: Sequence[GroupStatus],
    *,
    type: str = "",
    rule_names: Collection[str] = (),
    rule_groups: Collection[str] = (),
    files: Collection[str] = (),
    exclude_alerts: bool = False,
) -> dict[str, Any]:
    """The `data` of `/api/v1/rules`; the filters are its query parameters (empty: all)."""
    if type not in _TYPES:
        raise InvalidInput(f"unknown rule type {type!r}; it is 'alert' or 'record'")
    groups = []
    for group in status:
        if (rule_groups and group.group.name not in rule_groups) or (
            files and group.group.file not in files
        ):
            continue
        rules = [
            _rule(group, rule, exclude_alerts)
            for rule in group.rules
            if not rule_names or rule.rule.name in rule_names
        ]
        rules = [rule for rule in rules if not type or rule["type"] == _TYPES[type]]
        if rules or not (type or rule_names):
            groups.append(_group(group, rules))
    return {"groups": groups}


def api_alerts(status: Sequence[GroupStatus]) -> dict[str, Any]:
    """The `data` of `/api/v1/alerts`: every pending and firing alert."""
    return {
        "alerts": [
            _alert(group, alert)
            for group in status
            for rule in group.rules
            for alert in rule.alerts
        ]
    }


def _group(status: GroupStatus, rules: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "name": status.group.name,
        "file": status.group.file,
        "rules": rules,
        "interval": status.group.interval_ms / 1000,
        "limit": status.group.limit,
        "evaluationTime": status.evaluation_seconds,
        "lastEvaluation": _moment(status.last_evaluation_ms),
    }


def _rule(group: GroupStatus, status: RuleStatus, exclude_alerts: bool) -> dict[str, Any]:
    rule = status.rule
    fields: dict[str, Any] = {"name": rule.name, "query": rule.expression}
    if isinstance(rule, AlertingRule):
        alerts = [] if exclude_alerts else [_alert(group, alert) for alert in status.alerts]
        fields = {
            "state": _state(status.alerts),
            **fields,
            "duration": rule.for_ms / 1000,
            "keepFiringFor": rule.keep_firing_for_ms / 1000,
            "labels": {name: template.text for name, template in rule.labels},
            "annotations": {name: template.text for name, template in rule.annotations},
            "alerts": alerts,
        }
    elif rule.labels:
        fields["labels"] = dict(rule.labels)
    fields["health"] = status.health
    if status.last_error:
        fields["lastError"] = status.last_error
    fields["evaluationTime"] = status.evaluation_seconds
    fields["lastEvaluation"] = _moment(status.last_evaluation_ms)
    fields["type"] = "alerting" if isinstance(rule, AlertingRule) else "recording"
    return fields


def _alert(group: GroupStatus, alert: Alert) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "state": alert.state.value,
        "activeAt": rfc3339(alert.active_at_ms),
        "value": format_shortest_exponent(alert.value),
    }
    since_ms = _kept_since_ms(group.group, alert, group.last_evaluation_ms)
    if since_ms is not None:
        fields["keepFiringSince"] = rfc3339(since_ms)
    return fields


def _kept_since_ms(group: RuleGroup, alert: Alert, at_ms: int | None) -> int | None:
    if at_ms is None or alert.state is not AlertState.FIRING:
        return None
    return keep_firing_since_ms(group, alert, at_ms)


def _state(alerts: Sequence[Alert]) -> str:
    """The state of a rule: that of its worst alert."""
    states = {alert.state for alert in alerts}
    if AlertState.FIRING in states:
        return "firing"
    return "pending" if states else "inactive"


def _moment(ms: int | None) -> str:
    return _NEVER if ms is None else rfc3339(ms)
