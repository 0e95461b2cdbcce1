"""One request of the query API, as plain data, and how it is put to an engine."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tidecast.promql.query_engine import QueryEngine
from tidecast.promql.result import Matrix, QueryResult, Scalar, String, Vector
from tidecast.promql.settings import QueryOptions

TRUNCATED = "results truncated due to limit"


@dataclass(frozen=True, slots=True)
class QueryRequest:
    """An expression at one time (`end_ms`), or with `step_ms` at each step of a range.

    At most `series_limit` series are wanted (None: all), `gzip` says whether the client takes a
    compressed answer, `stats` whether it wants to know what the answer has cost.
    """

    text: str
    start_ms: int
    end_ms: int
    step_ms: int | None = None
    timeout_seconds: float | None = None
    lookback_ms: int | None = None
    series_limit: int | None = None
    gzip: bool = False
    stats: bool = False

    def ask(self, engine: QueryEngine, options: QueryOptions) -> QueryResult:
        """What the engine answers, cut to the wanted number of series."""
        options = replace(
            options, timeout_seconds=self.timeout_seconds, lookback_ms=self.lookback_ms
        )
        if self.step_ms is None:
            result = engine.instant(self.text, self.end_ms, options)
        else:
            result = engine.range(self.text, self.start_ms, self.end_ms, self.step_ms, options)
        return _cut(result, self.series_limit)


def _cut(result: QueryResult, limit: int | None) -> QueryResult:
    value = result.value
    if not limit or isinstance(value, Scalar | String) or len(value) <= limit:
        return result
    cut: Vector | Matrix
    if isinstance(value, Vector):
        cut = Vector(value.at_ms, value.labels[:limit], value.values[:limit])
    else:
        end = int(value.offsets[limit])
        cut = Matrix(
            value.labels[:limit],
            value.offsets[: limit + 1],
            value.timestamps[:end],
            value.values[:end],
        )
    return replace(result, value=cut, warnings=(*result.warnings, TRUNCATED))
