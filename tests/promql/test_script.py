"""The runner reads Prometheus' test language, and tells passed, failed and skipped apart."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest
from tests.scenario.driver import PATIENCE_SECONDS

from tidecast_collector.labels import make_labels

from .backends import OwnServer
from .promqltest import Outcome, run_script
from .script import Eval, Load, ScriptError, expand, milliseconds, read_labels, read_script

HERE = Path(__file__).parent


def run(tmp_path: Path, text: str) -> Outcome:
    path = tmp_path / "x.test"
    path.write_text(text)
    return run_script(path)


@pytest.mark.parametrize(
    ("word", "values"),
    [
        ("1+2x3", [1, 3, 5, 7]),
        ("1-2x1", [1, -1]),
        ("-1+0.5x2", [-1, -0.5, 0]),
        ("0x2", [0, 0, 0]),
        ("1e2x1", [100, 100]),
        ("5+-1x1", [5, 4]),
        ("_", [None]),
        ("_x3", [None] * 3),
        ("-Inf", [-math.inf]),
    ],
)
def test_values_are_expanded(word: str, values: list[float | None]) -> None:
    assert expand(word) == values


@pytest.mark.parametrize("word", ["x", "1+2", "1x", "1_0", "nanx"])
def test_what_is_no_value_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match=r"not a number|could not convert"):
        expand(word)


def test_names_and_labels() -> None:
    assert read_labels('{"a.b", "c d"=\'e"}\', f="",}') == make_labels(
        {"__name__": "a.b", "c d": 'e"}'}
    )
    assert read_labels("{}") == ()


def test_times() -> None:
    assert [milliseconds(text) for text in ("1h30m", "-50s", "10", "0.5")] == [
        5_400_000,
        -50_000,
        10_000,
        500,
    ]


def test_commands_and_expectations_are_read() -> None:
    load, case = read_script(
        """
load 1m
\ta{b="{c}"} 1 2
# a comment ends nothing
\tb 1

eval_warn range from 0 to 2m step 1m a
expect no_info
expect warn regex: "?quantile.*
{b="{c}"} 1 _ 3
""",
        "x",
    )
    assert isinstance(load, Load)
    assert [len(values) for _, values in load.series] == [2, 1]
    assert isinstance(case, Eval)
    assert [(each.kind, each.how) for each in case.expects] == [
        ("warn", ""),
        ("no_info", ""),
        ("warn", "regex"),
    ]
    assert case.series[0][1] == [1, None, 3]
    with pytest.raises(ScriptError, match="x:1: not a command: nonsense"):
        list(read_script("nonsense", "x"))


def test_wrong_expectations_fail(tmp_path: Path) -> None:
    outcome = run(
        tmp_path,
        """
load 10s
  a{i="1"} 1
  a{i="2"} 2

eval instant at 0 sum(a)
  {} 4

eval instant at 0 a
  expect ordered
  a{i="2"} 2
  a{i="1"} 1

eval instant at 0 a
  expect fail

eval instant at 0 quantile(2, a)
  expect no_warn
  {} Inf

eval instant at 0 quantile(2, a)
  expect warn msg: PromQL warning: other
  {} Inf

eval instant at 0 sum(
  expect fail msg: other

eval_fail instant at 0 sum(
  expected_fail_regexp unclosed .*

eval instant at 0 1
  2

eval instant at 0 "x"
  expect string 'y'

eval instant at 10s a[10s]
  expect range vector from 10s to 10s step 10s
  a{i="1"} 1

eval_ordered instant at 0 sort_desc(a)
  a{i="2"} 2
  a{i="1"} 1

eval_warn instant at 0 quantile(2, a)
  {} Inf
""",
    )
    assert (outcome.passed, len(outcome.failures)) == (3, 9)
    assert outcome.failures[0] == "x.test:6: sum(a): {} has [3.0], expected [4.0]"


def test_what_needs_native_histograms_is_skipped(tmp_path: Path) -> None:
    outcome = run(
        tmp_path,
        """
load 10s
  a 1
  h {{schema:0 sum:1 count:1 buckets:[1]}}

eval instant at 0 a
  a 1

eval instant at 0 sum(h)
  {} {{count:1}}

eval instant at 0 count(h)
  {} 1

clear
load_with_nhcb 10s
  n_bucket{le="+Inf"} 1

eval instant at 0 n_bucket
  n_bucket{le="+Inf"} 1

eval instant at 0 count(n)
  {} 1
""",
    )
    assert (outcome.passed, outcome.failures, len(outcome.skipped)) == (2, [], 3)


def test_the_command_counts_each_file(tmp_path: Path) -> None:
    (tmp_path / "good.test").write_text("eval instant at 0 1\n  1\n")
    (tmp_path / "bad.test").write_text("eval instant at 0 1\n  2\n")
    command = [sys.executable, str(HERE / "run_upstream.py"), "-v", str(tmp_path)]
    ran = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=PATIENCE_SECONDS
    )
    lines = [" ".join(line.split()) for line in ran.stdout.splitlines()]
    assert ran.returncode == 1, ran.stderr
    assert lines == [
        "bad.test passed 0 failed 1 skipped 0",
        "bad.test:1: 1: is scalar 1.0, expected scalar 2.0",
        "good.test passed 1 failed 0 skipped 0",
        "total passed 1 failed 1 skipped 0",
    ]


@pytest.mark.scenario
@pytest.mark.parametrize("name", ["info", "limits", "selectors"])
def test_scenarios_hold_over_http(name: str) -> None:
    server = OwnServer()
    try:
        outcome = run_script(HERE / "scenarios" / f"{name}.test", server)
    finally:
        server.close()
    assert not outcome.failures, "\n".join(outcome.failures)
    assert outcome.passed > 0
