"""`tidecast forecast` of a server, and `tidecast backtest`: what is asked and what is shown."""

from __future__ import annotations

import csv
import io
import json
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.cli.support import answering, run

PREFIX = "/api/tidecast/v1"
KEY = {"host": "web-3", "resource": "filesystem", "item": "/var"}
FOUND = {**KEY, "state": "in_horizon", "p10": "2027-01-03T00:00:00Z",
         "p50": "2027-02-01T00:00:00Z", "p90": None, "reasons": ["It grows.\x1b[31m"]}  # fmt: skip
EXPLAINED: dict[str, Any] = {
    **FOUND,
    "unit": "bytes", "query": "tidecast_usage{}", "probability": 0.64, "within_lead_time": None,
    "mark": {"value": 45e9, "source": "90% of the limit, by the default policy"},
    "span": {"first": "2026-01-01T00:00:00Z", "last": "2026-12-01T00:00:00Z", "values": 8000,
             "step_seconds": 3600},
    "method": {"name": "drift", "members": {"drift": 0.75, "line": 0.25}, "origins": 8,
               "mean_error": 1.5e8, "naive_mean_error": 2e9, "widening": 1.8},
    "findings": [{"kind": "gap", "severity": "note", "what": "A gap.", "do": "Import it."}],
    "steps": [{"at": "2026-03-01T00:00:00Z", "size": 1e9}],
    "parts": {"trend_strength": 0.9, "rise_per_day": 2e8,
              "seasons": {"day": {"strength": 0.5, "peak": "14:00 UTC"}}},
    "parts_lacking": "",
    "strange": {
        "anomalies": [{"first": "2026-11-19T00:00:00Z", "last": "2026-11-19T02:00:00Z",
                       "peak": "2026-11-19T01:00:00Z", "score": 1.5, "once_in_weeks": 31.6,
                       "value": 6e10, "usual": 4e10, "why": "its level"}],
        "leak": None},
    "changes": [{"at": "2026-03-01T00:00:00Z", "title": "moved", "by": "ann", "to_come": False,
                 "size": 1e9}],
    "track": {"held": 9, "scored": 10, "coverage80": 0.79, "coverage95": 0.94},
    "last_errors": [{"published": "2026-11-20T00:00:00Z", "lead_days": 7, "mean_error": 1e8,
                     "coverage80": 0.8}],
}  # fmt: skip
ANSWERS = {
    f"{PREFIX}/capacity": {"resources": [FOUND]},
    f"{PREFIX}/resource": FOUND,
    f"{PREFIX}/forecasts/explain": EXPLAINED,
}


def test_one_resource_in_short() -> None:
    with answering(ANSWERS) as server:
        done = run("forecast", "web-3:filesystem:/var", TIDECAST_SERVER=server.url)
    assert done.exit_code == 0, done.output
    assert done.output.splitlines() == [
        "web-3:filesystem:/var  in_horizon  P10 2027-01-03  P50 2027-02-01  P90 none",
        "  It grows.\\x1b[31m",
    ]
    assert server.asked[-1][1].endswith("?host=web-3&resource=filesystem&item=%2Fvar")


def test_all_that_is_behind_it() -> None:
    with answering(ANSWERS) as server:
        asked = ["forecast", "web-3:filesystem:/var", "--explain"]
        done = run(*asked, TIDECAST_SERVER=server.url)
        as_json = run(*asked, "--json", TIDECAST_SERVER=server.url)
    assert json.loads(as_json.output) == EXPLAINED
    for line in (
        "  note: gap: A gap. Import it.",
        "Data            8000 values (hourly) from 2026-01-01T00:00:00Z to 2026-12-01T00:00:00Z",
        "                a lasting step of 1e+09 at 2026-03-01T00:00:00Z",
        "Changes         moved (2026-03-01T00:00:00Z, by ann): moved the level by +1e+09 bytes",
        "Mark            4.5e+10 bytes: 90% of the limit, by the default policy",
        "                reached within the horizon with a probability of 64%",
        "Method          drift 75%, line 25%",
        "                bands and dates stated 1.8 times as wide",
        "Parts           trend +2e+08 a day (strength 0.90)",
        "                season of the day: strength 0.50, peak 14:00 UTC",
        "Strange         2026-11-19T01:00:00Z: 6e+10 bytes where 4e+10 is usual, its level; "
        "as strange once in 31.6 weeks",
        "Past forecasts  9 of the last 10 held",
        "                of 2026-11-20, after 7 d: mean error 1e+08, 80% within the 80 % band",
        "Query           tidecast_usage{}",
    ):
        assert line in done.output.splitlines()


