"""The Prometheus HTTP API under /api/v1, as Grafana, promtool and Prometheus itself expect it."""

from __future__ import annotations

import functools
import re
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

import tidecast_collector
from tidecast.clock import SystemClock
from tidecast.promql.durations import format_duration
from tidecast.promql.errors import QueryError
from tidecast.promql.parser import parse
from tidecast.promql.query_engine import QueryEngine
from tidecast.promql.tree_json import tree_json
from tidecast.samples.protocol import Samples
from tidecast.server.parameters import (
    InvalidParameter,
    Parameters,
    parameters_of,
    required,
    whole_number,
)
from tidecast.server.prometheus_answers import (
    failure,
    success,
    success_list,
    takes_gzip,
    zipped_response,
)
from tidecast.server.queries import Queries
from tidecast.server.query_api import QueryApi, api_route, located
from tidecast.server.query_request import TRUNCATED
from tidecast.server.rule_pages import flag, page, with_labels
from tidecast.server.selections import given_matchers, given_span
from tidecast_alerts.engine import AlertEngine
from tidecast_alerts.prometheus_api import api_alerts, api_rules
from tidecast_collector.errors import TidecastError

LANGUAGE_VERSION = "3.5.0"
"""The Prometheus whose query language and API these are; clients choose their features by it."""
_ESCAPED = re.compile(r"__|_([0-9a-fA-F]{1,6})_")

Handler = Callable[[Parameters], Response]


class PrometheusApi:
    """The handlers, over the engine, the samples and the alerts they ask."""

    def __init__(
        self,
        engine: QueryEngine,
        samples: Samples,
        alerts: AlertEngine,
        clock: SystemClock,
        queries: Queries | None = None,
    ) -> None:
        self._queries = queries or Queries(engine)
        self._engine, self._samples, self._alerts, self._clock = engine, samples, alerts, clock
        self._started_ms = clock.now_ms()

    def routes(self) -> list[Route]:
        """The routes under /api/v1 that answer queries."""
        handlers: list[tuple[str, Handler]] = [
            ("series", self.series),
            ("labels", self.labels),
            ("query_exemplars", self.query_exemplars),
            ("format_query", self.format_query),
            ("parse_query", self.parse_query),
            # Grafana's suggestions ask by POST what Prometheus answers to GET alone.
            ("label/{name}/values", self.label_values),
        ]
        reads: list[tuple[str, Handler]] = [
            ("metadata", self.metadata),
            ("rules", self.rules),
            ("alerts", self.alerts),
            ("status/buildinfo", self.buildinfo),
            ("status/runtimeinfo", self.runtimeinfo),
            ("status/flags", self.flags),
            ("status/config", self.config),
        ]
        return [
            *QueryApi(self._queries, self._clock).routes(),
            *(api_route(path, _endpoint(each), ["GET", "POST"]) for path, each in handlers),
            *(api_route(path, _endpoint(each), ["GET"]) for path, each in reads),
        ]

    def query_exemplars(self, parameters: Parameters) -> Response:
        """No exemplar: none is kept."""
        parse(required(parameters, "query"))
        given_span(parameters)
        return success([])

    def format_query(self, parameters: Parameters) -> Response:
        """The expression in its canonical form."""
        return success(str(parse(required(parameters, "query"))))

    def parse_query(self, parameters: Parameters) -> Response:
        """The expression's syntax tree."""
        tree = parse(required(parameters, "query"))
        try:
            return success(tree_json(tree))
        except orjson.JSONEncodeError as error:
            raise QueryError("the syntax tree is too deep to be written as JSON") from error

    def series(self, parameters: Parameters) -> Response:
        """The label sets that the selectors of match[] meet."""
        matchers = given_matchers(parameters)
        if not matchers:
            raise InvalidParameter("no match[] parameter provided")
        start, end = given_span(parameters)
        found = self._samples.series(matchers, start, end)
        return _limited(found, parameters)

    def labels(self, parameters: Parameters) -> Response:
        """The label names of the series that match in this span, sorted."""
        start, end = given_span(parameters)
        names = self._samples.label_names(given_matchers(parameters), start, end)
        return _limited(names, parameters)

    def label_values(self, parameters: Parameters) -> Response:
        """The values of the label in the path, of the series that match in this span, sorted."""
        start, end = given_span(parameters)
        name = unescape_name(required(parameters, "name"))
        values = self._samples.label_values(name, given_matchers(parameters), start, end)
        return _limited(values, parameters)

    def metadata(self, parameters: Parameters) -> Response:
        """Type, help and unit by metric name."""
        limit, wanted = whole_number(parameters, "limit"), parameters.get("metric")
        known = self._samples.metadata()
        names = [name for name in sorted(known) if not wanted or name == wanted]
        return success(
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

    def rules(self, parameters: Parameters) -> Response:
        """The rule groups, as they were last evaluated."""
        selections = given_matchers(parameters)
        wanted = functools.partial(
            api_rules,
            type=parameters.get("type", "").lower(),
            rule_names=parameters.getlist("rule_name[]"),
            rule_groups=parameters.getlist("rule_group[]"),
            files=parameters.getlist("file[]"),
            exclude_alerts=flag(parameters, "exclude_alerts"),
        )
        groups = wanted(self._alerts.status())["groups"]
        return success(page(with_labels(groups, selections), parameters))

    def alerts(self, parameters: Parameters) -> Response:
        """The pending and firing alerts."""
        return success(api_alerts(self._alerts.status()))

    def buildinfo(self, parameters: Parameters) -> Response:
        """What clients choose their features by."""
        return success(
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

    def runtimeinfo(self, parameters: Parameters) -> Response:
        """Since when this server answers."""
        return success(
            {
                "startTime": _rfc3339(self._started_ms),
                "serverTime": _rfc3339(self._clock.now_ms()),
            }
        )

    def flags(self, parameters: Parameters) -> Response:
        """Prometheus' command-line flags, as far as the engine has what they set."""
        limits = self._engine.limits
        return success(
            {
                "query.lookback-delta": format_duration(self._engine.lookback_ms),
                "query.max-samples": str(limits.select.samples),
                "query.timeout": format_duration(round(limits.timeout_seconds * 1000)),
            }
        )

    def config(self, parameters: Parameters) -> Response:
        """The part of Prometheus' configuration that decides how queries are answered."""
        interval = format_duration(self._engine.subquery_step_ms)
        return success({"yaml": f"global:\n  evaluation_interval: {interval}\n"})


def unescape_name(name: str) -> str:
    """A label name from a path, where `U__a_2e_b` stands for `a.b`.

    >>> unescape_name("U__http_2e_code__x"), unescape_name("job")
    ('http.code_x', 'job')
    """
    if not name.startswith("U__"):
        return name
    return _ESCAPED.sub(
        lambda found: chr(int(found[1], 16)) if found[1] else "_", name.removeprefix("U__")
    )


def _rfc3339(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat().replace("+00:00", "Z")


def _limited(found: Sequence[object], parameters: Parameters) -> Response:
    limit = whole_number(parameters, "limit")
    if limit and len(found) > limit:
        return success_list(found[:limit], [TRUNCATED])
    return success_list(found)


def _endpoint(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        def run(parameters: Parameters) -> Response:
            # Names of very many series are much to write and to compress: not on the event loop.
            response = handler(parameters)
            return zipped_response(response) if takes_gzip(request) else response

        try:
            return await run_in_threadpool(run, await parameters_of(request))
        except TidecastError as error:
            return failure(located(error))

    return answer
