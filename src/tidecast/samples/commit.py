"""Group commit: writes that wait for the same disk share one trip to it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Generic, TypeVar

from tidecast.samples.protocol import SamplesUnavailable

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


class _Ticket(Generic[Item, Outcome]):
    __slots__ = ("failure", "item", "outcome", "settled")

    def __init__(self, item: Item) -> None:
        self.item = item
        self.outcome: list[Outcome] = []
        self.failure = ""
        self.settled = False


class GroupCommit(Generic[Item, Outcome]):
    """Hands items of many threads to `commit` in groups, one group at a time, in one order.

    The first thread to find nobody committing takes along everything that waits; the others
    return with what became of theirs.
    """

    def __init__(self, commit: Callable[[Sequence[Item]], Sequence[Outcome]]) -> None:
        self._commit = commit
        self._queue_lock = threading.Lock()
        self._commit_lock = threading.Lock()
        self._waiting: list[_Ticket[Item, Outcome]] = []

    def submit(self, item: Item) -> Outcome:
        """What `commit` returned for this item; raises `SamplesUnavailable` if it failed."""
        ticket: _Ticket[Item, Outcome] = _Ticket(item)
        with self._queue_lock:
            self._waiting.append(ticket)
        with self._commit_lock:
            if not ticket.settled:
                self._commit_waiting()
        if ticket.failure:
            raise SamplesUnavailable(ticket.failure)
        return ticket.outcome[0]

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Keeps every group from being committed meanwhile."""
        with self._commit_lock:
            yield

    def _commit_waiting(self) -> None:
        with self._queue_lock:
            group, self._waiting = self._waiting, []
        failure = "the write failed together with another; send the samples again"
        try:
            for ticket, outcome in zip(
                group, self._commit([ticket.item for ticket in group]), strict=True
            ):
                ticket.outcome.append(outcome)
        except SamplesUnavailable as error:
            failure = str(error)
        finally:
            for ticket in group:
                ticket.settled = True
                ticket.failure = "" if ticket.outcome else failure
