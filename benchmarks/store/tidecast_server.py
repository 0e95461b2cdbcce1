"""Tidecast's store behind its own write and query doors, and nothing else that a server does.

The peers compute no usage records and no forecasts either. `POST /flush` writes the head into
segments, joins what is to be joined, and says what is stored then.

python benchmarks/store/tidecast_server.py DIRECTORY PORT
"""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from tidecast.config import Address, ServerSettings
from tidecast.server.application import Application
from tidecast.server.heavy_queries import HeavyQueries
from tidecast.server.prometheus_api import PrometheusApi
from tidecast.server.queries import Queries
from tidecast.server.write_api import WriteApi


def main(directory: Path, port: int) -> None:
    app = Application(ServerSettings(data_dir=directory, listen=Address("127.0.0.1", port)))

    async def ready(_request: Request) -> PlainTextResponse:
        return PlainTextResponse("ready")

    async def flush(_request: Request) -> JSONResponse:
        await run_in_threadpool(app.raw.flush)
        await run_in_threadpool(app.raw.maintain, app.clock.now_ms())
        return JSONResponse(asdict(app.raw.stats()))

    heavy = HeavyQueries(app.worker.queries, app.engine)
    queries = Queries(app.engine, heavy)
    routes = [
        Route("/-/ready", ready),
        Route("/flush", flush, methods=["POST"]),
        *WriteApi(app.ingest, app.samples, app.metrics, app.clock).routes(),
        *PrometheusApi(app.engine, app.samples, app.alerts, app.clock, queries).routes(),
    ]
    uvicorn.run(
        Starlette(routes=routes), host="127.0.0.1", port=port, log_config=None, access_log=False
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
