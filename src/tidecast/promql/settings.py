"""How the engine evaluates, and what a query may cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tidecast.samples.protocol import SelectLimits


@dataclass(frozen=True, slots=True)
class QueryLimits:
    """What one query may cost before it is refused.

    `select` bounds the samples of all selectors together and the series of each, `cells` the
    series x steps of any part of the query, `memory_bytes` what any of these takes by estimate,
    `points` the steps of a range query (11,000, as in Prometheus), `timeout_seconds` its time.
    """

    select: SelectLimits = field(default_factory=SelectLimits)
    cells: int = 20_000_000
    memory_bytes: int = 4 << 30
    points: int = 11_000
    timeout_seconds: float = 120.0


@dataclass(frozen=True, slots=True)
class QueryOptions:
    """What one request may ask for otherwise: a shorter time-out, another look-back.

    `cancelled` is asked now and then whether anybody still waits for the answer. A query that
    would take more memory than `here_bytes`, by estimate, is given up with `TooCostlyHere`.
    """

    timeout_seconds: float | None = None
    lookback_ms: int | None = None
    cancelled: Callable[[], bool] = lambda: False
    here_bytes: int | None = None


DEFAULT_OPTIONS = QueryOptions()
DEFAULT_LIMITS = QueryLimits()
DEFAULT_LOOKBACK_MS = 300_000
DEFAULT_SUBQUERY_STEP_MS = 60_000
