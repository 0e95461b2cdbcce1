"""The write door: what each request is answered, and what is in the store afterwards."""

from __future__ import annotations

import asyncio
import time

import cramjam
import pytest
from starlette.responses import Response
from tests.samples.remote_write_messages import field, sample, series
from tests.samples.support import everything, labels_of
from tests.samples.test_remote_write_2 import Symbols
from tests.samples.test_remote_write_2 import series as series_2

from tidecast.clock import SystemClock
from tidecast.journeys.ingest import HostsSeen, Ingest, LateHours
from tidecast.records import Records
from tidecast.samples.memory import MemorySamples
from tidecast.samples.protocol import SamplesUnavailable
from tidecast.server import write_api
from tidecast.server.metrics import ServerMetrics
from tidecast.server.write_api import WriteApi

V1 = {"content-type": "application/x-protobuf", "content-encoding": "snappy"}
V2 = {**V1, "content-type": "application/x-protobuf;proto=io.prometheus.write.v2.Request"}
UP, BAD = labels_of("up", host="a"), (("host", "nameless"),)
NOW = int(time.time() * 1000)


class Door:
    """The write API over a store in memory."""

    def __init__(self, records: Records) -> None:
        self.samples = MemorySamples()
        self.hosts = HostsSeen({})
        ingest = Ingest(self.samples, LateHours(records), self.hosts)
        self.metrics = ServerMetrics()
        self._api = WriteApi(ingest, self.samples, self.metrics, SystemClock())

    def post(self, body: bytes, headers: dict[str, str]):
        async def receive() -> dict[str, object]:
            return {"type": "http.request", "body": body, "more_body": False}

        encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
        sent: list[dict[str, object]] = []

        async def send(message: dict[str, object]) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "POST", "headers": encoded}
        asyncio.run(self._api(scope, receive, send))
        answered = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return Response(sent[1]["body"], sent[0]["status"], answered)


@pytest.fixture
def door(tmp_path):
    records = Records.open(f"sqlite:///{tmp_path / 'records.db'}")
    yield Door(records)
    records.close()


def snappy(message: bytes) -> bytes:
    return bytes(cramjam.snappy.compress_raw(message))


def written(response) -> list[str | None]:
    kinds = ("samples", "histograms", "exemplars")
    return [response.headers.get(f"x-prometheus-remote-write-{kind}-written") for kind in kinds]


def test_what_is_kept_is_told(door) -> None:
    response = door.post(snappy(series(UP, [(NOW, 1), (NOW + 1, 2)])), V1)
    assert (response.status_code, written(response)) == (204, ["2", "0", "0"])
    symbols = Symbols()
    message = series_2(symbols, UP, [(NOW + 2, 3)], field(4, b""))
    body = symbols.encoded() + message
    for compressed, encoding in (
        (snappy(body), "snappy"),
        (bytes(cramjam.zstd.compress(body)), "zstd"),
    ):
        # The second time it is there already, which is as good as written.
        response = door.post(compressed, {**V2, "content-encoding": encoding})
        assert (response.status_code, written(response)) == (204, ["1", "0", "0"])
    assert everything(door.samples) == {UP: [(NOW, 1), (NOW + 1, 2), (NOW + 2, 3)]}


def test_of_a_partial_write_the_good_series_stay_and_the_bad_are_named(door) -> None:
    symbols = Symbols()
    message = series_2(symbols, BAD, [(1, 1)]) + series_2(symbols, UP, [(1, 1)])
    response = door.post(snappy(symbols.encoded() + message), V2)
    assert (response.status_code, written(response)) == (400, ["1", "0", "0"])
    assert b"1 series refused" in response.body
    assert b"nameless" in response.body
    assert b"no metric name" in response.body
    assert list(everything(door.samples)) == [UP]


