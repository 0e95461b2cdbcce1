"""A small HTTP/1.1 server for `GET /metrics` and `GET /-/healthy`.

A raw socket, since http.server would cost 10 MB. Each request has its own connection and thread;
there are at most a few at a time, each within limits of size and time.
"""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from tidecast_collector.errors import InvalidInput, TidecastError
from tidecast_collector.exposition import CONTENT_TYPE

MAX_REQUEST_BYTES = 16 << 10
MAX_CONNECTIONS = 8
REQUEST_SECONDS = 10.0

_ADDRESS = re.compile(r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]*):([0-9]{1,5})$")
_REQUEST_LINE = re.compile(rb"^([A-Z]+) (/[!-~]*|\*) HTTP/1\.([01])$")
_REASONS = {
    200: "OK",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    503: "Service Unavailable",
}


class ListenFailed(TidecastError):
    """The address cannot be listened on."""


class Address(NamedTuple):
    """A host (a name or an IP, without brackets) and a port to listen on."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return _is_loopback(self.host)


class Response(NamedTuple):
    """What is answered."""

    status: int
    body: bytes
    content_type: str = "text/plain; charset=utf-8"


def parse_address(text: str) -> Address:
    """The address written HOST:PORT; raises `InvalidInput`.

    >>> parse_address("127.0.0.1:9798")
    Address(host='127.0.0.1', port=9798)
    """
    match = _ADDRESS.match(text)
    if match is None or int(match[2]) > 65535:
        raise InvalidInput(f"{text!r}: an address must read HOST:PORT, such as 127.0.0.1:9798")
    return Address(match[1].strip("[]") or "0.0.0.0", int(match[2]))  # noqa: S104 - as asked


def _is_loopback(host: str) -> bool:
    return host in ("localhost", "::1") or re.fullmatch(r"127(\.\d{1,3}){3}", host) is not None


class MetricsServer:
    """Serves `metrics()` on an address; on loopback it answers to loopback's names alone."""

    def __init__(self, address: Address, metrics: Callable[[], bytes]) -> None:
        self._metrics = metrics
        self._slots = threading.BoundedSemaphore(MAX_CONNECTIONS)
        try:
            family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
            self._socket = socket.create_server((address.host, address.port), family=family)
        except OSError as error:
            raise ListenFailed(
                f"cannot listen on {address.host}:{address.port}: {error.strerror}; "
                "is another agent running? give another --listen HOST:PORT"
            ) from error
        self.port: int = self._socket.getsockname()[1]
        host = f"[{address.host}]" if ":" in address.host else address.host
        self.url = f"http://{host}:{self.port}/metrics"
        self._check_host = address.is_loopback
        self.thread = threading.Thread(target=self._accept, name="listen", daemon=True)

    def stop(self) -> None:
        """Stops accepting; requests under way end by themselves."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self.thread.join(1.0)
        self._socket.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except ConnectionError:
                continue
            except OSError:
                return  # shut down
            if self._slots.acquire(blocking=False):
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()
            else:
                _answer(connection, Response(503, b"too many requests at a time\n"), b"")
                connection.close()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection:
                head = _read_head(connection)
                if head is not None:
                    _answer(connection, self.respond(head), head)
        finally:
            self._slots.release()

    def respond(self, head: bytes) -> Response:
        """The response to a request, given its request line and headers."""
        first, *lines = head.split(b"\r\n")
        match = _REQUEST_LINE.match(first)
        headers = [line.partition(b":") for line in lines]
        hosts = [value.strip() for name, _, value in headers if name.lower() == b"host"]
        if match is None or len(hosts) > 1 or (match[3] == b"1" and not hosts):
            return Response(400, b"this is not an HTTP/1.1 request\n")
        if self._check_host and hosts and not _names_loopback(hosts[0].decode("latin-1")):
            return Response(403, b"the Host header does not name this machine's loopback\n")
        if match[1] not in (b"GET", b"HEAD"):
            return Response(405, b"only GET and HEAD are served\n")
        path = match[2].partition(b"?")[0]
        if path == b"/metrics":
            return Response(200, self._metrics(), CONTENT_TYPE)
        if path == b"/-/healthy":
            return Response(200, b"tidecast-agent is healthy\n")
        return Response(404, b"there are /metrics and /-/healthy\n")


def _names_loopback(host: str) -> bool:
    name = re.sub(r":\d+$", "", host) if not host.endswith("]") else host
    return _is_loopback(name.strip("[]").lower().rstrip("."))


def _read_head(connection: socket.socket) -> bytes | None:
    """The request line and headers, or None where they are too long, too late or cut."""
    deadline = time.monotonic() + REQUEST_SECONDS
    data = b""
    while b"\r\n\r\n" not in data:
        left = deadline - time.monotonic()
        if left <= 0 or len(data) > MAX_REQUEST_BYTES:
            return None
        connection.settimeout(left)
        try:
            more = connection.recv(4096)
        except OSError:
            return None
        if not more:
            return None
        data += more
    return data.partition(b"\r\n\r\n")[0]


def _answer(connection: socket.socket, response: Response, request: bytes) -> None:
    allow = "Allow: GET, HEAD\r\n" if response.status == 405 else ""
    head = (
        f"HTTP/1.1 {response.status} {_REASONS[response.status]}\r\n"
        f"Content-Type: {response.content_type}\r\n"
        f"Content-Length: {len(response.body)}\r\n{allow}"
        "X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"
    )
    body = b"" if request.startswith(b"HEAD ") else response.body
    try:
        connection.settimeout(REQUEST_SECONDS)
        connection.sendall(head.encode("ascii") + body)
    except OSError:
        return  # the scraper went away; there is nobody left to tell
