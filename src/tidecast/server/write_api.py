"""Remote-write in: acknowledged once the samples would survive a power cut."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from tidecast.clock import SystemClock
from tidecast.journeys.ingest import Ingest, IngestReport
from tidecast.samples.compression import UNPACK
from tidecast.samples.protocol import Samples, SamplesUnavailable
from tidecast.samples.remote_write import DECODE, VERSION_1, BodyTooLarge, decode_body
from tidecast.samples.write_request import WriteRequest
from tidecast.server.body import receive_body
from tidecast.server.metrics import ServerMetrics
from tidecast.server.problems import Problem
from tidecast.server.write_queue import WriteQueue
from tidecast_collector.errors import InvalidInput
from tidecast_collector.labels import NAME, Labels, label_value

MAX_BODY_BYTES = 32 << 20
MAX_PENDING_BYTES = 512 << 20
"""Bodies in memory at once; Prometheus retries after a 429 only where it is told to."""
_HERE, _AWAY = (1, 64), (8, 1)
"""Threads, and bodies that each of them takes together. One thread, so that what comes while it
waits for the disk goes together; an engine that is somewhere else is waited for by many."""
MEDIA_TYPE = "application/x-protobuf"
_MOST_NAMED = 10
_NAMED_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class _Form:
    """How a body is to be read: its message and its compression."""

    proto: str
    encoding: str


@dataclass(frozen=True, slots=True)
class _Kept:
    """What a body held, and what became of it."""

    decoded: WriteRequest
    report: IngestReport


class WriteApi:
    """POST /api/v1/write, remote-write 1.0 and 2.0; `away` says that samples go elsewhere."""

    def __init__(
        self,
        ingest: Ingest,
        samples: Samples,
        metrics: ServerMetrics,
        clock: SystemClock,
        *,
        away: bool = False,
    ) -> None:
        self._ingest, self._samples = ingest, samples
        self._metrics, self._clock = metrics, clock
        self._pending_bytes = 0
        self._queue = WriteQueue(self._keep, *(_AWAY if away else _HERE))

    def routes(self) -> list[Route]:
        """The one route, an application of its own: bodies come by the thousand."""
        return [Route("/api/v1/write", self, methods=["POST"])]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request.

        204 when everything was kept; 400 tells what never will be, 429 and 503 what may be.
        """
        answer = await self._write(scope["headers"], receive)
        if isinstance(answer, PlainTextResponse):
            self._metrics.count_refused_write(answer.status_code)
            await answer(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 204, "headers": answer})
        await send({"type": "http.response.body", "body": b""})

    async def _write(
        self, headers: Iterable[tuple[bytes, bytes]], receive: Receive
    ) -> PlainTextResponse | list[tuple[bytes, bytes]]:
        """The headers of the answer where all was kept, else what was wrong."""
        try:
            given = {name: value.decode("latin-1") for name, value in headers if name in _READ}
            form = _form(given.get(b"content-type", ""), given.get(b"content-encoding", "snappy"))
            expected = _expected_bytes(given.get(b"content-length", ""))
            if self._pending_bytes + expected > MAX_PENDING_BYTES:
                raise Problem(429, "too many writes at once; send the samples again")
            self._pending_bytes += expected
            try:
                body = await receive_body(receive, MAX_BODY_BYTES)
                kept = await self._queue.written((body, form))
            finally:
                self._pending_bytes -= expected
        except Problem as error:
            return PlainTextResponse(str(error), error.status, _RETRY.get(error.status))
        except SamplesUnavailable as error:
            return PlainTextResponse(str(error), 503, _RETRY[503])
        except BodyTooLarge as error:
            return PlainTextResponse(str(error), 413)
        except InvalidInput as error:
            return PlainTextResponse(str(error), 400)
        refusal = _refusal(kept)
        written = _written(kept.report)
        return PlainTextResponse(refusal, 400, dict(written)) if refusal else _encoded(written)

    def _keep(self, bodies: Sequence[tuple[bytes, _Form]]) -> list[_Kept | Exception]:
        """What became of each body. Those that can be read are written together."""
        read = [_read(body, form) for body, form in bodies]
        decoded = [each for each in read if isinstance(each, WriteRequest)]
        reports = iter(self._ingest.write_all([d.batch for d in decoded], self._clock.now_ms()))
        return [
            self._noted(each, next(reports)) if isinstance(each, WriteRequest) else each
            for each in read
        ]

    def _noted(self, decoded: WriteRequest, report: IngestReport) -> _Kept:
        if decoded.metadata:
            self._samples.put_metadata(decoded.metadata)
        self._metrics.count_write(decoded, report)
        return _Kept(decoded, report)


def _read(body: bytes, form: _Form) -> WriteRequest | InvalidInput:
    try:
        return decode_body(body, encoding=form.encoding, proto=form.proto)
    except InvalidInput as error:
        return error


_READ = (b"content-type", b"content-encoding", b"content-length")
_RETRY = {429: {"Retry-After": "1"}, 503: {"Retry-After": "5"}}


@lru_cache(maxsize=64)
def _form(content_type: str, content_encoding: str) -> _Form:
    """What these headers say of the body; raises `Problem` 415 for what cannot be read here."""
    media_type, *parameters = content_type.split(";")
    if media_type.strip().lower() != MEDIA_TYPE:
        raise Problem(415, f"Content-Type must be {MEDIA_TYPE}")
    given = dict(each.strip().partition("=")[::2] for each in parameters)
    proto = given.get("proto", VERSION_1).strip('"')
    if proto not in DECODE:
        raise Problem(
            415, f"the message {proto[:100]!r} is not supported here; send {' or '.join(DECODE)}"
        )
    encoding = content_encoding.strip().lower()
    if encoding not in UNPACK:
        raise Problem(415, f"Content-Encoding must be {' or '.join(UNPACK)}")
    return _Form(proto, encoding)


def _expected_bytes(length: str) -> int:
    """What the body takes at most, by its own word or by what is read of any."""
    return min(int(length), MAX_BODY_BYTES) if length.isdecimal() else MAX_BODY_BYTES


def _written(report: IngestReport) -> tuple[tuple[str, str], ...]:
    """What the specification wants to be told: how much of each kind is here now."""
    samples = report.appended.appended + report.appended.duplicates
    return (
        ("x-prometheus-remote-write-samples-written", str(samples)),
        ("x-prometheus-remote-write-histograms-written", "0"),
        ("x-prometheus-remote-write-exemplars-written", "0"),
    )


@lru_cache(maxsize=1024)
def _encoded(headers: tuple[tuple[str, str], ...]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in headers]


def _refusal(kept: _Kept) -> str:
    """What was not kept and never will be, and why; "" where nothing was refused."""
    decoded, report = kept.decoded, kept.report
    reasons = []
    if decoded.histograms:
        reasons.append(
            f"{decoded.histograms} native histograms refused (only float samples are kept here; "
            "let Prometheus send classic histograms), the rest kept"
        )
    rejected = report.appended.rejected
    if rejected:
        named = "; ".join(
            f"{_named(each.labels)}: {each.reason[:_NAMED_CHARACTERS]}"
            for each in rejected[:_MOST_NAMED]
        )
        reasons.append(f"{len(rejected)} series refused, the rest kept: {named}")
    return "\n".join(reasons)


def _named(labels: Labels) -> str:
    """The series as PromQL writes it, cut where it is long."""
    others = ", ".join(f"{name}={value!r}" for name, value in labels if name != NAME)
    text = f"{label_value(labels, NAME)}{{{others}}}"
    return text if len(text) <= _NAMED_CHARACTERS else f"{text[:_NAMED_CHARACTERS]}...}}"
