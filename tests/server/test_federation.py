"""/federate and what else a Prometheus expects of a Prometheus."""

from __future__ import annotations

import math
import time
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.promql.real_prometheus import running
from tests.scenario.driver import Server, series
from tests.server.asking import api, raw

from tidecast.samples.batch import STALE_NAN
from tidecast.server.federation import exposition
from tidecast_collector.labels import make_labels

NOW = int(time.time() * 1000)


@pytest.fixture(scope="module")
def server(shared: Server) -> Server:
    labels = series("fed_value", instance="a:1", path='c:\\"x"\n')
    shared.write((labels, [(NOW - 20_000, 1.0), (NOW - 10_000, math.inf)]))
    shared.write((make_labels({"__name__": "fed_value", "zone": "z"}), [(NOW - 5_000, 2.5)]))
    shared.write((series("fed_gone", zone="z"), [(NOW - 9_000, 1.0), (NOW - 8_000, STALE_NAN)]))
    shared.write((series("fed_old", zone="z"), [(NOW - 600_000, 1.0)]))
    return shared


def test_the_newest_samples_with_their_times(server: Server) -> None:
    status, headers, body = raw(
        server, "GET", "/federate?match[]=%7B__name__=~%22fed_.*%22%7D&match[]=fed_value"
    )
    assert (status, headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    (family,) = text_string_to_metric_families(body.decode())
    found = {(s.labels["instance"], s.value, round(s.timestamp * 1000)) for s in family.samples}
    assert (family.name, family.type) == ("fed_value", "unknown")
    assert found == {("a:1", math.inf, NOW - 10_000), ("", 2.5, NOW - 5_000)}
    assert {each.labels.get("path") for each in family.samples} == {'c:\\"x"\n', None}


@pytest.mark.parametrize("query", ["", "?match[]=%7B%7D", "?match[]=up%5B5m%5D"])
def test_without_a_selection_nothing_is_federated(server: Server, query: str) -> None:
    status, _, body = raw(server, "GET", f"/federate{query}")
    assert status == 400
    assert b"match[]" in body


def test_names_that_only_newer_scrapers_read() -> None:
    labels = (("__name__", "http.hits"), ("9code", "2"), ("instance", "a"))
    assert exposition([(labels, 5, 1.0)], any_names=True) == (
        '# TYPE "http.hits" untyped\n{"http.hits","9code"="2",instance="a"} 1 5\n'
    )
    assert exposition([(labels, 5, 1.0)], any_names=False) == (
        '# TYPE http_hits untyped\nhttp_hits{_code="2",instance="a"} 1 5\n'
    )


@pytest.mark.servers
def test_a_real_prometheus_reads_through_us(server: Server, tmp_path: Path) -> None:
    read = (
        f"remote_read: [{{url: 'http://127.0.0.1:{server.port}/api/v1/read', read_recent: true}}]"
    )
    with running(tmp_path, read) as prometheus:
        for query in ("fed_value[1h]", "fed_gone", '{__name__=~"fed_.*"}[20m]'):
            at = f"{NOW // 1000 + 1}.007"
            theirs = prometheus.query("query", query=query, time=at)["data"]["result"]
            ours = api(server, "query", query=query, time=at)[1]["data"]["result"]
            assert sorted(map(str, theirs)) == sorted(map(str, ours))


@pytest.mark.parametrize(
    ("body", "why"),
    [(b"", "snappy"), (b"\xff" * 9, "snappy"), (b"\x02\x04\x0a\x00", "one to 1000 matchers")],
)
def test_what_is_no_read_request_is_refused(server: Server, body: bytes, why: str) -> None:
    status, answer = server.request("POST", "/api/v1/read", body)
    assert (status, why in answer.decode()) == (400, True)


def test_nothing_is_scraped_here(server: Server) -> None:
    assert api(server, "targets", state="active")[1]["data"]["activeTargets"] == []
    for path in ("targets/metadata", "scrape_pools", "alertmanagers", "status/walreplay"):
        status, answer = api(server, path)
        assert (status, answer["status"]) == (200, "success")


def test_the_links_of_alerts_lead_to_a_page(server: Server) -> None:
    query = "g0.expr=fed_value%7Bzone%3D%22z%22%7D+%3E+0&g0.tab=1"
    status, _, page = raw(server, "GET", f"/graph?{query}", {"Accept": "text/html"})
    assert status == 200
    assert b"fed_value{zone=&#34;z&#34;}" in page
    assert b"2.5" in page
