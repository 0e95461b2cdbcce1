"""Where a script is run: an engine in this process, or a server over HTTP."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import cramjam
import numpy as np
from tests.scenario.driver import PATIENCE_SECONDS, eventually, free_port

from tidecast.promql.engine import Engine
from tidecast.promql.result import Matrix, Scalar, String, Vector
from tidecast.samples.batch import SampleBatch
from tidecast.samples.memory import MemorySamples
from tidecast_collector.errors import TidecastError
from tidecast_collector.labels import Labels, make_labels

from .real_prometheus import encode


@dataclass
class Answer:
    """What a query was answered with: `error`, or points of series, a scalar or a string."""

    kind: str = ""
    series: list[tuple[Labels, list[tuple[int, float]]]] = field(default_factory=list)
    scalar: float = 0.0
    string: str = ""
    warnings: tuple[str, ...] = ()
    infos: tuple[str, ...] = ()
    error: str = ""


class Backend(Protocol):
    """Takes samples and answers queries."""

    def clear(self) -> None: ...
    def load(self, batch: SampleBatch) -> None: ...
    def ask(self, query: str, times_ms: tuple[int, int, int] | int) -> Answer: ...


class InProcess:
    """An engine over samples in memory."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.samples = MemorySamples()
        self.engine = Engine(self.samples)

    def load(self, batch: SampleBatch) -> None:
        self.samples.append(batch)

    def ask(self, query: str, times_ms: tuple[int, int, int] | int) -> Answer:
        try:
            if isinstance(times_ms, int):
                result = self.engine.instant(query, times_ms)
            else:
                result = self.engine.range(query, *times_ms)
        except TidecastError as error:
            return Answer(error=str(error))
        answer = Answer(warnings=result.warnings, infos=result.infos)
        match result.value:
            case Scalar() as scalar:
                answer.kind, answer.scalar = "scalar", scalar.value
            case String() as string:
                answer.kind, answer.string = "string", string.value
            case Vector() as vector:
                answer.kind = "vector"
                answer.series = [(labels, [(vector.at_ms, value)]) for labels, value in vector]
            case Matrix() as matrix:
                answer.kind = "matrix"
                answer.series = [
                    (labels, list(zip(times.tolist(), values.tolist(), strict=True)))
                    for labels, times, values in matrix
                ]
        return answer


class Http:
    """A server that takes remote-write and speaks Prometheus' API; it cannot be cleared."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self.written = False

    def clear(self) -> None:
        if self.written:
            raise NotClearable(f"{self.url} keeps what was loaded: start a new server")

    def load(self, batch: SampleBatch) -> None:
        self.written = True
        low, high = int(batch.timestamps.min()), int(batch.timestamps.max())
        body = bytes(cramjam.snappy.compress_raw(encode(batch, low, high + 1)))
        request = urllib.request.Request(
            f"{self.url}/api/v1/write",
            body,
            {
                "Content-Encoding": "snappy",
                "Content-Type": "application/x-protobuf",
                "X-Prometheus-Remote-Write-Version": "0.1.0",
            },
        )
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as response:
            assert response.status // 100 == 2

    def ask(self, query: str, times_ms: tuple[int, int, int] | int) -> Answer:
        if isinstance(times_ms, int):
            path, form = "query", {"query": query, "time": times_ms / 1000}
        else:
            start, end, step = (each / 1000 for each in times_ms)
            path, form = "query_range", {"query": query, "start": start, "end": end, "step": step}
        body = urllib.parse.urlencode(form).encode()
        try:
            with urllib.request.urlopen(
                f"{self.url}/api/v1/{path}", body, timeout=PATIENCE_SECONDS
            ) as response:
                return answer_of(json.load(response))
        except urllib.error.HTTPError as error:
            with error:
                text = json.load(error)["error"]
            return Answer(error=text.removeprefix('invalid parameter "query": '))


class NotClearable(Exception):
    """A server that would have to forget its samples."""


class OwnServer(Http):
    """`tidecast server` on a free port, anew for each `clear`."""

    def __init__(self) -> None:
        super().__init__("")
        self.process: subprocess.Popen[bytes] | None = None
        self.directory: tempfile.TemporaryDirectory[str] | None = None

    def clear(self) -> None:
        if self.process is None or self.written:
            self.close()
            self.start()

    def start(self) -> None:
        port = free_port()
        self.directory = tempfile.TemporaryDirectory()
        root = Path(__file__).parents[2]
        rooms = ("src", "collector", "analytics", "alerts", "reports")
        paths = os.pathsep.join(str(root / each) for each in rooms)
        options = ["--data-dir", self.directory.name, "--listen", f"127.0.0.1:{port}"]
        options += ["--retention", "100y", "--out-of-order-window", "100y"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tidecast", "server", *options],
            env=os.environ | {"PYTHONPATH": paths},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.url, self.written = f"http://127.0.0.1:{port}", False
        eventually(self.ready, "the server is ready")

    def ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, "the server ended while starting"
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=5) as response:
                return bool(response.status == 200)
        except OSError:
            return False

    def load(self, batch: SampleBatch) -> None:
        if self.process is None:
            self.start()
        super().load(batch)

    def ask(self, query: str, times_ms: tuple[int, int, int] | int) -> Answer:
        if self.process is None:
            self.start()
        return super().ask(query, times_ms)

    def close(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(PATIENCE_SECONDS)
            self.process = None
        if self.directory is not None:
            self.directory.cleanup()


def answer_of(body: dict[str, Any]) -> Answer:
    kind, result = body["data"]["resultType"], body["data"]["result"]
    answer = Answer(kind)
    answer.warnings = tuple(body.get("warnings", ()))
    answer.infos = tuple(body.get("infos", ()))
    if kind == "scalar":
        answer.scalar = float(result[1])
    elif kind == "string":
        answer.string = result[1]
    else:
        for each in result:
            points = each["values"] if kind == "matrix" else [each["value"]]
            read = [(round(at * 1000), float(value)) for at, value in points]
            answer.series.append((make_labels(each["metric"]), read))
    return answer


def batch_of(series: list[tuple[Labels, list[float | None]]], interval_ms: int) -> SampleBatch:
    """The samples of a `load`, from time 0 on."""
    parts = []
    for labels, values in series:
        held = [(index * interval_ms, value) for index, value in enumerate(values)]
        kept = [(at, value) for at, value in held if value is not None]
        if kept:
            times, numbers = zip(*kept, strict=True)
            parts.append((labels, np.array(times, np.int64), np.array(numbers, float)))
    return SampleBatch.of(parts)
