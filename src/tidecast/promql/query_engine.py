"""What answers PromQL: the one door for rules, usage records, the fast path and the API."""

from __future__ import annotations

from typing import Protocol

from tidecast.promql.result import QueryResult
from tidecast.promql.settings import DEFAULT_OPTIONS, QueryLimits, QueryOptions
from tidecast.samples.protocol import Selectable


class QueryEngine(Protocol):
    """Answers PromQL queries; safe to use from several threads."""

    @property
    def samples(self) -> Selectable:
        """Where the raw samples of every selector are."""
        ...

    @property
    def limits(self) -> QueryLimits:
        """What one query may cost."""
        ...

    @property
    def lookback_ms(self) -> int:
        """How long a sample counts as the newest."""
        ...

    @property
    def subquery_step_ms(self) -> int:
        """The step of a subquery that names none."""
        ...

    def instant(
        self, query: str, at_ms: int, options: QueryOptions = DEFAULT_OPTIONS
    ) -> QueryResult:
        """The query's value at one time.

        Raises `ParseError`, `QueryError`, `QueryTimeout`, `QueryCancelled`, `LimitExceeded` or
        `SamplesUnavailable`.
        """
        ...

    def range(
        self,
        query: str,
        start_ms: int,
        end_ms: int,
        step_ms: int,
        options: QueryOptions = DEFAULT_OPTIONS,
    ) -> QueryResult:
        """The query's values at start, start + step, ... up to end, as a `Matrix`.

        Raises as `instant` does, and `InvalidRange`.
        """
        ...
