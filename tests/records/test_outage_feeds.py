"""What host silence and alerts put into the outage ledger, on both databases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from tidecast.journeys.alert_rules import read_rules
from tidecast.journeys.observe_hosts import SILENCE, HostSilence
from tidecast.journeys.observe_rules import AlertsObserved
from tidecast.journeys.observe_watched import WatchedComponents
from tidecast.promql.alerting import AlertingPromQL
from tidecast.promql.engine import Engine
from tidecast.records import Records
from tidecast.samples.batch import SampleBatch
from tidecast.samples.memory import MemorySamples
from tidecast_alerts.engine import AlertEngine
from tidecast_alerts.model import Signal, SignalState
from tidecast_alerts.rules import InvalidRule, load_rules
from tidecast_analytics.timelines import ComponentState
from tidecast_collector.labels import make_labels

MINUTE = 60_000
UP, DEGRADED, DOWN, UNKNOWN = ComponentState


@dataclass
class FakeClock:
    now: int = 0

    def now_ms(self) -> int:
        return self.now


def told(records: Records, component: str, source: str = "") -> list[tuple[ComponentState, int]]:
    """States and since which minute, in order."""
    with records.reading() as unit:
        said = unit.outages.observations([component], 0, 10**12)[component]
    return [(one.state, one.from_ms // MINUTE) for one in said if source in ("", one.source)]


# --- host silence ---


def test_a_host_is_up_while_it_is_heard_of_and_unknown_from_its_last_sign_of_life(
    records: Records,
) -> None:
    silence = HostSilence(records, {}, 0)
    for now, last in ((1, 1), (2, 2), (5, 2), (8, 2), (9, 2), (20, 20), (21, 21)):
        silence.observe({"web-1": last * MINUTE}, now * MINUTE)
    assert told(records, "web-1") == [(UP, 1), (UNKNOWN, 2), (UP, 20)]


def test_after_a_crash_a_gap_is_found_where_the_ledger_stands(records: Records) -> None:
    HostSilence(records, {}, 0).observe({"web-1": MINUTE}, MINUTE)
    # The server was away from minute 2 to 30; the host is heard of before the first look.
    again = HostSilence(records, {"web-1": 2 * MINUTE}, 30 * MINUTE)
    again.observe({"web-1": 30 * MINUTE}, 30 * MINUTE)
    # A short restart leaves no trace.
    short = HostSilence(records, {"web-1": 30 * MINUTE}, 33 * MINUTE)
    short.observe({"web-1": 33 * MINUTE}, 33 * MINUTE)
    assert told(records, "web-1") == [(UP, 1), (UNKNOWN, 2), (UP, 30)]


def test_a_retired_host_is_unknown(records: Records) -> None:
    silence = HostSilence(records, {}, 0)
    silence.observe({"web-1": MINUTE}, MINUTE)
    silence.observe({"web-1": 3 * MINUTE}, 3 * MINUTE)
    silence.observe({}, 4 * MINUTE)
    silence.observe({}, 5 * MINUTE)
    assert told(records, "web-1") == [(UP, 1), (UNKNOWN, 3)]


# --- alerts ---


def signal(key: str, **labels: str) -> Signal:
    given = {"alertname": "Down", "instance": "web-1:9100", "component_state": "down", **labels}
    return Signal(
        key, "", "rule:g/Down", "up == 0", make_labels(given), {}, SignalState.FIRING, 0, 0, 0
    )


def firing(one: Signal, first: int, last: int) -> Signal:
    return replace(one, first_firing_ms=first * MINUTE, last_firing_ms=last * MINUTE)


def cleared(one: Signal, at: int) -> Signal:
    return replace(one, state=SignalState.CLEARED, cleared_ms=at * MINUTE)


def put(records: Records, now: int, *signals: Signal) -> None:
    with AlertsObserved(records, FakeClock(now * MINUTE)).unit() as repository:
        for each in signals:
            repository.put_signal(each)


def test_a_firing_signal_is_an_outage_of_its_component_until_it_clears(records: Records) -> None:
    one = signal("a", component="shop-web")
    for now in (10, 11, 12):
        put(records, now, firing(one, 10, now))
    put(records, 15, cleared(firing(one, 10, 12), 15))
    assert told(records, "shop-web") == [(DOWN, 10), (UP, 15)]
    assert told(records, "web-1") == []


def test_what_is_lost_from_sight_stays_unknown_until_it_is_seen_again(records: Records) -> None:
    one = firing(signal("a"), 10, 12)
    put(records, 12, one)
    put(records, 13, replace(one, state=SignalState.UNKNOWN))
    put(records, 20, firing(one, 10, 20))
    put(records, 21, cleared(firing(one, 10, 20), 21))
    assert told(records, "web-1") == [(DOWN, 10), (UNKNOWN, 13), (DOWN, 20), (UP, 21)]


def test_of_several_signals_of_a_rule_the_worst_holds(records: Records) -> None:
    root, var = signal("a", mountpoint="/"), signal("b", mountpoint="/var")
    put(records, 10, firing(root, 10, 10))
    put(records, 11, firing(root, 10, 11), firing(var, 11, 11))
    put(records, 12, cleared(root, 12), firing(var, 11, 12))
    put(records, 13, cleared(var, 13))
    assert told(records, "web-1") == [(DOWN, 10), (UP, 13)]


def test_a_signal_without_a_state_or_a_component_says_nothing(
    records: Records, caplog: pytest.LogCaptureFixture
) -> None:
    put(records, 10, firing(signal("a", component_state=""), 10, 10))
    put(records, 10, firing(signal("b", instance=""), 10, 10))
    with records.reading() as unit:
        assert unit.outages.components() == []
    assert "no label `component` and no host" in caplog.text


def test_what_was_not_kept_is_in_neither_place(records: Records) -> None:
    with (
        pytest.raises(RuntimeError),
        AlertsObserved(records, FakeClock(10 * MINUTE)).unit() as repository,
    ):
        repository.put_signal(firing(signal("a"), 10, 10))
        raise RuntimeError("the process ended here")
    assert told(records, "web-1") == []
    with records.reading() as unit:
        assert unit.alerting.signal("a") is None


def test_the_word_up_of_a_rule_does_not_outlive_the_host(records: Records) -> None:
    silence = HostSilence(records, {}, 0)
    silence.observe({"web-1": MINUTE}, MINUTE)
    put(records, 3, firing(signal("a"), 2, 3))
    put(records, 4, cleared(firing(signal("a"), 2, 3), 4))
    silence.observe({"web-1": 5 * MINUTE}, 20 * MINUTE)
    assert told(records, "web-1", "rule:g/Down") == [(DOWN, 2), (UP, 4), (UNKNOWN, 5)]
    assert told(records, "web-1", SILENCE) == [(UP, 1), (UNKNOWN, 5)]


# --- rules that find nothing wrong ---

WATCHING = """
groups:
  - name: g
    rules:
      - {alert: Away, expr: probe == 0, labels: {component: shop-web, component_state: down}}
      - alert: Any
        expr: probe == 0
        labels: {component: "{{ $labels.x }}", component_state: down}
      - {alert: Other, expr: probe == 0, labels: {component: mail}}
