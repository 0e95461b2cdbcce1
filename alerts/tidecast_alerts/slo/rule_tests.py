"""Unit tests for promtool of the burn-rate alerts: each fires when it should, and only then."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from tidecast_alerts.slo.burn_rules import (
    ERROR_RATIO,
    EVENTS,
    BurnAlert,
    burn_alerts,
    dump,
    quoted,
)
from tidecast_alerts.slo.model import Operator, ServiceLevelObjective
from tidecast_alerts.slo.windows import promql_duration


def rule_tests(slos: Iterable[ServiceLevelObjective], rules_file: str, chosen: str = "") -> str:
    """A test file for `promtool test rules` beside the rule file of that name.

    Each alert is held against error ratios just beyond its threshold, on it, and beyond it in one
    window only.
    """
    tests = [
        test
        for slo in slos
        for objective in slo.objectives
        for alert in burn_alerts(slo, objective, chosen)
        for test in _tests(alert)
    ]
    return dump({"rule_files": [rules_file], "evaluation_interval": "1m", "tests": tests})


def _tests(alert: BurnAlert) -> list[dict[str, object]]:
    if alert.without_data:
        return [
            _test(alert, "without data", (), True),
            _test(alert, "with data", (alert.threshold_ratio,), False),
        ]
    step = max(alert.threshold_ratio / 100, 1e-9)
    upward = alert.operator in {Operator.GT, Operator.GTE}
    at, beyond = alert.threshold_ratio, alert.threshold_ratio + (step if upward else -step)
    within = alert.threshold_ratio - (step if upward else -step)
    on_it = alert.operator in {Operator.GTE, Operator.LTE}
    count = len(alert.windows_seconds)
    cases: list[tuple[str, Sequence[float], bool]] = [
        ("beyond the threshold", [beyond] * count, True),
        ("on the threshold", [at] * count, on_it),
        ("within the threshold", [within] * count, False),
    ]
    if count == 2:
        cases += [
            ("only the long window beyond", [beyond, within], False),
            ("only the short window beyond", [within, beyond], False),
        ]
    return [_test(alert, *case) for case in cases]


def _test(alert: BurnAlert, what: str, ratios: Sequence[float], fires: bool) -> dict[str, object]:
    minutes = -(-alert.for_seconds // 60) + 2
    series = [
        (f"{ERROR_RATIO}{promql_duration(seconds)}", ratio)
        for seconds, ratio in zip(alert.windows_seconds, ratios, strict=bool(ratios))
    ]
    if alert.minimum_events and not alert.without_data:
        window = promql_duration(max(alert.windows_seconds))
        series.append((f"{EVENTS}{window}", alert.minimum_events))
    # Labels that are templates are only known to Prometheus.
    known = {name: text for name, text in alert.labels.items() if "{{" not in text}
    wanted = {"alertname": alert.name, "alertstate": "firing", **known}
    return {
        "name": f"{alert.labels['slo']} {alert.severity} {alert.labels['long_window']}: {what}",
        "interval": "1m",
        "input_series": [
            {"series": name + _matchers(alert.series_labels), "values": f"{value!r}x{minutes + 1}"}
            for name, value in series
        ],
        "promql_expr_test": [
            {
                "expr": f"count(ALERTS{_matchers(wanted)})",
                "eval_time": f"{minutes}m",
                "exp_samples": [{"labels": "{}", "value": 1}] if fires else [],
            }
        ],
    }


def _matchers(labels: Mapping[str, str]) -> str:
    return "{" + ",".join(f"{name}={quoted(text)}" for name, text in labels.items()) + "}"
