from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.scenario.driver import PATIENCE_SECONDS

from tidecast_collector.push import Answer, InvalidUrl, Poster, PushFailed, parse_url


@contextmanager
def _serving(
    answer: bytes, wrap: Callable[[socket.socket], socket.socket] | None = None
) -> Iterator[tuple[int, list[bytes]]]:
    """A server of one connection that reads a request and sends these bytes."""
    requests: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection if wrap is None else wrap(connection) as plain:
            data = b""
            while b"\r\n\r\nBODY" not in data:
                data += plain.recv(4096)
            requests.append(data)
            plain.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1], requests
    finally:
        thread.join(PATIENCE_SECONDS)
        listener.close()


def _post(answer: bytes, token: str = "") -> tuple[Answer, bytes]:
    with _serving(answer) as (port, requests):
        poster = Poster(parse_url(f"http://127.0.0.1:{port}/api/v1/write"), PATIENCE_SECONDS)
        return poster.post(b"BODY", token), requests[0]


def test_the_request_is_remote_writes() -> None:
    answer, request = _post(b"HTTP/1.1 204 No Content\r\n\r\n", "s3cret")
    assert answer == (204, "No Content", None)
    first, *headers = request.partition(b"\r\n\r\n")[0].decode().split("\r\n")
    assert first == "POST /api/v1/write HTTP/1.1"
    sent = dict(header.split(": ") for header in headers)
    assert sent["Content-Encoding"] == "snappy"
    assert sent["Content-Type"] == "application/x-protobuf"
    assert sent["X-Prometheus-Remote-Write-Version"] == "0.1.0"
    assert sent["User-Agent"].startswith("tidecast-agent/")
    assert sent["Authorization"] == "Bearer s3cret"
    assert sent["Content-Length"] == "4"
    assert request.endswith(b"BODY")


def test_without_a_token_nothing_is_claimed() -> None:
    assert b"Authorization" not in _post(b"HTTP/1.1 200 OK\r\n\r\n")[1]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (
            b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 9\r\n\r\nno  token",
            (401, "no token", None),
        ),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", (400, "Bad Request", None)),
        (b"HTTP/1.1 429 \r\nretry-after: 30\r\n\r\n", (429, "", 30.0)),
        (b"HTTP/1.1 503 X\r\nRetry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\n\r\n", (503, "X", None)),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", (200, "OK", None)),
        (
            b"HTTP/1.1 400 X\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"3\r\nbad\r\n5\r\n line\r\n0\r\n\r\n",
            (400, "bad line", None),
        ),
        (
            b"HTTP/1.0 500 X\r\nContent-Length: 900000\r\n\r\n" + b"x" * 20000,
            (500, "x" * 500, None),
        ),
    ],
)
def test_answers(answer: bytes, expected: Answer) -> None:
    assert _post(answer)[0] == expected


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", "closed before the answer was whole"),
        (b"HTTP/1.1 200 OK\r\n", "closed before the answer was whole"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70000, "headers are over|closed|reset"),
    ],
)
def test_what_is_no_answer_fails(answer: bytes, reason: str) -> None:
    with pytest.raises(PushFailed, match=reason):
        _post(answer)


def test_a_silent_server_is_waited_for_no_longer_than_allowed() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        pytest.raises(PushFailed, match="timed out"),
    ):
        Poster(parse_url(f"http://127.0.0.1:{listener.getsockname()[1]}/"), 0.1).post(b"BODY", "")


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(PushFailed, match="Connection refused"):
        Poster(parse_url(f"http://127.0.0.1:{port}/"), PATIENCE_SECONDS).post(b"BODY", "")


def test_https_trusts_only_known_certificates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "1", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def wrap(connection: socket.socket) -> socket.socket:
        return context.wrap_socket(connection, server_side=True)

    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with _serving(b"HTTP/1.1 204 No Content\r\n\r\n", wrap) as (port, _):
        target = parse_url(f"https://localhost:{port}/api/v1/write")
        assert Poster(target, PATIENCE_SECONDS).post(b"BODY", "t").status == 204

    monkeypatch.delenv("SSL_CERT_FILE")
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def refuse() -> None:
            with pytest.raises(ssl.SSLError):
                wrap(listener.accept()[0])

        thread = threading.Thread(target=refuse)
        thread.start()
        target = parse_url(f"https://localhost:{listener.getsockname()[1]}/")
        with pytest.raises(PushFailed, match=r"(?i)certificate"):
            Poster(target, PATIENCE_SECONDS).post(b"BODY", "t")
        thread.join()


@pytest.mark.parametrize(
    ("url", "host", "port", "path", "authority"),
    [
        ("http://h/api/v1/write", "h", 80, "/api/v1/write", "h"),
        ("https://h:9797", "h", 9797, "/api/v1/write", "h:9797"),
        ("https://h", "h", 443, "/api/v1/write", "h"),
        ("http://[::1]:9797/w?x=1", "::1", 9797, "/w?x=1", "[::1]:9797"),
    ],
)
def test_urls(url: str, host: str, port: int, path: str, authority: str) -> None:
    target = parse_url(url)
    assert (target.host, target.port, target.path, target.authority) == (
        host,
        port,
        path,
        authority,
    )


@pytest.mark.parametrize(
    "url",
    [
        *("", "tidecast:9797", "ftp://h/", "http://", "http://h:0/", "http://h:65536/"),
        *("http://h:x/", "http://u:pass-word@h/", "http://h/a b", "http://h/#x"),
        *("http://h/\r\nX: y", "http://h/é"),
    ],
)
def test_urls_that_cannot_be_pushed_to(url: str) -> None:
    with pytest.raises(InvalidUrl, match="HOST") as caught:
        parse_url(url)
    assert "pass-word" not in str(caught.value)
