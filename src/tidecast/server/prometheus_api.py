"""The Prometheus HTTP API under /api/v1, as Grafana, promtool and Prometheus itself expect it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

import tidecast_collector
from tidecast.clock import SystemClock
from tidecast.promql.encode import encode_result
from tidecast.promql.errors import QueryError, QueryTimeout
from tidecast.promql.parser import parse
from tidecast.promql.query_engine import QueryEngine
from tidecast.promql.result import QueryResult
from tidecast.promql.tree import VectorSelector
from tidecast.samples.matchers import Matchers
from tidecast.samples.protocol import Samples, SamplesUnavailable
from tidecast.server.parameters import (
    MAX_TIME_MS,
    MIN_TIME_MS,
    InvalidParameter,
    Parameters,
    duration_ms,
    parameters_of,
    required,
    time_ms,
    whole_number,
)
from tidecast_alerts.engine import AlertEngine
from tidecast_alerts.prometheus_api import api_alerts, api_rules
from tidecast_collector.errors import InvalidInput, TidecastError

MAX_POINTS = 11_000
LANGUAGE_VERSION = "3.5.0"
"""The Prometheus whose query language and API these are; clients choose their features by it."""

Handler = Callable[[Parameters], Awaitable[bytes]]


class PrometheusApi:
    """The handlers, over the engine, the samples and the alerts they ask."""

    def __init__(
        self, engine: QueryEngine, samples: Samples, alerts: AlertEngine, clock: SystemClock
    ) -> None:
        self._engine, self._samples, self._alerts, self._clock = engine, samples, alerts, clock

    def routes(self) -> list[Route]:
        """The routes under /api/v1 that answer queries."""
        both = ["GET", "POST"]
        handlers: list[tuple[str, Handler, list[str]]] = [
            ("query", self.query, both),
            ("query_range", self.query_range, both),
            ("series", self.series, both),
            ("labels", self.labels, both),
            ("label/{name}/values", self.label_values, ["GET"]),
            ("metadata", self.metadata, ["GET"]),
            ("rules", self.rules, ["GET"]),
            ("alerts", self.alerts, ["GET"]),
            ("status/buildinfo", self.buildinfo, ["GET"]),
        ]
        return [
            Route(f"/api/v1/{path}", _endpoint(handler), methods=methods)
            for path, handler, methods in handlers
        ]

    async def query(self, parameters: Parameters) -> bytes:
        """An expression at one time."""
        text = required(parameters, "query")
        at = self._time(parameters, "time", self._clock.now_ms())
        return await self._answer(parameters, lambda wait: self._engine.instant(text, at, **wait))

    async def query_range(self, parameters: Parameters) -> bytes:
        """An expression at each step of a range."""
        text = required(parameters, "query")
        start = time_ms(required(parameters, "start"), "start")
        end = time_ms(required(parameters, "end"), "end")
        step = duration_ms(required(parameters, "step"), "step")
        if end < start:
            raise InvalidParameter(
                'invalid parameter "end": end timestamp must not be before start'
            )
        if (end - start) // step > MAX_POINTS:
            raise InvalidParameter(
                "exceeded maximum resolution of 11,000 points per timeseries. "
                "Try decreasing the query resolution (?step=XX)"
            )
        return await self._answer(
            parameters, lambda wait: self._engine.range(text, start, end, step, **wait)
        )

    async def _answer(
        self, parameters: Parameters, ask: Callable[[Mapping[str, Any]], QueryResult]
    ) -> bytes:
        timeout = parameters.get("timeout")
        wait = {"timeout_seconds": duration_ms(timeout, "timeout") / 1000} if timeout else {}

        def run() -> bytes:
            result = ask(wait)
            notes = {"warnings": list(result.warnings), "infos": list(result.infos)}
            return _success(encode_result(result), notes)

        return await run_in_threadpool(run)

    async def series(self, parameters: Parameters) -> bytes:
        """The label sets that the selectors of match[] meet."""
        matchers = _matchers(parameters)
        if not matchers:
            raise InvalidParameter("no match[] parameter provided")
        start, end = self._span(parameters)
        found = await run_in_threadpool(self._samples.series, matchers, start, end)
        return _limited([dict(labels) for labels in found], parameters)

    async def labels(self, parameters: Parameters) -> bytes:
        """Label names."""
        start, end = self._span(parameters)
        names = await run_in_threadpool(
            self._samples.label_names, _matchers(parameters), start, end
        )
        return _limited(list(names), parameters)

    async def label_values(self, parameters: Parameters) -> bytes:
        """Values of one label."""
        start, end = self._span(parameters)
        name = required(parameters, "name")
        values = await run_in_threadpool(
            self._samples.label_values, name, _matchers(parameters), start, end
        )
        return _limited(list(values), parameters)

    async def metadata(self, parameters: Parameters) -> bytes:
        """Type, help and unit by metric name."""
        limit, wanted = whole_number(parameters, "limit"), parameters.get("metric")
        known = await run_in_threadpool(self._samples.metadata)
        names = [name for name in sorted(known) if not wanted or name == wanted]
        return _success(
            orjson.dumps(
                {
                    name: [
                        {
                            "type": known[name].type,
                            "help": known[name].help,
                            "unit": known[name].unit,
                        }
                    ]
                    for name in (names[:limit] if limit else names)
                }
            )
        )

    async def rules(self, parameters: Parameters) -> bytes:
        """The rule groups, as they were last evaluated."""
        return _success(orjson.dumps(await run_in_threadpool(api_rules, self._alerts.status())))

    async def alerts(self, parameters: Parameters) -> bytes:
        """The pending and firing alerts."""
        return _success(orjson.dumps(await run_in_threadpool(api_alerts, self._alerts.status())))

    async def buildinfo(self, parameters: Parameters) -> bytes:
        """What clients choose their features by."""
        return _success(
            orjson.dumps(
                {
                    "application": "Tidecast",
                    "version": LANGUAGE_VERSION,
                    "revision": tidecast_collector.__version__,
                    "branch": "",
                    "buildUser": "",
                    "buildDate": "",
                    "goVersion": "",
                }
            )
        )

    def _time(self, parameters: Parameters, name: str, otherwise: int) -> int:
        text = parameters.get(name)
        return time_ms(text, name) if text else otherwise

    def _span(self, parameters: Parameters) -> tuple[int, int]:
        return (
            self._time(parameters, "start", MIN_TIME_MS),
            self._time(parameters, "end", MAX_TIME_MS),
        )


def _matchers(parameters: Parameters) -> list[Matchers]:
    return [_selector(text) for text in parameters.getlist("match[]")]


def _selector(text: str) -> Matchers:
    tree = parse(text)
    if not isinstance(tree, VectorSelector):
        raise InvalidParameter(f'invalid parameter "match[]": {text[:100]!r} is not a selector')
    return tree.all_matchers


def _limited(found: Sequence[object], parameters: Parameters) -> bytes:
    limit = whole_number(parameters, "limit")
    if limit and len(found) > limit:
        return _success(
            orjson.dumps(found[:limit]), {"warnings": ["results truncated due to limit"]}
        )
    return _success(orjson.dumps(found))


def _success(data: bytes, notes: Mapping[str, Sequence[str]] | None = None) -> bytes:
    told = {name: lines for name, lines in (notes or {}).items() if lines}
    extra = b"," + orjson.dumps(told)[1:-1] if told else b""
    return b'{"status":"success","data":' + data + extra + b"}"


def _endpoint(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        try:
            body = await handler(await parameters_of(request))
        except TidecastError as error:
            return _failure(error)
        return Response(body, media_type="application/json")

    return answer


def _failure(error: TidecastError) -> Response:
    status, kind = 422, "execution"
    if isinstance(error, QueryTimeout):
        status, kind = 503, "timeout"
    elif isinstance(error, SamplesUnavailable):
        status, kind = 503, "unavailable"
    elif isinstance(error, InvalidInput) and not isinstance(error, QueryError):
        status, kind = 400, "bad_data"
    body = {"status": "error", "errorType": kind, "error": str(error)}
    return Response(orjson.dumps(body), status, media_type="application/json")
