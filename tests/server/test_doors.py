"""While a server starts it answers queries; whatever else is asked for waits for the rest."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

from tidecast.config import Address, ServerSettings
from tidecast.samples.batch import SampleBatch
from tidecast.server import listening
from tidecast.server.access import AccessPolicy
from tidecast.server.doors import Doors, first_app
from tidecast.server.start import _listen
from tidecast.server.stores import Stores
from tidecast_collector.labels import make_labels


def settings_in(directory: Path) -> ServerSettings:
    return ServerSettings(data_dir=directory, listen=Address("127.0.0.1", 0))


async def asked(app: object, path: str, query: str = "") -> tuple[int, bytes]:
    """Status and body of the answer to a GET."""
    sent: list[Message] = []

    async def receive() -> Message:
        return await asyncio.Event().wait() or {}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: Scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "query_string": query.encode(),
        "headers": [(b"host", b"127.0.0.1")],
    }
    await app(scope, receive, send)  # type: ignore[operator]
    return sent[0]["status"], b"".join(each.get("body", b"") for each in sent[1:])


def test_queries_are_answered_before_the_rest_is_open(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    stores = Stores(settings)
    labels = make_labels({"__name__": "up"})
    stores.samples.append(SampleBatch.of([(labels, np.array([1_000]), np.array([7.0]))]))
    # What was acknowledged is there again.
    stores.close()
    stores = Stores(settings)

    async def whole(scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse("whole")(scope, receive, send)

    async def run() -> None:
        doors = Doors(first_app(settings, stores, AccessPolicy(None, check_host=True)))
        assert (await asked(doors, "/-/ready"))[0] == 200
        status, body = await asked(doors, "/api/v1/query", "query=up&time=1")
        assert status == 200
        assert b'"value":[1,"7"]' in body
        waiting = asyncio.create_task(asked(doors, "/api/v1/write"))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        doors.open(whole)
        assert await waiting == (200, b"whole")
        assert await asked(doors, "/api/v1/query", "query=up&time=1") == (200, b"whole")

    asyncio.run(run())
    stores.close()


def test_a_server_whose_rest_cannot_be_opened_ends_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_in(tmp_path)

    def broken(*_given: object) -> None:
        raise OSError("no records")

    monkeypatch.setattr("tidecast.server.run.opened", broken)
    stores = Stores(settings)
    with _listen(settings) as socket, pytest.raises(OSError, match="no records"):
        listening.answer(settings, None, socket, stores)
    # The stores are closed: they can be opened again.
    Stores(settings).close()
