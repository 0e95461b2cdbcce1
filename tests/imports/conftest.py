"""A small Tidecast server that keeps what it is sent, and Prometheus' messages by protobuf."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import cramjam
import orjson
import pytest
from click.testing import CliRunner, Result
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from tidecast.cli.import_group import import_group

FIELD = descriptor_pb2.FieldDescriptorProto
TYPES = {
    "string": FIELD.TYPE_STRING,
    "double": FIELD.TYPE_DOUBLE,
    "int64": FIELD.TYPE_INT64,
    "int32": FIELD.TYPE_INT32,
}
MESSAGES = {
    "Label": [("name", 1, "string"), ("value", 2, "string")],
    "Sample": [("value", 1, "double"), ("timestamp", 2, "int64")],
    "Histogram": [("sum", 3, "double")],
    "TimeSeries": [
        ("labels", 1, "*Label"),
        ("samples", 2, "*Sample"),
        ("histograms", 4, "*Histogram"),
    ],
    "WriteRequest": [("timeseries", 1, "*TimeSeries")],
    "LabelMatcher": [("type", 1, "int32"), ("name", 2, "string"), ("value", 3, "string")],
    "Query": [
        ("start_timestamp_ms", 1, "int64"),
        ("end_timestamp_ms", 2, "int64"),
        ("matchers", 3, "*LabelMatcher"),
    ],
    "ReadRequest": [("queries", 1, "*Query"), ("accepted_response_types", 2, "*int32")],
    "QueryResult": [("timeseries", 1, "*TimeSeries")],
    "ReadResponse": [("results", 1, "*QueryResult")],
}


def _messages() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="prompb.proto", package="p", syntax="proto3")
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for field_name, number, kind in fields:
            label = FIELD.LABEL_REPEATED if kind.startswith("*") else FIELD.LABEL_OPTIONAL
            field = message.field.add(name=field_name, number=number, label=label)
            base = kind.lstrip("*")
            if base in TYPES:
                field.type = TYPES[base]
            else:
                field.type, field.type_name = FIELD.TYPE_MESSAGE, f".p.{base}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"p.{name}"))
        for name in MESSAGES
    }


@pytest.fixture(scope="session")
def prompb() -> dict[str, Any]:
    """Prometheus' messages as google's protobuf builds them: the oracle of our own encoders."""
    return _messages()


SERVICE_PATHS = ("/api/tidecast/v1/policy", "/api/tidecast/v1/observations")


class FakeServer:
    """What the real server does with history, in a few dictionaries."""

    def __init__(self) -> None:
        self.usage: dict[tuple[str, str, str, str], dict[int, tuple[Any, ...]]] = {}
        self.units: dict[tuple[str, str], str] = {}
        self.samples: dict[tuple[tuple[str, str], ...], dict[int, float]] = {}
        self.done: dict[str, list[str]] = {}
        self.settings: dict[str, Any] = {}
        self.policy: dict[str, str] = {}
        self.observations: list[dict[str, str]] = []
        self.requests: list[tuple[str, str, int]] = []
        self.refuse_writes = 0
        self.token: str | None = None
        self.fail_after: int | None = None
        self.messages = _messages()
        self.lock = threading.Lock()
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *args: object) -> None:
                pass

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                with fake.lock:
                    status, value = fake.handle(
                        self.command, self.path, body, self.headers.get("Authorization")
                    )
                content = orjson.dumps(value) if value is not None else b""
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = answer

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    def handle(self, method: str, path: str, body: bytes, token: str | None) -> tuple[int, Any]:
        parts = urlsplit(path)
        self.requests.append((method, parts.path, len(body)))
        refusal = self._refusal(method, token)
        if refusal is not None:
            return refusal
        if parts.path in SERVICE_PATHS:
            return 200, self._services(method, parts.path, body)
        match method, parts.path:
            case "POST", "/api/tidecast/v1/usage":
                return 200, {"written": self._usage(orjson.loads(body))}
            case "POST", "/api/v1/write":
                return self._write(body)
            case "GET", "/api/tidecast/v1/imports":
                return 200, {"done": self.done.get(parse_qs(parts.query)["key"][0], [])}
            case "POST", "/api/tidecast/v1/imports":
                entry = orjson.loads(body)
                self.done.setdefault(entry["key"], []).append(entry["chunk"])
                return 200, {}
            case "PUT", "/api/tidecast/v1/settings/generated":
                self.settings["generated"] = orjson.loads(body)["value"]
                return 200, {}
            case "GET", "/-/ready":
                return 200, {}
        return 404, {"title": "Not Found", "detail": f"nothing at {parts.path}"}

    def _refusal(self, method: str, token: str | None) -> tuple[int, Any] | None:
        if self.token and token != f"Bearer {self.token}":
            return 401, {"title": "Unauthorized", "detail": "no valid token"}
        if self.fail_after is not None and method == "POST":
            self.fail_after -= 1
            if self.fail_after < 0:
                return 503, {"title": "Unavailable", "detail": "the disk is full"}
        return None

    def _services(self, method: str, path: str, body: bytes) -> Any:
        match method, path:
            case "PUT", "/api/tidecast/v1/policy":
                self.policy = orjson.loads(body)["files"]
            case "POST", "/api/tidecast/v1/observations":
                self.observations += orjson.loads(body)["observations"]
        return {"version": 1 if self.policy else None}

    def _usage(self, request: dict[str, Any]) -> int:
        written = 0
        for each in request["series"]:
            key = (request["source"], each["instance"], each["resource"], each["item"])
            self.units[each["resource"], each["item"]] = each["unit"]
            records = self.usage.setdefault(key, {})
            assert each["unit"], "the server refuses records without a unit"
            times = each["timestamps_ms"]
            assert not any(time_ms % 3_600_000 for time_ms in times)
            empty = [None] * len(times)
            columns = [each[name] or empty for name in ("mean", "p95", "max", "limit", "mark")]
            for time_ms, *values in zip(times, *columns, strict=True):
                records[time_ms] = tuple(values)
                written += 1
        return written

    def _write(self, body: bytes) -> tuple[int, Any]:
        if self.refuse_writes:
            self.refuse_writes -= 1
            return 400, {"detail": "1 series refused, the rest kept: older than is retained"}
        request = self.messages["WriteRequest"].FromString(
            bytes(cramjam.snappy.decompress_raw(body))
        )
        for series in request.timeseries:
            labels = tuple((label.name, label.value) for label in series.labels)
            known = self.samples.setdefault(labels, {})
            known.update((sample.timestamp, sample.value) for sample in series.samples)
        return 204, None


@pytest.fixture
def server() -> Iterator[FakeServer]:
    """A running fake server."""
    fake = FakeServer()
    thread = threading.Thread(target=fake.http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield fake
    fake.http.shutdown()
    fake.http.server_close()
    thread.join()


@pytest.fixture
def tidecast(server: FakeServer) -> Callable[..., Result]:
    """Runs `tidecast import ...` against the fake server."""

    def run(*arguments: object) -> Result:
        texts = [str(each) for each in arguments]
        return CliRunner().invoke(import_group, texts, env={"TIDECAST_SERVER": server.url})

    return run
