"""Our own server as the commands speak to it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import click

from tidecast.http_client import DEFAULT_SERVER, HttpClient, Unreachable, read_token, reason_of
from tidecast_collector.errors import TidecastError

P = ParamSpec("P")
R = TypeVar("R")


class TidecastServer(HttpClient):
    """Our own server, with the words to say when it is not there or refuses."""

    def _unreachable(self, error: Exception) -> Unreachable:
        if isinstance(error, TimeoutError):
            return super()._unreachable(error)
        return Unreachable(f"no server at {self.url}: start one with `tidecast up` ({error})")

    def _explain(self, status: int, method: str, path: str, answer: bytes) -> str:
        if status not in (401, 403):
            return super()._explain(status, method, path, answer)
        scope = _scope_of(method, path)
        given = "the token given lacks it or is unknown" if self._token else "no token was given"
        reason = reason_of(answer)
        return (
            f"{self.url}{path} needs a token with the scope {scope!r}: {given}"
            f"{f' ({reason})' if reason else ''}; see --token-file and TIDECAST_TOKEN"
        )


def _scope_of(method: str, path: str) -> str:
    ingested = ("/api/v1/write", "/api/tidecast/v1/usage", "/api/tidecast/v1/imports")
    told = ("/api/tidecast/v1/facts", "/api/tidecast/v1/observations")
    if path.startswith(ingested) or (method == "POST" and path in told):
        return "ingest"
    changes = method != "GET" and path.startswith("/api/tidecast/v1/")
    return "operate" if changes or path.startswith("/api/tidecast/v1/backups") else "read"


def explain_errors(command: Callable[P, R]) -> Callable[P, R]:
    """The command, ending with status 1 and one clear line where Tidecast knows what is wrong."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except TidecastError as error:
            raise click.ClickException(str(error)) from error

    return run


def server_options(command: Callable[..., R]) -> Callable[..., R]:
    """Adds --server and --token-file; the command gets the open `server: TidecastServer`."""

    @click.option(
        "--server",
        "server_url",
        envvar="TIDECAST_SERVER",
        default=DEFAULT_SERVER,
        show_default=True,
        metavar="URL",
        help="The Tidecast server (or TIDECAST_SERVER).",
    )
    @click.option(
        "--token-file",
        type=click.Path(path_type=Path, dir_okay=False),
        help="A file with the bearer token (or the token in TIDECAST_TOKEN).",
    )
    @functools.wraps(command)
    @explain_errors
    def run(*args: Any, server_url: str, token_file: Path | None, **kwargs: Any) -> R:
        token = read_token(token_file, "TIDECAST_TOKEN")
        with TidecastServer(server_url, token) as server:
            return command(*args, server=server, **kwargs)

    return run
