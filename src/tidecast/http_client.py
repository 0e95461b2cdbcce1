"""HTTP as we speak it to others: a command to its server, the server to an engine of samples.

HttpError
├── Unreachable     nobody answers there
│   └── TimedOut    somebody is there, but does not answer in time
├── AnswerTooLarge  more than is read into memory
└── Refused         an answer, but not the one asked for; says the status and the server's reason
"""

from __future__ import annotations

import functools
import http.client
import os
import threading
import time
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

from tidecast_collector.errors import TidecastError

DEFAULT_SERVER = "http://127.0.0.1:9797"
TIMEOUT_SECONDS = 60.0
MAX_ANSWER_BYTES = 256 << 20
MAX_TOKEN_BYTES = 4096
MAX_IDLE_CONNECTIONS = 8
_PIECE_BYTES = 1 << 20


class HttpError(TidecastError):
    """A request that did not do what was asked."""


class Unreachable(HttpError):
    """Nobody answers at that address."""


class TimedOut(Unreachable):
    """The answer took longer than was waited for."""


class AnswerTooLarge(HttpError):
    """An answer of more bytes than are read into memory."""


class Refused(HttpError):
    """The server answered with an error; `status` is its HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class _Address:
    secure: bool
    host: str
    port: int
    prefix: str


def _address(url: str) -> _Address:
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise HttpError(f"{url!r} is not a URL: {error}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise HttpError(f"{url!r} is not a URL such as {DEFAULT_SERVER}")
    if parts.username or parts.password:
        raise HttpError("the URL carries a user or a password; put a token into a file instead")
    if parts.query or parts.fragment:
        raise HttpError(f"{url!r}: a base URL has neither a query nor a fragment")
    secure = parts.scheme == "https"
    return _Address(secure, parts.hostname, port or (443 if secure else 80), parts.path.rstrip("/"))


class HttpClient:
    """A connection that is kept open to one server; every request may safely be sent twice."""

    def __init__(
        self, url: str, token: str | None = None, timeout_seconds: float = TIMEOUT_SECONDS
    ) -> None:
        self.url = url.rstrip("/")
        self._address = _address(url)
        self._token = token
        self._timeout_seconds = timeout_seconds
        self._connection: http.client.HTTPConnection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def get_json(self, path: str, query: Sequence[tuple[str, str]] = ()) -> Any:
        """What the server answers, read from JSON."""
        full = f"{path}?{urllib.parse.urlencode(query)}" if query else path
        return self._json(self.request("GET", full), path)

    def post_json(self, path: str, value: Any) -> Any:
        """What the server answers to this value, both as JSON (None: an empty answer)."""
        return self._send_json("POST", path, value)

    def put_json(self, path: str, value: Any) -> Any:
        """What the server answers when this value is put there, both as JSON."""
        return self._send_json("PUT", path, value)

    def post_form(self, path: str, form: Sequence[tuple[str, str]]) -> Any:
        """What the server answers to this form, read from JSON."""
        return self._json(self.send_form(path, form), path)

    def send_form(self, path: str, form: Sequence[tuple[str, str]]) -> bytes:
        """The body of the answer to this form, whatever it is."""
        body = urllib.parse.urlencode(form).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.request("POST", path, body, headers)

    def _send_json(self, method: str, path: str, value: Any) -> Any:
        body = value if isinstance(value, bytes) else orjson.dumps(value)
        answer = self.request(method, path, body, {"Content-Type": "application/json"})
        return self._json(answer, path) if answer else None

    def _json(self, answer: bytes, path: str) -> Any:
        try:
            return orjson.loads(answer)
        except orjson.JSONDecodeError as error:
            raise HttpError(f"{self.url}{path} did not answer in JSON: {error}") from error

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        """The body of a successful answer.

        Raises `Unreachable` or `Refused`; a kept connection that the server has closed meanwhile is
        opened again once.
        """
        sent = {**self._headers(), **(headers or {})}
        fresh = self._connection is None
        try:
            status, answer = self._exchange(method, path, body, sent)
        except (OSError, http.client.HTTPException) as error:
            if fresh or isinstance(error, TimeoutError):
                raise self._unreachable(error) from error
            try:
                status, answer = self._exchange(method, path, body, sent)
            except (OSError, http.client.HTTPException) as again:
                raise self._unreachable(again) from again
        if not 200 <= status < 300:
            raise Refused(status, self._explain(status, method, path, answer))
        return answer

    def stream(self, path: str) -> Iterator[bytes]:
        """The body of a successful answer, of any size, piece by piece.

        Raises `Unreachable` or `Refused`.
        """
        self.close()
        connection = self._connect()
        try:
            connection.request("GET", self._address.prefix + path, headers=self._headers())
            response = connection.getresponse()
            if response.status != 200:
                answer = response.read(MAX_ANSWER_BYTES)
                raise Refused(response.status, self._explain(response.status, "GET", path, answer))
            while chunk := response.read(_PIECE_BYTES):
                yield chunk
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from error
        finally:
            connection.close()

    def wait_up_to(self, seconds: float) -> None:
        """Lets what is asked from now on take longer (or less long) than before."""
        self.close()
        self._timeout_seconds = seconds

    @contextmanager
    def patience(self, seconds: float) -> Iterator[None]:
        """Waits no longer than this for each answer meanwhile."""
        usual, self._timeout_seconds = self._timeout_seconds, seconds
        try:
            yield
        finally:
            self._timeout_seconds = usual

    def _headers(self) -> dict[str, str]:
        sent = {"Accept": "application/json", "User-Agent": "tidecast"}
        if self._token:
            sent["Authorization"] = f"Bearer {self._token}"
        return sent

    def _connect(self) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if self._address.secure else _Plain
        return kind(self._address.host, self._address.port, timeout=self._timeout_seconds)

    def _exchange(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> tuple[int, bytes]:
        if self._connection is None:
            self._connection = self._connect()
        until = time.monotonic() + self._timeout_seconds
        self._connection.timeout = self._timeout_seconds
        if self._connection.sock is not None:
            self._connection.sock.settimeout(self._timeout_seconds)
        try:
            self._connection.request(method, self._address.prefix + path, body, dict(headers))
            response = self._connection.getresponse()
            answer = _content(response, until)
        except (OSError, http.client.HTTPException):
            self.close()
            raise
        if len(answer) > MAX_ANSWER_BYTES:
            self.close()
            raise AnswerTooLarge(
                f"{self.url}{path} answered with more than {MAX_ANSWER_BYTES} bytes"
            )
        return response.status, answer

    def _unreachable(self, error: Exception) -> Unreachable:
        if isinstance(error, TimeoutError):
            return TimedOut(f"{self.url} did not answer within {self._timeout_seconds:g} s")
        return Unreachable(f"no server at {self.url}: {error}")

    def _explain(self, status: int, method: str, path: str, answer: bytes) -> str:
        reason = reason_of(answer) or http.client.responses.get(status, "an unknown status")
        message = f"{self.url}{path} answered {status}: {reason}"
        if status == 401:
            message += "; give a token by --token-file or its environment variable"
        return message


def _content(response: http.client.HTTPResponse, until: float) -> bytes:
    """The body, and one byte too much where there are too many; raises `TimeoutError`.

    The time of a socket is started anew by each byte that drips in: all of them have one together.
    """
    pieces: list[bytes] = []
    size = 0
    while size <= MAX_ANSWER_BYTES and (piece := response.read1(_PIECE_BYTES)):
        pieces.append(piece)
        size += len(piece)
        if time.monotonic() > until:
            raise TimeoutError
    if response.length and size <= MAX_ANSWER_BYTES:
        raise http.client.IncompleteRead(b"", response.length)
    # So that the connection can be used again.
    response.close()
    return b"".join(pieces)


class _Plain(http.client.HTTPConnection):
    """Plain HTTP; exists so that both kinds are made in the same way."""


class HttpPool:
    """Connections to one server for several threads: each request has one to itself."""

    def __init__(self, url: str, token: str | None, timeout_seconds: float) -> None:
        self._make = functools.partial(HttpClient, url, token, timeout_seconds)
        self._idle = [self._make()]
        self._lock = threading.Lock()
        self._closed = False

    @contextmanager
    def client(self) -> Iterator[HttpClient]:
        """A client that nobody else uses meanwhile."""
        with self._lock:
            client = self._idle.pop() if self._idle else self._make()
        try:
            yield client
        finally:
            with self._lock:
                kept = not self._closed and len(self._idle) < MAX_IDLE_CONNECTIONS
                if kept:
                    self._idle.append(client)
            if not kept:
                client.close()

    def close(self) -> None:
        """Closes what is idle; what is in use is closed when it comes back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for client in idle:
            client.close()


