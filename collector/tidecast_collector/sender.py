"""Sends what is spooled, in its own thread, until the receiver has acknowledged it.

2xx              acknowledged: the spool forgets it
401, 403         kept; the token file is read again for each try
400, 413, 422    cannot ever succeed: cycles are tried one by one, and the refused one is dropped
anything else    kept and tried again, ever more slowly; Retry-After is honoured
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence

from tidecast_collector import snappy
from tidecast_collector.backlog import Cycle, CycleReader, InvalidCycle, join_cycles
from tidecast_collector.errors import TidecastError
from tidecast_collector.log import ChangeLog, log
from tidecast_collector.push import Answer, Poster, PushFailed
from tidecast_collector.remote_write import Metadata
from tidecast_collector.spool import Chunk, Spool, SpoolUnavailable

MAX_CYCLES_PER_REQUEST = 30
METADATA_EVERY_SECONDS = 3600.0
FIRST_DELAY_SECONDS = 0.5
MAX_DELAY_SECONDS = 15.0
REFUSED_DELAY_SECONDS = 5.0
MAX_RETRY_AFTER_SECONDS = 900.0


class TokenUnavailable(TidecastError):
    """The token cannot be read."""


class Sender:
    """Owns the way from the spool to the receiver; `counts` tell what became of it."""

    def __init__(
        self,
        spool: Spool,
        poster: Poster,
        token: Callable[[], str],
        metadata: Callable[[], Sequence[Metadata]],
    ) -> None:
        self._spool = spool
        self._poster = poster
        self._token = token
        self._metadata = metadata
        self._metadata_due = 0.0
        self._reader = CycleReader()
        self._batch = MAX_CYCLES_PER_REQUEST
        self._failures_in_a_row = 0
        self._changes = ChangeLog()
        self._wake = threading.Event()
        self._stop = threading.Event()
        self.samples_sent = 0
        self.requests_failed = 0
        self.cycles_refused = 0
        self.cycles_unreadable = 0
        self._unreadable: list[InvalidCycle] = []
        self.thread = threading.Thread(target=self._run, name="sender", daemon=True)

    def wake(self) -> None:
        """Tells that the spool has something new."""
        self._wake.set()

    def stop(self, timeout_seconds: float) -> None:
        """Ends the thread, waiting so long for a request under way; the spool keeps the rest."""
        self._stop.set()
        self._wake.set()
        self.thread.join(timeout_seconds)

    def _run(self) -> None:
        while True:
            self._wake.clear()
            if self._stop.is_set():
                return
            delay_seconds = self.send_next()
            if delay_seconds is None:
                self._wake.wait()
            elif delay_seconds:
                self._stop.wait(delay_seconds)

    def send_next(self) -> float | None:
        """Sends the oldest cycles; returns seconds to wait before the next try.

        0 when there may be more, None when there is nothing to send.
        """
        try:
            chunk = self._spool.read(self._batch)
        except SpoolUnavailable as error:
            return self._failed(str(error), None)
        if not chunk.records:
            return None
        cycles = self._readable(chunk)
        if not cycles:
            self._forget(chunk)
            return 0.0
        metadata = self._metadata() if time.monotonic() >= self._metadata_due else ()
        body = snappy.compress(join_cycles(cycles, metadata))
        try:
            answer = self._poster.post(body, self._token())
        except (PushFailed, TokenUnavailable) as error:
            return self._failed(str(error), None)
        return self._settle(chunk, cycles, answer, with_metadata=bool(metadata))

    def _settle(
        self, chunk: Chunk, cycles: Sequence[Cycle], answer: Answer, *, with_metadata: bool
    ) -> float:
        if 200 <= answer.status < 300:
            if with_metadata:
                self._metadata_due = time.monotonic() + METADATA_EVERY_SECONDS
            return self._acknowledged(chunk, cycles)
        if answer.status in (400, 413, 422):
            return self._cannot_succeed(chunk, answer, with_metadata=with_metadata)
        return self._refused(answer)

    def _readable(self, chunk: Chunk) -> list[Cycle]:
        """The chunk's cycles; what cannot be read is counted once the chunk is forgotten."""
        cycles = []
        self._unreadable = []
        for record in chunk.records:
            try:
                cycles.append(self._reader.read(record))
            except InvalidCycle as error:
                self._unreadable.append(error)
        return cycles

    def _acknowledged(self, chunk: Chunk, cycles: Sequence[Cycle]) -> float:
        self._forget(chunk)
        self.samples_sent += sum(len(cycle.series) for cycle in cycles)
        self._failures_in_a_row = 0
        self._batch = min(self._batch * 2, MAX_CYCLES_PER_REQUEST)
        self._changes.note("push", "")
        return 0.0

    def _forget(self, chunk: Chunk) -> None:
        for error in self._unreadable:
            self.cycles_unreadable += 1
            log(f"spool: a record is left out: {error}")
        try:
            self._spool.acknowledge(chunk.end)
        except SpoolUnavailable as error:
            self._changes.note("spool", str(error))
        else:
            self._changes.note("spool", "")

    def _cannot_succeed(self, chunk: Chunk, answer: Answer, *, with_metadata: bool) -> float:
        """Narrows the refused request down to one cycle without metadata, and drops that one."""
        if with_metadata:
            self._metadata_due = time.monotonic() + METADATA_EVERY_SECONDS
            return 0.0
        if len(chunk.records) > 1:
            self._batch = 1
            return 0.0
        self.requests_failed += 1
        self.cycles_refused += 1
        self._forget(chunk)
        self._batch = MAX_CYCLES_PER_REQUEST
        log(f"push: {_said(answer)}; this cycle cannot succeed and is dropped")
        return 0.0

    def _refused(self, answer: Answer) -> float:
        if answer.status not in (401, 403):
            return self._failed(_said(answer), answer.retry_after_seconds)
        self.requests_failed += 1
        self._changes.note("push", f"{_said(answer)}; everything is kept, check the token")
        return REFUSED_DELAY_SECONDS

    def _failed(self, trouble: str, retry_after_seconds: float | None) -> float:
        self.requests_failed += 1
        self._changes.note("push", f"{trouble}; everything is kept and tried again")
        delay = min(
            FIRST_DELAY_SECONDS * 2.0 ** min(self._failures_in_a_row, 10), MAX_DELAY_SECONDS
        )
        self._failures_in_a_row += 1
        delay *= random.uniform(0.5, 1.0)  # noqa: S311 - spreads agents, guards nothing
        if retry_after_seconds is not None:
            delay = max(delay, min(retry_after_seconds, MAX_RETRY_AFTER_SECONDS))
        return delay


def _said(answer: Answer) -> str:
    return f"the server answers {answer.status}: {answer.reason}"
