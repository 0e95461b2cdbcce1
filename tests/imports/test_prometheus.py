"""`tidecast import prometheus` out of real servers: what arrives is what they hold."""

from __future__ import annotations

import math
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from tests.scenario.driver import PATIENCE_SECONDS, eventually, free_port, now_ms

from tidecast.http_client import HttpClient, HttpError
from tidecast.samples.batch import STALE_NAN, STALE_NAN_BITS, SampleBatch
from tidecast.samples.write_requests import WRITE_HEADERS, write_requests
from tidecast_collector.labels import make_labels

pytestmark = pytest.mark.servers


@contextmanager
def running(command: list[str], url: str, ready: str) -> Iterator[HttpClient]:
    """The server, from when it is ready until it is stopped by its pid."""
    program = shutil.which(command[0])
    if program is None:
        pytest.fail(f"{command[0]} is missing: install its Debian package")
    process = subprocess.Popen(
        [program, *command[1:]], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        with HttpClient(url) as http:
            eventually(lambda: answers(http, ready))
            yield http
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


def answers(http: HttpClient, path: str) -> bool:
    try:
        http.request("GET", path)
    except HttpError:
        return False
    return True


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[HttpClient]:
    """A Prometheus that scrapes itself every second and takes remote-write."""
    port = free_port()
    (tmp_path / "prometheus.yml").write_text(
        "global: {scrape_interval: 1s}\n"
        "scrape_configs:\n"
        f"- {{job_name: self, static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}\n"
    )
    command = [
        "prometheus",
        f"--config.file={tmp_path / 'prometheus.yml'}",
        f"--storage.tsdb.path={tmp_path / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--web.enable-remote-write-receiver",
        "--log.level=error",
    ]
    with running(command, f"http://127.0.0.1:{port}", "/-/ready") as http:
        yield http


@pytest.fixture
def victoria(tmp_path: Path) -> Iterator[HttpClient]:
    """A VictoriaMetrics, which has no remote-read."""
    port = free_port()
    command = [
        "victoria-metrics",
        f"-storageDataPath={tmp_path / 'victoria'}",
        f"-httpListenAddr=127.0.0.1:{port}",
        "-retentionPeriod=10y",
        "-loggerLevel=ERROR",
    ]
    with running(command, f"http://127.0.0.1:{port}", "/health") as http:
        yield http


# Without -0.0: Prometheus' encoder leaves it out as a zero, and so forgets its sign.
ODD_VALUES = np.array([1.5, STALE_NAN, math.nan, math.inf, -math.inf, 0.0, 5e-324, 1e308])


def seed(http: HttpClient, at_ms: int) -> SampleBatch:
    """Ten minutes of our own samples, odd values and names among them."""
    times = at_ms - 600_000 + np.arange(60, dtype=np.int64) * 10_000 + 7
    batch = SampleBatch.of(
        [
            (
                make_labels({"__name__": "seeded", "job": "node", "text": 'a"b\\c\nü'}),
                times,
                np.resize(ODD_VALUES, 60),
            ),
            (make_labels({"__name__": "seeded", "job": "other"}), times, times / 7),
            (make_labels({"__name__": "tidecast_usage", "job": "node"}), times, times / 1e12),
            (make_labels({"__name__": "tidecast_agent_cycles_total"}), times, times / 1e12),
        ]
    )
    for body in write_requests(batch):
        http.request("POST", "/api/v1/write", body, WRITE_HEADERS)
    return batch


def bits(values: list[float]) -> list[int]:
    return np.array(values, dtype=np.float64).view(np.uint64).tolist()


def bits_are(values: np.ndarray, wanted: int) -> np.ndarray:
    return values.view(np.uint64) == wanted


def held(http: HttpClient, name: str, span: tuple[int, int]) -> dict[object, dict[int, float]]:
    """What the server's own query API says it holds; it never shows staleness markers."""
    start, end = span
    form = [("query", f"{name}[{end - start + 1}ms]"), ("time", str(end / 1000))]
    result = http.post_form("/api/v1/query", form)["data"]["result"]
    return {
        make_labels(each["metric"]): {
            round(at * 1000): float(value) for at, value in each["values"] if at * 1000 >= start
        }
        for each in result
    }


def same(ours: dict[int, float], theirs: dict[int, float]) -> bool:
    known = {
        time: value for time, value in sorted(ours.items()) if bits([value]) != [STALE_NAN_BITS]
    }
    return list(known) == sorted(theirs) and all(
        value == theirs[time] or (math.isnan(value) and math.isnan(theirs[time]))
        for time, value in known.items()
    )


def scrapes(http: HttpClient) -> list[int]:
    """When it has scraped itself."""
    return sorted(at for times in held(http, "up", (0, now_ms())).values() for at in times)


def test_all_that_prometheus_holds_arrives_sample_by_sample(server, tidecast, prometheus):
    seeded = seed(prometheus, now_ms())
    # The third scrape is there: the second, at which the import ends, is there whole.
    eventually(lambda: len(scrapes(prometheus)) >= 3)
    end = scrapes(prometheus)[1]
    span = (end - 86_400_000, end)
    arguments = ("--start", f"{span[0] / 1000:.3f}", "--end", f"{span[1] / 1000:.3f}")
    result = tidecast("prometheus", prometheus.url, *arguments)
    assert result.exit_code == 0, result.output
    assert "1 tidecast_* series left out" in result.output

    names = prometheus.get_json("/api/v1/label/__name__/values")["data"]
    expected = {}
    for name in names:
        if name != "tidecast_usage":
            expected.update(held(prometheus, name, span))
    assert len(expected) > 300
    assert set(server.samples) == set(expected)
    assert all(same(server.samples[labels], expected[labels]) for labels in expected)

    odd = server.samples[seeded.labels[0]]
    assert sorted(odd) == seeded.timestamps[:60].tolist()
    assert bits([odd[time] for time in sorted(odd)]) == bits(seeded.values[:60].tolist())

    # Once more: nothing is fetched or written again.
    writes = sum(path == "/api/v1/write" for _, path, _ in server.requests)
    again = tidecast("prometheus", prometheus.url, *arguments)
    assert "imported 0 samples" in again.output
    assert "parts were there from before" in again.output
    assert sum(path == "/api/v1/write" for _, path, _ in server.requests) == writes


def test_matching_series_alone_are_imported_and_a_broken_import_resumes(
    server, tidecast, prometheus
):
    seeded = seed(prometheus, now_ms())
    server.fail_after = 0
    arguments = ("prometheus", prometheus.url, "--days", "1", "--match", 'seeded{job="node"}')
    broken = tidecast(*arguments)
    assert broken.exit_code == 1
    assert "the disk is full" in broken.output
    server.fail_after = None
    result = tidecast(*arguments, "--match", '{job=~"no.*",__name__="seeded"}')
    assert result.exit_code == 0, result.output
    assert "imported 60 samples of 1 series, 1 days" in result.output
    assert set(server.samples) == {seeded.labels[0]}


def test_what_the_server_refuses_for_good_is_told_and_the_rest_goes_on(
    server, tidecast, prometheus
):
    seed(prometheus, now_ms())
    # A day in one chunk, cut at midnight: at the least one request, of which the first is refused.
    server.refuse_writes = 1
    arguments = ("prometheus", prometheus.url, "--days", "1", "--match", "seeded")
    result = tidecast(*arguments)
    assert result.exit_code == 1
    assert "1 requests were refused in part; the first: " in result.output
    assert "older than is retained" in result.output
    # What was refused is not taken for done: it is sent again.
    again = tidecast(*arguments)
    assert again.exit_code == 0, again.output
    assert len(server.samples) == 2


def test_without_remote_read_range_selectors_bring_the_samples(server, tidecast, victoria):
    seeded = seed(victoria, now_ms())
    victoria.request("GET", "/internal/force_flush")
    eventually(lambda: len(held(victoria, "seeded", (0, now_ms()))) == 2)
    result = tidecast("prometheus", victoria.url, "--days", "1", "--match", "seeded")
    assert result.exit_code == 0, result.output
    plain = server.samples[seeded.labels[1]]
    assert sorted(plain) == seeded.timestamps[60:120].tolist()
    # VictoriaMetrics keeps staleness markers, drops NaN, and rounds a value to its decimals.
    odd = server.samples[seeded.labels[0]]
    stale = seeded.timestamps[:60][bits_are(seeded.values[:60], STALE_NAN_BITS)]
    assert set(bits([odd[time] for time in stale.tolist()])) == {STALE_NAN_BITS}
    kept = [plain[time] for time in sorted(plain)]
    assert kept == pytest.approx(seeded.values[60:120].tolist(), rel=1e-14)


def test_a_source_that_is_away_or_no_prometheus_is_told(server, tidecast):
    away = f"http://127.0.0.1:{free_port()}"
    result = tidecast("prometheus", away)
    assert result.exit_code == 1
    assert f"no server at {away}" in result.output
    assert "tidecast up" not in result.output
    result = tidecast("prometheus", server.url)
    assert result.exit_code == 1
    assert "404" in result.output


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--days", "1", "--start", "0"], "exclude each other"),
        (["--start", "tomorrow"], "neither ISO 8601"),
        (["--start", "2026-01-02", "--end", "2026-01-01"], "--start lies behind --end"),
    ],
)
def test_an_unclear_span_is_refused(tidecast, arguments, why):
    result = tidecast("prometheus", "http://127.0.0.1:1", *arguments)
    assert result.exit_code == 2
    assert why in result.output
