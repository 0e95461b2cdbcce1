"""The commands that ask a server: what they print, what they send, how they fail."""

from __future__ import annotations

import csv
import getpass
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.support import Fake, answering, run, shell
from tests.scenario.driver import free_port

API = "/api/tidecast/v1"


def resource(host: str, kind: str = "memory", **more: Any) -> dict[str, Any]:
    return {
        "host": host, "resource": kind, "item": "", "state": "in_horizon",
        "p10": "2027-01-01T04:00:00Z", "p50": "2027-02-01T05:00:00Z", "p90": None,
        "used": "40 %", "limit": 10.0, "mark": 9.0, "unit": "bytes", "method": "drift",
        "sentence": f"{host} is first.", **more,
    }  # fmt: skip


INCIDENT = {
    "id": 7, "name": "INC-7", "priority": 2, "state": "open", "host": "web-1", "resource": "memory",
    "item": "", "opened": "2027-01-01T00:00:00Z", "resolved": None, "title": "Memory \x1b[31mred",
    "signals": [{"state": "firing", "source": "rule", "value": None, "summary": "92 % used"}],
    "timeline": [{"at": "2027-01-01T00:00:00Z", "kind": "opened", "text": "opened", "actor": ""}],
}  # fmt: skip


@pytest.fixture
def fake() -> Iterator[Fake]:
    answers = {
        f"{API}/capacity": {"resources": [resource("web-1"), resource("db", "filesystem")]},
        f"{API}/incidents": {"incidents": [INCIDENT]},
        f"{API}/incidents/7": INCIDENT,
        f"{API}/incidents/7/acknowledge": INCIDENT,
        f"{API}/incidents/7/resolve": {**INCIDENT, "signals": []},
        f"{API}/hosts/retire": {"host": "web-1", "incidents_closed": 2},
        f"{API}/reports/capacity": b"<html>\xc3\xbc</html>",
        "/api/v1/query": {
            "status": "success",
            "infos": ["a hint"],
            "data": {
                "resultType": "vector",
                "result": [
                    {"metric": {"__name__": "m", "b": "2", "a": "1"}, "value": [1.5, "-3"]},
                    {"metric": {}, "value": [9e12, "NaN"]},
                ],
            },
        },
    }
    with answering(answers) as running:
        yield running


def lines(output: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(output)))


# --- capacity ---


def test_capacity_as_a_table_ends_with_the_sentence(fake: Fake) -> None:
    done = run("capacity", "list", "--server", fake.url)
    assert done.exit_code == 0
    first = "web-1 memory - in_horizon 2027-01-01 2027-02-01 - 40 % 90 % - drift"
    assert done.output.splitlines()[1].split() == first.split()
    assert done.output.endswith("\nweb-1 is first.\n")


def test_capacity_is_narrowed(fake: Fake) -> None:
    for option, expected in (("--host=web-1", "web-1"), ("--resource=filesystem", "db")):
        done = run("capacity", "list", option, "--format=csv", "--server", fake.url)
        assert [row[0] for row in lines(done.output)] == ["host", expected]
    done = run("capacity", "list", "--host=none", "--format=json", "--server", fake.url)
    assert json.loads(done.output) == []


# --- incidents ---


def test_incidents_that_are_open_or_all(fake: Fake) -> None:
    done = run("incident", "list", "--server", fake.url)
    assert "INC-7" in done.output
    assert "\x1b" not in done.output
    run("incident", "list", "--all", "--server", fake.url)
    assert [path for _, path, _ in fake.asked] == [
        f"{API}/incidents?state=open&state=acknowledged",
        f"{API}/incidents",
    ]


@pytest.mark.parametrize("number", ["7", "INC-7", "inc-7"])
def test_one_incident_by_either_name(fake: Fake, number: str) -> None:
    done = run("incident", "show", number, "--server", fake.url)
    assert done.output.startswith("INC-7  P2  open  Memory \\x1b[31mred\n")
    assert "92 % used" in done.output
    assert "None" not in done.output
    as_json = run("incident", "show", number, "--format=json", "--server", fake.url)
    assert json.loads(as_json.output) == [INCIDENT]


@pytest.mark.parametrize(("word", "path"), [("ack", "acknowledge"), ("resolve", "resolve")])
def test_acting_says_who_and_why(fake: Fake, word: str, path: str) -> None:
    done = run("incident", word, "7", "--comment", "grown", "--server", fake.url)
    assert done.exit_code == 0, done.output
    ((method, asked, body),) = fake.asked
    assert (method, asked) == ("POST", f"{API}/incidents/7/{path}")
    assert json.loads(body) == {"by": getpass.getuser(), "comment": "grown"}


@pytest.mark.parametrize("number", ["x", "INC-", "-1", "1.5", "²"])
def test_what_is_no_incident_is_a_usage_error(number: str) -> None:
    done = run("incident", "show", "--", number)
    assert done.exit_code == 2
    assert "is not an incident such as 12 or INC-12" in done.output


# --- query ---


def test_a_query_prints_series_times_and_values(fake: Fake) -> None:
    done = run("query", "m", "--time", "5", "--format=csv", "--server", fake.url)
    assert lines(done.stdout) == [
        ["series", "time", "value"],
        ['m{a="1",b="2"}', "1970-01-01T00:00:01.500Z", "-3"],
        ["{}", "9000000000000.0", "NaN"],
    ]
    assert done.stderr == "a hint\n"
    assert fake.asked[0][2] == b"query=m&time=5"


