"""/federate and what else a Prometheus expects of a Prometheus."""

from __future__ import annotations

import math

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.scenario.driver import Server, now_ms, series
from tests.server.asking import api, raw

from tidecast.samples.batch import STALE_NAN
from tidecast.server.federation import exposition
from tidecast_collector.labels import make_labels


def test_the_newest_samples_with_their_times(shared: Server) -> None:
    now = now_ms()
    labels = series("fed_value", instance="a:1", path='c:\\"x"\n')
    shared.write((labels, [(now - 20_000, 1.0), (now - 10_000, math.inf)]))
    shared.write((make_labels({"__name__": "fed_value", "zone": "z"}), [(now - 5_000, 2.5)]))
    shared.write((series("fed_gone", zone="z"), [(now - 9_000, 1.0), (now - 8_000, STALE_NAN)]))
    shared.write((series("fed_old", zone="z"), [(now - 600_000, 1.0)]))
    status, headers, body = raw(
        shared, "GET", "/federate?match[]=%7B__name__=~%22fed_.*%22%7D&match[]=fed_value"
    )
    assert (status, headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    (family,) = text_string_to_metric_families(body.decode())
    found = {(s.labels["instance"], s.value, round(s.timestamp * 1000)) for s in family.samples}
    assert (family.name, family.type) == ("fed_value", "unknown")
    assert found == {("a:1", math.inf, now - 10_000), ("", 2.5, now - 5_000)}
    assert {each.labels.get("path") for each in family.samples} == {'c:\\"x"\n', None}


@pytest.mark.parametrize("query", ["", "?match[]=%7B%7D", "?match[]=up%5B5m%5D"])
def test_without_a_selection_nothing_is_federated(shared: Server, query: str) -> None:
    status, _, body = raw(shared, "GET", f"/federate{query}")
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


def test_nothing_is_scraped_here(shared: Server) -> None:
    assert api(shared, "targets", state="active")[1]["data"]["activeTargets"] == []
    for path in ("targets/metadata", "scrape_pools", "alertmanagers", "status/walreplay"):
        status, answer = api(shared, path)
        assert (status, answer["status"]) == (200, "success")
