"""What is known of each metric name, kept in one small file."""

from __future__ import annotations

import threading
from dataclasses import asdict
from pathlib import Path

from tidecast.samples.durable import CheckedJson, DamagedFile
from tidecast.samples.protocol import MetricMetadata
from tidecast_collector.errors import InvalidInput

MAX_METRICS = 200_000


class MetadataFile:
    """Metric metadata by name, in memory and on disk."""

    def __init__(self, path: Path) -> None:
        self._file = CheckedJson(path)
        self._lock = threading.Lock()
        self.problems: list[str] = []
        try:
            body, self.problems = self._file.load()
        except DamagedFile as error:
            # Unlike samples it comes anew with the next scrapes.
            for copy in self._file.paths:
                copy.replace(copy.with_name(copy.name + ".bad"))
            body, self.problems = None, [f"{error}; set aside, metric metadata starts empty"]
        self._known = {name: MetricMetadata(**fields) for name, fields in (body or {}).items()}

    def put(self, metadata: dict[str, MetricMetadata]) -> None:
        """Adds or replaces these, durably."""
        with self._lock:
            if all(self._known.get(name) == about for name, about in metadata.items()):
                return
            merged = self._known | metadata
            if len(merged) > MAX_METRICS:
                raise InvalidInput(f"metadata of more than {MAX_METRICS} metrics is not kept")
            self._file.save({name: asdict(about) for name, about in merged.items()})
            self._known = merged

    def all(self) -> dict[str, MetricMetadata]:
        """What is known, by metric name."""
        return dict(self._known)
