"""The alert state machine, against the words of Prometheus and against promtool."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tidecast_alerts.evaluation import Evaluated, Surroundings, evaluate_rule, keep_firing_since_ms
from tidecast_alerts.model import Alert, AlertState
from tidecast_alerts.ports import VectorSample
from tidecast_alerts.rules import AlertingRule, RuleGroup
from tidecast_alerts.templates import Template
from tidecast_collector.labels import make_labels

MINUTE = 60_000
SURROUNDINGS = Surroundings(query=lambda expression: ())


def rule(for_ms: int = 0, keep_ms: int = 0, **labels: str) -> AlertingRule:
    return AlertingRule(
        "DiskFull",
        "used > 90",
        for_ms,
        keep_ms,
        tuple((name, Template.read(text)) for name, text in sorted(labels.items())),
        (("summary", Template.read("{{ $labels.mountpoint }} at {{ $value }}")),),
    )


def sample(value: float = 95.0, **labels: str) -> VectorSample:
    labels = labels or {"mountpoint": "/var"}
    return VectorSample(make_labels({"__name__": "used", **labels}), value)


def evaluate(
    of: AlertingRule,
    at_ms: int,
    vector: Sequence[VectorSample],
    active: Sequence[Alert] = (),
    limit: int = 0,
) -> Evaluated:
    group = RuleGroup("g", "g.yml", (of,), MINUTE, limit)
    return evaluate_rule(of, group, at_ms, vector, active, SURROUNDINGS)


def test_a_breach_is_pending_until_it_has_lasted() -> None:
    of = rule(for_ms=2 * MINUTE)
    first = evaluate(of, 0, [sample()])
    second = evaluate(of, MINUTE, [sample()], first.alerts)
    third = evaluate(of, 2 * MINUTE, [sample(97.0)], second.alerts)
    assert [e.alerts[0].state for e in (first, second, third)] == ["pending", "pending", "firing"]
    alert = third.alerts[0]
    assert (alert.active_at_ms, alert.fired_at_ms, alert.value) == (0, 2 * MINUTE, 97.0)
    assert alert.annotations == {"summary": "/var at 97"}
    assert evaluate(of, 3 * MINUTE, [], third.alerts).alerts == []


def test_without_for_it_fires_at_once() -> None:
    assert evaluate(rule(), 0, [sample()]).alerts[0].state is AlertState.FIRING


def test_a_pending_breach_that_ends_starts_anew() -> None:
    of = rule(for_ms=2 * MINUTE)
    pending = evaluate(of, 0, [sample()]).alerts
    gone = evaluate(of, MINUTE, [], pending).alerts
    assert not gone
    again = evaluate(of, 2 * MINUTE, [sample()], gone).alerts
    assert again[0].active_at_ms == 2 * MINUTE


def test_labels_are_those_of_the_result_then_of_the_rule_then_the_name() -> None:
    of = rule(severity="warning", mountpoint="on {{ $labels.mountpoint }}", gone="", alertname="x")
    alert = evaluate(of, 0, [sample(mountpoint="/var", instance="web-3")]).alerts[0]
    assert dict(alert.labels) == {
        "alertname": "DiskFull",
        "instance": "web-3",
        "mountpoint": "on /var",
        "severity": "warning",
    }


def test_two_elements_with_the_same_labels_are_an_error_that_changes_nothing() -> None:
    of = rule(mountpoint="any")
    before = evaluate(of, 0, [sample(mountpoint="/var")]).alerts
    after = evaluate(of, MINUTE, [sample(mountpoint="/a"), sample(mountpoint="/b")], before)
    assert "same labelset" in after.error
    assert after.alerts == before


def test_too_many_alerts_are_an_error_that_drops_all() -> None:
    vector = [sample(mountpoint=f"/{i}") for i in range(3)]
    assert not evaluate(rule(), 0, vector, limit=3).error
    over = evaluate(rule(), 0, [*vector, sample(mountpoint="/x")], limit=3)
    assert (over.error, over.alerts) == ("exceeded limit of 3 with 4 alerts", ())


def test_keep_firing_for_holds_it_from_the_first_evaluation_without_breach() -> None:
    of = rule(keep_ms=2 * MINUTE)
    group = RuleGroup("g", "g.yml", (of,), MINUTE)
    alerts = evaluate(of, 0, [sample()]).alerts
    assert keep_firing_since_ms(group, alerts[0], 0) is None
    states = []
    for minute in (1, 2, 3):
        alerts = evaluate(of, minute * MINUTE, [], alerts).alerts
        states.append([keep_firing_since_ms(group, a, minute * MINUTE) for a in alerts])
    # Not seen since minute 1, so at minute 3 two minutes have passed.
    assert states == [[MINUTE], [MINUTE], []]


def test_for_goes_on_after_a_short_outage_and_starts_anew_after_a_long_one() -> None:
    of = rule(for_ms=10 * MINUTE)
    pending = evaluate(of, 0, [sample()]).alerts
    assert evaluate(of, 10 * MINUTE, [sample()], pending).alerts[0].state is AlertState.FIRING
    late = evaluate(of, 61 * MINUTE, [sample()], pending).alerts[0]
    assert (late.state, late.active_at_ms) == (AlertState.PENDING, 61 * MINUTE)


STEPS = st.lists(st.booleans(), min_size=4, max_size=25)


@settings(max_examples=12, suppress_health_check=list(HealthCheck))
@given(breaches=STEPS, for_minutes=st.integers(0, 4), keep_minutes=st.integers(0, 4))
def test_any_sequence_fires_when_prometheus_fires(
    tmp_path: Path, breaches: list[bool], for_minutes: int, keep_minutes: int
) -> None:
    of = rule(for_minutes * MINUTE, keep_minutes * MINUTE)
    firing, alerts = [], []
    for minute, breach in enumerate(breaches):
        alerts = list(evaluate(of, minute * MINUTE, [sample()] if breach else [], alerts).alerts)
        firing.append(any(alert.state is AlertState.FIRING for alert in alerts))
    assert firing == _promtool(tmp_path, breaches, for_minutes, keep_minutes)


def _promtool(path: Path, breaches: list[bool], for_minutes: int, keep_minutes: int) -> list[bool]:
    alert = {"alert": "A", "expr": "used > 90"}
    alert |= {"for": f"{for_minutes}m", "keep_firing_for": f"{keep_minutes}m"}
    asked = [
        # An expected alert that is not there, or the reverse, is printed with its time.
        {"eval_time": f"{minute}m", "alertname": "A", "exp_alerts": [{"exp_labels": {"no": "no"}}]}
        for minute in range(len(breaches))
    ]
    test = {
        "interval": "1m",
        "input_series": [
            {"series": "used", "values": " ".join("95" if breach else "5" for breach in breaches)}
        ],
        "alert_rule_test": asked,
    }
    (path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "g", "rules": [alert]}]}))
    (path / "tests.yml").write_text(
        yaml.safe_dump({"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": [test]})
    )
    run = subprocess.run(
        ["promtool", "test", "rules", "tests.yml"],
        cwd=path,
        capture_output=True,
        check=False,
        text=True,
    )
    parts = re.findall(
        r"time: (\S+?),(.*?)(?=alertname: A, time|\Z)", run.stderr + run.stdout, re.S
    )
    assert len(parts) == len(breaches), run.stdout + run.stderr
    return ["got:[]" not in text for _, text in parts]
