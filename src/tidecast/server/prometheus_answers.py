"""How answers of the Prometheus API leave: enveloped, streamed when large, given up if unwanted."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from tidecast.promql.encode import encode_pieces
from tidecast.promql.errors import QueryCancelled, QueryError, QueryTimeout
from tidecast.promql.result import QueryResult
from tidecast.samples.protocol import SamplesUnavailable
from tidecast.server.problems import Problem
from tidecast_collector.errors import InvalidInput, TidecastError

JSON = "application/json"
CHUNK_BYTES = 1 << 20
"""Answers up to this size leave in one piece, larger ones in pieces of about it."""
CLIENT_GONE = 499

_Result = TypeVar("_Result")


def success(data: object, warnings: Sequence[str] = ()) -> Response:
    """The envelope around plain data."""
    body: dict[str, object] = {"status": "success", "data": data}
    if warnings:
        body["warnings"] = list(warnings)
    return Response(orjson.dumps(body), media_type=JSON)


def failure(error: TidecastError) -> Response:
    """The status and the envelope that tell an error as Prometheus would."""
    status, kind = 422, "execution"
    if isinstance(error, Problem):
        status, kind = error.status, "bad_data"
    elif isinstance(error, QueryTimeout):
        status, kind = 503, "timeout"
    elif isinstance(error, QueryCancelled):
        status, kind = CLIENT_GONE, "canceled"
    elif isinstance(error, SamplesUnavailable):
        status, kind = 503, "unavailable"
    elif isinstance(error, InvalidInput) and not isinstance(error, QueryError):
        status, kind = 400, "bad_data"
    body = {"status": "error", "errorType": kind, "error": str(error)}
    return Response(orjson.dumps(body), status, media_type=JSON)


async def while_wanted(request: Request, work: Callable[[Callable[[], bool]], _Result]) -> _Result:
    """What `work` returns, run in a thread; it is told whether the client has gone away."""
    gone = threading.Event()
    watcher = asyncio.create_task(_watch(request, gone))
    try:
        return await run_in_threadpool(work, gone.is_set)
    finally:
        watcher.cancel()


async def _watch(request: Request, gone: threading.Event) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    gone.set()


def answer_pieces(result: QueryResult) -> Iterator[bytes]:
    """The envelope around a query's result, in pieces of about `CHUNK_BYTES`."""
    notes = {"warnings": list(result.warnings), "infos": list(result.infos)}
    told = {name: lines for name, lines in notes.items() if lines}
    end = (b"," + orjson.dumps(told)[1:-1] if told else b"") + b"}"
    return _joined(_enveloped(encode_pieces(result), end))


def _enveloped(pieces: Iterable[bytes], end: bytes) -> Iterator[bytes]:
    yield b'{"status":"success","data":'
    yield from pieces
    yield end


def _joined(pieces: Iterable[bytes]) -> Iterator[bytes]:
    held: list[bytes] = []
    size = 0
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size >= CHUNK_BYTES:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)


def answer_response(first: bytes, rest: Iterator[bytes]) -> Response:
    """One body where `first` is all there is, else a stream."""
    second = next(rest, None)
    if second is None:
        return Response(first, media_type=JSON)

    def pieces() -> Iterator[bytes]:
        yield first
        yield second
        yield from rest

    return StreamingResponse(pieces(), media_type=JSON)
