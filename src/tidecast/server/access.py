"""Who may do what.

On loopback, without `--require-auth`, everybody on this machine may do everything; there the danger
is a web page that another site makes the user's browser send, so Host and Origin are checked.
Elsewhere each request needs a token whose scopes cover it. Tokens come as `Authorization: Bearer`,
or as the password of Basic, so that a browser can ask for one.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from tidecast.config import is_loopback
from tidecast.policy.tokens import Scope as TokenScope
from tidecast.policy.tokens import Token
from tidecast.server.problems import problem_response

OPEN_PATHS = ("/-/healthy", "/-/ready")
INGEST_PATHS = ("/api/v1/write", "/api/tidecast/v1/usage", "/api/tidecast/v1/imports")
TELLING_POSTS = ("/api/tidecast/v1/facts", "/api/tidecast/v1/observations")
BACKUPS_PATH = "/api/tidecast/v1/backups"
READING_POSTS = tuple(
    f"/api/v1/{path}"
    for path in (
        *("query", "query_range", "query_exemplars", "format_query", "parse_query"),
        *("series", "labels", "read"),
    )
)
_VALUES = re.compile("/api/v1/label/[^/]+/values")
CHALLENGE = 'Basic realm="Tidecast: any name, a token as the password", charset="UTF-8"'


@dataclass(frozen=True, slots=True)
class AccessPolicy:
    """`verify` returns the token of a presented secret; without it no token is asked for."""

    verify: Callable[[str], Token | None] | None
    check_host: bool


def required_scope(method: str, path: str) -> TokenScope:
    """The scope that a request needs."""
    if path in INGEST_PATHS or (method == "POST" and path in TELLING_POSTS):
        return TokenScope.INGEST
    if path.startswith(BACKUPS_PATH):
        return TokenScope.OPERATE  # a backup holds everything, hashed tokens among it
    if method in ("GET", "HEAD", "OPTIONS") or path in READING_POSTS or _VALUES.fullmatch(path):
        return TokenScope.READ
    return TokenScope.OPERATE


class AccessMiddleware:
    """Refuses, with the reason, what the policy does not allow."""

    def __init__(self, app: ASGIApp, policy: AccessPolicy) -> None:
        self._app, self._policy = app, policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope["method"], scope["path"], Headers(scope=scope))
        if refusal is None:
            await self._app(scope, receive, send)
            return
        status, why = refusal
        response = problem_response(status, why)
        if status == 401:
            response.headers["WWW-Authenticate"] = CHALLENGE
        await response(scope, receive, send)

    def _refusal(self, method: str, path: str, headers: Headers) -> tuple[int, str] | None:
        if path in OPEN_PATHS:
            return None
        host = headers.get("host", "")
        if self._policy.check_host and not is_loopback(_without_port(host)):
            return 403, f"the Host header {host[:200]!r} is not a name of this machine's loopback"
        origin = headers.get("origin")
        if (
            method not in ("GET", "HEAD")
            and origin
            and origin.partition("://")[2].lower() != host.lower()
        ):
            return 403, f"a page of {(origin or '')[:200]!r} may not change anything here"
        if self._policy.verify is None:
            return None
        return self._refusal_by_token(required_scope(method, path), headers)

    def _refusal_by_token(self, scope: TokenScope, headers: Headers) -> tuple[int, str] | None:
        presented = presented_token(headers.get("authorization", ""))
        if presented is None:
            return 401, "no token: send `Authorization: Bearer TOKEN`"
        assert self._policy.verify is not None
        token = self._policy.verify(presented)
        if token is None:
            return 401, "the token is not known here"
        if not token.allows(scope):
            return 403, f"the token {token.name!r} lacks the scope {str(scope)!r}"
        return None


def presented_token(authorization: str) -> str | None:
    """The secret in an Authorization header: a bearer token, or the password of Basic."""
    kind, _, value = authorization.partition(" ")
    if kind.lower() == "bearer":
        return value.strip() or None
    if kind.lower() != "basic":
        return None
    try:
        _, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return password or None


def _without_port(host: str) -> str:
    if "@" in host or "/" in host:
        return ""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
