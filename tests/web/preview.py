"""Serves the pages over made-up data: `python tests/web/preview.py [PORT] [first-day|nothing|demo]`.

The environment needs PYTHONPATH=collector:alerts:reports:src, as the Makefile sets it.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

sys.path.insert(0, str(Path(__file__).parent))

from preview_fleet import PreviewData, first_day

from tidecast.web.rendering import error_page
from tidecast.web.routes import page_routes

LABELS = {
    "mode": ("user", "system", "iowait"),
    "mountpoint": ("/", "/var", "/srv/uploads"),
    "device": ("sda",),
}


def preview_app(data: PreviewData) -> Starlette:
    """The pages, and just enough of the query API for their live charts."""
    routes = [Route("/api/v1/query_range", query_range), *page_routes(data)]
    return Starlette(routes=routes, exception_handlers={404: not_found, 405: not_found})


async def not_found(request: Request, error: Exception) -> object:
    return error_page(request, getattr(error, "status_code", 500))


async def query_range(request: Request) -> JSONResponse:
    """Waves, as many series as the expression's label would have."""
    query = request.query_params["query"]
    start, end, step = (float(request.query_params[name]) for name in ("start", "end", "step"))
    names = next((name for name in LABELS if name in query or name == "device"), "device")
    if query.startswith(("node_load", "node_memory")):
        series = [{}]
    else:
        series = [{names: value} for value in LABELS[names]]
    level = {"node_memory_MemTotal": 16e9, "node_memory": 7e9, "rate(node": 2e6, "node_load": 1.4}
    size = next((value for key, value in level.items() if key in query), 0.2)
    if query.startswith(("sum", "1 -")):
        size = 0.25
    result = [
        {
            "metric": labels,
            "values": [
                [at, str(size * (1 + number / 2) * wave(at, number, "Total" in query[:24]))]
                for at in (start + step * i for i in range(int((end - start) / step) + 1))
            ],
        }
        for number, labels in enumerate(series)
    ]
    return JSONResponse({"status": "success", "data": {"resultType": "matrix", "result": result}})


def wave(at: float, number: int, flat: bool) -> float:
    return 1.0 if flat else 1 + 0.3 * math.sin(at / 300 + number) + 0.1 * math.sin(at / 37 * (number + 1))


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
