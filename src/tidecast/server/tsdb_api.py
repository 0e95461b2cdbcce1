"""What Prometheus offers under /api/v1/admin/tsdb and /api/v1/status/tsdb."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tidecast.samples.embedded import EmbeddedSamples
from tidecast.samples.protocol import Samples
from tidecast.samples.stats import Ranked
from tidecast.server.parameters import InvalidParameter, Parameters, parameters_of, whole_number
from tidecast.server.prometheus_answers import failure, success
from tidecast.server.selections import given_matchers, given_span
from tidecast_collector.errors import TidecastError

DEFAULT_TOP, MAX_TOP = 10, 10_000


class TsdbApi:
    """The handlers, over all samples and those stores of them that are our own."""

    def __init__(self, samples: Samples, stores: Mapping[str, EmbeddedSamples]) -> None:
        self._samples, self._stores = samples, stores

    def routes(self) -> list[Route]:
        """The routes; what changes anything is asked by POST or PUT, with the scope operate."""
        return [
            _route("admin/tsdb/delete_series", self._delete, ["POST", "PUT"]),
            _route("admin/tsdb/clean_tombstones", self._clean, ["POST", "PUT"]),
            _route("status/tsdb", self._status, ["GET"]),
        ]

    def _delete(self, parameters: Parameters) -> Response:
        """Forgets what match[] selects between start and end (by default: ever)."""
        selections = given_matchers(parameters)
        if not selections:
            raise InvalidParameter("no match[] parameter provided")
        start_ms, end_ms = given_span(parameters)
        if end_ms < start_ms:
            raise InvalidParameter('invalid parameter "end": it is before the start')
        for matchers in selections:
            self._samples.delete(matchers, start_ms, end_ms)
        return Response(status_code=204)

    def _clean(self, parameters: Parameters) -> Response:
        """Writes anew what has been deleted from, so that it takes no more room."""
        for store in self._stores.values():
            store.clean()
        return Response(status_code=204)

    def _status(self, parameters: Parameters) -> Response:
        """How many series there are, and of what most."""
        top = min(whole_number(parameters, "limit") or DEFAULT_TOP, MAX_TOP)
        store = self._stores.get("raw") or self._stores["own"]
        labels, span = store.label_stats(top)
        return success(
            {
                "headStats": {
                    "numSeries": span.series,
                    "numLabelPairs": labels.pairs,
                    "chunkCount": span.chunks,
                    "minTime": span.first_ms,
                    "maxTime": span.last_ms,
                },
                "seriesCountByMetricName": _named(labels.series_by_metric),
                "labelValueCountByLabelName": _named(labels.values_by_label),
                "memoryInBytesByLabelName": _named(labels.label_bytes),
                "seriesCountByLabelValuePair": _named(labels.series_by_pair),
            }
        )


def _named(ranked: Ranked) -> list[dict[str, object]]:
    return [{"name": name, "value": value} for name, value in ranked]


def _route(path: str, handler: Callable[[Parameters], Response], methods: Sequence[str]) -> Route:
    async def answer(request: Request) -> Response:
        try:
            return await run_in_threadpool(handler, await parameters_of(request))
        except TidecastError as error:
            return failure(error)

    return Route(f"/api/v1/{path}", answer, methods=list(methods))
