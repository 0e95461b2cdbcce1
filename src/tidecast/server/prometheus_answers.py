"""The envelope of the Prometheus API's plain answers and errors."""

from __future__ import annotations

from collections.abc import Sequence

import orjson
from starlette.requests import Request
from starlette.responses import Response

from tidecast.promql.errors import QueryCancelled, QueryError, QueryTimeout
from tidecast.samples.protocol import SamplesUnavailable
from tidecast.server.problems import Problem
from tidecast.server.query_answers import zipped
from tidecast_collector.errors import InvalidInput, TidecastError

JSON = "application/json"
CLIENT_GONE = 499
ITEMS_AT_ONCE = 1000
SMALL_BYTES = 1000
"""An answer that fits into one packet is not worth compressing."""
GZIP_HEADERS = {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}


def success(data: object, warnings: Sequence[str] = ()) -> Response:
    """The envelope around plain data."""
    body: dict[str, object] = {"status": "success", "data": data}
    if warnings:
        body["warnings"] = list(warnings)
    return Response(orjson.dumps(body), media_type=JSON)


def success_list(found: Sequence[object], warnings: Sequence[str] = ()) -> Response:
    """The envelope around what may be very many names or label sets (pairs).

    Written in parts: a thread that writes all at once would hold up all others.
    """
    parts = (_part(found[at : at + ITEMS_AT_ONCE]) for at in range(0, len(found), ITEMS_AT_ONCE))
    end = b',"warnings":' + orjson.dumps(list(warnings)) if warnings else b""
    body = b'{"status":"success","data":[%b]%b}' % (b",".join(parts), end)
    return Response(body, media_type=JSON)


def _part(items: Sequence[object]) -> bytes:
    plain = [dict(each) if isinstance(each, tuple) else each for each in items]
    return orjson.dumps(plain)[1:-1]


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


def takes_gzip(request: Request) -> bool:
    """Whether the client can read a compressed answer."""
    return "gzip" in request.headers.get("accept-encoding", "")


def zipped_response(response: Response) -> Response:
    """The response, compressed where it is large enough for that to pay."""
    if len(response.body) >= SMALL_BYTES:
        response.body = b"".join(zipped([bytes(response.body)]))
        response.headers.update(GZIP_HEADERS | {"Content-Length": str(len(response.body))})
    return response
