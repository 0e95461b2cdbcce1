"""Remote-read, and the page that the links of alerts lead to: what others read of our samples."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.promql.real_prometheus import running
from tests.scenario.driver import Server, now_ms, series
from tests.server.asking import api, raw

from tidecast.samples.batch import STALE_NAN


@pytest.mark.servers
def test_a_real_prometheus_reads_through_us(shared: Server, tmp_path: Path) -> None:
    now = now_ms()
    for host, values in (("a", [1.0, 1.0, 2.5e-300]), ("b", [-0.0, 7.25, STALE_NAN])):
        times = [now - 40_000, now - 25_000, now - 9_993]
        shared.write((series("read_value", instance=host), list(zip(times, values, strict=True))))
    address = f"http://127.0.0.1:{shared.port}/api/v1/read"
    with running(tmp_path, f"remote_read: [{{url: '{address}', read_recent: true}}]") as prometheus:
        for query in ("read_value[5m]", "read_value", 'rate(read_value{instance="a"}[5m])'):
            at = f"{now // 1000 + 1}.007"
            theirs = prometheus.query("query", query=query, time=at)["data"]["result"]
            ours = api(shared, "query", query=query, time=at)[1]["data"]["result"]
            assert theirs
            assert sorted(map(str, theirs)) == sorted(map(str, ours))


@pytest.mark.parametrize(
    ("body", "why"),
    [(b"", "snappy"), (b"\xff" * 9, "snappy"), (b"\x02\x04\x0a\x00", "one to 1000 matchers")],
)
def test_what_is_no_read_request_is_refused(shared: Server, body: bytes, why: str) -> None:
    status, answer = shared.request("POST", "/api/v1/read", body)
    assert (status, why in answer.decode()) == (400, True)


def test_the_links_of_alerts_lead_to_a_page(shared: Server) -> None:
    shared.write((series("linked_value", zone="z"), [(now_ms() - 5_000, 2.5)]))
    query = "g0.expr=linked_value%7Bzone%3D%22z%22%7D+%3E+0&g0.tab=1"
    status, _, page = raw(shared, "GET", f"/graph?{query}", {"Accept": "text/html"})
    assert status == 200
    assert b"zone=&#34;z&#34;}" in page
    assert b"2.5" in page
