"""Rule files: read whole, or refused with every problem and its line."""

from __future__ import annotations

import subprocess
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidecast_alerts.fakes import FakePromQL
from tidecast_alerts.rules import AlertingRule, InvalidRule, RecordingRule, load_rules
from tidecast_collector.durations import parse_duration_ms
from tidecast_collector.errors import InvalidInput

GOOD = """
groups:
  - name: disks
    interval: 15s
    query_offset: 30s
    limit: 5
    labels: {team: storage}
    rules:
      - alert: DiskFull
        expr: |
          used > 90
        for: 1m30s
        keep_firing_for: 5m
        labels: {severity: warning, item: '{{ $labels.mountpoint }}', tier: 1}
        annotations:
          summary: '{{ $labels.mountpoint }} is full'
      - record: job:used:max
        expr: used
        labels: {zone: eu}
  - name: empty
    rules: []
"""


class AnyPromQL(FakePromQL):
    """Accepts every expression."""

    def check(self, expression: str) -> None:
        """Nothing is wrong."""


def test_a_rule_file_is_read_with_all_it_says() -> None:
    file = load_rules(GOOD, "disks.yml", FakePromQL())
    disks, empty = file.groups
    assert (disks.name, disks.file, disks.interval_ms) == ("disks", "disks.yml", 15_000)
    assert (disks.limit, disks.query_offset_ms) == (5, 30_000)
    alert, record = disks.rules
    assert isinstance(alert, AlertingRule)
    assert (alert.name, alert.expression) == ("DiskFull", "used > 90")
    assert (alert.for_ms, alert.keep_firing_for_ms) == (90_000, 300_000)
    assert {name: template.text for name, template in alert.labels} == {
        "item": "{{ $labels.mountpoint }}",
        "severity": "warning",
        "team": "storage",
        "tier": "1",
    }
    assert record == RecordingRule("job:used:max", "used", (("team", "storage"), ("zone", "eu")))
    assert (empty.rules, empty.interval_ms) == ((), 60_000)
    assert load_rules("", "empty.yml", FakePromQL()).groups == ()


def test_every_problem_is_told_with_its_line() -> None:
    text = """\
groups:
  - name: a
    intervall: 5s
    interval: 5 s
    rules:
      - alert: A
        expr: used >
        for: soon
        labels: {"bad-name": x, __name__: y}
        annotations:
          summary: "{{ $nope }}"
      - alert: B
        record: b
        expr: used
      - record: "not a name"
        expr: used
        for: 1m
      - alert: C
      - alert: D
        expr: used
      - alert: D
        expr: used > 5
      - expr: used
        expr: used
  - name: a
    limit: -1
    rules: {}
  - rules: [5]
"""
    with pytest.raises(InvalidRule) as refused:
        load_rules(text, "r.yml", FakePromQL())
    assert str(refused.value).splitlines() == [
        "r.yml:3:5: unknown key 'intervall'; known here: "
        "interval, labels, limit, name, query_offset, rules",
        "r.yml:4:15: interval: '5 s' is not a duration; write it as in 30s, 5m or 1h30m",
        "r.yml:7:15: rule 'A': 1:1: cannot read 'used >'",
        "r.yml:8:14: for: 'soon' is not a duration; write it as in 30s, 5m or 1h30m",
        "r.yml:9:30: 'bad-name' is not a name for a label or annotation here",
        "r.yml:9:43: '__name__' is not a name for a label or annotation here",
        "r.yml:11:20: rule 'A': template of 'summary': line 1: undefined variable $nope",
        "r.yml:12:9: a rule is either an 'alert' or a 'record'",
        "r.yml:15:17: 'not a name' is not a metric name",
        "r.yml:17:14: 'for' belongs to alerts, not to recording rules",
        "r.yml:18:9: rule 'C' needs an 'expr'",
        "r.yml:21:9: D stands already at line 19",
        "r.yml:23:9: a rule is either an 'alert' or a 'record'",
        "r.yml:24:9: 'expr' stands twice",
        "r.yml:25:5: group 'a' stands already at line 2",
        "r.yml:26:12: expected a whole number, found '-1'",
        "r.yml:27:12: expected a list, found a mapping",
        "r.yml:28:5: a group needs a name",
        "r.yml:28:13: a rule is either an 'alert' or a 'record'",
        "r.yml:28:13: expected a mapping, found '5'",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("groups: [", "r.yml:1:10: not YAML"),
        ("a: b: c", "r.yml:1:5: not YAML"),
        ("groups: []\nx: 1", "r.yml:2:1: unknown key 'x'; known here: groups"),
        ("[]", "r.yml:1:1: expected a mapping, found a list"),
        ("groups:\n- \x07", "r.yml:2:3: not YAML"),
        ("[" * 5000, "r.yml:1:1: not"),
        ("groups: []\n---\ngroups: []", "r.yml:3:1: a second document"),
        ("#" * 5_000_000, "larger than"),
        ("groups: &a [*a]", "expected a mapping, found a list"),
        ("groups:\n- name: a\n  rules:\n  - alert: ''\n    expr: used", "an alert needs a name"),
        ("groups:\n- name: a\n  rules:\n  - alert: [1]\n    expr: used", "expected text"),
    ],
)
def test_what_is_no_rule_file_is_refused(text: str, problem: str) -> None:
    with pytest.raises(InvalidRule) as refused:
        load_rules(text, "r.yml", FakePromQL())
    assert problem in str(refused.value)