def test_native_histograms_are_refused_and_the_rest_is_kept(door) -> None:
    response = door.post(snappy(series(UP, [(1, 1)], field(4, field(1, 7)))), V1)
    assert (response.status_code, written(response)) == (400, ["1", "0", "0"])
    assert b"1 native histograms refused" in response.body
    assert list(everything(door.samples)) == [UP]


def test_our_own_series_are_dropped(door) -> None:
    own = labels_of("tidecast_usage", instance="a")
    response = door.post(snappy(series(own, [(1, 1)]) + series(UP, [(1, 1)])), V1)
    assert (response.status_code, written(response)) == (204, ["1", "0", "0"])
    assert list(everything(door.samples)) == [UP]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({**V1, "content-type": "application/json"}, "Content-Type must be"),
        ({**V1, "content-type": "application/x-protobuf;proto=other.Message"}, "not supported"),
        ({**V1, "content-encoding": "gzip"}, "Content-Encoding must be snappy or zstd"),
    ],
)
def test_what_cannot_be_read_is_415(door, headers, expected) -> None:
    response = door.post(b"", headers)
    assert response.status_code == 415
    assert expected in response.body.decode()


def test_both_messages_by_name_and_none_is_the_first(door) -> None:
    body = snappy(series(UP, [(1, 1)]))
    for content_type in (
        "application/x-protobuf",
        "Application/X-Protobuf; charset=utf-8",
        'application/x-protobuf; proto="prometheus.WriteRequest"',
    ):
        assert door.post(body, {"content-type": content_type}).status_code == 204


def test_nonsense_is_400_and_changes_nothing(door) -> None:
    half = series(UP, [(1, 1)]) + b"\x0a\x7f"
    response = door.post(snappy(half), V1)
    assert (response.status_code, written(response)) == (400, [None] * 3)
    assert b"byte " in response.body
    assert everything(door.samples) == {}


def test_what_is_too_large_is_413(door, monkeypatch) -> None:
    monkeypatch.setattr(write_api, "MAX_BODY_BYTES", 100)
    assert door.post(bytes(101), V1).status_code == 413
    value = door.metrics.registry.get_sample_value
    assert value("tidecast_ingest_refused_writes_total", {"status": "413"}) == 1
    bomb = bytes(cramjam.zstd.compress(bytes(40 << 20)))
    monkeypatch.setattr(write_api, "MAX_BODY_BYTES", len(bomb))
    assert door.post(bomb, {**V1, "content-encoding": "zstd"}).status_code == 413


def test_too_much_at_once_is_429_and_comes_again(door, monkeypatch) -> None:
    body = snappy(field(1, sample(1, 1)))
    headers = {**V1, "content-length": str(len(body))}
    monkeypatch.setattr(write_api, "MAX_PENDING_BYTES", len(body) - 1)
    response = door.post(body, headers)
    assert (response.status_code, response.headers["retry-after"]) == (429, "1")
    monkeypatch.setattr(write_api, "MAX_PENDING_BYTES", len(body))
    assert door.post(body, headers).status_code == 400  # a series without labels, but read


def test_a_full_disk_is_503(door, monkeypatch) -> None:
    def refuse(batch):
        raise SamplesUnavailable("no space left")

    monkeypatch.setattr(door.samples, "append", refuse)
    response = door.post(snappy(series(UP, [(1, 1)])), V1)
    assert (response.status_code, response.headers["retry-after"]) == (503, "5")


def test_hosts_are_seen_by_their_newest_live_sample(door) -> None:
    def of(name: str, instance: str):
        return labels_of(name, instance=instance)

    message = series(of("node_load1", "web-1:9100"), [(NOW - 5000, 1), (NOW - 1000, 1)])
    message += series(of("node_load5", "web-1"), [(NOW - 3000, 1)])
    message += series(of("up", "web-2"), [(NOW, 1)])
    message += series(of("node_load1", "web-3"), [(NOW - 7_200_000, 1)])
    assert door.post(snappy(message), V1).status_code == 204
    assert door.post(snappy(message), V1).status_code == 204
    assert door.hosts.all() == {"web-1": NOW - 1000}
