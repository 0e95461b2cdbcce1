"""Heavy queries: evaluated and written as JSON in the worker, over the samples of this moment.

The worker asks its server for each selection: it gets the paths of the segments concerned and the
matching part of what is only in memory yet, reads the segments itself, and goes on from there.
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
from tidecast.promql.errors import QueryCancelled, QueryTimeout
from tidecast.promql.query_engine import QueryEngine
from tidecast.promql.settings import QueryLimits, QueryOptions
from tidecast.samples.batch import SampleBatch
from tidecast.samples.durable import DamagedFile
from tidecast.samples.embedded import EmbeddedSamples
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
from tidecast.samples.routed import RoutedSamples, joined, joined_points
from tidecast.samples.tier_reading import points_of
from tidecast.server.query_answers import answer_pieces, zipped
from tidecast.server.query_request import QueryRequest
from tidecast.server.worker import Attendance, JobCancelled, Lane, WorkerDied, WorkerUnavailable
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
class HeavyQuery:
    """A query as a job for the worker; it tells the pieces of its answer."""

    request: QueryRequest
    limits: QueryLimits
    lookback_ms: int
    subquery_step_ms: int

    def __call__(self, control: Control) -> None:
        engine = Engine(
            SamplesOfServer(control),
            lookback_ms=self.lookback_ms,
            subquery_step_ms=self.subquery_step_ms,
            limits=self.limits,
        )
        with memory_fence(self.limits.memory_bytes):
            began = time.perf_counter()
            result = self.request.ask(engine, QueryOptions(cancelled=control.cancelled))
            seconds = time.perf_counter() - began if self.request.stats else None
            pieces = answer_pieces(result, seconds)
            for piece in zipped(pieces) if self.request.gzip else pieces:
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


class HeavyQueries:
    """The server's side: hands queries to the worker and answers what they ask."""

    def __init__(self, lane: Lane, engine: QueryEngine) -> None:
        self._lane, self._engine = lane, engine

    def answer(
        self, request: QueryRequest, seconds: float, cancelled: Callable[[], bool]
    ) -> Iterator[bytes]:
        """The pieces of the answer; raises what the query raised.

        The worker is held until the last piece is taken.
        """
        query = HeavyQuery(
            request, self._engine.limits, self._engine.lookback_ms, self._engine.subquery_step_ms
        )
        attendance = Attendance(cancelled, self._answer, seconds)
        try:
            yield from self._lane.follow(query, attendance)
        except (JobCancelled, QueryCancelled) as error:
            if cancelled():
                raise QueryCancelled("query was canceled in query execution") from error
            raise QueryTimeout(
                f"query timed out in query execution after {seconds:g} seconds; "
                "ask for less time, fewer series or a longer step"
            ) from error
        except WorkerDied as error:
            raise LimitExceeded(
                f"query was given up: {error}, most likely for lack of memory; "
                "ask for less time, fewer series or a longer step"
            ) from error
        except WorkerUnavailable as error:
            raise SamplesUnavailable(f"heavy queries cannot be answered now: {error}") from error

    def _answer(self, question: object) -> bytes | None:
        match question:
            case SelectionAsked():
                return pickle.dumps(self._parts(question))
            case DamageMet(path, what):
                self._put_aside(DamagedFile(path, what))
        return None

    def _parts(self, asked: SelectionAsked) -> list[Part] | None:
        stores = self._stores(asked)
        if asked.hint is not None and not any(
            isinstance(store, EmbeddedSamples) and store.has_points(asked.hint) for store in stores
        ):
            return None
        return [_part(store, asked) for store in stores]

    def _stores(self, asked: SelectionAsked) -> Sequence[Selectable]:
        samples = self._engine.samples
        return samples.asked(asked.matchers) if isinstance(samples, RoutedSamples) else [samples]

    def _put_aside(self, error: DamagedFile) -> None:
        samples = self._engine.samples
        stores = samples.asked(()) if isinstance(samples, RoutedSamples) else [samples]
        for store in stores:
            if isinstance(store, EmbeddedSamples) and error.path.is_relative_to(store.directory):
                store.put_aside(error)


def _part(store: Selectable, asked: SelectionAsked) -> Part:
    if isinstance(store, EmbeddedSamples):
        return store.snapshot(asked.matchers, asked.start_ms, asked.end_ms)
    return store.select(asked.matchers, asked.start_ms, asked.end_ms, asked.limits)
