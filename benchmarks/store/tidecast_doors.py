"""The doors of the measured server: queries first, as in the product."""

from __future__ import annotations

import asyncio

import uvicorn
from starlette.types import ASGIApp

from tidecast.config import ServerSettings
from tidecast.server.access import AccessPolicy
from tidecast.server.doors import Doors, first_app
from tidecast.server.stores import Stores


def answer(settings: ServerSettings, stores: Stores) -> None:
    """Answers until the process is ended."""
    asyncio.run(_serve(settings, stores))


async def _serve(settings: ServerSettings, stores: Stores) -> None:
    doors = Doors(first_app(settings, stores, AccessPolicy(None, check_host=True)))
    config = uvicorn.Config(
        doors,
        host="127.0.0.1",
        port=settings.listen.port,
        log_config=None,
        access_log=False,
        lifespan="off",
    )
    serving = asyncio.create_task(uvicorn.Server(config).serve())
    doors.open(await asyncio.to_thread(_whole, settings, stores))
    await serving


def _whole(settings: ServerSettings, stores: Stores) -> ASGIApp:
    from tidecast_whole import whole_app  # noqa: PLC0415

    return whole_app(settings, stores)
