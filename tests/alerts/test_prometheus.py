"""The rules API beside a real Prometheus' answer to the same rule file."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.scenario.driver import PATIENCE_SECONDS, eventually, free_port

from tidecast_alerts.engine import AlertEngine
from tidecast_alerts.fakes import FakeClock, FakePromQL
from tidecast_alerts.memory import MemoryRecords
from tidecast_alerts.ports import VectorSample
from tidecast_alerts.prometheus_api import api_alerts, api_rules
from tidecast_alerts.rules import load_rules

RULES = """
groups:
  - name: first
    interval: 1s
    limit: 7
    rules:
      - alert: Firing
        expr: vector(95.5) > 90
        labels: {severity: critical, level: '{{ printf "%.1f" $value }}'}
        annotations: {summary: 'at {{ $value }} {{ .Labels }}'}
      - alert: Pending
        expr: vector(95.5) > 90
        for: 1h
        keep_firing_for: 5m
      - alert: Inactive
        expr: vector(5) > 90
      - alert: Twice
        expr: vector(1) or label_replace(vector(1), "a", "2", "", "")
        labels: {a: same}
      - record: recorded:one
        expr: vector(1)
        labels: {zone: eu}
  - name: second
    rules: []
"""

VECTORS: dict[str, list[VectorSample]] = {
    "vector(95.5) > 90": [VectorSample((), 95.5)],
    "vector(5) > 90": [],
    "vector(1)": [VectorSample((), 1.0)],
}


class Vectors(FakePromQL):
    """Answers the rules above."""

    def check(self, expression: str) -> None:
        """They are fine."""

    def instant(self, expression: str, at_ms: int) -> Sequence[VectorSample]:
        """What Prometheus' PromQL says of them."""
        twice = [VectorSample((), 1.0), VectorSample((("a", "2"),), 1.0)]
        return VECTORS.get(expression, twice)

    def newest_samples(self, expression: str, labels: Any, at_ms: int) -> Sequence[int | None]:
        """They have no selectors."""
        return ()


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[str]:
    """A Prometheus that evaluates the rules and scrapes nothing."""
    (tmp_path / "rules.yml").write_text(RULES)
    (tmp_path / "prometheus.yml").write_text("rule_files: [rules.yml]\n")
    port = free_port()
    process = subprocess.Popen(
        [
            "prometheus",
            "--config.file=prometheus.yml",
            f"--storage.tsdb.path={tmp_path / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        cwd=tmp_path,
        stderr=subprocess.DEVNULL,
    )
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait(PATIENCE_SECONDS)


def _get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=5) as response:
        return json.load(response)["data"]


def _evaluated(base: str) -> Any:
    try:
        data = _get(f"{base}/api/v1/rules")
    except OSError:
        return None  # not yet up
    rules = [rule for group in data["groups"] for rule in group["rules"]]
    return data if rules and all(rule["health"] != "unknown" for rule in rules) else None


def _timeless(value: Any) -> Any:
    """The answer with what depends on the moment and the folder left out."""
    changing = {"evaluationTime", "lastEvaluation", "activeAt", "file"}
    if isinstance(value, dict):
        return {k: "..." if k in changing else _timeless(v) for k, v in value.items()}
    return [_timeless(part) for part in value] if isinstance(value, list) else value


@pytest.mark.servers
def test_the_api_equals_that_of_a_real_prometheus(prometheus: str) -> None:
    promql = Vectors()
    engine = AlertEngine(
        load_rules(RULES, "rules.yml", promql).groups,
        promql,
        MemoryRecords(),
        FakeClock(),
        record=lambda samples, at_ms: None,
    )
    engine.evaluate_due(1_700_000_000_000)
    theirs = _timeless(eventually(lambda: _evaluated(prometheus)))
    ours = _timeless(api_rules(engine.status()))
    twice = [group["rules"][3] for group in (theirs["groups"][0], ours["groups"][0])]
    assert [rule["health"] for rule in twice] == ["err", "err"]
    assert "same labelset" in twice[0].pop("lastError")
    assert "same labelset" in twice[1].pop("lastError")
    assert ours == theirs
    alerts = _timeless(_get(f"{prometheus}/api/v1/alerts"))
    key = json.dumps
    assert sorted(map(key, _timeless(api_alerts(engine.status()))["alerts"])) == sorted(
        map(key, alerts["alerts"])
    )