def test_a_run_is_waited_for() -> None:
    done_run = {"running": False, "due": False, "done": 7, "total": 7, "seconds": 1.5}
    with answering({f"{PREFIX}/forecasts/run": done_run}) as server:
        done = run("forecast", "--again", TIDECAST_SERVER=server.url)
    assert done.output == "7 series forecast in 1.5 s\n"
    assert [method for method, _, _ in server.asked] == ["POST", "GET"]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ([], "one of RESOURCE, --input and --again"),
        (["a:b", "--again"], "one of RESOURCE, --input and --again"),
        (["nobody:cpu"], "no resource nobody:cpu is known"),
    ],
)
def test_refusals(arguments: list[str], why: str) -> None:
    with answering(ANSWERS) as server:
        done = run("forecast", *arguments, TIDECAST_SERVER=server.url)
    assert done.exit_code != 0
    assert why in done.output


def disks(path: Path, days: int = 20) -> str:
    """Two disks by the hour: one that grows, one with a daily wave."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    lines = ["series,timestamp,value,limit"]
    for hour in range(days * 24):
        at = (start + timedelta(hours=hour)).isoformat()
        lines += [
            f"a,{at},{50 + hour / 24},90",
            f"b,{at},{50 + 9 * math.sin(hour / 24 * 2 * math.pi)},90",
        ]
    path.write_text("\n".join(lines))
    return str(path)


def test_a_back_test_of_a_file_beside_others(tmp_path: Path) -> None:
    given = ["backtest", "--input", disks(tmp_path / "d.csv"), "--horizon", "3d", "--origins", "2"]
    done = run(*given, "--format", "csv")
    assert done.exit_code == 0, done.output
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["series"] for row in rows] == ["a"] * 5 + ["b"] * 5 + ["all series"] * 5
    methods = ["tidecast", "snaive 24 h", "snaive 168 h", "predict_linear 7d", "holt-winters"]
    assert [row["method"] for row in rows[:5]] == methods
    # One a day for three days, the day before as forecast: off by one, two and three.
    assert float(rows[1]["mae"]) == pytest.approx(2)
    together = {row["method"]: row for row in rows[10:]}
    assert float(together["snaive 24 h"]["mase"]) == pytest.approx(
        (float(rows[1]["mase"]) + float(rows[6]["mase"])) / 2
    )
    table = run(*given)
    assert "2 series, 72 hours ahead" in table.output
    assert table.stdout.count("all series") == 5
    assert "\na " not in table.stdout, "only with --each"


def test_a_back_test_of_a_server_asks_page_by_page() -> None:
    score = {"series": "x", "method": "tidecast", "origins": 3, "values": 10, "mae": 1.0,
             "mase": 0.5, "pinball": 0.1, "coverage80": 0.8, "coverage95": 0.9, "dates": 0,
             "date_pinball_days": None, "date_error_days": None, "alarms_right": 1,
             "alarms_wrong": 0, "alarms_missed": 0}  # fmt: skip
    answer = {"total": 25, "offset": 0, "series": 10, "scores": [score]}
    with answering({f"{PREFIX}/backtest": answer}) as server:
        done = run(
            "backtest", '{resource="cpu"}', "--format", "json", TIDECAST_SERVER=server.url
        )  # fmt: skip
    assert done.exit_code == 0, done.output
    offsets = [path.partition("offset=")[2].partition("&")[0] for _, path, _ in server.asked]
    assert offsets == ["0", "10", "20"]
    rows = json.loads(done.stdout)
    assert len(rows) == 4
    assert rows[-1]["alarms_right"] == 3


def test_what_cannot_be_back_tested_is_said(tmp_path: Path) -> None:
    short = disks(tmp_path / "d.csv", days=3)
    done = run("backtest", "--input", short)
    assert done.exit_code == 1
    assert "longer than four days" in done.output
    assert run("backtest", "{}", "--input", short).exit_code == 2
    missing = run("backtest", "--input", str(tmp_path / "nothing.csv"))
    assert "No such file" in missing.output
    nothing = {"total": 0, "offset": 0, "series": 0, "scores": []}
    with answering({f"{PREFIX}/backtest": nothing}) as server:
        done = run("backtest", '{resource="x"}', TIDECAST_SERVER=server.url)
    assert 'no resource matches {resource="x"}' in done.output


def test_a_file_explained(tmp_path: Path) -> None:
    done = run("forecast", "--input", disks(tmp_path / "d.csv"), "--explain")
    assert done.exit_code == 0, done.output
    assert "Mark            90: the file's newest limit" in done.output
    assert "season of the day" in done.output
    told = json.loads(
        run("forecast", "--input", str(tmp_path / "d.csv"), "--explain", "--json").output
    )
    assert [each["item"] for each in told] == ["a", "b"]
