"""Tidecast's store behind its own write and query doors, and nothing else that a server does.

The peers compute no usage records and no forecasts either. `POST /flush` writes the head into
segments, joins what is to be joined, and says what is stored then.

python benchmarks/store/tidecast_server.py DIRECTORY PORT
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from tidecast.config import Address, ServerSettings
from tidecast.server.access import AccessPolicy
from tidecast.server.doors import Doors, first_app
from tidecast.server.stores import Stores


def main(directory: Path, port: int) -> None:
    settings = ServerSettings(data_dir=directory, listen=Address("127.0.0.1", port))
    asyncio.run(serve(settings, Stores(settings)))


async def serve(settings: ServerSettings, stores: Stores) -> None:
    """Opens its doors in the order of the product: queries first."""
    doors = Doors(first_app(settings, stores, AccessPolicy(None, check_host=True)))
    config = uvicorn.Config(
        doors, host="127.0.0.1", port=settings.listen.port, log_config=None, access_log=False
    )
    serving = asyncio.create_task(uvicorn.Server(config).serve())
    doors.open(await asyncio.to_thread(_whole, settings, stores))
    await serving


def _whole(settings: ServerSettings, stores: Stores) -> ASGIApp:
    from tidecast_doors import whole_app  # noqa: PLC0415

    return whole_app(settings, stores)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
