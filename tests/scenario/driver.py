"""What the scenarios drive the product with: real processes, real sockets, nothing from inside."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

from tidecast_collector import snappy
from tidecast_collector.labels import Labels, make_labels
from tidecast_collector.remote_write import encode_labels, encode_request, encode_samples

ROOT = Path(__file__).parents[2]
SOURCES = [str(ROOT / part) for part in ("collector", "analytics", "alerts", "reports", "src")]
STALE_NAN = struct.unpack("<d", b"\x02\x00\x00\x00\x00\x00\xf0\x7f")[0]

T = TypeVar("T")


PATIENCE_SECONDS = 180
"""How long a test waits for what must come: only a test that fails takes so long."""
FREE_PORTS = range(10_000, 30_000)
"""Below those that the system gives to clients, one of which could otherwise be taken meanwhile."""


def free_port() -> int:
    """A port of the loopback that nobody listens on, and that stays free until it is used."""
    system_random = random.SystemRandom()  # the other is seeded alike in every process of a run
    while True:
        port = system_random.choice(FREE_PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def eventually(ask: Callable[[], T | None], what: str = "") -> T:
    """The first answer that is true, asked again until the time is up."""
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        answer = ask()
        if answer:
            return answer
        if time.monotonic() > until:
            late = f"not within {PATIENCE_SECONDS} s: {what or ask}; last answer {answer!r}"
            raise AssertionError(late)
        time.sleep(0.1)


def environment(**more: str) -> dict[str, str]:
    """The environment in which `python -m tidecast` finds this working tree."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(SOURCES), **more}


def run_command(*arguments: str, token: str = "", check: bool = True) -> str:
    """What `tidecast ARGUMENTS` prints."""
    done = subprocess.run(
        [sys.executable, "-m", "tidecast", *arguments],
        env=environment(TIDECAST_TOKEN=token),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    if check and done.returncode:
        raise AssertionError(f"tidecast {arguments} ended with {done.returncode}: {done.stderr}")
    return done.stdout if not done.returncode else done.stderr


@dataclass
class Process:
    """A process of ours, its output in a file."""

    popen: subprocess.Popen[bytes]
    log: Path

    def kill(self) -> None:
        """kill -9."""
        self.popen.send_signal(signal.SIGKILL)
        self.popen.wait(PATIENCE_SECONDS)

    def stop(self) -> None:
        """SIGTERM, and a clean end."""
        if self.popen.poll() is None:
            self.popen.terminate()
            try:
                self.popen.wait(PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError(f"did not end on SIGTERM: {self.log.read_text()}") from None
            assert self.popen.returncode == 0, self.log.read_text()

    def output(self) -> str:
        """What it has said so far."""
        return self.log.read_text()


def start(log: Path, *command: str, **more: str) -> Process:
    """Starts `python -m COMMAND`."""
    with log.open("ab") as out:
        popen = subprocess.Popen(
            [sys.executable, "-m", *command],
            stdout=out,
            stderr=subprocess.STDOUT,
            env=environment(**more),
        )
    return Process(popen, log)


class Server:
    """A Tidecast server that can be killed and started again on the same data."""

    def __init__(self, directory: Path, *options: str, token: str = "") -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.directory = directory
        directory.mkdir(exist_ok=True)
        self._options = options
        self._token = token
        self.process: Process | None = None

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process:
            self.process.stop()

    def start(self) -> None:
        """Starts it and waits until it is ready."""
        command = ["tidecast", "server", f"--data-dir={self.directory / 'data'}"]
        listen = f"--listen=127.0.0.1:{self.port}"
        log = self.directory / "server.log"
        self.process = start(log, *command, listen, *self._options)
        eventually(self._ready, "the server is ready")

    def _ready(self) -> bool:
        assert self.process is not None
        if self.process.popen.poll() is not None:
            raise AssertionError(f"the server ended: {self.process.output()}")
        try:
            return self.get("/-/ready").startswith(b"Tidecast")
        except OSError:
            return False

    def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.kill()

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] = {}
    ) -> tuple[int, bytes]:
        """The status and body that the server answers."""
        sent = {**({"Authorization": f"Bearer {self._token}"} if self._token else {}), **headers}
        request = urllib.request.Request(self.url + path, body, sent, method=method)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def get(self, path: str) -> bytes:
        """The body of a successful answer."""
        status, body = self.request("GET", path)
        assert status == 200, f"{path} answered {status}: {body[:500]!r}"
        return body

    def json(self, path: str) -> Any:
        """The JSON of a successful answer."""
        return json.loads(self.get(path))

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The result of an instant query."""
        path = "/api/v1/query?" + urllib.parse.urlencode({"query": expression})
        result: list[dict[str, Any]] = self.json(path)["data"]["result"]
        return result

    def write(self, *series: tuple[Labels, Sequence[tuple[int, float]]]) -> int:
        """Remote-writes the series; returns the status."""
        status, answer = self.request(
            "POST",
            "/api/v1/write",
            snappy.compress(
                encode_request((encode_labels(labels), encode_samples(s)) for labels, s in series)
            ),
            {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy"},
        )
        assert status < 300, answer
        return status

    def incidents(self, *states: str) -> list[dict[str, Any]]:
        """Incidents in these states (none given: all)."""
        query = "&".join(f"state={state}" for state in states)
        found: list[dict[str, Any]] = self.json(f"/api/tidecast/v1/incidents?{query}")["incidents"]
        return found


def series(name: str, **labels: str) -> Labels:
    """The labels of a series of the host web-1, unless told otherwise."""
    return make_labels({"__name__": name, "instance": "web-1", "job": "node", **labels})


def now_ms() -> int:
    """This moment."""
    return time.time_ns() // 1_000_000


@dataclass
class Sink:
    """A webhook receiver that keeps what it is told."""

    url: str
    received: list[dict[str, Any]] = field(default_factory=list)


@contextmanager
def webhook_sink() -> Iterator[Sink]:
    """Runs a webhook receiver on loopback."""
    sink = Sink("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            sink.received.append(json.loads(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    sink.url = f"http://127.0.0.1:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield sink
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
