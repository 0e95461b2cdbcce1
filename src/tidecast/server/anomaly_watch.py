"""The server's look at what is strange: again whenever usage records have changed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from tidecast.journeys.examine_usage import Strange, Values, examine
from tidecast.journeys.find_anomalies import Watched, look_at_fleet
from tidecast.server.application import Application

log = logging.getLogger(__name__)


class AnomalyWatch:
    """Keeps `Application.anomalies` true."""

    def __init__(self, application: Application) -> None:
        self._app = application
        self._stop = threading.Event()
        self._seen = -1

    def stop(self) -> None:
        """Ends a look between two batches."""
        self._stop.set()

    def look(self) -> None:
        """Looks at the fleet, unless nothing changed since the last time."""
        changes = self._app.changes
        if changes == self._seen:
            return
        watched = Watched(
            self._app.own, self._app.records, self._app.definitions, self._run, self._stop.is_set
        )
        found = look_at_fleet(watched, self._app.clock.now_ms())
        if found is None:
            return
        self._app.anomalies, self._seen = found, changes
        count = sum(len(each.events) for each in found.found.values())
        log.info("%d anomalies in %d resources", count, len(found.found))

    def _run(self, histories: Sequence[Values], expected_per_week: float) -> list[Strange]:
        return self._app.worker.analysis.run(examine, histories, expected_per_week)
