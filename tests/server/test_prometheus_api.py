"""The Prometheus HTTP API: the same parameters, shapes and errors as Prometheus itself."""

from __future__ import annotations

import gzip
import json
import time
import urllib.parse
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.scenario.driver import Server, series
from tests.server.asking import FORM, api, raw

AT = int(time.time()) // 60 * 60 - 86_400
"""Yesterday: what is older than the retention is refused."""
RFC3339 = datetime.fromtimestamp(AT + 60, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture(scope="module")
def server(shared: Server) -> Server:
    for instance, value in (("a:1", 1.0), ("b:1", 2.5)):
        labels = series("papi_value", instance=instance, zone="z-" + instance[0])
        shared.write((labels, [((AT + i * 15) * 1000, value) for i in range(5)]))
    return shared


# --- queries ---


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "at", [AT + 60, f"{AT + 60}.000", RFC3339], ids=["seconds", "fraction", "rfc3339"]
)
def test_an_instant_query(server: Server, method: str, at: object) -> None:
    status, answer = api(server, "query", method, query="sum(papi_value)", time=at)
    assert status == 200
    vector = {"resultType": "vector", "result": [{"metric": {}, "value": [AT + 60, "3.5"]}]}
    assert answer == {"status": "success", "data": vector}


@pytest.mark.parametrize(
    ("query", "kind", "result"),
    [
        ("1 + 1", "scalar", [AT, "2"]),
        ('"text"', "string", [AT, "text"]),
        ("papi_nothing", "vector", []),
        ("1 / 0", "scalar", [AT, "+Inf"]),
    ],
)
def test_every_type_of_result(server: Server, query: str, kind: str, result: object) -> None:
    status, answer = api(server, "query", query=query, time=AT)
    assert status == 200
    assert answer["data"] == {"resultType": kind, "result": result}


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("step", ["15", "15s", "15.0"])
def test_a_range_query(server: Server, method: str, step: str) -> None:
    span = {"start": AT, "end": AT + 30, "step": step}
    status, answer = api(server, "query_range", method, query='papi_value{zone="z-b"}', **span)
    assert status == 200
    (found,) = answer["data"]["result"]
    assert answer["data"]["resultType"] == "matrix"
    assert found["metric"] == {
        "__name__": "papi_value", "instance": "b:1", "job": "node", "zone": "z-b",
    }  # fmt: skip
    assert found["values"] == [[AT, "2.5"], [AT + 15, "2.5"], [AT + 30, "2.5"]]


def test_without_a_time_it_is_now(server: Server) -> None:
    status, answer = api(server, "query", query="time()")
    assert status == 200
    assert answer["data"]["result"][0] > AT


def test_a_parameter_of_the_url_and_one_of_the_form_are_both_read(server: Server) -> None:
    path = f"/api/v1/query?time={AT}"
    status, body = server.request("POST", path, b"query=time()", FORM)
    assert (status, json.loads(body)["data"]["result"]) == (200, [AT, str(AT)])


SPAN = {"start": AT, "end": AT + 60, "step": 15}


