"""What an expression says now: where the links of alerts lead (`/graph?g0.expr=...`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tidecast.promql.numbers import format_short
from tidecast.promql.result import Matrix, QueryResult, Scalar, String, Vector
from tidecast.samples.matchers import Matcher, MatchOp
from tidecast.web.data import PageData
from tidecast.web.rendering import render
from tidecast_collector.errors import TidecastError
from tidecast_collector.labels import NAME, Labels, label_value

ROWS = 500
MAX_CHARACTERS = 10_000
Ask = Callable[[str, int], QueryResult]
Row = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Shown:
    """What an expression gave: at most so many rows of all there are, notes, or why nothing."""

    rows: tuple[Row, ...] = ()
    all_rows: int = 0
    notes: tuple[str, ...] = ()
    error: str = ""


def expression_page_routes(data: PageData, ask: Ask) -> list[BaseRoute]:
    """The route; `ask` gives the value of an expression at a time, or raises why not."""

    def page(request: Request) -> Response:
        text = request.query_params.get("g0.expr", "").strip()[:MAX_CHARACTERS]
        status = data.status()
        shown = answer(ask, text, status.now_ms) if text else Shown()
        api = "/api/v1/query?" + urlencode({"query": text})
        return render(request, "expression.html", status, text=text, shown=shown, api=api)

    async def endpoint(request: Request) -> Response:
        return await run_in_threadpool(page, request)

    return [Route("/graph", endpoint)]


def answer(ask: Ask, text: str, now_ms: int) -> Shown:
    """What the expression gives now, as people read it."""
    try:
        result = ask(text, now_ms)
    except TidecastError as error:
        return Shown(error=str(error))
    rows, count = _rows(result.value)
    return Shown(tuple(rows), count, (*result.warnings, *result.infos))


def _rows(value: Scalar | String | Vector | Matrix) -> tuple[list[Row], int]:
    if isinstance(value, Scalar):
        return [("", format_short(value.value))], 1
    if isinstance(value, String):
        return [("", value.value)], 1
    if isinstance(value, Vector):
        pairs = zip(value.labels[:ROWS], value.values[:ROWS].tolist(), strict=True)
        return [(series_name(labels), format_short(number)) for labels, number in pairs], len(
            value.labels
        )
    ends = value.offsets[1 : ROWS + 1]
    counts = ends - value.offsets[:-1][:ROWS]
    newest = value.values[ends - 1].tolist()
    return [
        (series_name(labels), f"{format_short(number)} ({count} samples)")
        for labels, number, count in zip(value.labels[:ROWS], newest, counts.tolist(), strict=True)
    ], len(value.labels)


def series_name(labels: Labels) -> str:
    """The series as PromQL writes it.

    >>> series_name((("__name__", "up"), ("job", "node")))
    'up{job="node"}'
    """
    matchers = [str(Matcher(key, MatchOp.EQUAL, text)) for key, text in labels if key != NAME]
    inside = "{" + ", ".join(matchers) + "}" if matchers else ""
    return label_value(labels, NAME) + inside or "{}"
