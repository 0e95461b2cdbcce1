"""The servers that are compared: how each is started, asked, measured and ended."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import ClassVar

from processes import ProcessTree

READY_SECONDS = 120
ANSWER_SECONDS = 600


class Server(ABC):
    """One server process on a directory of its own; a context manager that ends it."""

    name = ""
    write_path = "/api/v1/write"
    ready_path = "/-/ready"
    environment: ClassVar[dict[str, str]] = {}
    asked_with: ClassVar[dict[str, str]] = {}
    """What each query says besides."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = _free_port()
        with (directory.parent / f"{directory.name}.log").open("ab") as log:
            self._process = subprocess.Popen(
                self.command(), stdout=log, stderr=log, env={**os.environ, **self.environment}
            )
        self._tree = ProcessTree(self._process.pid)
        self._wait_until_ready()

    @abstractmethod
    def command(self) -> list[str]:
        """What starts it."""

    @abstractmethod
    def bytes_per_sample(self, samples: int) -> float:
        """What a stored sample takes on disk, labels and index included."""

    def settle(self) -> None:
        """Waits until it has done what is due after the last write."""
        self.rest()

    def rest(self) -> None:
        """Waits until it does nothing any more."""
        before = -1.0
        while self.cpu_seconds() - before > 0.05:
            before = self.cpu_seconds()
            time.sleep(1)

    def cpu_seconds(self) -> float:
        """User and system time of its processes so far."""
        return self._tree.cpu_seconds()

    def memory_mb(self) -> float:
        """What its processes have in memory now."""
        return self._tree.memory_mb()

    def peak_mb(self) -> float:
        """The most its processes had in memory together so far."""
        return self._tree.peak_mb()

    def connect(self) -> http.client.HTTPConnection:
        """A connection to it."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_SECONDS)

    def query(self, path: str, **parameters: object) -> bytes:
        """The body of an answer, which must be a success."""
        connection = self.connect()
        asked = urllib.parse.urlencode(parameters | self.asked_with)
        connection.request("GET", f"/api/v1/{path}?{asked}")
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        assert answer.status == 200, body[:500]
        return body

    def count(self, names: Iterable[str], end_ms: int, span_seconds: int) -> int:
        """How many samples of these metrics it holds in the time before this."""
        held = 0
        for name in names:
            expression = f"sum(count_over_time({name}[{span_seconds}s]))"
            result = json.loads(self.query("query", query=expression, time=end_ms / 1000))
            held += sum(int(float(each["value"][1])) for each in result["data"]["result"])
        return held

    def kill(self) -> None:
        """Ends it as a crash would."""
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(60)

    def _wait_until_ready(self) -> None:
        began = time.monotonic()
        while not self._is_ready():
            assert self._process.poll() is None, f"{self.name} ended, see {self.directory}.log"
            assert time.monotonic() - began < READY_SECONDS, f"{self.name} is not ready"
            time.sleep(0.01)
        self.ready_seconds = round(time.monotonic() - began, 2)

    def _is_ready(self) -> bool:
        connection = self.connect()
        try:
            connection.request("GET", self.ready_path)
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()


class Tidecast(Server):
    """Ours, in fsync'd acknowledgement as it always is."""

    name = "tidecast"
    environment: ClassVar[dict[str, str]] = {
        "PYTHONPATH": ":".join(
            str(Path(__file__).parents[2] / floor)
            for floor in ("collector", "analytics", "alerts", "reports", "src", "benchmarks/store")
        )
    }

    def command(self) -> list[str]:
        # Of a script, the processes that the server starts would load all that it imports.
        script = "import sys, tidecast_server as t; t.main(t.Path(sys.argv[1]), int(sys.argv[2]))"
        return [sys.executable, "-c", script, str(self.directory), str(self.port)]

    def settle(self) -> None:
        self.stored = self._flush()

    def bytes_per_sample(self, samples: int) -> float:
        assert self.stored["segment_samples"] == samples, self.stored
        return _size(self.directory / "samples" / "raw" / "segments") / samples

    def _flush(self) -> dict[str, int]:
        connection = self.connect()
        connection.request("POST", "/flush")
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == 200, body[:500]
        stored: dict[str, int] = json.loads(body)
        return stored


class Prometheus(Server):
    """The Debian package, as a remote-write receiver. It does not fsync before it answers."""

    name = "prometheus"

    def command(self) -> list[str]:
        config = self.directory.parent / "prometheus.yml"
        config.write_text("{}\n")
        return [
            "prometheus",
            f"--config.file={config}",
            f"--storage.tsdb.path={self.directory}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--web.enable-remote-write-receiver",
            "--log.level=warn",
        ]

    def bytes_per_sample(self, samples: int) -> float:
        # What is still in its head has no block yet and is left out.
        blocks = [path.parent for path in self.directory.glob("*/meta.json")]
        held = [json.loads((b / "meta.json").read_text())["stats"]["numSamples"] for b in blocks]
        return sum(map(_size, blocks)) / sum(held) if blocks else float("nan")


class VictoriaMetrics(Server):
    """The Debian package. It does not fsync before it answers."""

    name = "victoria-metrics"
    ready_path = "/health"
    # Otherwise a range that was asked for before is answered from the results of that time.
    asked_with: ClassVar[dict[str, str]] = {"nocache": "1"}

    def command(self) -> list[str]:
        return [
            "victoria-metrics",
            f"-storageDataPath={self.directory}",
            f"-httpListenAddr=127.0.0.1:{self.port}",
            "-retentionPeriod=12",
            "-search.maxUniqueTimeseries=1000000",
            "-loggerLevel=WARN",
        ]

    def settle(self) -> None:
        for path in ("/internal/force_flush", "/internal/force_merge"):
            connection = self.connect()
            connection.request("GET", path)
            assert connection.getresponse().status == 200
            connection.close()
        super().settle()

    def bytes_per_sample(self, samples: int) -> float:
        return (_size(self.directory / "data") + _size(self.directory / "indexdb")) / samples


SERVERS: tuple[type[Server], ...] = (Tidecast, Prometheus, VictoriaMetrics)


def version_of(command: list[str]) -> str:
    """What the program says of itself."""
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    return (said.stdout or said.stderr).splitlines()[0]


def _size(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port
