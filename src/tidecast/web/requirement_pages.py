"""The page of requirements: what is asked for, and whether it was met by what was measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tidecast.web.data import PageData
from tidecast.web.rendering import render

Documents = Callable[[], Sequence[Mapping[str, Any]]]
BADGES = {"met": "resolved", "missed": "critical", "agreed": "warning"}


def requirement_page_routes(data: PageData, requirements: Documents) -> list[BaseRoute]:
    """The routes; `requirements` gives the documents of the API's `/requirements`. It may block."""

    def page(request: Request) -> Response:
        shown = requirements()
        told = {
            "shown": shown,
            "badges": BADGES,
            "missed": sum(each["state"] == "missed" for each in shown),
            "contradicted": sum(each["contradicted"] for each in shown),
        }
        return render(request, "requirements.html", data.status(), **told)

    async def endpoint(request: Request) -> Response:
        return await run_in_threadpool(page, request)

    return [Route("/requirements", endpoint)]
