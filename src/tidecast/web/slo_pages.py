"""The page of SLOs: budgets, how fast they burn, and what every figure is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from markupsafe import Markup
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tidecast.web.data import PageData
from tidecast.web.rendering import render
from tidecast_reports.availability import percent
from tidecast_reports.burn_down import burn_down_chart

Documents = Callable[[], Sequence[Mapping[str, Any]]]


def slo_page_routes(data: PageData, slos: Documents) -> list[BaseRoute]:
    """The routes; `slos` gives the documents of the API's `/slos`. It may block."""

    def page(request: Request) -> Response:
        shown = [
            (slo, objective, _chart(objective, f"b{number}-{place}"))
            for number, slo in enumerate(slos())
            for place, objective in enumerate(slo["objectives"])
        ]
        spent = sum((each.get("budget_remaining") or 0) < 0 for _, each, _ in shown)
        status = data.status()
        measured = sum(each["measured"] for _, each, _ in shown)
        told = {"shown": shown, "spent": spent, "measured": measured, "percent": percent}
        return render(request, "slos.html", status, **told)

    async def endpoint(request: Request) -> Response:
        return await run_in_threadpool(page, request)

    return [Route("/slos", endpoint)]


def _chart(objective: Mapping[str, Any], identifier: str) -> Markup:
    if not objective.get("burn_down"):
        return Markup("")
    points = [(_ms(each["at"]), each["remaining"]) for each in objective["burn_down"]]
    start, end = _ms(objective["start"]), _ms(objective["end"])
    return burn_down_chart(points, start, end, identifier=identifier)


def _ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)
