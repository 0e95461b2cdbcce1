"""Errors as our own API tells them: RFC 9457 problem details."""

from __future__ import annotations

from http import HTTPStatus

import orjson
from starlette.responses import Response

from tidecast.records.errors import RecordConflict, RecordsUnavailable
from tidecast.samples.protocol import SamplesUnavailable
from tidecast_alerts.incidents import NoSuchIncident
from tidecast_collector.errors import InvalidInput, TidecastError


class Problem(TidecastError):
    """A request that ends with this status and explanation."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


def problem_response(status: int, detail: str) -> Response:
    """The problem+json response for this status."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status}
    return Response(
        orjson.dumps({**body, "detail": detail}), status, media_type="application/problem+json"
    )


def status_of(error: TidecastError) -> int:
    """The HTTP status that says whose fault an error is."""
    if isinstance(error, Problem):
        return error.status
    if isinstance(error, NoSuchIncident):
        return 404
    if isinstance(error, SamplesUnavailable | RecordsUnavailable):
        return 503
    if isinstance(error, RecordConflict):
        return 409
    return 400 if isinstance(error, InvalidInput) else 500
