"""Queries sent as a whole to the engine that holds the samples, where it holds all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tidecast.http_client import AnswerTooLarge, HttpError, Refused, TimedOut
from tidecast.promql.engine import Engine
from tidecast.promql.errors import QueryCancelled, QueryError, QueryTimeout
from tidecast.promql.parser import parse, selectors
from tidecast.promql.remote_result import instant_value, range_value
from tidecast.promql.result import Matrix, QueryResult, Scalar, String, Vector
from tidecast.promql.settings import DEFAULT_OPTIONS, QueryLimits, QueryOptions
from tidecast.promql.tree import MatrixSelector, Node, Paren, VectorSelector
from tidecast.samples.prometheus import PrometheusSamples
from tidecast.samples.prometheus_answers import InvalidAnswer, answer_data
from tidecast.samples.protocol import (
    LimitExceeded,
    Samples,
    SamplesUnavailable,
    Selectable,
)
from tidecast.samples.routed import is_own
from tidecast_collector.labels import NAME, label_value

_GRACE_SECONDS = 2.0
"""So much longer than the query may take is waited, so that the engine's own reason arrives."""
_ALL_TIME = (-(2**53), 2**53)


class PushDownEngine:
    """A `QueryEngine` over our own series here and all others in an engine elsewhere.

    An expression none of whose selectors meets a series of our own is answered by that engine, in
    its own dialect; any other is evaluated here, with the foreign series fetched.
    """

    def __init__(self, local: Engine, remote: PrometheusSamples, own: Samples) -> None:
        self._local, self._remote, self._own = local, remote, own

    @property
    def samples(self) -> Selectable:
        """The samples of both."""
        return self._local.samples

    @property
    def limits(self) -> QueryLimits:
        """What one query may cost, here and there."""
        return self._local.limits

    @property
    def lookback_ms(self) -> int:
        """How long a sample counts as the newest, where we evaluate."""
        return self._local.lookback_ms

    @property
    def subquery_step_ms(self) -> int:
        """The step of a subquery that names none, where we evaluate."""
        return self._local.subquery_step_ms

    def instant(
        self, query: str, at_ms: int, options: QueryOptions = DEFAULT_OPTIONS
    ) -> QueryResult:
        """The query's value at one time, as `QueryEngine.instant`."""
        tree = parse(query)
        if not self._is_foreign(tree):
            return self._local.instant(query, at_ms, options)
        form = [("query", query), ("time", _seconds(at_ms))]
        answer = self._ask("/api/v1/query", form, options)
        with _reading():
            return self._result(answer, instant_value(answer_data(answer), tree, at_ms))

    def range(
        self,
        query: str,
        start_ms: int,
        end_ms: int,
        step_ms: int,
        options: QueryOptions = DEFAULT_OPTIONS,
    ) -> QueryResult:
        """The query's values at each step, as `QueryEngine.range`."""
        tree = parse(query)
        if not self._is_foreign(tree):
            return self._local.range(query, start_ms, end_ms, step_ms, options)
        self._local.check_range(tree, start_ms, end_ms, step_ms)
        form = [
            ("query", query),
            ("start", _seconds(start_ms)),
            ("end", _seconds(end_ms)),
            ("step", _seconds(step_ms)),
        ]
        answer = self._ask("/api/v1/query_range", form, options)
        with _reading():
            return self._result(answer, range_value(answer_data(answer), tree))

    def _is_foreign(self, tree: Node) -> bool:
        """Whether the other engine has everything that the expression asks for.

        Plain samples are read, staleness markers and left-open windows alike, as for ourselves.
        """
        while isinstance(tree, Paren):
            tree = tree.expression
        found = selectors(tree)
        if not found or isinstance(tree, MatrixSelector):
            return False
        return not any(self._meets_own(selector) for selector in found)

    def _meets_own(self, selector: VectorSelector) -> bool:
        if selector.name is not None:
            return is_own(selector.name)
        return any(
            is_own(label_value(labels, NAME))
            for labels in self._own.series([selector.all_matchers], *_ALL_TIME)
        )

    def _ask(self, path: str, form: Sequence[tuple[str, str]], options: QueryOptions) -> Any:
        """The engine's answer; our time and its own errors apply."""
        allowed = self.limits.timeout_seconds
        if options.timeout_seconds is not None:
            allowed = min(allowed, options.timeout_seconds)
        # VictoriaMetrics would move the times to where its cache has answers, and hold back what
        # came in within the last half minute; Prometheus knows neither parameter.
        exact = [("nocache", "1"), ("latency_offset", "1s"), ("timeout", f"{allowed:g}s")]
        if options.lookback_ms is not None:
            length = _seconds(options.lookback_ms)
            exact += [("lookback_delta", length), ("max_lookback", length)]
        if options.cancelled():
            raise QueryCancelled("query was canceled before it was sent to the samples engine")
        try:
            return self._remote.ask(path, [*form, *exact], max(allowed, 0.0) + _GRACE_SECONDS)
        except TimedOut as error:
            raise QueryTimeout(f"query timed out in the samples engine: {error}") from error
        except AnswerTooLarge as error:
            raise LimitExceeded(f"{error}: ask for less time or fewer series") from error
        except Refused as error:
            raise _refusal(error) from error
        except HttpError as error:
            raise SamplesUnavailable(f"the samples engine: {error}") from error

    def _result(self, answer: Any, value: Scalar | String | Vector | Matrix) -> QueryResult:
        if len(getattr(value, "values", ())) > self.limits.select.samples:
            raise LimitExceeded(
                f"the answer holds more than {self.limits.select.samples} values; "
                "ask for less time, fewer series or a longer step"
            )
        warnings, infos = (
            tuple(map(str, answer.get(kind) or ())) for kind in ("warnings", "infos")
        )
        return QueryResult(value, warnings, infos)


def _refusal(error: Refused) -> Exception:
    if error.status in (400, 422):
        return QueryError(f"the samples engine refuses: {error}")
    if error.status == 503 and "time" in str(error):
        return QueryTimeout(f"query timed out in the samples engine: {error}")
    return SamplesUnavailable(f"the samples engine: {error}")


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except InvalidAnswer as error:
        raise SamplesUnavailable(f"the samples engine: {error}") from error


def _seconds(milliseconds: int) -> str:
    sign = "-" if milliseconds < 0 else ""
    whole, rest = divmod(abs(milliseconds), 1000)
    return f"{sign}{whole}.{rest:03d}"