def reason_of(answer: bytes) -> str:
    """The reason in an RFC 9457 problem, a Prometheus error or the first line of plain text."""
    try:
        problem = orjson.loads(answer)
    except orjson.JSONDecodeError:
        text = answer[:500].decode("utf-8", "replace").strip()
        return text.splitlines()[0] if text else ""
    if not isinstance(problem, dict):
        return ""
    return str(problem.get("detail") or problem.get("error") or problem.get("title") or "")


def read_token(path: Path | None, environment_name: str | None) -> str | None:
    """The bearer token in the file, else in that environment variable, else None."""
    if path is None:
        token = os.environ.get(environment_name, "") if environment_name else ""
        return _checked_token(token.strip(), f"${environment_name}") if token.strip() else None
    try:
        with path.open("rb") as file:
            content = file.read(MAX_TOKEN_BYTES + 1)
    except OSError as error:
        raise TidecastError(f"cannot read the token file {path}: {error.strerror}") from error
    if len(content) > MAX_TOKEN_BYTES:
        raise TidecastError(f"the token file {path} is longer than {MAX_TOKEN_BYTES} bytes")
    return _checked_token(content.decode("utf-8", "replace").strip(), str(path))


def _checked_token(token: str, where: str) -> str:
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise TidecastError(f"{where} holds no token: one line of printable ASCII without blanks")
    return token
