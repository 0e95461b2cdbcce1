"""Tidecast's store behind its own write and query doors, and nothing else that a server does.

The peers compute no usage records and no forecasts either. `POST /flush` writes the head into
segments, joins what is to be joined, and says what is stored then.

python benchmarks/store/tidecast_server.py DIRECTORY PORT
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tidecast.config import Address, ServerSettings
from tidecast.server.stores import Stores


def main(directory: Path, port: int) -> None:
    settings = ServerSettings(data_dir=directory, listen=Address("127.0.0.1", port))
    # In the order of the product: what answers is loaded while samples are being opened.
    with ThreadPoolExecutor(1) as opener:
        opening = opener.submit(Stores, settings)
        from tidecast_doors import answer  # noqa: PLC0415

    answer(settings, opening.result())


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
