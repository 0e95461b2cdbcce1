"""What answers PromQL: the one door for rules, usage records, the fast path and the API."""

from __future__ import annotations

from typing import Protocol

from tidecast.promql.result import QueryResult
from tidecast.promql.settings import QueryLimits
from tidecast.samples.protocol import Samples


class QueryEngine(Protocol):
    """Answers PromQL queries; safe to use from several threads."""

    @property
    def samples(self) -> Samples:
        """Where the raw samples of every selector are."""
        ...

    @property
    def limits(self) -> QueryLimits:
        """What one query may cost."""
        ...

    def instant(
        self, query: str, at_ms: int, *, timeout_seconds: float | None = None
    ) -> QueryResult:
        """The query's value at one time.

        Raises `ParseError`, `QueryError`, `QueryTimeout`, `LimitExceeded` or `SamplesUnavailable`.
        """
        ...

    def range(
        self,
        query: str,
        start_ms: int,
        end_ms: int,
        step_ms: int,
        *,
        timeout_seconds: float | None = None,
    ) -> QueryResult:
        """The query's values at start, start + step, ... up to end, as a `Matrix`.

        Raises as `instant` does, and `InvalidRange`.
        """
        ...
