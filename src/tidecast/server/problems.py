"""Errors as our own API tells them: RFC 9457 problem details."""

from __future__ import annotations

from http import HTTPStatus

import orjson
from starlette.responses import Response

from tidecast_collector.errors import TidecastError


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
