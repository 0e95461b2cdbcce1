"""A client that asks the pages as a browser would, without a network."""

from __future__ import annotations

import asyncio
import html
from dataclasses import dataclass
from urllib.parse import unquote, urlencode, urlsplit

import pytest
from starlette.applications import Starlette
from tests.web.preview import preview_app
from tests.web.preview_fleet import PreviewData


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def told(self) -> str:
        """The text as people read it: entities resolved, no-break spaces as spaces."""
        return html.unescape(self.text).replace("\N{NO-BREAK SPACE}", " ")


class Client:
    """Speaks ASGI to an application."""

    def __init__(self, app: Starlette) -> None:
        self.app = app

    def get(self, path: str) -> Answer:
        return self.ask("GET", path)

    def post(self, path: str, form: dict[str, str] | bytes, kind: str = "") -> Answer:
        body = form if isinstance(form, bytes) else urlencode(form).encode()
        return self.ask("POST", path, body, kind or "application/x-www-form-urlencoded")

    def ask(self, method: str, path: str, body: bytes = b"", kind: str = "") -> Answer:
        parts = urlsplit(path)
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(parts.path),
            "raw_path": parts.path.encode(),
            "query_string": parts.query.encode(),
            "root_path": "",
            "headers": [(b"host", b"test"), (b"content-type", kind.encode())],
            "server": ("test", 80),
            "client": ("127.0.0.1", 1),
        }
        sent: list[dict[str, object]] = []

        waiting: list[dict[str, object]] = [
            {"type": "http.request", "body": body, "more_body": False}
        ]

        async def receive() -> dict[str, object]:
            return waiting.pop() if waiting else {"type": "http.disconnect"}

        async def send(message: dict[str, object]) -> None:
            sent.append(message)

        asyncio.run(self.app(scope, receive, send))
        headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return Answer(
            sent[0]["status"], headers, b"".join(part.get("body", b"") for part in sent[1:])
        )


@pytest.fixture
def data() -> PreviewData:
    return PreviewData()


@pytest.fixture
def client(data: PreviewData) -> Client:
    return Client(preview_app(data))
