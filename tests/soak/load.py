"""A server in a process of its own, and writers that note what it has acknowledged."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import urllib.parse
from pathlib import Path

import cramjam
import numpy as np
from tests.samples.test_remote_write_2 import Symbols, series
from tests.scenario.driver import free_port
from tests.soak.ledger import Key, Ledger
from tests.soak.small_server import RETENTION_MS

from tidecast.samples.batch import SampleBatch
from tidecast.samples.remote_write import VERSION_1, VERSION_2
from tidecast.samples.write_requests import write_requests
from tidecast_collector.labels import Labels, make_labels

JOB = "soak"
WRITERS = 3
_SERIES_A_WRITER = 40
_FORMS = ((1, "snappy"), (1, "zstd"), (2, "snappy"), (2, "zstd"))
_START_SECONDS = 180


def now_ms() -> int:
    """Milliseconds since 1970 UTC."""
    return time.time_ns() // 1_000_000


class Server:
    """The small server on a free port; `home` also gets what it prints."""

    def __init__(self, data_dir: Path) -> None:
        self.port = free_port()
        self._printed = data_dir.with_name(data_dir.name + ".printed")
        with self._printed.open("ab") as printed:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.soak.small_server", str(data_dir), str(self.port)],
                stdout=printed,
                stderr=printed,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_ready(self) -> bool:
        """Whether it answers in the end; False where it has ended by itself."""
        until = time.monotonic() + _START_SECONDS
        while self._process.poll() is None and time.monotonic() < until:
            try:
                if self.get("/-/ready")[0] == 200:
                    return True
            except OSError:
                time.sleep(0.05)
        return False

    def printed(self) -> list[str]:
        """The last lines it printed."""
        return self._printed.read_text(errors="replace").splitlines()[-12:]

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body of an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def samples(self) -> dict[Key, float]:
        """What it answers for the writers' series."""
        query = urllib.parse.quote(f'{{job="{JOB}"}}[{2 * RETENTION_MS}ms]')
        status, body = self.get(f"/api/v1/query?query={query}&time={now_ms() / 1000 + 1}")
        if status != 200:
            raise RuntimeError(f"{status}: {body[:300]!r}")
        return {
            (make_labels(series["metric"]), round(at * 1000)): float(value)
            for series in json.loads(body)["data"]["result"]
            for at, value in series["values"]
        }

    def kill(self) -> None:
        """Ends it and all it has started, at once."""
        os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()

    def kill_alone(self) -> None:
        """Ends it; what it has started finds itself alone."""
        self._process.kill()
        self._process.wait()


class Writers:
    """Threads that send samples of now, again where that failed, until they are stopped."""

    def __init__(self, server: Server, ledger: Ledger, rng: random.Random, first: int) -> None:
        self._server, self._ledger = server, ledger
        self._guard = threading.Lock()
        self._stop = threading.Event()
        self.refused: list[int] = []
        self.acknowledged = 0
        self.faults: list[str] = []
        self._threads = [
            threading.Thread(target=self._write, args=(number, rng.random(), first))
            for number in range(WRITERS)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Returns when none writes any more."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _write(self, writer: int, seed: float, first: int) -> None:
        rng = np.random.default_rng(int(seed * 2**32))
        connection = http.client.HTTPConnection("127.0.0.1", self._server.port, timeout=30)
        number = first
        try:
            while not self._stop.is_set():
                number += 1
                batch = _batch(writer, rng)
                with self._guard:
                    self._ledger.begin((writer, number), "append", batch)
                body, headers = _request(batch, *_FORMS[int(rng.integers(len(_FORMS)))])
                connection.request("POST", "/api/v1/write", body, headers)
                answer = connection.getresponse()
                text = answer.read()
                self._note((writer, number), answer.status, text)
        except (OSError, http.client.HTTPException):
            return  # it was killed: whether the last body is there nobody knows
        finally:
            connection.close()

    def _note(self, name: tuple[int, int], status: int, text: bytes) -> None:
        with self._guard:
            if status == 204:
                self._ledger.end(name)
                self.acknowledged += 1
            elif status == 503:
                self.refused.append(name[1])
            else:
                self.faults.append(f"a write was answered with {status}: {text[:200]!r}")
        if status == 503:
            time.sleep(0.05)


def _request(batch: SampleBatch, version: int, encoding: str) -> tuple[bytes, dict[str, str]]:
    """A remote-write body of this version and compression, and its headers."""
    if version == 1:
        (packed,) = write_requests(batch)
        message = bytes(cramjam.snappy.decompress_raw(packed))
    else:
        symbols = Symbols()
        rows = [
            series(
                symbols, labels, zip(times.tolist(), values.view(np.uint64).tolist(), strict=True)
            )
            for labels, times, values in batch
        ]
        message = symbols.encoded() + b"".join(rows)
    pack = cramjam.snappy.compress_raw if encoding == "snappy" else cramjam.zstd.compress
    proto = VERSION_1 if version == 1 else VERSION_2
    headers = {
        "Content-Encoding": encoding,
        "Content-Type": f"application/x-protobuf;proto={proto}",
        "X-Prometheus-Remote-Write-Version": "0.1.0" if version == 1 else "2.0.0",
    }
    return bytes(pack(message)), headers


def _batch(writer: int, rng: np.random.Generator) -> SampleBatch:
    """Two samples of each of the writer's series; now and then of a new one."""
    at = now_ms()
    rows: list[tuple[Labels, np.ndarray, np.ndarray]] = []
    items = [*range(_SERIES_A_WRITER), *([int(rng.integers(10**9))] if rng.random() < 0.2 else [])]
    for one in items:
        pairs = {"__name__": "soak_total", "job": JOB, "writer": str(writer), "item": str(one)}
        values = np.round(rng.normal(0, 100, 2), int(rng.integers(0, 12)))
        rows.append((make_labels(pairs), np.array([at - 1, at], dtype=np.int64), values))
    return SampleBatch.of(rows)
