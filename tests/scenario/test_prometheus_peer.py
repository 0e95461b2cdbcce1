"""A real Prometheus beside us: it scrapes agent and server, writes to us, and we import from it."""

from __future__ import annotations

import json
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.scenario.driver import (
    PATIENCE_SECONDS,
    Process,
    Server,
    eventually,
    free_port,
    run_command,
    start,
)

pytestmark = [pytest.mark.scenario, pytest.mark.servers]

CONFIGURATION = """
global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: node
    static_configs: [{{targets: ["127.0.0.1:{agent}"]}}]
  - job_name: tidecast
    static_configs: [{{targets: ["127.0.0.1:{server}"]}}]
remote_write:
  - url: http://127.0.0.1:{server}/api/v1/write
    queue_config: {{batch_send_deadline: 1s}}
"""


class Prometheus:
    """Debian's Prometheus on loopback."""

    def __init__(self, directory: Path, configuration: str) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        file = directory / "prometheus.yml"
        file.write_text(configuration)
        with (directory / "prometheus.log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    "/usr/bin/prometheus",
                    f"--config.file={file}",
                    f"--storage.tsdb.path={directory / 'prometheus'}",
                    f"--web.listen-address={self.url.removeprefix('http://')}",
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def get(self, path: str, **query: str) -> Any:
        """The data of an API answer."""
        url = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=PATIENCE_SECONDS) as answer:
            return json.load(answer)["data"]

    def targets(self) -> list[dict[str, Any]]:
        """The targets, once each was scraped several times."""
        try:
            targets: list[dict[str, Any]] = self.get("targets")["activeTargets"]
        except OSError:
            return []
        return targets if all(t["health"] != "unknown" for t in targets) else []

    def stop(self) -> None:
        """Ends it by its pid."""
        self._process.terminate()
        self._process.wait(PATIENCE_SECONDS)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path) as server:
        yield server


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[tuple[Process, int]]:
    port = free_port()
    process = start(tmp_path / "agent.log", "tidecast_collector", f"--listen=127.0.0.1:{port}")
    yield process, port
    process.stop()


@pytest.fixture
def prometheus(tmp_path: Path, server: Server, agent: tuple[Process, int]) -> Iterator[Prometheus]:
    peer = Prometheus(tmp_path, CONFIGURATION.format(agent=agent[1], server=server.port))
    yield peer
    peer.stop()


def samples_of(result: list[dict[str, Any]], until: float) -> dict[str, list[list[Any]]]:
    """By series, the samples up to this time."""
    return {
        json.dumps(each["metric"], sort_keys=True): [p for p in each["values"] if p[0] <= until]
        for each in result
    }


def test_it_scrapes_us_writes_to_us_and_we_import_all_it_holds(
    prometheus: Prometheus, server: Server, tmp_path: Path
) -> None:
    eventually(
        lambda: [(t["health"], t["lastError"]) for t in prometheus.targets()] == [("up", "")] * 2,
        "both targets were scraped",
    )
    eventually(lambda: prometheus.get("query", query="count_over_time(up[1m]) >= 8")["result"])
    until = float(prometheus.get("query", query="time()")["result"][1])

    selector = '{__name__=~"node_load.*|node_filesystem_.*|up|node_cpu_seconds_total"}[5m]'

    def arrived() -> bool:
        theirs = prometheus.get("query", query=selector, time=str(until + 1))["result"]
        ours = server.query(selector)
        return samples_of(theirs, until) == samples_of(ours, until)

    eventually(arrived, "what it wrote to us is what it holds")

    # Our own series, which it scraped from us, must not come back in by its remote-write.
    assert server.query("tidecast_build_info") == []

    with Server(tmp_path / "second") as second:
        run_command("import", "prometheus", prometheus.url, "--days=1", f"--server={second.url}")
        imported = samples_of(second.query(selector), until)
        theirs = prometheus.get("query", query=selector, time=str(until + 1))["result"]
        assert imported == samples_of(theirs, until)
        assert imported


def test_promtool_finds_nothing_to_say_of_the_servers_metrics(server: Server) -> None:
    found = subprocess.run(
        ["/usr/bin/promtool", "check", "metrics"],
        input=server.get("/metrics"),
        capture_output=True,
        check=False,
    )
    assert (found.returncode, found.stdout, found.stderr) == (0, b"", b"")


def test_promtool_asks_us_as_it_asks_prometheus(server: Server) -> None:
    at = run_command("query", "vector(1)", "--format=csv", f"--server={server.url}")
    assert at.splitlines()[1].endswith(",1")
    found = subprocess.run(
        ["/usr/bin/promtool", "query", "instant", server.url, "1 + 1"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.startswith("scalar: 2")
