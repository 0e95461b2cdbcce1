"""Configuration items: told by sources, held as of any time, drawn beside what is declared."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.support import run
from tests.scenario.driver import Server
from tests.server.asking import send

DAY_1, DAY_2, DAY_3 = (f"2026-01-0{day}T00:00:00Z" for day in (1, 2, 3))
FACTS = """\
source: cmdb
facts:
  ci-web: {cores: 8, bought: 2024-05-01, spare: true}
relations:
  - {subject: ci-web-1, kind: runs_on, object: ci-esx, confidence: 0.9}
  - {subject: ci-web-2, kind: runs_on, object: ci-esx}
"""
POLICY = """\
services:
  ci-shop: {title: The shop, rests_on: [ci-front, ci-db]}
  ci-front: {rests_on: {parallel: [ci-web-1, ci-web-2]}}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("configuration")) as running:
        yield running


def values(server: Server, ci: str, at: str) -> list[object]:
    return [f["value"] for f in server.json(f"/api/tidecast/v1/facts?ci={ci}&at={at}")["facts"]]


def test_facts_hold_from_and_until(server: Server) -> None:
    def tell(value: object, start: str, **more: object) -> int:
        fact = {"ci": "ci-a", "attribute": "cores", "value": value, "from": start, **more}
        status, told = send(server, "POST", "/facts", {"source": "cmdb", "facts": [fact]})
        assert status == 200
        return int(told["facts"])

    assert tell(4, DAY_2) == 1
    assert tell(8, DAY_3, confidence=0.5) == 1
    assert tell(8, DAY_3, confidence=0.5) == 0
    # A late word on an earlier day ends where what was known already begins.
    assert tell(2, DAY_1) == 1
    assert tell(2, DAY_1) == 0
    assert [values(server, "ci-a", day) for day in ("2025-12-31T00:00:00Z", DAY_1, DAY_3)] == [
        [],
        [2],
        [8],
    ]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({}, "source must be a text"),
        ({"source": "x", "facts": 1}, "facts must be a list"),
        ({"source": "x", "facts": [{"ci": "a", "attribute": "b"}]}, "facts[0].value"),
        ({"source": "x", "facts": [{"ci": "", "attribute": "b", "value": 1}]}, "facts[0]: ci"),
        ({"source": "x", "relations": [{"subject": "a"}]}, "relations[0]: kind"),
        (
            {
                "source": "x",
                "facts": [{"ci": "a", "attribute": "b", "value": 1, "from": DAY_2, "until": DAY_1}],
            },
            "ends before it begins",
        ),
        (
            {"source": "x", "facts": [{"ci": "a", "attribute": "b", "value": 1, "from": "soon"}]},
            "facts[0].from",
        ),
        (
            {
                "source": "x",
                "relations": [{"subject": "a", "kind": "b", "object": "c", "confidence": 2}],
            },
            "confidence",
        ),
    ],
)
def test_what_is_wrong_is_said_and_changes_nothing(server: Server, body: object, why: str) -> None:
    status, told = send(server, "POST", "/facts", body)
    assert status == 400
    assert why in told["detail"]


def test_a_file_a_graph_and_an_export(server: Server, tmp_path: Path) -> None:
    url = {"TIDECAST_SERVER": server.url}
    send(server, "PUT", "/policy", {"files": {"p.yaml": POLICY}, "by": "ann"})
    file = tmp_path / "facts.yaml"
    file.write_text(FACTS)
    done = run("service", "facts", str(file), **url)
    assert done.output == "3 facts are new, 2 relations began or ended\n"
    assert run("service", "facts", str(file), **url).output.startswith("0 facts are new, 0 rel")

    shown = run("service", "show", "ci-web", **url).output
    assert "bought: 2024-05-01  (cmdb, 100% sure" in shown
    drawn = run("service", "graph", "ci-shop", **url).output
    assert "any of\n        ci-web-1\n          runs_on ci-esx  (cmdb, 90% sure)" in drawn
    # Both web servers run on one host: that is what nobody had declared.
    assert "takes it down alone: ci-db, ci-esx\n" in drawn
    assert "two that take it down together: ci-web-1 with ci-web-2" in drawn
    above = json.loads(run("service", "graph", "ci-shop", "--format", "json", **url).output)
    assert {e["source"] for e in above["relations"]} == {"policy"}
    listed = json.loads(run("service", "list", "--format", "json", **url).output)
    assert [each["rests_on"] for each in listed] == ["ci-front, ci-db", "ci-web-1, ci-web-2"]

    status, text = server.request("GET", "/api/tidecast/v1/configuration?format=csv")
    assert status == 200
    assert "relation,ci-web-1,runs_on,ci-esx,cmdb,0.9," in text.decode()

    file.write_text("source: cmdb\nrelations: []\n")
    assert "2 relations began or ended" in run("service", "facts", str(file), **url).output
    assert server.json("/api/tidecast/v1/relations")["relations"] == []
    file.write_text("facts: {a: {b: [1]}}\nmore: 1\n")
    wrong = run("service", "facts", str(file), **url)
    assert wrong.exit_code == 1
    assert f"{file}:2:1: unknown key 'more'" in wrong.output
