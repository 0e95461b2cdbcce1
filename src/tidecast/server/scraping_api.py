"""What Prometheus tells under /api/v1 of its scrapes: there are none here, samples are pushed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tidecast.server.prometheus_answers import success

_ANSWERS: dict[str, object] = {
    "targets": {"activeTargets": [], "droppedTargets": [], "droppedTargetCounts": {}},
    "targets/metadata": [],
    "scrape_pools": {"scrapePools": []},
    "alertmanagers": {"activeAlertmanagers": [], "droppedAlertmanagers": []},
    "notifications": [],
    # Whoever is answered at all is answered after the log has been replayed.
    "status/walreplay": {"min": 0, "max": 0, "current": 0},
}


def scraping_routes() -> list[Route]:
    """The routes; clients that ask for them go on instead of stopping at a 404."""
    return [
        Route(f"/api/v1/{path}", _always(answer), methods=["GET"])
        for path, answer in _ANSWERS.items()
    ]


def _always(answer: object) -> Callable[[Request], Awaitable[Response]]:
    async def respond(request: Request) -> Response:
        return success(answer)

    return respond
