"""The README's figures are those that the benchmarks wrote down."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from tests.docs.test_documents import ROOT

README = (ROOT / "README.md").read_text()
ROWS = {
    "live ingest, CPU seconds per million samples": "live_cpu_seconds_per_million",
    "catch-up, with compaction": "catch_up_cpu_seconds_per_million",
    "bytes a sample, all in": "bytes_per_sample",
    "most memory while taking in, MB": "ingest_peak_mb",
    "sum of rates of 2,800 series over six hours, CPU ms": "sum_of_rates_cpu_ms",
    "alert rule over 400 series, CPU ms": "alert_rule_cpu_ms",
    "one series over a day, CPU ms": "one_series_cpu_ms",
    "raw export of 1.1 million samples, CPU ms": "raw_export_cpu_ms",
}


def result(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "benchmarks/results" / name).read_text())
    return found


def shown(value: float, like: str) -> str:
    """The value with as many decimals as the README gives it."""
    return f"{value:.{len(like.partition('.')[2])}f}"


@pytest.mark.parametrize(("row", "figure"), ROWS.items())
def test_the_store_is_as_measured(row: str, figure: str) -> None:
    store = result("store.json")
    measured = [
        store["figures"]["tidecast"][figure],
        store["ratios"]["prometheus"][figure],
        store["ratios"]["victoria-metrics"][figure],
    ]
    line = re.search(rf"^\| {re.escape(row)}.*?((?:\| [\d.]+ ){{3}})\|$", README, re.MULTILINE)
    assert line, f"no row {row!r}"
    told = re.findall(r"[\d.]+", line[1])
    assert told == [shown(value, like) for value, like in zip(measured, told, strict=True)]


def test_what_is_lost_by_a_kill_is_as_measured() -> None:
    figures = result("store.json")["figures"]
    assert figures["tidecast"]["lost_by_kill_samples"] == 0
    lost = figures["victoria-metrics"]["lost_by_kill_samples"]
    assert f"`kill -9` | 0 | | VictoriaMetrics: {lost:,} |" in README


def test_the_first_run_is_as_measured() -> None:
    took = re.search(r"this machine's own resources it took (\d+) seconds", README)
    assert took and int(took[1]) == round(result("first-run.json")["first_answer_seconds"])
