"""`tidecast anomalies` of a file and of a server: what is asked and what is shown."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from tests.cli.support import answering, run

ADDRESS = "/api/tidecast/v1/anomalies"
HOURS = np.arange(40 * 24)
FIRST = 1_760_000_400
ANOMALY = {
    "host": "web-3", "resource": "cpu", "item": "", "first": "2026-11-20T10:00:00Z",
    "last": "2026-11-20T12:00:00Z", "peak": "2026-11-20T11:00:00Z", "score": 2.0,
    "once_in_weeks": 100.0, "value": 0.91, "usual": 0.25, "why": "a sudden change\x1b[31m",
}  # fmt: skip
TOLD = {"resources": 3, "total": 1, "anomalies": [ANOMALY], "shifts": [], "leaks": []}


@pytest.fixture(scope="module")
def usage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    random = np.random.default_rng(0)
    noise = random.normal(0, 1, (3, HOURS.size))
    series = {
        "cpu": 50 + 10 * np.sin(HOURS / 24 * 2 * np.pi) + noise[0] + 40.0 * (HOURS == 700),
        "heap": 500 + 2.0 * (HOURS % 100) + noise[1],
        "pool": 50 + noise[2] + 30.0 * (HOURS >= 500),
    }
    file = tmp_path_factory.mktemp("usage") / "usage.csv"
    rows = [
        f"{name},{FIRST + 3600 * hour},{value:.4f}"
        for name, values in series.items()
        for hour, value in enumerate(values)
    ]
    file.write_text("\n".join(["series,timestamp,value", *rows]))
    return file


def rows_of(usage: Path, *more: str) -> list[dict[str, str]]:
    done = run("anomalies", "--input", str(usage), "--format", "csv", *more)
    assert done.exit_code == 0, done.output
    return list(csv.DictReader(io.StringIO(done.output)))


def test_a_file_needs_no_server(usage: Path) -> None:
    rows = rows_of(usage, "--expected-per-week", "0.001")
    assert {row["series"] for row in rows} >= {"cpu", "pool"}
    (spike,) = [row for row in rows if row["series"] == "cpu"]
    assert spike["first"] == "2025-11-07T13:00:00Z"  # FIRST + 700 hours
    assert float(spike["once_in_weeks"]) > 1000


def test_shifts_and_leaks_of_a_file(usage: Path) -> None:
    (shift,) = rows_of(usage, "--shifts")
    assert (shift["series"], shift["at"]) == ("pool", "2025-10-30T05:00:00Z")
    (leak,) = rows_of(usage, "--leaks")
    assert (leak["series"], leak["restarts"]) == ("heap", "9")
    assert float(leak["rate_per_day"]) == pytest.approx(48, rel=0.05)


def test_fewer_are_told_where_fewer_are_asked_for(usage: Path) -> None:
    counts = [len(rows_of(usage, "--expected-per-week", rate)) for rate in ("0.01", "1", "5")]
    assert counts == sorted(counts)
    assert counts[0] < counts[-1]


def test_a_server_is_asked_for_the_score_of_the_rate() -> None:
    with answering({ADDRESS: TOLD}) as server:
        asked = ["anomalies", '{resource="cpu"}', "--expected-per-week", "0.1"]
        done = run(*asked, TIDECAST_SERVER=server.url)
        as_json = run(*asked, "--format", "json", TIDECAST_SERVER=server.url)
        none = run("anomalies", "--leaks", TIDECAST_SERVER=server.url)
    assert done.output.splitlines()[1].startswith("web-3  cpu       -     2026-11-20T11:00:00Z")
    assert "\x1b" not in done.output
    assert json.loads(as_json.output) == [ANOMALY]
    assert none.output == "no leaks\n"
    assert server.asked[0][1].endswith("min_score=1.000000")


def test_what_makes_no_sense_is_a_usage_error(usage: Path) -> None:
    for arguments in (
        ["--expected-per-week", "0"],
        ["--expected-per-week", "nan"],
        ["--expected-per-week", "2"],
        ["{}", "--input", str(usage)],
    ):
        done = run("anomalies", *arguments)
        assert done.exit_code == 2, done.output
    missing = run("anomalies", "--input", "nowhere.csv")
    assert missing.exit_code == 1
    assert missing.output == "Error: nowhere.csv: No such file or directory\n"


def test_a_fleet_that_was_not_looked_at_is_said_so() -> None:
    with answering({ADDRESS: {**TOLD, "resources": 0}}) as server:
        done = run("anomalies", TIDECAST_SERVER=server.url)
    assert done.exit_code == 1
    assert "none was looked at yet" in done.output


def test_an_expression_is_scored_at_its_steps() -> None:
    random = np.random.default_rng(2)
    values = 5 + random.normal(0, 1, 2016)
    values[1500] = 60
    start = 1_760_000_400
    result = [
        {
            "metric": {"instance": "web-3"},
            "values": [[start + 300 * i, str(value)] for i, value in enumerate(values)],
        }
    ]
    answer = {"status": "success", "data": {"resultType": "matrix", "result": result}}
    with answering({"/api/v1/query_range": answer}) as server:
        asked = ["anomalies", "--query", "sum(x)", "--expected-per-week", "0.001"]
        done = run(*asked, "--format", "json", TIDECAST_SERVER=server.url)
        refused = run(*asked, "--step", "7m", TIDECAST_SERVER=server.url)
        long = run(*asked, "--step", "1m", "--span", "30d", TIDECAST_SERVER=server.url)
    (spike,) = json.loads(done.output)
    assert spike["series"] == '{instance="web-3"}'
    assert spike["first"] == "2025-10-14T14:00:00Z"  # start + 1500 x 5 minutes
    assert b"step=300.0" in server.asked[0][2]
    assert refused.exit_code == long.exit_code == 2


def test_finer_values_of_a_file_are_scored_at_their_steps(tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    values = 5 + random.normal(0, 1, 2016)
    values[1500] = 60
    rows = [f"x,{FIRST + 300 * i},{value:.3f}" for i, value in enumerate(values)]
    file = tmp_path / "fine.csv"
    file.write_text("\n".join(["series,timestamp,value", *rows]))
    (spike,) = rows_of(file, "--step", "5m", "--expected-per-week", "0.001")
    assert spike["first"] == "2025-10-14T14:00:00Z"
