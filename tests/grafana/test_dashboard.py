"""The dashboard is what its generator makes, Grafana can lay it out, and every query parses."""

from __future__ import annotations

import itertools
import json
import re
import runpy
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

GRAFANA = Path(__file__).parents[2] / "grafana"
DASHBOARD: dict[str, Any] = json.loads((GRAFANA / "dashboards/tidecast-capacity.json").read_text())
PANELS = DASHBOARD["panels"]
TARGETS = [target for panel in PANELS for target in panel.get("targets", ())]


def parseable(expression: str) -> str:
    """With values for Grafana's variables."""
    return (
        expression.replace("$__rate_interval", "5m")
        .replace("$host", "web-1|web-2")
        .replace("$resource", ".*")
    )


def test_the_committed_file_is_what_the_generator_makes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(GRAFANA)  # where `python grafana/generate.py` finds its modules
    generate = runpy.run_path(str(GRAFANA / "generate.py"))
    committed = (GRAFANA / "dashboards/tidecast-capacity.json").read_text(encoding="utf-8")
    assert generate["text"]() == committed, "run: python grafana/generate.py"


def test_every_panel_has_an_id_of_its_own() -> None:
    ids = [panel["id"] for panel in PANELS]
    assert len(set(ids)) == len(ids)


def test_panels_lie_inside_the_grid_and_never_over_each_other() -> None:
    cells: set[tuple[int, int]] = set()
    for panel in PANELS:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        own = set(
            itertools.product(
                range(place["x"], place["x"] + place["w"]),
                range(place["y"], place["y"] + place["h"]),
            )
        )
        assert not own & cells, panel["title"]
        cells |= own


def test_every_panel_asks_the_chosen_data_source() -> None:
    sources = [target["datasource"] for target in TARGETS]
    sources += [panel["datasource"] for panel in PANELS if panel["type"] != "row"]
    assert {source["uid"] for source in sources} == {"${datasource}"}
    assert DASHBOARD["templating"]["list"][0]["name"] == "datasource"


@pytest.mark.parametrize("expression", sorted({target["expr"] for target in TARGETS}))
def test_every_expression_parses(expression: str) -> None:
    promql_parser.parse(parseable(expression))


def test_expressions_use_only_variables_that_exist() -> None:
    known = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    used = {name for target in TARGETS for name in re.findall(r"\$\{?(\w+)", target["expr"])} - {
        "__rate_interval"
    }
    assert used <= known


@pytest.mark.parametrize(
    "series",
    [
        "tidecast_usage",
        "tidecast_limit",
        "tidecast_mark",
        "tidecast_time_to_mark_seconds",
        "tidecast_full_in_seconds",
        "tidecast_headroom_ratio",
        "tidecast_incidents",
        "tidecast_host_last_seen_timestamp_seconds",
        "node_cpu_seconds_total",
        "node_filesystem_avail_bytes",
    ],
)
def test_every_series_that_people_look_for_is_shown(series: str) -> None:
    assert any(re.search(rf"\b{series}\b", target["expr"]) for target in TARGETS)


def test_letters_of_a_panels_queries_differ() -> None:
    for panel in PANELS:
        letters = [target["refId"] for target in panel.get("targets", ())]
        assert len(set(letters)) == len(letters)


def test_provisioning_names_the_data_source_and_the_folder() -> None:
    source = yaml.safe_load((GRAFANA / "provisioning/datasources/tidecast.yaml").read_text())
    folder = yaml.safe_load((GRAFANA / "provisioning/dashboards/tidecast.yaml").read_text())
    assert source["apiVersion"] == folder["apiVersion"] == 1
    assert source["datasources"][0]["type"] == "prometheus"
    assert folder["providers"][0]["options"]["path"]
