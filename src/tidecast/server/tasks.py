"""Background work: small threads that each repeat one thing and outlive its failures."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from tidecast.server.metrics import ServerMetrics

log = logging.getLogger(__name__)


class Tasks:
    """Starts and stops the background threads."""

    def __init__(self, metrics: ServerMetrics) -> None:
        self._metrics = metrics
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def every(self, seconds: float, name: str, run: Callable[[], object]) -> None:
        """Runs it now and again that long after each end, in a thread of its own."""

        def repeat() -> None:
            while not self._stop.is_set():
                self._once(name, run)
                self._stop.wait(seconds)

        thread = threading.Thread(target=repeat, name=f"task-{name}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _once(self, name: str, run: Callable[[], object]) -> None:
        began, failed = time.perf_counter(), False
        try:
            run()
        except Exception:
            failed = True
            log.exception("the task %s failed; it is tried again", name)
        self._metrics.count_task(name, time.perf_counter() - began, failed)

    def wait(self, seconds: float) -> None:
        """Waits so long within a task, or until all are to end."""
        self._stop.wait(seconds)

    def stop(self, timeout_seconds: float = 20) -> None:
        """Lets each finish its round."""
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout_seconds)
