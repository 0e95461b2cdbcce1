"""`python -m tests.soak.small_server DATA_DIR PORT`: the server, where a second is an hour.

It is the whole server; only the widths of its windows and tiers and the pace of its upkeep are
others, so that seconds of load take samples through flush, joining, tiers and retention. However
few samples there are, its worker writes the segments.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from tidecast.config import Address, ServerSettings
from tidecast.samples import segment_work
from tidecast.samples.embedded import EmbeddedSamples
from tidecast.samples.kept import Tier
from tidecast.server import stores, upkeep
from tidecast.server.start import serve
from tidecast.server.tasks import Tasks

RETENTION_MS = 60_000
SMALL: dict[str, Any] = {"window_ms": 1_000, "flush_samples": 20_000, "upkeep_seconds": 0.2}
TIERS = (Tier("5m", 100, 3_600_000), Tier("1h", 1_000, 3_600_000))


class SmallWindows(EmbeddedSamples):
    """The store with windows of a second, and narrow tiers where it has any."""

    def __init__(self, directory: Path, **options: Any) -> None:
        narrow = {"tiers": TIERS} if options.get("tiers") else {}
        super().__init__(directory, **(options | SMALL | narrow))


class _QuickTasks(Tasks):
    def every(self, seconds: float, name: str, run: Any) -> None:
        super().every(1 if name == "keeping" else seconds, name, run)


def main() -> None:
    """Runs until it is ended."""
    stores.EmbeddedSamples = SmallWindows
    upkeep.Tasks = _QuickTasks
    segment_work.FEW_SAMPLES = 0
    os.setsid()
    serve(
        ServerSettings(
            data_dir=Path(sys.argv[1]),
            listen=Address("127.0.0.1", int(sys.argv[2])),
            retention_ms=RETENTION_MS,
            max_disk_bytes=1 << 40,
        )
    )


if __name__ == "__main__":
    main()
