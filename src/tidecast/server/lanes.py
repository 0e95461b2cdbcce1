"""Worker processes side by side: what is given to them waits for the first that is free."""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue
from typing import ParamSpec, TypeVar

from tidecast.server.worker import Worker

P = ParamSpec("P")
R = TypeVar("R")

LANES = 2


class Lanes:
    """`LANES` workers; any number of threads may ask at once."""

    def __init__(self) -> None:
        self._workers = [Worker() for _ in range(LANES)]
        self._free: SimpleQueue[Worker] = SimpleQueue()
        for worker in self._workers:
            self._free.put(worker)

    def run(self, work: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> R:
        """What the function returns in one of them; it and its arguments must pickle."""
        worker = self._free.get()
        try:
            return worker.run(work, *arguments, **named)
        finally:
            self._free.put(worker)

    def close(self) -> None:
        """Ends the processes once their work is done."""
        for worker in self._workers:
            worker.close()
