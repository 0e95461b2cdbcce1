from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from tests.scenario.driver import PATIENCE_SECONDS

from tidecast_collector.errors import InvalidInput
from tidecast_collector.exposition import CONTENT_TYPE
from tidecast_collector.listen import (
    MAX_CONNECTIONS,
    Address,
    ListenFailed,
    MetricsServer,
    parse_address,
)


@pytest.fixture
def server() -> Iterator[MetricsServer]:
    server = MetricsServer(Address("127.0.0.1", 0), lambda: b"up 1\n")
    server.thread.start()
    yield server
    server.stop()


def _ask(server: MetricsServer, request: bytes) -> tuple[bytes, dict[bytes, bytes], bytes]:
    with socket.create_connection(("127.0.0.1", server.port), PATIENCE_SECONDS) as connection:
        connection.sendall(request)
        data = b""
        while more := connection.recv(65536):
            data += more
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    return first, dict(line.split(b": ", 1) for line in lines), body  # type: ignore[misc]


def _get(server: MetricsServer, path: str, host: str = "localhost") -> bytes:
    return _ask(server, f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())[0]


def test_metrics(server: MetricsServer) -> None:
    first, headers, body = _ask(server, b"GET /metrics HTTP/1.1\r\nHost: localhost:1\r\n\r\n")
    assert first == b"HTTP/1.1 200 OK"
    assert headers[b"Content-Type"].decode() == CONTENT_TYPE
    assert headers[b"Content-Length"] == b"5"
    assert body == b"up 1\n"


def test_head_has_no_body(server: MetricsServer) -> None:
    first, headers, body = _ask(server, b"HEAD /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert (first, headers[b"Content-Length"], body) == (b"HTTP/1.1 200 OK", b"5", b"")


def test_what_else_is_served_and_what_not(server: MetricsServer) -> None:
    assert _get(server, "/-/healthy") == b"HTTP/1.1 200 OK"
    assert _get(server, "/metrics?x=1") == b"HTTP/1.1 200 OK"
    assert _get(server, "/") == b"HTTP/1.1 404 Not Found"
    assert _get(server, "/metrics/x") == b"HTTP/1.1 404 Not Found"
    first, headers, _ = _ask(server, b"POST /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert (first, headers[b"Allow"]) == (b"HTTP/1.1 405 Method Not Allowed", b"GET, HEAD")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:9798", "127.0.0.1:9798", "[::1]:9798"])
def test_hosts_that_mean_this_machine(server: MetricsServer, host: str) -> None:
    assert _get(server, "/metrics", host) == b"HTTP/1.1 200 OK"


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example:9798", "127.0.0.1.evil.example", "", "10.0.0.1"],
)
def test_dns_rebinding_is_refused(server: MetricsServer, host: str) -> None:
    assert _get(server, "/metrics", host) == b"HTTP/1.1 403 Forbidden"


@pytest.mark.parametrize(
    "request_head",
    [
        b"GET /metrics HTTP/1.1\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
        b"GET /metrics\r\n\r\n",
        b"\x16\x03\x01\x02\x00\r\n\r\n",
        b"GET /metrics HTTP/2.0\r\nHost: localhost\r\n\r\n",
    ],
)
def test_what_is_no_request(server: MetricsServer, request_head: bytes) -> None:
    assert _ask(server, request_head)[0] == b"HTTP/1.1 400 Bad Request"


def test_headers_have_a_limit(server: MetricsServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), PATIENCE_SECONDS) as connection:
        try:
            connection.sendall(b"GET / HTTP/1.1\r\n" + b"X: " + b"y" * 40_000)
            assert connection.recv(1) == b""
        except ConnectionError:
            pass  # closed with bytes unread: a reset is as good an answer
    assert _get(server, "/-/healthy") == b"HTTP/1.1 200 OK"


def test_idle_connections_cannot_take_more_than_their_slots(server: MetricsServer) -> None:
    address = ("127.0.0.1", server.port)
    idle = [socket.create_connection(address, PATIENCE_SECONDS) for _ in range(MAX_CONNECTIONS)]
    with socket.create_connection(address, PATIENCE_SECONDS) as one_more:
        assert one_more.recv(1000).startswith(b"HTTP/1.1 503 Service Unavailable")
    for connection in idle:
        connection.close()


def test_a_taken_port_is_named(server: MetricsServer) -> None:
    with pytest.raises(ListenFailed, match=rf"127.0.0.1:{server.port}: Address already in use"):
        MetricsServer(Address("127.0.0.1", server.port), bytes)


@pytest.mark.parametrize(
    ("text", "address", "loopback"),
    [
        ("127.0.0.1:9798", Address("127.0.0.1", 9798), True),
        ("localhost:1", Address("localhost", 1), True),
        ("[::1]:9798", Address("::1", 9798), True),
        ("0.0.0.0:9798", Address("0.0.0.0", 9798), False),
        (":9798", Address("0.0.0.0", 9798), False),
        ("127.0.0.1.example:1", Address("127.0.0.1.example", 1), False),
    ],
)
def test_addresses(text: str, address: Address, loopback: bool) -> None:
    assert parse_address(text) == address
    assert parse_address(text).is_loopback is loopback


@pytest.mark.parametrize("text", ["", "9798", "host", "host:", "host:70000", "::1:9798", "a b:1"])
def test_addresses_that_are_none(text: str) -> None:
    with pytest.raises(InvalidInput, match="HOST:PORT"):
        parse_address(text)


def test_ipv6_loopback() -> None:
    server = MetricsServer(Address("::1", 0), bytes)
    server.thread.start()
    assert server.url == f"http://[::1]:{server.port}/metrics"
    with socket.create_connection(("::1", server.port), PATIENCE_SECONDS) as connection:
        connection.sendall(b"GET /-/healthy HTTP/1.0\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 200 OK")
    server.stop()
