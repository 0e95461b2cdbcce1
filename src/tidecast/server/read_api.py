"""Remote-read: samples as they were taken, for a Prometheus, Thanos or another Tidecast."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from tidecast.promql.errors import QueryTimeout
from tidecast.promql.query_engine import QueryEngine
from tidecast.samples.batch import SampleBatch
from tidecast.samples.compression import unpack_snappy
from tidecast.samples.protocol import LimitExceeded
from tidecast.samples.remote_read_answers import (
    CHUNKS_TYPE,
    SAMPLES_TYPE,
    ReadRequest,
    frames,
    query_result,
    read_request_of,
    samples_response,
)
from tidecast.server.body import read_body
from tidecast.server.error_status import status_of
from tidecast_collector.errors import TidecastError

MAX_BODY_BYTES = 1 << 20
MAX_READ_SAMPLES = 10_000_000
"""An answer is held until it is sent: with 18 bytes a sample 180 MB."""
READS_AT_ONCE = 2


class ReadApi:
    """POST /api/v1/read, over the samples of the engine and within its limits."""

    def __init__(self, engine: QueryEngine) -> None:
        self._engine = engine
        self._turns = asyncio.Semaphore(READS_AT_ONCE)

    def routes(self) -> list[Route]:
        """The one route."""
        return [Route("/api/v1/read", self._answer, methods=["POST"])]

    async def _answer(self, request: Request) -> Response:
        try:
            body = await read_body(request, MAX_BODY_BYTES)
            async with self._turns:
                return await run_in_threadpool(self._read, body)
        except QueryTimeout as error:
            return PlainTextResponse(str(error), 503)
        except LimitExceeded as error:
            return PlainTextResponse(str(error), 400)
        except TidecastError as error:
            return PlainTextResponse(str(error), status_of(error))

    def _read(self, body: bytes) -> Response:
        asked = read_request_of(unpack_snappy(body, MAX_BODY_BYTES))
        if asked.streamed:
            parts = self._results(asked, lambda batch, query: b"".join(frames(batch, query)))
            content = b"".join(part for result in parts for part in result)
            return Response(content, media_type=CHUNKS_TYPE)
        results = self._results(asked, lambda batch, _: query_result(batch))
        headers = {"Content-Encoding": "snappy", "Content-Type": SAMPLES_TYPE}
        return Response(samples_response(results), headers=headers)

    def _results(
        self, asked: ReadRequest, write: Callable[[SampleBatch, int], bytes]
    ) -> list[list[bytes]]:
        """Of each query its series as `write` writes them, in parts."""
        limits = self._engine.limits
        deadline = time.monotonic() + limits.timeout_seconds
        most = left = min(limits.select.samples, MAX_READ_SAMPLES)
        found: list[list[bytes]] = []
        for number, query in enumerate(asked.queries):
            read = _Part(number, write, deadline)
            try:
                parts = self._engine.samples.select_each(
                    query.matchers,
                    query.start_ms,
                    query.end_ms,
                    read,
                    replace(limits.select, samples=left),
                )
            except LimitExceeded as error:
                raise LimitExceeded(f"{error} (at most {most} samples in one answer)") from error
            left -= sum(samples for samples, _ in parts)
            found.append([content for _, content in parts])
        return found


class _Part:
    """Writes the parts of one query's result, as long as there is time."""

    def __init__(
        self, number: int, write: Callable[[SampleBatch, int], bytes], deadline: float
    ) -> None:
        self._number, self._write, self._deadline = number, write, deadline

    def __call__(self, batch: SampleBatch) -> tuple[int, bytes]:
        if time.monotonic() > self._deadline:
            raise QueryTimeout("reading took too long; ask for less time or fewer series")
        return len(batch.timestamps), self._write(batch, self._number)
