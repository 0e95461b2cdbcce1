"""Remote-write in: acknowledged once the samples would survive a power cut."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from tidecast.clock import SystemClock
from tidecast.journeys.ingest import Ingest, IngestReport
from tidecast.samples.protocol import Samples, SamplesUnavailable
from tidecast.samples.remote_write import WriteRequest, decode_body
from tidecast.server.body import read_body
from tidecast.server.metrics import ServerMetrics
from tidecast.server.problems import Problem
from tidecast_collector.errors import InvalidInput
from tidecast_collector.labels import NAME, label_value

MAX_BODY_BYTES = 32 << 20
CONTENT_TYPE = "application/x-protobuf"


class WriteApi:
    """POST /api/v1/write, remote-write 1.0."""

    def __init__(
        self, ingest: Ingest, samples: Samples, metrics: ServerMetrics, clock: SystemClock
    ) -> None:
        self._ingest, self._samples = ingest, samples
        self._metrics, self._clock = metrics, clock

    def routes(self) -> list[Route]:
        """The one route."""
        return [Route("/api/v1/write", self.write, methods=["POST"])]

    async def write(self, request: Request) -> Response:
        """204 when everything was kept; 400 tells what never will be, 503 what may be later."""
        refusal = _unsupported(request)
        if refusal:
            return PlainTextResponse(refusal, 415)
        try:
            body = await read_body(request, MAX_BODY_BYTES)
            report = await run_in_threadpool(self._keep, body)
        except Problem as error:
            return PlainTextResponse(str(error), error.status)
        except SamplesUnavailable as error:
            return PlainTextResponse(str(error), 503, {"Retry-After": "5"})
        except InvalidInput as error:
            return PlainTextResponse(str(error), 400)
        rejected = report.appended.rejected
        if rejected:
            named = "; ".join(
                f"{label_value(each.labels, NAME)}{dict(each.labels)}: {each.reason}"[:500]
                for each in rejected[:10]
            )
            return PlainTextResponse(f"{len(rejected)} series refused, the rest kept: {named}", 400)
        return Response(status_code=204)

    def _keep(self, body: bytes) -> IngestReport:
        decoded: WriteRequest = decode_body(body)
        report = self._ingest.write(decoded.batch, self._clock.now_ms())
        if decoded.metadata:
            self._samples.put_metadata(decoded.metadata)
        self._metrics.count_write(decoded, report)
        return report


def _unsupported(request: Request) -> str:
    kind, _, rest = request.headers.get("content-type", "").partition(";")
    if kind.strip().lower() != CONTENT_TYPE:
        return f"Content-Type must be {CONTENT_TYPE}"
    proto = rest.replace(" ", "").partition("proto=")[2].strip('"')
    if proto not in ("", "prometheus.WriteRequest"):
        return f"the message {proto[:100]} is not supported here; send prometheus.WriteRequest"
    encoding = request.headers.get("content-encoding", "snappy").lower()
    return "" if encoding == "snappy" else "Content-Encoding must be snappy"
