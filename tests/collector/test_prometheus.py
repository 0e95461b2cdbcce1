"""A real Prometheus scrapes the agent, and takes what the agent pushes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.scenario.driver import PATIENCE_SECONDS, eventually, free_port

pytestmark = pytest.mark.servers


@pytest.fixture
def ports(tmp_path: Path) -> Iterator[tuple[int, int]]:
    """Ports of a Prometheus and of an agent, each of which knows of the other."""
    prometheus_port, agent_port = free_port(), free_port()
    config = tmp_path / "prometheus.yml"
    config.write_text(
        "global: {scrape_interval: 1s, scrape_timeout: 1s}\n"
        "scrape_configs:\n"
        f"- {{job_name: scraped, static_configs: [{{targets: ['127.0.0.1:{agent_port}']}}]}}\n"
    )
    url = f"http://127.0.0.1:{prometheus_port}/api/v1/write"
    commands = [
        [
            *("/usr/bin/prometheus", f"--config.file={config}"),
            f"--storage.tsdb.path={tmp_path / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{prometheus_port}",
            "--web.enable-remote-write-receiver",
        ],
        [
            *(sys.executable, "-m", "tidecast_collector"),
            *("--listen", f"127.0.0.1:{agent_port}", "--interval-seconds", "0.2"),
            *("--push", url, "--instance", "web-3", "--spool-dir", str(tmp_path / "spool")),
        ],
    ]
    log = tmp_path / "log"
    with log.open("wb") as output:
        processes = [
            subprocess.Popen(
                command,
                stdout=output,
                stderr=output,
                env={**os.environ, "PYTHONPATH": "collector"},
            )
            for command in commands
        ]
    yield prometheus_port, agent_port
    for process in processes:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


def _until(port: int, path: str, good: Callable[[Any], bool]) -> Any:
    """The data that Prometheus' API answers, once it is good."""

    def ask() -> Any:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as response:
                data = json.loads(response.read())["data"]
        except OSError:
            return None  # not yet up
        return data if good(data) else None

    return eventually(ask, path)


def _query(port: int, expression: str, good: Callable[[Any], bool]) -> Any:
    quoted = urllib.parse.quote(expression)
    data = _until(port, f"/api/v1/query?query={quoted}", lambda data: good(data["result"]))
    return data["result"]


def test_scraped_and_pushed(ports: tuple[int, int]) -> None:
    prometheus, _ = ports
    _query(prometheus, 'up{job="scraped"}', lambda r: bool(r) and r[0]["value"][1] == "1")
    _until(
        prometheus,
        "/api/v1/targets",
        lambda data: [target["lastError"] for target in data["activeTargets"]] == [""],
    )

    pushed = 'count_over_time(node_load1{job="node",instance="web-3"}[30s])'
    _query(prometheus, pushed, lambda r: bool(r) and float(r[0]["value"][1]) >= 5)

    # Both ways bring the same series, but for the labels the scraper adds and job and instance.
    def series(selector: str) -> set[tuple[tuple[str, str], ...]]:
        quoted = urllib.parse.quote(f'{{__name__=~"node_.*|tidecast_.*|process_.*",{selector}}}')
        found = _until(prometheus, f"/api/v1/series?match[]={quoted}", bool)
        return {
            tuple(sorted(i for i in one.items() if i[0] not in ("job", "instance")))
            for one in found
        }

    # What has just come by one way has soon come by the other.
    eventually(lambda: series('job="scraped"') == series('job="node"'))
    assert len(series('job="node"')) > 150

    # A steady gauge has one value whichever way it came.
    total = _query(prometheus, "node_memory_MemTotal_bytes", lambda r: len(r) == 2)
    assert total[0]["value"][1] == total[1]["value"][1]
