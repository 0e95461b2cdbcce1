"""What of a server answers first: queries, while the rest of it is still being opened."""

from __future__ import annotations

import asyncio

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tidecast.clock import SystemClock
from tidecast.config import ServerSettings
from tidecast.server.access import OPEN_PATHS, AccessMiddleware, AccessPolicy
from tidecast.server.heavy_queries import HeavyQueries
from tidecast.server.queries import Queries
from tidecast.server.query_api import PATHS, QueryApi
from tidecast.server.stores import Stores

SECURITY_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
]
_FIRST = frozenset((*OPEN_PATHS, *PATHS))


class Doors:
    """Lets requests to the `first` application until the whole one is open.

    Only queries, and the question whether it is ready, are answered by it; whatever else is asked
    for waits: every sample that was acknowledged is there by then, but nothing may be written, and
    no alert be asked for, before all rooms are.
    """

    def __init__(self, first: ASGIApp) -> None:
        self._first = first
        self._whole: ASGIApp | None = None
        self._opened = asyncio.Event()

    def open(self, whole: ASGIApp) -> None:
        """From now on everything is answered, by this application."""
        self._whole = whole
        self._opened.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._whole is None and scope["path"] in _FIRST:
            await self._first(scope, receive, send)
            return
        await self._opened.wait()
        assert self._whole is not None
        await self._whole(scope, receive, send)


def first_app(settings: ServerSettings, stores: Stores, policy: AccessPolicy) -> Starlette:
    """Queries, and whether it is ready."""
    heavy = HeavyQueries(stores.worker.queries, stores.engine)
    queries = Queries(stores.engine, heavy, settings.query_max_concurrency)
    return Starlette(
        routes=[*health_routes(), *QueryApi(queries, SystemClock()).routes()],
        middleware=middleware(policy),
    )


def health_routes() -> list[Route]:
    """The routes that say that it is ready."""
    return [Route(path, _healthy) for path in OPEN_PATHS]


def middleware(policy: AccessPolicy) -> list[Middleware]:
    """What every request passes."""
    return [
        Middleware(SecurityHeaders),
        Middleware(AccessMiddleware, policy=policy),
        Middleware(GZipMiddleware, minimum_size=1000, compresslevel=5),
    ]


async def _healthy(request: Request) -> PlainTextResponse:
    """The socket answers only once the samples are open, so being here is being ready."""
    return PlainTextResponse("Tidecast is ready.\n")


class SecurityHeaders:
    """Adds to every response what browsers should hold us to."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *SECURITY_HEADERS]
            await send(message)

        await self._app(scope, receive, with_headers)
