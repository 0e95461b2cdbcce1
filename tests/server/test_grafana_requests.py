"""The requests that Grafana's Prometheus data source makes, replayed; and promtool's.

They are those of the data source's backend (health check, heuristics, queries, suggestions) and of
its editors (metrics browser, completion, variables), with the parameters it sends.
"""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import time
import urllib.parse
from typing import Any

import pytest
from tests.scenario.driver import PATIENCE_SECONDS, Server, series
from tests.server.asking import FORM, raw

AT = int(time.time()) // 60 * 60 - 3600
ZONES = ("z1", "z2", "z3")


@pytest.fixture(scope="module")
def server(shared: Server) -> Server:
    for zone in ZONES:
        labels = series("grafana_requests_total", instance="g:1", zone=zone)
        shared.write((labels, [((AT + i * 15) * 1000, float(i)) for i in range(60)]))
    return shared


def ask(server: Server, method: str, path: str, *parameters: tuple[str, Any]) -> Any:
    """The data of an answer, asked for as Grafana's backend does: gzip is accepted always."""
    form = urllib.parse.urlencode(parameters)
    headers = {"Host": f"127.0.0.1:{server.port}", "Accept-Encoding": "gzip"}
    if method == "POST":
        answer = raw(server, "POST", f"/api/v1/{path}", {**headers, **FORM}, form.encode())
    else:
        answer = raw(server, "GET", f"/api/v1/{path}?{form}", headers)
    status, told, body = answer
    assert status == 200, body
    assert told["content-type"].startswith("application/json")
    if told.get("content-encoding") == "gzip":
        body = gzip.decompress(body)
    read = json.loads(body)
    assert read["status"] == "success"
    return read["data"]


SPAN = (("start", AT), ("end", AT + 900))
MATCH = ("match[]", "grafana_requests_total")


def test_the_health_check_and_what_it_learns(server: Server) -> None:
    data = ask(server, "POST", "query", ("query", "1+1"), ("time", "4"))
    assert data == {"resultType": "scalar", "result": [4, "2"]}
    about = ask(server, "GET", "status/buildinfo")
    # With features it would take us for Mimir, and ask for a ruler that we are not.
    assert "features" not in about
    assert about["version"].startswith("3.")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_panels(server: Server, method: str) -> None:
    rate = "sum by (zone) (rate(grafana_requests_total[1m0s]))"
    ranged = (("query", rate), ("start", AT + 60), ("end", AT + 840.5), ("step", "60"))
    data = ask(server, method, "query_range", *ranged, ("timeout", "60s"))
    assert data["resultType"] == "matrix"
    assert [each["metric"]["zone"] for each in data["result"]] == [*ZONES]
    assert [len(each["values"]) for each in data["result"]] == [14, 14, 14]
    data = ask(server, method, "query", ("query", rate), ("time", AT + 840.001))
    assert [each["value"][0] for each in data["result"]] == [AT + 840.001] * 3
    assert ask(server, method, "query_exemplars", ("query", rate), *SPAN) == []


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_editors(server: Server, method: str) -> None:
    found = ask(server, method, "labels", *SPAN, MATCH)
    assert found == ["__name__", "instance", "job", "zone"]
    assert ask(server, method, "labels", *SPAN, MATCH, ("limit", 2)) == found[:2]
    assert ask(server, method, "label/zone/values", *SPAN, MATCH) == [*ZONES]
    chosen = ("match[]", '{__name__=~".*grafana_requests.*",zone!=""}')
    names = ask(server, method, "label/__name__/values", *SPAN, chosen, ("limit", 40000))
    assert names == ["grafana_requests_total"]
    label_sets = ask(server, method, "series", *SPAN, MATCH, ("limit", 40000))
    assert [each["zone"] for each in label_sets] == [*ZONES]
    two = (("match[]", 'grafana_requests_total{zone="z1"}'), ("match[]", "nothing"))
    assert len(ask(server, method, "series", *SPAN, *two)) == 1
    assert ask(server, method, "format_query", ("query", "sum(up)by(job)")) == "sum by (job) (up)"
    assert ask(server, method, "parse_query", ("query", "up"))["type"] == "vectorSelector"


def test_metadata_and_rules(server: Server) -> None:
    for parameters in ((), (("limit", 1), ("limit_per_metric", 1)), (("metric", "nothing"),)):
        assert isinstance(ask(server, "GET", "metadata", *parameters), dict)
    everything = ask(server, "GET", "rules")["groups"]
    kinds = [rule["type"] for group in everything for rule in group["rules"]]
    alerting = ask(server, "GET", "rules", ("type", "alert"), ("exclude_alerts", "true"))["groups"]
    found = [rule for group in alerting for rule in group["rules"]]
    assert len(found) == kinds.count("alerting") > 0
    assert all(rule["alerts"] == [] for rule in found)
    name, group = found[0]["name"], alerting[0]["name"]
    (only,) = ask(server, "GET", "rules", ("rule_name[]", name), ("rule_group[]", group))["groups"]
    assert {rule["name"] for rule in only["rules"]} == {name}
    assert ask(server, "GET", "rules", ("file[]", "none.yml"))["groups"] == []


def promtool(*arguments: str) -> str:
    tool = shutil.which("promtool")
    assert tool, "promtool is not installed: apt-get install prometheus"
    ran = subprocess.run(
        [tool, "query", *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.servers
def test_promtool_reads_all_that_it_can_ask_for(server: Server) -> None:
    said = promtool("instant", f"--time={AT + 60}", server.url, "grafana_requests_total")
    assert said.count(f"=> 4 @[{AT + 60}]") == len(ZONES)
    times = (f"--start={AT}", f"--end={AT + 885}")
    ranged = promtool("range", *times, "--step=15s", server.url, "grafana_requests_total / 8")
    assert f"7.375 @[{AT + 885}]" in ranged
    assert promtool("series", "--match=grafana_requests_total", *times, server.url).count("z") >= 3
    assert promtool("labels", *times, server.url, "zone").split()[:3] == [*ZONES]