"""


def test_a_component_that_a_rule_watches_is_up_while_the_rule_has_evidence(
    records: Records,
) -> None:
    samples, clock = MemorySamples(), FakeClock()
    promql = AlertingPromQL(Engine(samples))
    groups = load_rules(WATCHING, "rules.yml", promql).groups
    alerts = AlertEngine(groups, promql, AlertsObserved(records, clock).unit, clock)
    watched = WatchedComponents(records, alerts)
    labels = make_labels({"__name__": "probe", "job": "probes"})
    for minute, value in ((1, 1.0), (2, 1.0), (3, 0.0), (4, 1.0), (5, None), (12, None)):
        clock.now = minute * MINUTE
        if value is not None:
            when = np.array([clock.now], dtype=np.int64)
            samples.append(SampleBatch.of([(labels, when, np.array([value]))]))
        alerts.evaluate(groups[0], clock.now)
        watched.observe(clock.now)
    assert told(records, "shop-web") == [(UP, 1), (DOWN, 3), (UP, 4), (UNKNOWN, 4)]
    with records.reading() as unit:
        assert unit.outages.components() == ["shop-web"]


LINES = """
groups:
  - name: g
    rules:
      - alert: LineAway
        expr: line_up == 0
        labels: {component: "{{ $labels.line }}", component_state: down}
"""


def test_a_component_named_by_samples_is_up_while_they_come_and_its_rule_is_there(
    records: Records,
) -> None:
    samples, clock = MemorySamples(), FakeClock()
    promql = AlertingPromQL(Engine(samples))
    groups = load_rules(LINES, "rules.yml", promql).groups
    alerts = AlertEngine(groups, promql, AlertsObserved(records, clock).unit, clock)
    watched = WatchedComponents(records, alerts)

    def minute(at: int, **lines: float) -> None:
        clock.now = at * MINUTE
        when = np.array([clock.now], dtype=np.int64)
        for line, value in lines.items():
            labels = make_labels({"__name__": "line_up", "line": line})
            samples.append(SampleBatch.of([(labels, when, np.array([value]))]))
        alerts.evaluate_due(clock.now)
        watched.observe(clock.now)

    minute(1, a=0.0, b=1.0)
    minute(2, a=1.0, b=0.0)
    for at in range(3, 9):
        minute(at, b=1.0)
    # Of a nothing came for more than five minutes; b is seen up to the end.
    assert told(records, "a") == [(DOWN, 1), (UP, 2), (UNKNOWN, 2)]
    minute(9, a=1.0, b=1.0)
    assert told(records, "a") == [(DOWN, 1), (UP, 2), (UNKNOWN, 2), (UP, 9)]
    assert told(records, "b") == [(DOWN, 2), (UP, 3)]
    minute(10, a=0.0, b=1.0)
    alerts.follow([])
    # The rule is gone while it fires for a: it is not known, then seen to be up, then not watched.
    minute(11, b=1.0)
    assert told(records, "b") == [(DOWN, 2), (UP, 3), (UNKNOWN, 11)]
    assert told(records, "a")[-2:] == [(DOWN, 10), (UNKNOWN, 11)]
    minute(12, a=1.0, b=1.0)
    assert told(records, "a")[-2:] == [(UP, 12), (UNKNOWN, 12)]
    assert watched.observe(clock.now) == 0


def refusal(rules: str, tmp_path: Path) -> Sequence[str]:
    path = tmp_path / "rules.yml"
    path.write_text(rules)
    with pytest.raises(InvalidRule) as refused:
        read_rules(path, AlertingPromQL(Engine(MemorySamples())))
    return str(refused.value).splitlines()


def test_a_state_that_is_none_is_refused_with_the_rule(tmp_path: Path) -> None:
    rule = "{alert: Gone, expr: up == 0, labels: {component_state: broken}}"
    assert refusal(f"groups: [{{name: g, rules: [{rule}]}}]", tmp_path) == [
        f"{tmp_path / 'rules.yml'}:1:83: the label component_state is 'broken'; write one of "
        "down, degraded"
    ]