@pytest.mark.parametrize(
    ("data", "rows"),
    [
        ({"resultType": "scalar", "result": [0, "2"]}, [["", "1970-01-01T00:00:00.000Z", "2"]]),
        (
            {"resultType": "matrix", "result": [{"metric": {}, "values": [[0, "1"], [1, "2"]]}]},
            [["{}", "1970-01-01T00:00:00.000Z", "1"], ["{}", "1970-01-01T00:00:01.000Z", "2"]],
        ),
    ],
)
def test_other_results(fake: Fake, data: dict[str, Any], rows: list[list[str]]) -> None:
    fake.answers["/api/v1/query"] = {"status": "success", "data": data}
    done = run("query", "x", "--format=csv", "--server", fake.url)
    assert lines(done.output)[1:] == rows


# --- documents, retirement ---


def test_the_report_is_printed_or_written(fake: Fake, tmp_path: Path) -> None:
    printed = run("report", "capacity", "--server", fake.url)
    assert printed.output == "<html>ü</html>"
    path = tmp_path / "capacity.csv"
    done = run("report", "capacity", "--format=csv", "--output", str(path), "--server", fake.url)
    assert (done.exit_code, done.output) == (0, "")
    assert path.read_text() == "<html>ü</html>"
    assert [asked for _, asked, _ in fake.asked] == [
        f"{API}/reports/capacity?format=html",
        f"{API}/reports/capacity?format=csv",
    ]


def test_retiring_names_what_is_gone(fake: Fake) -> None:
    done = run("retire", "web-1", "filesystem", "/old", "--by", "eve", "--server", fake.url)
    assert done.output == "retired; incidents closed: 2\n"
    assert json.loads(fake.asked[0][2]) == {
        "host": "web-1", "resource": "filesystem", "item": "/old", "by": "eve",
    }  # fmt: skip


# --- failing ---

ASKING = [
    ["capacity", "list"],
    ["incident", "list"],
    ["incident", "show", "7"],
    ["incident", "ack", "7"],
    ["incident", "resolve", "7"],
    ["query", "up"],
    ["report", "capacity"],
    ["retire", "web-1"],
]


@pytest.mark.parametrize("command", ASKING, ids=" ".join)
def test_without_a_server_there_is_one_line_that_says_what_to_do(command: list[str]) -> None:
    done = run(*command, "--server", f"http://127.0.0.1:{free_port()}")
    assert done.exit_code == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: no server at http://127.0.0.1:")
    assert "tidecast up" in line


@pytest.mark.parametrize("command", ASKING, ids=" ".join)
def test_a_refusal_is_told_in_the_servers_words(command: list[str]) -> None:
    with answering({}) as empty:
        done = run(*command, "--server", empty.url)
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert "404: no such thing" in line


def test_as_a_process_too_there_is_no_traceback() -> None:
    done = shell("capacity", "list", TIDECAST_SERVER=f"http://127.0.0.1:{free_port()}")
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert "no server at" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["capacity", "list", "--format=xml"], "xml"),
        (["query"], "EXPRESSION"),
        (["retire"], "HOST"),
        (["rules", "check"], "FILES"),
        (["report", "capacity", "--format=pdf"], "pdf"),
        (["token", "create", "a", "--token-file=t"], "--scope"),
        (["token", "create", "a", "--scope=all", "--token-file=t"], "all"),
        (["server", "--retention=soon"], "not a duration"),
        (["server", "--listen=70000"], "is not HOST:PORT"),
        (["up", "--interval-seconds=0"], "0"),
        (["server", "--webhook-url=http://a/b", "--webhook-url=ftp://a/secret"], "number 2 is not"),
        (["server", "--webhook-url=https://[::1/secret"], "number 1 is not a URL"),
        (["server", "--webhook-url=https://host:99999/secret"], "number 1 is not a URL"),
        (["server", "--webhook-url=https://ho st/secret"], "number 1 is not a URL"),
    ],
)
def test_usage_errors_end_with_two(arguments: list[str], why: str) -> None:
    done = run(*arguments)
    assert done.exit_code == 2
    assert why in done.stderr
    assert "secret" not in done.stderr


# --- rules, tokens: no server ---

RULES = "groups:\n  - name: g\n    rules:\n      - alert: A\n        expr: up == 0\n"


def test_rule_files_are_checked_all_of_them(tmp_path: Path) -> None:
    good, bad, worse = (tmp_path / name for name in ("good.yml", "bad.yml", "worse.yml"))
    good.write_text(RULES)
    bad.write_text(RULES.replace("up == 0", "up =="))
    worse.write_text(RULES.replace("alert", "alarm"))
    done = run("rules", "check", str(good))
    assert (done.exit_code, done.output) == (0, f"{good}: 1 rules in 1 groups\n")
    done = run("rules", "check", str(bad), str(good), str(worse), str(tmp_path / "none.yml"))
    assert done.exit_code == 1
    assert f"{good}: 1 rules" in done.stdout
    for place in (f"{bad}:5", f"{worse}:4", f"{tmp_path / 'none.yml'}: cannot be read"):
        assert place in done.stderr


def test_tokens_are_made_listed_and_removed(tmp_path: Path) -> None:
    file = f"--token-file={tmp_path / 'tokens'}"
    made = run("token", "create", "web-3", "--scope=ingest", "--scope=read", file)
    assert made.output.startswith("tide_")
    assert run("token", "list", file).output.splitlines()[1].split() == ["web-3", "ingest,read"]
    twice = run("token", "create", "web-3", "--scope=read", file)
    assert twice.exit_code == 1
    assert "web-3" in twice.stderr
    assert run("token", "remove", "web-3", file).exit_code == 0
    gone = run("token", "remove", "web-3", file)
    assert gone.exit_code == 1
    assert "no token is named 'web-3'" in gone.stderr
    assert run("token", "list", f"--token-file={tmp_path / 'none'}").exit_code == 1
