"""Heavy queries: given to the worker, and what the worker asks for them answered."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from tidecast.promql.errors import QueryCancelled, QueryTimeout, TooCostlyHere
from tidecast.promql.query_engine import QueryEngine
from tidecast.promql.result import QueryResult
from tidecast.promql.settings import DEFAULT_OPTIONS, QueryLimits, QueryOptions
from tidecast.samples.durable import DamagedFile
from tidecast.samples.embedded import EmbeddedSamples
from tidecast.samples.protocol import LimitExceeded, SamplesUnavailable, Selectable
from tidecast.samples.routed import RoutedSamples
from tidecast.server.query_jobs import AnswerJob, DamageMet, EvaluationJob, Part, SelectionAsked
from tidecast.server.query_request import QueryRequest
from tidecast.server.worker import Attendance, JobCancelled, Lane, WorkerDied, WorkerUnavailable

HERE_BYTES = 64 << 20
"""A query that takes less, by estimate, takes about a tenth of a second: it is answered here."""


class HeavyQueries:
    """The server's side: hands queries to the worker and answers what they ask."""

    def __init__(self, lane: Lane, engine: QueryEngine) -> None:
        self._lane, self._engine = lane, engine

    def answer(
        self, request: QueryRequest, seconds: float, cancelled: Callable[[], bool]
    ) -> Iterator[bytes]:
        """The pieces of the HTTP API's answer; raises what the query raised.

        The worker is held until the last piece is taken.
        """
        attendance = Attendance(cancelled, self._answer, seconds)
        with _as_query_errors(attendance):
            yield from self._lane.follow(AnswerJob(self._evaluation(request)), attendance)

    def result(
        self, request: QueryRequest, seconds: float, cancelled: Callable[[], bool]
    ) -> QueryResult:
        """What the query finds; raises what it raised."""
        attendance = Attendance(cancelled, self._answer, seconds)
        with _as_query_errors(attendance):
            return self._lane.attend(self._evaluation(request), attendance)

    def _evaluation(self, request: QueryRequest) -> EvaluationJob:
        engine = self._engine
        return EvaluationJob(request, engine.limits, engine.lookback_ms, engine.subquery_step_ms)

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


@contextmanager
def _as_query_errors(attendance: Attendance) -> Iterator[None]:
    try:
        yield
    except (JobCancelled, QueryCancelled) as error:
        if attendance.cancelled():
            raise QueryCancelled("query was canceled in query execution") from error
        raise QueryTimeout(
            f"query timed out in query execution after {attendance.seconds:g} seconds; "
            "ask for less time, fewer series or a longer step"
        ) from error
    except WorkerDied as error:
        raise LimitExceeded(
            f"query was given up: {error}, most likely for lack of memory; "
            "ask for less time, fewer series or a longer step"
        ) from error
    except WorkerUnavailable as error:
        raise SamplesUnavailable(f"heavy queries cannot be answered now: {error}") from error


class OffloadingEngine:
    """A `QueryEngine` that answers light queries here and heavy ones in the worker."""

    def __init__(self, engine: QueryEngine, heavy: HeavyQueries) -> None:
        self._engine, self._heavy = engine, heavy

    @property
    def samples(self) -> Selectable:
        """Where the raw samples of every selector are."""
        return self._engine.samples

    @property
    def limits(self) -> QueryLimits:
        """What one query may cost."""
        return self._engine.limits

    @property
    def lookback_ms(self) -> int:
        """How long a sample counts as the newest."""
        return self._engine.lookback_ms

    @property
    def subquery_step_ms(self) -> int:
        """The step of a subquery that names none."""
        return self._engine.subquery_step_ms

    def instant(
        self, query: str, at_ms: int, options: QueryOptions = DEFAULT_OPTIONS
    ) -> QueryResult:
        """The query's value at one time, as `QueryEngine.instant`."""
        return self._ask(QueryRequest(query, at_ms, at_ms), options)

    def range(
        self,
        query: str,
        start_ms: int,
        end_ms: int,
        step_ms: int,
        options: QueryOptions = DEFAULT_OPTIONS,
    ) -> QueryResult:
        """The query's values at each step, as `QueryEngine.range`."""
        return self._ask(QueryRequest(query, start_ms, end_ms, step_ms), options)

    def _ask(self, request: QueryRequest, options: QueryOptions) -> QueryResult:
        request = replace(
            request, timeout_seconds=options.timeout_seconds, lookback_ms=options.lookback_ms
        )
        try:
            return request.ask(self._engine, replace(options, here_bytes=HERE_BYTES))
        except TooCostlyHere:
            seconds = options.timeout_seconds or self.limits.timeout_seconds
            return self._heavy.result(request, seconds, options.cancelled)
