"""Burn-rate rules: thresholds to the last digit, and what promtool says of them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml
from tests.cli.support import run
from tests.slo.documents import EVERY_KIND, SLOTH

from tidecast_alerts.slo.burn_rules import burn_alerts, rule_doubts, rule_file
from tidecast_alerts.slo.reading import read_service_levels
from tidecast_alerts.slo.rule_tests import rule_tests

SLOS = read_service_levels([("a.yaml", EVERY_KIND), ("b.yaml", SLOTH)]).slos


def test_thresholds_are_the_published_ones() -> None:
    slo = SLOS["answers"]
    alerts = burn_alerts(slo, slo.objectives[0])
    # 14.4, 6 and 1 times 1 - 0.999
    assert [alert.threshold_ratio for alert in alerts] == [0.0144, 0.006, 0.001]
    assert [alert.labels["long_window"] for alert in alerts] == ["1h", "6h", "3d"]
    assert alerts[0].annotations["runbook_url"] == "https://wiki.example.org/checkout"
    assert "rate5m" in alerts[0].expression and "> 0.0144 and" in alerts[0].expression
    sloth = SLOS["api-errors"]
    assert [a.factor for a in burn_alerts(sloth, sloth.objectives[0])] == [14.4, 6.0]
    # 2 x (1 - 0.995), as the condition says.
    fast = SLOS["fast"]
    (alert,) = burn_alerts(fast, fast.objectives[0])
    assert (alert.threshold_ratio, alert.for_seconds) == (0.01, 300)


def test_what_can_never_fire_is_doubted() -> None:
    # 14.4 x (1 - 0.9) is above 1; so is 14 of Pyrra's.
    slo = read_service_levels([("a", EVERY_KIND.replace("0.999}", "0.9}"))]).slos["answers"]
    assert "can never fire" in str(rule_doubts([slo])[0])
    assert "can never fire" in str(rule_doubts([slo], "pyrra")[0])


def test_a_budget_per_slices_is_recorded_from_slices() -> None:
    rules = yaml.safe_load(rule_file([SLOS["fast"], SLOS["whole"]]))["groups"]
    queries = {rule.get("record"): rule["expr"] for group in rules for rule in group["rules"]}
    assert "> bool 0.1)[1h:5m])" in yaml.safe_dump(rules[0], width=1000)
    assert queries["tidecast_slo:error_ratio:rate6h"].startswith(
        "avg_over_time(tidecast_slo:slice_error_ratio:rate1m{"
    )


@pytest.mark.servers
def test_an_alert_without_data_is_one_more(tmp_path: Path) -> None:
    asked = EVERY_KIND.replace("alertWhenNoData: false", "alertWhenNoData: true")
    slo = read_service_levels([("slo.yaml", asked)]).slos["fast"]
    burning, silent = burn_alerts(slo, slo.objectives[0])
    assert (burning.name, silent.name) == ("SLOBurnRate", "SLOWithoutData")
    assert silent.expression == (
        'absent(tidecast_slo:error_ratio:rate1h{slo="fast", service="checkout"})'
    )
    assert silent.for_seconds == 300 and silent.labels["notify"] == "on-call,mail"
    # Alone it leaves the windows of the burn rate as they are.
    alone = asked.replace("alertWhenBreaching: true", "alertWhenBreaching: false")
    slo = read_service_levels([("slo.yaml", alone)]).slos["fast"]
    names = [each.name for each in burn_alerts(slo, slo.objectives[0])]
    assert names == ["SLOBurnRate"] * 3 + ["SLOWithoutData"]
    (tmp_path / "r.yml").write_text(rule_file([slo]))
    (tmp_path / "t.yml").write_text(rule_tests([slo], "r.yml"))
    done = subprocess.run(
        ["promtool", "test", "rules", "t.yml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.servers
@pytest.mark.parametrize("windows", ["google", "pyrra"])
def test_promtool_passes_rules_and_tests(tmp_path: Path, windows: str) -> None:
    (tmp_path / "slo.yaml").write_text(f"{EVERY_KIND}---\n{SLOTH}")
    rules, tests = tmp_path / "out.rules.yml", tmp_path / "out.test.yml"
    options = ("--windows", windows, "--output", str(rules), "--tests", str(tests))
    written = run("slo", "rules", str(tmp_path / "slo.yaml"), *options)
    assert written.exit_code == 0, written.output
    for what, file in (("check", rules), ("test", tests)):
        told = subprocess.run(
            ["promtool", what, "rules", str(file)], capture_output=True, text=True, check=False
        )
        assert told.returncode == 0, told.stdout + told.stderr
    count = len(yaml.safe_load(tests.read_text())["tests"])
    assert count > 30


EVENTS_TEST = """\
rule_files: [out.rules.yml]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - {series: 'requests_total{code="200"}', values: '0+98x120'}
      - {series: 'requests_total{code="500"}', values: '0+2x120'}
    promql_expr_test:
      # 2 of 100 a minute fail: 0.02 is above 14.4 x 0.001, and above 6 x 0.001.
      - expr: round(tidecast_slo:error_ratio:rate1h{objective="strict"}, 0.0001)
        eval_time: 2h
        exp_samples:
          - labels: '{slo="answers", service="checkout", objective="strict", tier="gold"}'
            value: 0.02
      - expr: count(ALERTS{slo="answers",alertstate="firing",severity="page"})
        eval_time: 2h
        exp_samples: [{labels: '{}', value: 4}]
"""


@pytest.mark.servers
def test_promtool_fires_them_on_events(tmp_path: Path) -> None:
    (tmp_path / "out.rules.yml").write_text(rule_file([SLOS["answers"]]))
    (tmp_path / "events.yml").write_text(EVENTS_TEST)
    told = subprocess.run(
        ["promtool", "test", "rules", "events.yml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stdout + told.stderr


def test_the_check_tells_faults_and_doubts(tmp_path: Path) -> None:
    file = tmp_path / "slo.yaml"
    file.write_text(EVERY_KIND)
    told = run("slo", "check", str(file))
    assert told.exit_code == 0 and "3 SLOs" in told.output
    file.write_text(EVERY_KIND.replace("query: requests_total", "query: sum(requests_total"))
    told = run("slo", "check", str(file))
    assert told.exit_code == 1 and f"{file}:18:1: answers:" in told.output
