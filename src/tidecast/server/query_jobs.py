"""Queries as jobs for the worker, evaluated there over the server's samples of this moment.

For each selection the job asks the server: it gets the paths of the segments and the matching part
of what is only in memory yet, reads the segments itself, and goes on from there.
"""

from __future__ import annotations

import pickle
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tidecast.promql.engine import Engine
from tidecast.promql.errors import QueryCancelled
from tidecast.promql.result import QueryResult
from tidecast.promql.settings import QueryLimits, QueryOptions
from tidecast.samples.batch import SampleBatch
from tidecast.samples.durable import DamagedFile
from tidecast.samples.matchers import Matchers
from tidecast.samples.protocol import (
    LimitExceeded,
    PointSelection,
    SamplesUnavailable,
    Selectable,
    SelectHint,
    SelectLimits,
)
from tidecast.samples.routed import RoutedSelection
from tidecast.samples.snapshot import Snapshot
from tidecast.server.query_answers import answer_pieces, zipped
from tidecast.server.query_request import QueryRequest
from tidecast.server.worker_process import Control

ATTEMPTS = 10
"""A segment may be joined into another between being named and being opened; hardly twice."""


@dataclass(frozen=True, slots=True)
class SelectionAsked:
    """The worker's question for what a selection concerns in one of the two stores.

    With a `hint` it asks for points.
    """

    store: int
    matchers: Matchers
    start_ms: int
    end_ms: int
    limits: SelectLimits
    hint: SelectHint | None = None


@dataclass(frozen=True, slots=True)
class DamageMet:
    """The worker's word that a segment of one of the two stores is damaged."""

    store: int
    path: Path
    what: str


Part = Snapshot | SampleBatch | None
"""What a store says of a selection: where to read, or the samples themselves."""
_Selected = TypeVar("_Selected")

_held: dict[int, Part] = {}
"""What the last selection concerned: its segments need not be opened again for the next."""


class StoreOfServer(Selectable):
    """One of the server's stores, as a job in the worker selects from it."""

    def __init__(self, control: Control, store: int) -> None:
        self._control, self._store = control, store

    def select(
        self,
        matchers: Matchers,
        start_ms: int,
        end_ms: int,
        limits: SelectLimits = SelectLimits(),  # noqa: B008 (frozen)
    ) -> SampleBatch:
        """The matching series that have samples in [start, end], sorted by labels."""

        def read(part: Part) -> SampleBatch:
            assert part is not None
            if isinstance(part, SampleBatch):
                return part
            return part.select(matchers, start_ms, end_ms, limits)

        return self._reading(SelectionAsked(self._store, matchers, start_ms, end_ms, limits), read)

    def select_points(
        self,
        matchers: Matchers,
        hint: SelectHint,
        limits: SelectLimits = SelectLimits(),  # noqa: B008 (frozen)
    ) -> PointSelection | None:
        """The matching series as points; None where `select` gives all that there is to give."""

        def read(part: Part) -> PointSelection | None:
            if isinstance(part, Snapshot):
                return part.select_points(matchers, hint, limits)
            return None

        asked = SelectionAsked(self._store, matchers, hint.after_ms + 1, hint.end_ms, limits, hint)
        return self._reading(asked, read)

    def _reading(self, asked: SelectionAsked, read: Callable[[Part], _Selected]) -> _Selected:
        """What is read of the server's answer, asked for again where files have changed since."""
        for _ in range(ATTEMPTS):
            try:
                part: Part = pickle.loads(self._control.ask(asked))  # noqa: S301 (our own)
                if part is not None:
                    _held[self._store] = part
                return read(part)
            except FileNotFoundError:
                continue
            except DamagedFile as error:
                self._control.ask(DamageMet(self._store, error.path, error.what))
        raise SamplesUnavailable("segments changed again and again while they were read; try again")


@dataclass(frozen=True, slots=True)
class EvaluationJob:
    """A query as a job for the worker; what it finds is what the query does."""

    request: QueryRequest
    limits: QueryLimits
    lookback_ms: int
    subquery_step_ms: int

    def __call__(self, control: Control) -> QueryResult:
        with memory_fence(self.limits.memory_bytes):
            return self.evaluate(control)

    def evaluate(self, control: Control) -> QueryResult:
        """The answer, over the server's samples."""
        engine = Engine(
            RoutedSelection(StoreOfServer(control, 0), StoreOfServer(control, 1)),
            lookback_ms=self.lookback_ms,
            subquery_step_ms=self.subquery_step_ms,
            limits=self.limits,
        )
        return self.request.ask(engine, QueryOptions(cancelled=control.cancelled))


@dataclass(frozen=True, slots=True)
class AnswerJob:
    """The same, which tells the pieces of the HTTP API's answer."""

    evaluation: EvaluationJob

    def __call__(self, control: Control) -> None:
        request = self.evaluation.request
        with memory_fence(self.evaluation.limits.memory_bytes):
            began = time.perf_counter()
            result = self.evaluation.evaluate(control)
            pieces = answer_pieces(result, time.perf_counter() - began if request.stats else None)
            for piece in zipped(pieces) if request.gzip else pieces:
                if control.cancelled():
                    raise QueryCancelled("query was canceled while its answer was written")
                control.tell(piece)


@contextmanager
def memory_fence(more_bytes: int) -> Iterator[None]:
    """Lets this process take so much more memory; what it needs beyond that ends as a refusal.

    Files in memory (segments) do not count.
    """
    pages = int(Path("/proc/self/statm").read_text().split()[5])
    before, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (pages * resource.getpagesize() + more_bytes, hard))
    try:
        yield
    except MemoryError as error:
        raise LimitExceeded(
            f"query needs more memory than the limit of {more_bytes >> 20} MiB; "
            "ask for less time, fewer series or a longer step"
        ) from error
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (before, hard))