@pytest.mark.parametrize(
    ("path", "parameters", "status", "kind", "error"),
    [
        ("query", {}, 400, "bad_data", 'invalid parameter "query"'),
        ("query", {"query": "sum("}, 400, "bad_data",
         'invalid parameter "query": 1:5: parse error'),
        ("query", {"query": "up", "time": "noon"}, 400, "bad_data",
         'invalid parameter "time": cannot parse "noon" to a valid timestamp'),
        ("query", {"query": "up", "time": "2023-01-01T00:00:00"}, 400, "bad_data", '"time"'),
        ("query", {"query": "up", "time": "NaN"}, 400, "bad_data", '"time"'),
        ("query", {"query": "up", "time": "sNaN"}, 400, "bad_data", '"time"'),
        ("query", {"query": "up", "time": "1e400"}, 400, "bad_data", '"time"'),
        ("query", {"query": "up", "time": "1e999999999999"}, 400, "bad_data", "out of range"),
        ("query", {"query": "up", "time": "-1e999999"}, 400, "bad_data", "out of range"),
        ("query", {"query": "up", "timeout": "soon"}, 400, "bad_data", '"timeout"'),
        ("query", {"query": "up", "timeout": "1e308"}, 400, "bad_data", '"timeout"'),
        ("query", {"query": "papi_value * on(job) papi_value", "time": AT}, 422, "execution",
         "found duplicate series"),
        ("query_range", {"query": "up"}, 400, "bad_data", 'invalid parameter "start"'),
        ("query_range", {**SPAN, "query": ""}, 400, "bad_data", 'invalid parameter "query"'),
        ("query_range", {**SPAN, "query": "up", "step": 0}, 400, "bad_data",
         "zero or negative query resolution step widths are not accepted. Try a positive integer"),
        ("query_range", {**SPAN, "query": "up", "step": -1}, 400, "bad_data", "zero or negative"),
        ("query_range", {**SPAN, "query": "up", "step": "x"}, 400, "bad_data",
         'cannot parse "x" to a valid duration'),
        ("query_range", {**SPAN, "query": "up", "step": "1.5h"}, 400, "bad_data",
         'invalid parameter "step": cannot parse "1.5h" to a valid duration'),
        ("query_range", {**SPAN, "query": "up", "step": "1e308"}, 400, "bad_data", "duration"),
        ("query_range", {**SPAN, "query": "up", "end": AT - 1}, 400, "bad_data",
         'invalid parameter "end": end timestamp must not be before start time'),
        ("query_range", {**SPAN, "query": "up[5m]"}, 400, "bad_data",
         'invalid expression type "range vector" for range query, '
         "must be Scalar or instant Vector"),
        ("series", {}, 400, "bad_data", "no match[] parameter provided"),
        ("series", {"match": "{"}, 400, "bad_data", "parse error"),
        ("series", {"match": "1 + 1"}, 400, "bad_data", "match[]"),
        ("series", {"match": "sum(up)"}, 400, "bad_data", "match[]"),
        ("series", {"match": "{}"}, 400, "bad_data", "non-empty matcher"),
        ("series", {"match": 'up{a=~"("}'}, 400, "bad_data", "parse error"),
        ("labels", {"match": "up["}, 400, "bad_data", "parse error"),
        ("labels", {"start": "x"}, 400, "bad_data", 'invalid parameter "start"'),
        ("labels", {"limit": "-1"}, 400, "bad_data", 'invalid parameter "limit"'),
        ("labels", {"limit": "9" * 5000}, 400, "bad_data", 'invalid parameter "limit"'),
        ("metadata", {"limit": "many"}, 400, "bad_data", 'invalid parameter "limit"'),
    ],
)  # fmt: skip
def test_errors(
    server: Server, path: str, parameters: dict[str, Any], status: int, kind: str, error: str
) -> None:
    told, answer = api(server, path, **parameters)
    assert (told, answer["status"], answer["errorType"]) == (status, "error", kind)
    assert error in answer["error"]
    assert set(answer) == {"status", "errorType", "error"}


@pytest.mark.parametrize(
    "query",
    ["(" * 5000, "-" * 20_000 + "1", "sum(" * 2000, "up" + "[5m:1m]" * 3000, "1" * 50_000, "\0",
     "a" * 100_000, '{__name__=~"' + "(a|" * 3000 + '"}', "1 + " * 5000 + "1"],
)  # fmt: skip
def test_hostile_queries_are_refused_and_never_break_the_server(server: Server, query: str) -> None:
    status, answer = api(server, "query", "POST", query=query)
    assert status < 500, answer


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"query=%ff%fe", 400), (b"\xff\xfe=1", 400), (b"a=1&" * 2000, 400), (b"x" * (9 << 20), 413)],
)
def test_hostile_forms(server: Server, body: bytes, status: int) -> None:
    told, answer = server.request("POST", "/api/v1/query", body, FORM)
    assert told == status
    assert json.loads(answer)["errorType"] == "bad_data"


def test_eleven_thousand_points_are_answered_and_no_more(server: Server) -> None:
    query = {"query": "vector(1)", "start": 0, "step": 1}
    status, answer = api(server, "query_range", **query, end=11_000)
    assert status == 200
    assert len(answer["data"]["result"][0]["values"]) == 11_001  # as Prometheus counts
    status, answer = api(server, "query_range", **query, end=11_001)
    assert (status, answer["errorType"]) == (400, "bad_data")
    assert answer["error"] == (
        "exceeded maximum resolution of 11,000 points per timeseries. "
        "Try decreasing the query resolution (?step=XX)"
    )


def test_a_timeout_is_told_as_prometheus_tells_it(server: Server) -> None:
    slow = "count_over_time(papi_value[1000d:1s])"
    status, answer = api(server, "query", query=slow, timeout="1ms")
    assert (status, answer["errorType"]) in ((503, "timeout"), (422, "execution"))


