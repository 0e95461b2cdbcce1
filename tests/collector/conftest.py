"""A remote-write receiver for tests, and a recorded /proc."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cramjam
import pytest
from tests.scenario.driver import PATIENCE_SECONDS

from tidecast_collector.exposition import TextWriter
from tidecast_collector.labels import Labels
from tidecast_collector.model import Family
from tidecast_collector.remote_write import WriteRequest, decode_request
from tidecast_collector.sources.reading import Root


class Sink:
    """Listens on a port of loopback between `start` and `stop`; `answer` decides the status."""

    def __init__(self) -> None:
        self.requests: list[WriteRequest] = []
        self.headers: list[dict[str, str]] = []
        self.token: str | None = None
        self.statuses: list[int] = []
        self.next_statuses: list[int] = []
        self.retry_after: str | None = None
        self.reject_value: float | None = None
        self.reject_metadata = False
        self.arrived = threading.Condition()
        self.port = 0
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/v1/write"

    def start(self) -> None:
        sink = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = sink.take(body, dict(self.headers))
                text = {401: b"unknown token", 400: b"poison"}.get(status, b"")
                self.send_response(status)
                if sink.retry_after is not None and status != 204:
                    self.send_header("Retry-After", sink.retry_after)
                if status != 204:
                    self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def take(self, body: bytes, headers: dict[str, str]) -> int:
        with self.arrived:
            self.headers.append(headers)
            status = self._status(body, headers)
            self.statuses.append(status)
            self.arrived.notify_all()
            return status

    def _status(self, body: bytes, headers: dict[str, str]) -> int:
        if self.next_statuses:
            return self.next_statuses.pop(0)
        if self.token is not None and headers.get("Authorization") != f"Bearer {self.token}":
            return 401
        request = decode_request(bytes(cramjam.snappy.decompress_raw(body)))
        values = {value for _, samples in request.series for _, value in samples}
        if self.reject_value in values or (self.reject_metadata and request.metadata):
            return 400
        self.requests.append(request)
        return 204

    def wait_for(self, condition: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
        with self.arrived:
            assert self.arrived.wait_for(condition, seconds), (
                f"not reached: {len(self.requests)} requests, statuses {self.statuses[-5:]}"
            )

    def samples_of(self, name: str) -> list[tuple[int, float]]:
        """The samples of a metric without further labels, in the order they arrived."""
        return [
            sample
            for request in self.requests
            for labels, samples in request.series
            if _name(labels) == name
            for sample in samples
        ]


def _name(labels: Labels) -> str:
    return dict(labels)["__name__"]


@pytest.fixture
def sink() -> Iterator[Sink]:
    sink = Sink()
    sink.start()
    yield sink
    sink.stop()


Host = Callable[[dict[str, str]], Root]


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """Makes a host's file system of these files."""

    def make(files: dict[str, str]) -> Root:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return Root(str(tmp_path))

    return make


def sample_lines(families: list[Family]) -> list[str]:
    """The exposition's lines of samples."""
    lines = TextWriter().write(families).decode().splitlines()
    return [line for line in lines if not line.startswith("#")]
