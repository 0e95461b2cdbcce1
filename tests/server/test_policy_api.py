"""The policy over HTTP and by command: planned, applied whole or not at all, in effect."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.support import run
from tests.scenario.driver import Server, eventually, now_ms
from tests.server.asking import send

HOUR_MS = 3_600_000
FILES = {
    "requirements.yaml": "requirements: {R-1: {title: Room, kind: business}}\n",
    "marks/web.yaml": "marks: [{resource: filesystem, host: pol-*, mark_ratio: 0.5, serves: R-1}]\n"
    "---\n"
    "groups: [{name: pol, interval: 1s, rules: [{alert: Pol, expr: vector(1) > 0, "
    "labels: {resource: pol}, annotations: {serves: R-1, summary: pol}}]}]\n",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("policy")) as running:
        yield running


def written(directory: Path) -> Path:
    for name, text in FILES.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return directory


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"a.yaml": "services: {x: {nope: 1}, y: {owner: 5}}"}, "a.yaml:1:16: unknown key 'nope'"),
        ({"a.yaml": "services: {x: {owner: bob}}"}, "a.yaml:1:15: owner: there is no owner 'bob'"),
        (
            {"a.yaml": "groups: [{name: g, rules: [{alert: A, expr: sum(}]}]"},
            "a.yaml:1:45: rule 'A'",
        ),
        ({"../a.yaml": ""}, "no relative path"),
        ({"/etc/a.yaml": ""}, "no relative path"),
        ({"a.txt": ""}, "no relative path"),
        ({"a.yaml": 1}, "must be a text"),
        ("x", "files must map"),
    ],
)
def test_a_policy_is_refused_whole(server: Server, files: object, why: str) -> None:
    before = server.json("/api/tidecast/v1/policy")
    status, told = send(server, "PUT", "/policy", {"files": files, "by": "ann"})
    assert (status, told["status"]) == (400, 400)
    assert why in told["detail"]
    assert server.json("/api/tidecast/v1/policy") == before


def test_who_does_it_has_to_be_said(server: Server) -> None:
    assert send(server, "PUT", "/policy", {"files": {}})[0] == 400
    assert send(server, "PUT", "/policy?dry_run=maybe", {"files": {}})[0] == 400


def test_planned_applied_exported_and_in_effect(server: Server, tmp_path: Path) -> None:
    end = now_ms() // HOUR_MS * HOUR_MS
    hours = [end - HOUR_MS * i for i in range(299, -1, -1)]
    usage = {
        "instance": "pol-1",
        "resource": "filesystem",
        "item": "/var",
        "unit": "bytes",
        "timestamps_ms": hours,
        "max": [10 + 0.1 * i for i in range(300)],
        "limit": [100.0] * 300,
    }
    send(server, "POST", "/usage", {"source": "csv:test", "series": [usage]})
    directory, url = str(written(tmp_path / "in")), {"TIDECAST_SERVER": server.url}

    planned = run("policy", "diff", directory, "--format", "json", **url)
    assert [(d["action"], d["kind"], d["name"]) for d in json.loads(planned.stdout)] == [
        ("added", "requirement", "R-1"),
        ("added", "mark", "filesystem pol-*:*"),
        ("added", "alert", "Pol"),
    ]
    assert server.json("/api/tidecast/v1/policy")["version"] is None

    done = run("policy", "apply", directory, "--by", "ann", "--comment", "first", **url)
    assert done.exit_code == 0, done.output
    assert "no difference" in run("policy", "diff", directory, **url).output
    again = run("policy", "apply", directory, "--by", "bob", **url)
    assert "version 1 of the policy is in force" in again.output
    (version,) = server.json("/api/tidecast/v1/policy/versions")["versions"]
    assert (version["author"], version["comment"]) == ("ann", "first")

    out = tmp_path / "out"
    assert run("policy", "export", str(out), **url).exit_code == 0
    assert {str(p.relative_to(out)): p.read_text() for p in out.rglob("*.yaml")} == FILES
    assert json.loads(run("policy", "export", "-", **url).output)["files"] == FILES

    told = run("policy", "why", "filesystem:pol-1:/var", **url)
    assert "its mark is 50 % of the limit" in told.output
    assert "business requirement R-1: Room (proposed)  [requirements.yaml:1:21]" in told.output

    def resource() -> dict[str, object]:
        found = server.json("/api/tidecast/v1/capacity")["resources"]
        return next(each for each in found if each["host"] == "pol-1")

    assert resource()["mark"] == 50
    eventually(lambda: "applied policy" in explained(server), what="the forecast was made again")
    eventually(
        lambda: any(
            i["title"] == "pol" for i in server.json("/api/tidecast/v1/incidents")["incidents"]
        ),
        what="the policy's rule fired",
    )


def explained(server: Server) -> str:
    path = "/api/tidecast/v1/forecasts/explain?host=pol-1&resource=filesystem&item=/var"
    status, body = server.request("GET", path)
    return str(json.loads(body)["mark"]["source"]) if status == 200 else ""


def test_check_needs_no_server(tmp_path: Path) -> None:
    directory = written(tmp_path)
    found = run("policy", "check", str(directory))
    assert found.exit_code == 0, found.output
    assert "2 files, 0 services, 1 requirements" in found.output
    (directory / "marks/bad.yaml").write_text("marks:\n  - {resource: cpu, mark_ratio: 2}\n")
    wrong = run("policy", "check", str(directory))
    assert wrong.exit_code == 1
    assert f"{directory}/marks/bad.yaml:2:33: mark_ratio: '2' is no share" in wrong.output
