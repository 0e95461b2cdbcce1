"""One remote-write request over a plain socket: what was asked, what was answered.

A raw socket, since http.client and urllib would cost the agent 8 MB; ssl is imported only for an
https:// target. Each request has its own connection.
"""

from __future__ import annotations

import re
import socket
import time
from typing import TYPE_CHECKING, NamedTuple

from tidecast_collector import __version__
from tidecast_collector.errors import InvalidInput, TidecastError

if TYPE_CHECKING:
    import ssl

_URL = re.compile(r"^(https?)://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?(/[!-~]*)?$")
_STATUS = re.compile(rb"^HTTP/1\.[01] ([1-5][0-9]{2})(?: ([^\r\n]*))?$")
_MAX_HEADER_BYTES = 32 << 10
_MAX_BODY_BYTES = 8 << 10


class InvalidUrl(InvalidInput):
    """A URL that cannot be pushed to."""


class PushFailed(TidecastError):
    """No answer was had: the connection failed, took too long, or what came was not HTTP."""


class _NoAnswer(TidecastError):
    """What came over the connection is not a whole answer."""


class Target(NamedTuple):
    """Where to push to, taken apart from its URL."""

    url: str
    tls: bool
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"


class Answer(NamedTuple):
    """A response: its status, what it says (the start of its body), and Retry-After in seconds."""

    status: int
    reason: str
    retry_after_seconds: float | None = None


def parse_url(url: str) -> Target:
    """The target of this URL; raises `InvalidUrl`.

    >>> parse_url("http://tidecast:9797/api/v1/write").authority
    'tidecast:9797'
    """
    match = _URL.match(url)
    port = int(match[3]) if match and match[3] else None
    if match is None or "#" in url or (port is not None and not 0 < port < 65536):
        raise InvalidUrl(
            f"push URL {_without_userinfo(url)!r}: it must read http[s]://HOST[:PORT]/PATH, such "
            "as http://tidecast.example:9797/api/v1/write; a token goes into --token-file"
        )
    tls = match[1] == "https"
    return Target(
        url, tls, match[2].strip("[]"), port or (443 if tls else 80), match[4] or "/api/v1/write"
    )


def _without_userinfo(url: str) -> str:
    return re.sub(r"//[^/@]*@", "//...@", url)


class Poster:
    """Posts compressed remote-write messages to one target."""

    def __init__(self, target: Target, timeout_seconds: float = 30.0) -> None:
        self._target = target
        self._timeout_seconds = timeout_seconds
        self._tls: ssl.SSLContext | None = None
        if target.tls:
            import ssl  # noqa: PLC0415 - 6 MB that only https needs

            self._tls = ssl.create_default_context()

    def post(self, body: bytes, token: str) -> Answer:
        """The receiver's answer; raises `PushFailed` where there is none within the time."""
        deadline = time.monotonic() + self._timeout_seconds
        head = [
            f"POST {self._target.path} HTTP/1.1",
            f"Host: {self._target.authority}",
            f"User-Agent: tidecast-agent/{__version__}",
            "Content-Encoding: snappy",
            "Content-Type: application/x-protobuf",
            "X-Prometheus-Remote-Write-Version: 0.1.0",
            f"Content-Length: {len(body)}",
            "Connection: close",
        ]
        if token:
            head.append(f"Authorization: Bearer {token}")
        request = ("\r\n".join(head) + "\r\n\r\n").encode("ascii") + body
        try:
            with self._connect() as connection:
                connection.settimeout(self._timeout_seconds)
                connection.sendall(request)
                return _read_answer(connection, deadline)
        except (OSError, _NoAnswer) as error:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise PushFailed(f"{self._target.url}: {reason}") from error

    def _connect(self) -> socket.socket:
        connection = socket.create_connection(
            (self._target.host, self._target.port), self._timeout_seconds
        )
        if self._tls is None:
            return connection
        return self._tls.wrap_socket(connection, server_hostname=self._target.host)


def _read_answer(connection: socket.socket, deadline: float) -> Answer:
    data = b""
    while True:
        head, separator, rest = data.partition(b"\r\n\r\n")
        if separator:
            status, reason, headers = _parse_head(head)
            if status >= 200:
                break
            data = rest  # an interim response: the final one follows
            continue
        if len(data) > _MAX_HEADER_BYTES:
            raise _NoAnswer(f"the answer's headers are over {_MAX_HEADER_BYTES} bytes")
        data += _receive(connection, deadline)
    retry_after = headers.get(b"retry-after", b"")
    seconds = float(retry_after) if re.fullmatch(rb"[0-9]{1,6}", retry_after) else None
    if 200 <= status < 300:
        return Answer(status, reason, seconds)
    body = _read_body(connection, deadline, headers, rest)
    said = " ".join(body.decode("utf-8", "replace").split())[:500]
    return Answer(status, said or reason, seconds)


def _parse_head(head: bytes) -> tuple[int, str, dict[bytes, bytes]]:
    first, *lines = head.split(b"\r\n")
    match = _STATUS.match(first)
    if match is None:
        raise _NoAnswer(f"the answer is not HTTP/1.x: {first[:60]!r}")
    headers = {}
    for line in lines:
        name, _, value = line.partition(b":")
        headers[name.strip().lower()] = value.strip()
    return int(match[1]), (match[2] or b"").decode("latin-1"), headers


def _read_body(
    connection: socket.socket, deadline: float, headers: dict[bytes, bytes], body: bytes
) -> bytes:
    """The start of the body: as long as declared, as the limit allows, or as it lasts."""
    length = headers.get(b"content-length", b"")
    wanted = min(int(length), _MAX_BODY_BYTES) if length.isdigit() else _MAX_BODY_BYTES
    while len(body) < wanted:
        try:
            body += _receive(connection, deadline)
        except _NoAnswer:
            break  # the status is known already; its explanation may stop anywhere
    if headers.get(b"transfer-encoding", b"").lower() == b"chunked":
        return b"".join(body.split(b"\r\n")[1::2])
    return body[:wanted]


def _receive(connection: socket.socket, deadline: float) -> bytes:
    left = deadline - time.monotonic()
    if left <= 0:
        raise _NoAnswer("the answer took too long")
    connection.settimeout(left)
    data = connection.recv(16 << 10)
    if not data:
        raise _NoAnswer("the connection was closed before the answer was whole")
    return data
