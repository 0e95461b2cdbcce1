"""The envelope of the Prometheus API's plain answers and errors."""

from __future__ import annotations

from collections.abc import Sequence

import orjson
from starlette.responses import Response

from tidecast.promql.errors import QueryCancelled, QueryError, QueryTimeout
from tidecast.samples.protocol import SamplesUnavailable
from tidecast.server.problems import Problem
from tidecast_collector.errors import InvalidInput, TidecastError

JSON = "application/json"
CLIENT_GONE = 499


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
