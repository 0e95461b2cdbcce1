"""The engines that people have already, started for real; and a server that keeps samples there."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.scenario.driver import PATIENCE_SECONDS, eventually, free_port

from tidecast.http_client import HttpClient, HttpError


@dataclass(frozen=True)
class Engine:
    """A running engine and how to ask it."""

    name: str
    url: str
    http: HttpClient

    @property
    def options(self) -> tuple[str, ...]:
        """What a Tidecast server is started with to keep its samples there."""
        return (
            "--samples-backend=prometheus",
            f"--samples-read-url={self.url}",
            f"--samples-write-url={self.url}/api/v1/write",
        )

    def show(self) -> None:
        """Makes it show at once what it has taken; VictoriaMetrics would wait for a second."""
        if self.name == "victoria":
            self.http.request("GET", "/internal/force_flush")


def prometheus(directory: Path, port: int) -> list[str]:
    (directory / "prometheus.yml").write_text("global: {scrape_interval: 1h}\n")
    return [
        "/usr/bin/prometheus",
        f"--config.file={directory / 'prometheus.yml'}",
        f"--storage.tsdb.path={directory / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--web.enable-remote-write-receiver",
        "--web.enable-admin-api",
    ]


def victoria(directory: Path, port: int) -> list[str]:
    return [
        "/usr/bin/victoria-metrics",
        f"-storageDataPath={directory / 'victoria'}",
        f"-httpListenAddr=127.0.0.1:{port}",
        "-retentionPeriod=10y",
    ]


COMMANDS: dict[str, tuple[Callable[[Path, int], list[str]], str]] = {
    "prometheus": (prometheus, "/-/ready"),
    "victoria": (victoria, "/health"),
}


@pytest.fixture(params=sorted(COMMANDS))
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """A Prometheus that takes remote-write, then a VictoriaMetrics."""
    command, ready = COMMANDS[request.param]
    port = free_port()
    directory = tmp_path / "engine"
    directory.mkdir()
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(command(directory, port), stdout=log, stderr=subprocess.STDOUT)
    try:
        with HttpClient(f"http://127.0.0.1:{port}") as http:
            eventually(lambda: process.poll() is None and answers(http, ready), "it is ready")
            yield Engine(request.param, http.url, http)
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


def answers(http: HttpClient, path: str) -> bool:
    try:
        http.request("GET", path)
    except HttpError:
        return False
    return True
