"""The pages over made-up data: `python -m tests.web.preview [PORT] [first-day|nothing|demo]`.

From the repository's folder, with PYTHONPATH=.:collector:analytics:alerts:reports:src.
"""

from __future__ import annotations

import math
import sys

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse
from starlette.routing import Route
from tests.web.preview_fleet import PreviewData, first_day
from tests.web.preview_services import PreviewServices
from tests.web.preview_slos import preview_requirements, preview_slos

from tidecast.web.rendering import error_page
from tidecast.web.requirement_pages import requirement_page_routes
from tidecast.web.routes import page_routes
from tidecast.web.services import ServicePages
from tidecast.web.slo_pages import slo_page_routes
from tidecast_reports.sla import sla_html

LABELS = {
    "mode": ("user", "system", "iowait"),
    "filesystem": ("/var", "/", "/boot"),
    "disk": ("nvme0n1",),
    "network": ("eth0",),
}
SIZES = {
    "cpu": 0.31,
    "filesystem": 0.74,
    " - node_memory": 9.1e9,
    "node_memory": 16.5e9,
    "read": 2.1e6,
    "written": 5.4e6,
    "receive": 1.2e6,
    "transmit": 3.3e6,
    "load15": 1.3,
    "load5": 1.4,
    "load1": 1.5,
}
"""How large each answer is, by the first word found in the expression."""
NAMES = {"filesystem": "mountpoint", "disk": "device", "network": "device", "mode": "mode"}


def preview_app(data: PreviewData) -> Starlette:
    """The pages, and just enough of the query API for their live charts."""
    routes = [Route("/api/v1/query_range", query_range), *page_routes(data)]
    routes.append(Route("/api/tidecast/v1/slas/statements", no_statements))
    routes += ServicePages(data, PreviewServices()).routes()
    routes += slo_page_routes(data, preview_slos)
    routes += requirement_page_routes(data, preview_requirements)
    return Starlette(routes=routes, exception_handlers={404: not_found, 405: not_found})


async def not_found(request: Request, error: Exception) -> object:
    return error_page(request, getattr(error, "status_code", 500))


async def no_statements(request: Request) -> HTMLResponse:
    """The page of statements, which is the API's."""
    return HTMLResponse(sla_html([]))


async def query_range(request: Request) -> JSONResponse:
    """Waves, as many series as the expression's label would have."""
    query = request.query_params["query"]
    start, end, step = (float(request.query_params[name]) for name in ("start", "end", "step"))
    by = next((name for name in LABELS if name in query), "mode")
    alone = query.startswith(("node_load", "node_memory"))
    series = [{}] if alone else [{NAMES[by]: value} for value in LABELS[by]]
    size = next(value for key, value in SIZES.items() if key in query)
    flat = query.startswith("node_memory_MemTotal") and " - " not in query
    result = [
        {
            "metric": labels,
            "values": [
                [at, str(size / (1 + number * 1.7) * wave(at, len(query) + number, flat))]
                for at in (start + step * i for i in range(int((end - start) / step) + 1))
            ],
        }
        for number, labels in enumerate(series)
    ]
    return JSONResponse({"status": "success", "data": {"resultType": "matrix", "result": result}})


def wave(at: float, number: int, flat: bool) -> float:
    if flat:
        return 1.0
    return 1 + 0.12 * math.sin(at / 500 + number) + 0.04 * math.sin(at / (61 + 7 * number))


def preview_data(kind: str) -> PreviewData:
    if kind == "first-day":
        return PreviewData(outlooks=first_day(), views=[])
    if kind == "nothing":
        return PreviewData(outlooks=[], views=[])
    return PreviewData(generated=kind == "demo", history="sysstat history of 28 days imported")


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 9797
    kind = sys.argv[2] if len(sys.argv) > 2 else "fleet"
    uvicorn.run(preview_app(preview_data(kind)), host="127.0.0.1", port=port, log_level="warning")