def test_notes_stand_beside_the_data(server: Server) -> None:
    _, answer = api(server, "query", query="rate(papi_value[1m])", time=AT + 60)
    assert any("papi_value" in note for note in answer["infos"])
    assert "warnings" not in answer


def test_large_answers_are_compressed_for_who_wants_that(server: Server) -> None:
    path = "/api/v1/query_range?" + urllib.parse.urlencode(
        {"query": "vector(1)", "start": 0, "end": 1000, "step": 1}
    )
    status, headers, body = raw(server, "GET", path, {"Accept-Encoding": "gzip"})
    assert (status, headers["content-encoding"]) == (200, "gzip")
    _, plain_headers, plain = raw(server, "GET", path)
    assert "content-encoding" not in plain_headers
    assert gzip.decompress(body) == plain


# --- metadata ---


def test_series(server: Server) -> None:
    selectors = ['papi_value{zone="z-a"}', "papi_value", "papi_none"]
    status, answer = api(server, "series", match=selectors)
    assert status == 200
    assert [each["zone"] for each in answer["data"]] == ["z-a", "z-b"]
    assert api(server, "series", "POST", match=selectors) == (status, answer)
    assert api(server, "series", match="papi_value", end=AT - 86_400 * 30)[1]["data"] == []


def test_labels_and_their_values(server: Server) -> None:
    assert api(server, "labels", match="papi_value")[1]["data"] == [
        "__name__", "instance", "job", "zone",
    ]  # fmt: skip
    assert "papi_value" in api(server, "label/__name__/values")[1]["data"]
    values = {"match": "papi_value", "start": AT, "end": AT + 60}
    assert api(server, "label/zone/values", **values)[1]["data"] == ["z-a", "z-b"]
    assert api(server, "label/nobody/values")[1] == {"status": "success", "data": []}
    assert "zone" in api(server, "labels", "POST", match="papi_value")[1]["data"]


@pytest.mark.parametrize(
    ("path", "parameters"),
    [("series", {"match": "papi_value"}), ("labels", {}), ("label/zone/values", {})],
)
def test_a_limit_cuts_and_says_so(server: Server, path: str, parameters: dict[str, str]) -> None:
    status, answer = api(server, path, **parameters, limit=1)
    assert status == 200
    assert len(answer["data"]) == 1
    assert answer["warnings"] == ["results truncated due to limit"]
    for unlimited in (0, 1000, ""):
        assert "warnings" not in api(server, path, **parameters, limit=unlimited)[1]


def test_metadata(server: Server) -> None:
    status, answer = api(server, "metadata", metric="papi_value")
    assert (status, answer["data"]) == (200, {})
    assert len(api(server, "metadata", limit=1)[1]["data"]) <= 1


def test_rules_have_prometheus_shape(server: Server) -> None:
    status, answer = api(server, "rules")
    assert status == 200
    rules = [rule for group in answer["data"]["groups"] for rule in group["rules"]]
    assert rules
    for group in answer["data"]["groups"]:
        assert {"name", "file", "interval", "rules", "lastEvaluation", "evaluationTime"} <= set(
            group
        )
    for rule in rules:
        assert {"name", "query", "health", "type", "labels", "lastEvaluation"} <= set(rule)
        if rule["type"] == "alerting":
            assert rule["state"] in ("inactive", "pending", "firing")
            assert {"alerts", "annotations", "duration"} <= set(rule)


def test_alerts_have_prometheus_shape(server: Server) -> None:
    status, answer = api(server, "alerts")
    assert status == 200
    for alert in answer["data"]["alerts"]:
        assert {"labels", "annotations", "state", "activeAt", "value"} <= set(alert)


def test_buildinfo_tells_clients_which_prometheus_to_think_of(server: Server) -> None:
    status, answer = api(server, "status/buildinfo")
    assert status == 200
    assert answer["data"]["application"] == "Tidecast"
    assert int(answer["data"]["version"].split(".")[0]) == 3


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/nothing", 404),
        ("DELETE", "/api/v1/query", 405),
        ("POST", "/api/v1/metadata", 405),
        ("GET", "/api/v1/write", 405),
    ],
)
def test_other_paths_and_methods(server: Server, method: str, path: str, status: int) -> None:
    told, headers, body = raw(server, method, path)
    assert told == status
    assert headers["content-type"] == "application/problem+json"
    assert json.loads(body)["status"] == status
