"""What the engine shows of its alerts: series, recorded samples, Prometheus' API."""

from __future__ import annotations

import pytest
from tests.alerts.site import MINUTE, ONLY_HOSTS, RULES, START, Site

from tidecast_alerts.model import IncidentState
from tidecast_alerts.ports import VectorSample
from tidecast_alerts.prometheus_api import api_alerts, api_rules
from tidecast_collector.errors import InvalidInput
from tidecast_collector.labels import Labels, make_labels


def test_alerts_are_shown_as_series_that_end_with_them() -> None:
    rules = """
groups:
  - name: g
    interval: 1m
    rules:
      - alert: Busy
        expr: load > 1
        for: 1m
"""
    site = Site(rules)

    def series(name: str, **more: str) -> Labels:
        pairs = {"__name__": name, "alertname": "Busy", "instance": "web-3:9100", **more}
        return make_labels(pairs)

    pending = series("ALERTS", alertstate="pending")
    firing = series("ALERTS", alertstate="firing")
    since = series("ALERTS_FOR_STATE")
    for load in (0.5, 2.0, 2.0, 0.5):
        site.minute(load=load)
    active = (START + 2 * MINUTE) / 1000
    assert site.shown == [
        ([VectorSample(pending, 1.0), VectorSample(since, active)], [], START + 2 * MINUTE),
        ([VectorSample(firing, 1.0), VectorSample(since, active)], [pending], START + 3 * MINUTE),
        ([], [firing, since], START + 4 * MINUTE),
    ]


def test_the_series_of_a_rule_that_is_gone_end_when_a_server_starts_without_it() -> None:
    site = Site()
    site.minutes(92, 92)
    assert site.shown[-1][0]
    site.shown.clear()
    site.start(ONLY_HOSTS.replace("DiskFull", "DiskNearlyFull"))
    site.minute(50)
    ((samples, ended, at_ms),) = site.shown
    assert not samples
    assert {dict(labels)["alertname"] for labels in ended} == {"DiskFull"}
    assert at_ms == START + 3 * MINUTE


def test_recording_rules_are_handed_to_the_writer() -> None:
    rules = """
groups:
  - name: g
    query_offset: 1m
    limit: 2
    rules:
      - record: worst
        expr: used
        labels: {zone: eu}
      - record: same
        expr: used
        labels: {instance: any}
"""
    site = Site(rules)
    site.minutes(50, 51)
    labels = (("__name__", "worst"), ("instance", "web-3:9100"), ("mountpoint", "/var"))
    # Seen a minute late, as the offset says.
    assert ([VectorSample((*labels, ("zone", "eu")), 50.0)], START + MINUTE) in site.recorded
    site.minute(52, host="web-4:9100")
    site.minute(52)
    status = site.engine.status()[0].rules
    assert [rule.health for rule in status] == ["ok", "err"]
    assert "same labelset" in status[1].last_error
    site.minute(52, host="web-5:9100")
    site.minute(52)
    assert "exceeded limit of 2 with 3 series" in site.engine.status()[0].rules[0].last_error


def test_the_api_says_what_prometheus_says() -> None:
    site = Site()
    before = api_rules(site.engine.status())["groups"][0]
    assert (before["lastEvaluation"], before["rules"][0]["health"]) == (
        "0001-01-01T00:00:00Z",
        "unknown",
    )
    site.minute(92.5)
    group = api_rules(site.engine.status(), type="alert", rule_names=["DiskFull"])["groups"][0]
    alert = {
        "labels": {
            "alertname": "DiskFull",
            "instance": "web-3:9100",
            "item": "/var",
            "mountpoint": "/var",
            "resource": "filesystem",
            "severity": "warning",
        },
        "annotations": {"summary": "/var on web-3:9100 is full"},
        "state": "firing",
        "activeAt": "2023-11-14T22:14:00Z",
        "value": "9.25e+01",
    }
    assert group["rules"][0] == {
        "state": "firing",
        "name": "DiskFull",
        "query": "used > 90",
        "duration": 0,
        "keepFiringFor": 0,
        "labels": {
            "item": "{{ $labels.mountpoint }}",
            "resource": "filesystem",
            "severity": "warning",
        },
        "annotations": {"summary": "{{ $labels.mountpoint }} on {{ $labels.instance }} is full"},
        "alerts": [alert],
        "health": "ok",
        "evaluationTime": 0,
        "lastEvaluation": "2023-11-14T22:14:00Z",
        "type": "alerting",
    }
    assert len(group["rules"]) == 2
    assert api_alerts(site.engine.status()) == {"alerts": [alert]}
    status = site.engine.status()
    assert api_rules(status, type="record") == {"groups": []}
    assert api_rules(status, files=["other.yml"]) == {"groups": []}
    assert api_rules(status, exclude_alerts=True)["groups"][0]["rules"][1]["alerts"] == []
    with pytest.raises(InvalidInput, match="unknown rule type"):
        api_rules(status, type="x")


def test_the_api_says_since_when_an_alert_is_only_kept_firing() -> None:
    rules = RULES.replace("expr: used > 90\n", "expr: used > 90\n        keep_firing_for: 5m\n")
    site = Site(rules)
    site.minutes(92, 10)
    (alert,) = api_alerts(site.engine.status())["alerts"]
    assert alert["keepFiringSince"] == "2023-11-14T22:15:00Z"
    # It is kept firing, so its incident is not resolved, though there is a newer sample.
    assert site.incidents()[0].state is IncidentState.OPEN
    site.minutes(10, 10, 10, 10, 10)
    assert site.incidents()[0].state is IncidentState.RESOLVED
