"""Queries over HTTP, at one time or over a range, as Prometheus takes them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tidecast.clock import SystemClock
from tidecast.promql.errors import ParseError
from tidecast.promql.parser import parse
from tidecast.promql.tree import ValueType
from tidecast.server.parameters import (
    InvalidParameter,
    Parameters,
    duration_ms,
    parameters_of,
    required,
    time_ms,
    whole_number,
)
from tidecast.server.prometheus_answers import failure, takes_gzip
from tidecast.server.queries import Queries
from tidecast.server.query_request import QueryRequest
from tidecast.server.selections import given_time
from tidecast_collector.errors import TidecastError

MAX_POINTS = 11_000
PATHS = ("/api/v1/query", "/api/v1/query_range")

QueryHandler = Callable[[Parameters], QueryRequest]


class QueryApi:
    """/api/v1/query and /api/v1/query_range."""

    def __init__(self, queries: Queries, clock: SystemClock) -> None:
        self._queries, self._clock = queries, clock

    def routes(self) -> list[Route]:
        """Both, each by GET and by POST with a form."""
        handlers = (self.query, self.query_range)
        return [
            Route(path, self._query_endpoint(each), methods=["GET", "POST"])
            for path, each in zip(PATHS, handlers, strict=True)
        ]

    def query(self, parameters: Parameters) -> QueryRequest:
        """An expression at one time."""
        text = required(parameters, "query")
        at = given_time(parameters, "time", self._clock.now_ms())
        return _asked(parameters, QueryRequest(text, at, at))

    def query_range(self, parameters: Parameters) -> QueryRequest:
        """An expression at each step of a range."""
        text = required(parameters, "query")
        start = time_ms(required(parameters, "start"), "start")
        end = time_ms(required(parameters, "end"), "end")
        step = duration_ms(required(parameters, "step"), "step")
        if step <= 0:
            raise InvalidParameter(
                'invalid parameter "step": zero or negative query resolution step widths are not '
                "accepted. Try a positive integer"
            )
        if end < start:
            raise InvalidParameter(
                'invalid parameter "end": end timestamp must not be before start time'
            )
        if (end - start) // step > MAX_POINTS:
            raise InvalidParameter(
                "exceeded maximum resolution of 11,000 points per timeseries. "
                "Try decreasing the query resolution (?step=XX)"
            )
        kind = parse(text).type
        if kind not in (ValueType.SCALAR, ValueType.VECTOR):
            raise InvalidParameter(
                f'invalid parameter "query": invalid expression type "{kind.value}" for range '
                "query, must be Scalar or instant Vector"
            )
        return _asked(parameters, QueryRequest(text, start, end, step))

    def _query_endpoint(self, handler: QueryHandler) -> Callable[[Request], Awaitable[Response]]:
        async def answer(http: Request) -> Response:
            try:
                request = handler(await parameters_of(http))
                request = replace(request, gzip=takes_gzip(http))
                return await self._queries.answer(http, request)
            except TidecastError as error:
                return failure(located(error))

        return answer


def _asked(parameters: Parameters, request: QueryRequest) -> QueryRequest:
    """The request with what may be asked for of any query."""
    timeout, lookback = parameters.get("timeout"), parameters.get("lookback_delta")
    return replace(
        request,
        timeout_seconds=duration_ms(timeout, "timeout") / 1000 if timeout else None,
        lookback_ms=_lookback_ms(lookback) if lookback else None,
        series_limit=whole_number(parameters, "limit"),
        stats=bool(parameters.get("stats")),
    )


def _lookback_ms(text: str) -> int | None:
    """The wanted look-back; None, the server's own, where it is not above zero."""
    milliseconds = duration_ms(text, "lookback_delta")
    return milliseconds if milliseconds > 0 else None


def api_route(
    path: str, endpoint: Callable[[Request], Awaitable[Response]], methods: list[str]
) -> Route:
    """A route of Prometheus' API."""
    return Route(f"/api/v1/{path}", endpoint, methods=methods)


def located(error: TidecastError) -> TidecastError:
    """A parse error names the parameter that it was found in."""
    if isinstance(error, ParseError):
        return InvalidParameter(f'invalid parameter "query": {error}')
    return error