def test_a_list_of_problems_ends_somewhere() -> None:
    rules = "".join(f"  - alert: A{i}\n    nope: 1\n" for i in range(500))
    with pytest.raises(InvalidRule) as refused:
        load_rules(f"groups:\n- name: a\n  rules:\n{rules}", "r.yml", FakePromQL())
    assert len(str(refused.value).splitlines()) <= 101


@given(st.text(max_size=300))
def test_hostile_text_is_refused_or_read(text: str) -> None:
    try:
        load_rules(text, "r.yml", FakePromQL())
    except InvalidRule as error:
        assert str(error).startswith("r.yml:")


UNITS = [("y", 31_536_000_000), ("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000)]
UNITS += [("m", 60_000), ("s", 1_000), ("ms", 1)]


@given(st.lists(st.integers(0, 10_000), min_size=7, max_size=7), st.sets(st.integers(0, 6)))
def test_durations_add_up(amounts: list[int], chosen: set[int]) -> None:
    parts = [(amounts[i], *UNITS[i]) for i in sorted(chosen)]
    if parts:
        text = "".join(f"{amount}{unit}" for amount, unit, _ in parts)
        assert parse_duration_ms(text) == sum(amount * ms for amount, _, ms in parts)


@pytest.mark.parametrize("text", ["", "5", "m5", "5m5h", "-5m", "5 m", "1.5h", "5m\n"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="is not a duration"):
        parse_duration_ms(text)


def _pack() -> Path:
    return Path(str(resources.files("tidecast.policy"))) / "defaults" / "rules.yml"


def test_promtool_accepts_the_default_pack() -> None:
    run = subprocess.run(
        ["promtool", "check", "rules", str(_pack())], capture_output=True, check=False, text=True
    )
    assert run.returncode == 0, run.stderr
    assert "SUCCESS: 18 rules found" in run.stdout


def test_the_default_pack_says_what_each_alert_is_about() -> None:
    file = load_rules(_pack().read_text(), "rules.yml", AnyPromQL())
    rules = [rule for group in file.groups for rule in group.rules]
    assert {rule.name for rule in rules} >= {
        "HostSilent",
        "FilesystemFull",
        "InodesFull",
        "FilesystemFillingFast",
        "MemoryShort",
        "CpuSaturated",
        "ForecastBreach",
    }
    for rule in rules:
        assert isinstance(rule, AlertingRule)
        labels = {name: template.text for name, template in rule.labels}
        assert labels["severity"] in {"critical", "warning", "info"}
        assert "resource" in labels or "tidecast_" in rule.expression
        assert {name for name, _ in rule.annotations} == {"summary", "description"}
        if labels["severity"] == "critical":
            # What kills is told within a minute of the evaluations that see it.
            assert rule.for_ms <= 45_000
