"""Queries as jobs for the worker, evaluated there over the server's samples of this moment.

For each selection the job asks the server: it gets the paths of the segments and the matching part
of what is only in memory yet, reads the segments itself, and goes on from there.
"""

from __future__ import annotations

import pickle
import resource
import time
from collections.abc import Callable, Iterator, Sequence
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
from tidecast.samples.reading import Snapshot
from tidecast.samples.routed import joined, joined_points
from tidecast.samples.tier_reading import points_of
from tidecast.server.query_answers import answer_pieces, zipped
from tidecast.server.query_request import QueryRequest
from tidecast.server.worker_process import Control

T = TypeVar("T")

ATTEMPTS = 10
"""A segment may be joined into another between being named and being opened; hardly twice."""


@dataclass(frozen=True, slots=True)
class SelectionAsked:
    """The worker's question for what a selection concerns."""

    matchers: Matchers
    start_ms: int
    end_ms: int
    limits: SelectLimits
    hint: SelectHint | None = None
    """With a hint points are asked for; the answer is None where tiers have nothing to say."""


@dataclass(frozen=True, slots=True)
class DamageMet:
    """The worker's word that a segment is damaged."""

    path: Path
    what: str


Part = Snapshot | SampleBatch
"""What a store says of a selection: where to read, or the samples themselves."""

_held: list[Snapshot] = []
"""What the last selection concerned: its segments need not be opened again for the next."""


class SamplesOfServer(Selectable):
    """The server's samples, as a job in the worker selects them."""

    def __init__(self, control: Control) -> None:
        self._control = control

    def select(
        self,
        matchers: Matchers,
        start_ms: int,
        end_ms: int,
        limits: SelectLimits = SelectLimits(),  # noqa: B008 (frozen)
    ) -> SampleBatch:
        """The matching series that have samples in [start, end], sorted by labels."""
        asked = SelectionAsked(matchers, start_ms, end_ms, limits)

        def read(parts: Sequence[Part]) -> SampleBatch:
            return joined([_samples_of(part, asked) for part in parts], limits)

        found = self._read(asked, read)
        assert found is not None
        return found

    def select_each(
        self,
        matchers: Matchers,
        start_ms: int,
        end_ms: int,
        work: Callable[[SampleBatch], T],
        limits: SelectLimits = SelectLimits(),  # noqa: B008 (frozen)
    ) -> list[T]:
        """What `work` makes of them, some series at a time."""
        asked = SelectionAsked(matchers, start_ms, end_ms, limits)

        def read(parts: Sequence[Part]) -> list[T]:
            if len(parts) == 1 and isinstance(parts[0], Snapshot):
                each = parts[0].parts(matchers, start_ms, end_ms, limits)
            else:
                each = iter([joined([_samples_of(part, asked) for part in parts], limits)])
            return [work(part) for part in each]

        found = self._read(asked, read)
        assert found is not None
        return found

    def select_points(
        self,
        matchers: Matchers,
        hint: SelectHint,
        limits: SelectLimits = SelectLimits(),  # noqa: B008 (frozen)
    ) -> PointSelection | None:
        """The matching series as points; None where `select` gives all that there is to give."""
        asked = SelectionAsked(matchers, hint.after_ms + 1, hint.end_ms, limits, hint)

        def read(parts: Sequence[Part]) -> PointSelection | None:
            points = [
                points_of(part, matchers, hint, limits) if isinstance(part, Snapshot) else None
                for part in parts
            ]
            if all(each is None for each in points):
                return None
            found = [
                _samples_of(part, asked) if each is None else each
                for part, each in zip(parts, points, strict=True)
            ]
            return joined_points(found, limits)

        return self._read(asked, read)

    def _read(self, asked: SelectionAsked, read: Callable[[Sequence[Part]], T]) -> T | None:
        """What is read of the parts that the server names, which may change meanwhile."""
        for _ in range(ATTEMPTS):
            try:
                parts: list[Part] | None = pickle.loads(self._control.ask(asked))  # noqa: S301 (our own)
                if parts is None:
                    return None
                _held[:] = [part for part in parts if isinstance(part, Snapshot)]
                return read(parts)
            except FileNotFoundError:
                continue
            except DamagedFile as error:
                self._control.ask(DamageMet(error.path, error.what))
        raise SamplesUnavailable("segments changed again and again while they were read; try again")


def _samples_of(part: Part, asked: SelectionAsked) -> SampleBatch:
    if isinstance(part, Snapshot):
        return part.select(asked.matchers, asked.start_ms, asked.end_ms, asked.limits)
    return part


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
            SamplesOfServer(control),
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
