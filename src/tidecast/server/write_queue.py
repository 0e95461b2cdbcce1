"""Bodies on their way into the store: those that wait together are written together."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")

COMPANY_SECONDS = 0.001
"""How long an item waits for others, where others were on their way a moment ago."""
IDLE_SECONDS = 0.05
"""How long a thread waits for the next item before it is given back."""


@dataclass(slots=True, eq=False)
class _Waiting(Generic[Item, Outcome]):
    item: Item
    outcome: asyncio.Future[Outcome]


class WriteQueue(Generic[Item, Outcome]):
    """Hands items to `write`, in so many threads, each as many at once as wait, or `together`.

    `write` gives for each item its outcome, or the error that it met. Its caller bounds what waits.
    """

    def __init__(
        self,
        write: Callable[[Sequence[Item]], Sequence[Outcome | Exception]],
        threads: int,
        together: int,
    ) -> None:
        self._write = write
        self._threads, self._together = threads, together
        self._executor = ThreadPoolExecutor(threads, "write")
        self._waiting: queue.SimpleQueue[_Waiting[Item, Outcome]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._running = 0
        self._company = 1
        """How many were written, or came meanwhile, the last time."""

    async def written(self, item: Item) -> Outcome:
        """The outcome of the item; raises the error that it met."""
        waiting = _Waiting[Item, Outcome](item, asyncio.get_running_loop().create_future())
        with self._lock:
            self._waiting.put(waiting)
            start = self._running < self._threads
            self._running += start
        if start:
            self._executor.submit(self._run)
        return await waiting.outcome

    def _run(self) -> None:
        while True:
            group = self._group()
            if group:
                self._serve(group)
            with self._lock:
                if self._waiting.empty():
                    self._running -= 1
                    return

    def _group(self) -> list[_Waiting[Item, Outcome]]:
        group: list[_Waiting[Item, Outcome]] = []
        with contextlib.suppress(queue.Empty):
            while len(group) < self._together:
                patience = COMPANY_SECONDS if len(group) < self._company else 0
                patience = patience if group else IDLE_SECONDS
                group.append(self._waiting.get(patience > 0, patience))
        return group

    def _serve(self, group: Sequence[_Waiting[Item, Outcome]]) -> None:
        outcomes: Sequence[Outcome | Exception]
        try:
            outcomes = self._write([waiting.item for waiting in group])
        except Exception as error:  # noqa: BLE001 (whatever it is, those who wait have to know)
            outcomes = [error] * len(group)
        self._company = len(group) + self._waiting.qsize()
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop = group[0].outcome.get_loop()
            loop.call_soon_threadsafe(_settle, group, outcomes)


def _settle(
    group: Sequence[_Waiting[Item, Outcome]], outcomes: Sequence[Outcome | Exception]
) -> None:
    for waiting, outcome in zip(group, outcomes, strict=True):
        if waiting.outcome.done():
            continue
        if isinstance(outcome, Exception):
            waiting.outcome.set_exception(outcome)
        else:
            waiting.outcome.set_result(outcome)
