"""A real Prometheus, started on a free port and fed by remote-write."""

from __future__ import annotations

import json
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cramjam
import numpy as np
from tests.scenario.driver import PATIENCE_SECONDS, eventually, free_port

from tidecast.samples.batch import SampleBatch

PROGRAM = "/usr/bin/prometheus"
SLICE_MS = 300_000


class Prometheus:
    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=5) as response:
                return bool(response.status == 200)
        except OSError:
            return False

    def write(self, batch: SampleBatch) -> None:
        """Sends the batch in slices of time, since the head refuses what is too old."""
        low, high = int(batch.timestamps.min()), int(batch.timestamps.max())
        for start in range(low, high + 1, SLICE_MS):
            body = bytes(cramjam.snappy.compress_raw(encode(batch, start, start + SLICE_MS)))
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
                assert response.status == 204

    def query(self, path: str, **parameters: str) -> dict[str, Any]:
        body = urllib.parse.urlencode(parameters).encode()
        try:
            url = f"{self.url}/api/v1/{path}"
            with urllib.request.urlopen(url, body, timeout=PATIENCE_SECONDS) as response:
                return dict(json.load(response))
        except urllib.error.HTTPError as error:
            with error:
                return dict(json.load(error))


def encode(batch: SampleBatch, start_ms: int, end_ms: int) -> bytes:
    """The remote-write 1.0 message of the samples in [start, end)."""
    message = b""
    for labels, timestamps, values in batch:
        inside = (timestamps >= start_ms) & (timestamps < end_ms)
        series = b"".join(
            _field(1, _field(1, name.encode()) + _field(2, value.encode()))
            for name, value in labels
        )
        for timestamp, value in zip(timestamps[inside].tolist(), values[inside], strict=True):
            bits = np.float64(value).tobytes()
            series += _field(2, b"\x09" + bits + b"\x10" + _varint(timestamp))
        if inside.any():
            message += _field(1, series)
    return message


def _field(number: int, body: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(body)) + body


def _varint(number: int) -> bytes:
    encoded = b""
    while number > 127:
        encoded += bytes([number & 127 | 128])
        number >>= 7
    return encoded + bytes([number])


@contextmanager
def running(folder: Path, more: str = "") -> Iterator[Prometheus]:
    """A Prometheus that takes remote-write; `more` is added to its configuration."""
    port = free_port()
    config = folder / "prometheus.yml"
    config.write_text(f"global: {{scrape_interval: 1h}}\n{more}\n")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                PROGRAM,
                f"--config.file={config}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--web.enable-remote-write-receiver",
                "--enable-feature=promql-at-modifier,promql-negative-offset",
            ],
            stdout=log,
            stderr=log,
        )
        try:
            server = Prometheus(port)

            def ready() -> bool:
                assert process.poll() is None, (folder / "log").read_text()
                return server.ready()

            eventually(ready, "Prometheus is ready")
            yield server
        finally:
            process.terminate()
            process.wait(PATIENCE_SECONDS)
