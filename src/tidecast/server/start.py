"""From settings to a server that answers: one socket, one application, one event loop.

Samples come first: as soon as what was acknowledged is back, queries are answered, while the rest
is still being loaded and opened.
"""

from __future__ import annotations

import signal
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor

from tidecast.config import InvalidSettings, ServerSettings, is_loopback
from tidecast.logs import LogSettings, start_log
from tidecast.policy.tokens import TokenFile
from tidecast.server.stores import Stores
from tidecast_collector.errors import TidecastError


class CannotListen(TidecastError):
    """The address to listen on is taken or not ours."""


def serve(settings: ServerSettings) -> None:
    """Runs the server until it is told to stop."""
    start_log(LogSettings(settings.log_level, settings.log_format))
    settings.check_access(is_loopback(settings.listen.host))
    settings.check_samples()
    settings.check_ledger()
    tokens = TokenFile.load(settings.token_file) if settings.token_file else None
    _check_certificate(settings)
    listening = _listen(settings)
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn stops on them and then raises them again, which must not end us before we close.
        signal.signal(number, lambda *_: None)
    with listening:
        with ThreadPoolExecutor(1, "opening") as opener:
            opening = opener.submit(Stores, settings)
            # What answers is loaded meanwhile: that takes as long as opening many samples.
            from tidecast.server.listening import answer  # noqa: PLC0415

        answer(settings, tokens, listening, opening.result())


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
