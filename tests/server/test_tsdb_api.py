"""Deletion by matcher and the figures of the labels, as Prometheus' API has them."""

from __future__ import annotations

import pytest
from tests.scenario.driver import Server

from tidecast.policy.tokens import Scope
from tidecast.server.access import required_scope
from tidecast_collector.labels import make_labels

from .asking import FORM, api


def write(server: Server, name: str, *hosts: str) -> None:
    samples = [(1_000_000, 1.0), (2_000_000, 2.0), (3_000_000, 3.0)]
    series = [(make_labels({"__name__": name, "host": host}), samples) for host in hosts]
    assert server.write(*series) < 300


def times(server: Server, query: str) -> dict[str, list[float]]:
    _, body = api(server, "query", query=f"{query}[1h]", time=3600)
    found = body["data"]["result"]
    return {each["metric"]["host"]: [at for at, _ in each["values"]] for each in found}


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_what_is_selected_is_forgotten(shared: Server, method: str) -> None:
    name = f"deleted_by_{method.lower()}"
    write(shared, name, "a", "b")
    path = "/api/v1/admin/tsdb/delete_series"
    form = f"match[]={name}{{host=%22a%22}}&start=1500&end=1970-01-01T00:40:00Z".encode()
    assert shared.request(method, path, form, FORM) == (204, b"")
    assert times(shared, name) == {"a": [1000, 3000], "b": [1000, 2000, 3000]}
    assert shared.request(method, "/api/v1/admin/tsdb/clean_tombstones") == (204, b"")
    assert times(shared, name) == {"a": [1000, 3000], "b": [1000, 2000, 3000]}
    assert shared.request(method, f"{path}?match[]={name}")[0] == 204
    assert times(shared, name) == {}
    assert api(shared, "series", match=name)[1]["data"] == []


@pytest.mark.parametrize(
    ("query", "what"),
    [
        ("", "no match[] parameter provided"),
        ("match[]=up[5m]", "unexpected"),
        ("match[]=up&start=2&end=1", "before the start"),
        ("match[]=up&start=soon", "start"),
    ],
)
def test_an_unclear_deletion_deletes_nothing(shared: Server, query: str, what: str) -> None:
    status, body = shared.request("POST", f"/api/v1/admin/tsdb/delete_series?{query}")
    assert status == 400
    assert what in body.decode()


def test_deleting_is_for_who_operates() -> None:
    for path in ("delete_series", "clean_tombstones"):
        assert required_scope("PUT", f"/api/v1/admin/tsdb/{path}") is Scope.OPERATE
        assert required_scope("POST", f"/api/v1/admin/tsdb/{path}") is Scope.OPERATE
    assert required_scope("GET", "/api/v1/status/tsdb") is Scope.READ


def test_the_labels_with_most_series_are_told(shared: Server) -> None:
    hosts = [f"counted-{number:03}" for number in range(300)]
    write(shared, "counted", *hosts)
    status, body = api(shared, "status/tsdb", limit=1)
    assert status == 200
    data = body["data"]
    assert data["seriesCountByMetricName"] == [{"name": "counted", "value": 300}]
    assert data["seriesCountByLabelValuePair"] == [{"name": "__name__=counted", "value": 300}]
    assert data["headStats"]["numSeries"] >= 300
    assert data["headStats"]["chunkCount"] >= 300
    assert data["headStats"]["minTime"] <= 1_000_000
    (memory,) = data["memoryInBytesByLabelName"]
    assert memory["value"] >= 300 * len("counted-000")
