"""One collection: every source is read; one that fails is reported and the others go on."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

from tidecast_collector.log import ChangeLog
from tidecast_collector.model import GAUGE, Family, Sample
from tidecast_collector.sources.catalog import Source
from tidecast_collector.sources.reading import Root


class Collector:
    """Reads the sources below a root; safe to call from several threads."""

    def __init__(self, sources: Mapping[str, Source], root: Root) -> None:
        self._sources = sources
        self._root = root
        self._changes = ChangeLog()
        self._one_at_a_time = threading.Lock()

    def collect(self) -> list[Family]:
        """Every source's families, then how long each took and whether it succeeded."""
        families: list[Family] = []
        durations: list[Sample] = []
        successes: list[Sample] = []
        with self._one_at_a_time:
            for name, source in self._sources.items():
                started = time.perf_counter()
                trouble = ""
                try:
                    families += source(self._root)
                # what reading and parsing the kernel's files can raise, and nothing else
                except (OSError, ValueError, LookupError) as error:
                    trouble = f"{type(error).__name__}: {error}"
                self._changes.note(f"source {name}", trouble)
                tags = (("collector", name),)
                durations.append((tags, time.perf_counter() - started))
                successes.append((tags, 0.0 if trouble else 1.0))
        families.append(
            Family(
                "node_scrape_collector_duration_seconds",
                GAUGE,
                "How long reading the source took.",
                durations,
            )
        )
        families.append(
            Family(
                "node_scrape_collector_success", GAUGE, "Whether the source was read.", successes
            )
        )
        return families
