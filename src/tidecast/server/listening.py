"""One event loop that answers: queries at once, all else as soon as it is loaded and opened."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from contextlib import ExitStack

import uvicorn
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp

from tidecast.config import ServerSettings, is_loopback
from tidecast.policy.tokens import TokenFile
from tidecast.server.access import AccessPolicy
from tidecast.server.doors import Doors, first_app
from tidecast.server.stores import Stores

log = logging.getLogger(__name__)


def answer(
    settings: ServerSettings, tokens: TokenFile | None, listening: socket.socket, stores: Stores
) -> None:
    """Answers on the socket until it is told to stop, and closes the stores."""
    loopback = is_loopback(settings.listen.host)
    asks = tokens is not None and (settings.require_auth or not loopback)
    policy = AccessPolicy(tokens.verify if tokens and asks else None, check_host=loopback)
    with ExitStack() as closing:
        closing.callback(stores.close)

        def open_whole() -> ASGIApp:
            from tidecast.server.run import opened  # noqa: PLC0415

            return closing.enter_context(opened(settings, tokens, stores, policy))

        asyncio.run(_serve(settings, listening, first_app(settings, stores, policy), open_whole))


async def _serve(
    settings: ServerSettings,
    listening: socket.socket,
    first: ASGIApp,
    open_whole: Callable[[], ASGIApp],
) -> None:
    doors = Doors(first)
    config = uvicorn.Config(
        doors,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="off",
        ssl_certfile=settings.tls_cert_file,
        ssl_keyfile=settings.tls_key_file,
        timeout_graceful_shutdown=10,
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    log.info("listening on %s://%s", settings.scheme, settings.listen)
    try:
        doors.open(await asyncio.to_thread(open_whole))
    except BaseException:
        doors.open(_ENDING)
        server.should_exit = True
        raise
    finally:
        await serving
        log.info("stopped listening")


_ENDING = PlainTextResponse("the server cannot be started, see its log\n", 503)
