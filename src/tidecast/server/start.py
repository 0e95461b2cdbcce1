"""From settings to a server that answers: one socket, one application, one event loop.

Samples come first: as soon as what was acknowledged is back, queries are answered, while the rest
is still being loaded and opened.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import ssl
from collections.abc import Callable
from contextlib import ExitStack

import uvicorn
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp

from tidecast.config import InvalidSettings, ServerSettings
from tidecast.policy.tokens import TokenFile
from tidecast.server.access import AccessPolicy, is_loopback
from tidecast.server.doors import Doors, first_app
from tidecast.server.stores import Stores
from tidecast_collector.errors import TidecastError

log = logging.getLogger(__name__)

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class CannotListen(TidecastError):
    """The address to listen on is taken or not ours."""


def serve(settings: ServerSettings) -> None:
    """Runs the server until it is told to stop."""
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT)
    loopback = is_loopback(settings.listen.host)
    settings.check_access(loopback)
    settings.check_samples()
    settings.check_ledger()
    tokens = TokenFile.load(settings.token_file) if settings.token_file else None
    asks = tokens is not None and (settings.require_auth or not loopback)
    policy = AccessPolicy(tokens.verify if tokens and asks else None, check_host=loopback)
    _check_certificate(settings)
    listening = _listen(settings)
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn stops on them and then raises them again, which must not end us before we close.
        signal.signal(number, lambda *_: None)
    with listening, ExitStack() as closing:
        stores = Stores(settings)
        closing.callback(stores.close)

        def open_whole() -> ASGIApp:
            # Loading all of it takes longer than opening the samples.
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


_ENDING = PlainTextResponse("the server cannot be started, see its log\n", 503)


def _check_certificate(settings: ServerSettings) -> None:
    if settings.tls_cert_file is None:
        return
    try:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(settings.tls_cert_file, settings.tls_key_file, password="")
    except OSError as error:
        raise InvalidSettings(
            f"the certificate {settings.tls_cert_file} with the key {settings.tls_key_file} "
            f"cannot be used: {error.strerror or error}"
        ) from error


def _listen(settings: ServerSettings) -> socket.socket:
    host, port = settings.listen.host, settings.listen.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        raise CannotListen(f"cannot listen on {settings.listen}: {error.strerror}") from error
