"""The doors of the measured server that open when all of it is loaded."""

from __future__ import annotations

from dataclasses import asdict

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tidecast.config import ServerSettings
from tidecast.server.application import Application
from tidecast.server.doors import health_routes
from tidecast.server.heavy_queries import HeavyQueries
from tidecast.server.prometheus_api import PrometheusApi
from tidecast.server.queries import Queries
from tidecast.server.stores import Stores
from tidecast.server.write_api import WriteApi


def whole_app(settings: ServerSettings, stores: Stores) -> Starlette:
    """The write and query doors, and the one for flushing."""
    app = Application(settings, stores=stores)

    async def flush(_request: Request) -> JSONResponse:
        await run_in_threadpool(app.raw.flush)
        await run_in_threadpool(app.raw.maintain, app.clock.now_ms())
        return JSONResponse(asdict(app.raw.stats()))

    heavy = HeavyQueries(app.worker.queries, app.engine)
    queries = Queries(app.engine, heavy)
    routes = [
        *health_routes(),
        Route("/flush", flush, methods=["POST"]),
        *WriteApi(app.ingest, app.samples, app.metrics, app.clock).routes(),
        *PrometheusApi(app.engine, app.samples, app.alerts, app.clock, queries).routes(),
    ]
    return Starlette(routes=routes)
