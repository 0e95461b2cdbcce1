"""Queries as they come over HTTP: admitted, answered here or in the worker, given up in time."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from tidecast.promql.errors import QueryCancelled, QueryTimeout, TooCostlyHere
from tidecast.promql.query_engine import QueryEngine
from tidecast.promql.settings import QueryOptions
from tidecast.samples.protocol import SamplesUnavailable
from tidecast.server.heavy_queries import HERE_BYTES, HeavyQueries
from tidecast.server.prometheus_answers import GZIP_HEADERS, JSON, SMALL_BYTES
from tidecast.server.query_answers import CHUNK_BYTES, answer_pieces, zipped
from tidecast.server.query_request import QueryRequest

HELD_BYTES = 32 << 20
"""So much of an answer is taken from the worker before its client has read any of it."""
WAITING_FOR_EACH = 10


class Queries:
    """The door of all queries that come over HTTP.

    At most `concurrent` are answered at once; others wait for their turn, and where very many wait
    already they are refused. Without `heavy` all are answered here. `count` is told of each query
    where it went: "server", "worker" or "refused".
    """

    def __init__(
        self,
        engine: QueryEngine,
        heavy: HeavyQueries | None = None,
        concurrent: int = 20,
        count: Callable[[str], None] = lambda where: None,
    ) -> None:
        self._engine, self._heavy, self._count = engine, heavy, count
        self._turns = asyncio.Semaphore(concurrent)
        self._waiting, self._most_waiting = 0, concurrent * WAITING_FOR_EACH

    async def answer(self, http: Request, request: QueryRequest) -> Response:
        """The response to one request; raises what the query raised.

        `QueryTimeout`, `QueryCancelled` and `SamplesUnavailable` may come from waiting as well.
        """
        allowed = self._engine.limits.timeout_seconds
        if request.timeout_seconds is not None:
            allowed = min(allowed, request.timeout_seconds)
        deadline = time.monotonic() + allowed
        async with _presence(http) as (gone, watching), self._turn(allowed, watching):
            return await run_in_threadpool(self._answer, request, deadline, gone.is_set)

    @asynccontextmanager
    async def _turn(self, seconds: float, gone: asyncio.Task[None]) -> AsyncIterator[None]:
        if self._turns.locked():
            await self._wait(seconds, gone)
        else:
            await self._turns.acquire()
        try:
            yield
        finally:
            self._turns.release()

    async def _wait(self, seconds: float, gone: asyncio.Task[None]) -> None:
        if self._waiting >= self._most_waiting:
            self._count("refused")
            raise SamplesUnavailable(
                f"{self._waiting} queries wait for their turn already; ask again later"
            )
        self._waiting += 1
        turn = asyncio.create_task(self._turns.acquire())
        try:
            await asyncio.wait({turn, gone}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._waiting -= 1
            had_turn = not turn.cancel() and not turn.cancelled()
        if gone.done():
            if had_turn:
                self._turns.release()
            raise QueryCancelled("query was canceled in query queue")
        if not had_turn:
            raise QueryTimeout("query timed out in query queue")

    def _answer(
        self, request: QueryRequest, deadline: float, cancelled: Callable[[], bool]
    ) -> Response:
        began = time.perf_counter()
        here_bytes = None if self._heavy is None else HERE_BYTES
        try:
            result = request.ask(self._engine, QueryOptions(None, None, cancelled, here_bytes))
        except TooCostlyHere:
            assert self._heavy is not None
            self._count("worker")
            seconds = max(deadline - time.monotonic(), 0.0)
            pieces = self._heavy.answer(request, seconds, cancelled)
            return _response(pieces, gzip=request.gzip, held_bytes=HELD_BYTES)
        self._count("server")
        pieces = answer_pieces(result, time.perf_counter() - began if request.stats else None)
        first = next(pieces)
        if not request.gzip or len(first) < SMALL_BYTES:
            return _response(itertools.chain([first], pieces), gzip=False)
        return _response(zipped(itertools.chain([first], pieces)), gzip=True)


def _response(pieces: Iterator[bytes], *, gzip: bool, held_bytes: int = CHUNK_BYTES) -> Response:
    """One body, or a stream where it is larger than what may be held."""
    headers = GZIP_HEADERS if gzip else None
    held: list[bytes] = []
    size = 0
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size > held_bytes:
            return StreamingResponse(_all(held, pieces), headers=headers, media_type=JSON)
    return Response(b"".join(held), headers=headers, media_type=JSON)


def _all(held: list[bytes], rest: Iterator[bytes]) -> Iterator[bytes]:
    yield from held
    held.clear()
    yield from rest


@asynccontextmanager
async def _presence(http: Request) -> AsyncIterator[tuple[threading.Event, asyncio.Task[None]]]:
    """An event that is set, and a task that is done, once the client has gone away."""
    gone = threading.Event()
    watching = asyncio.create_task(_watch(http, gone))
    try:
        yield gone, watching
    finally:
        watching.cancel()


async def _watch(http: Request, gone: threading.Event) -> None:
    while (await http.receive())["type"] != "http.disconnect":
        pass
    gone.set()
