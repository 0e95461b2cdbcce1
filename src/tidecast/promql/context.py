"""What all parts of one query's evaluation share."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np

from tidecast.promql.duration_tree import (
    At,
    Duration,
    DurationCall,
    DurationLiteral,
    DurationNumber,
    DurationOperation,
    DurationParen,
)
from tidecast.promql.durations import MAX_DURATION_MS
from tidecast.promql.errors import (
    ParseError,
    QueryCancelled,
    QueryError,
    QueryTimeout,
    TooCostlyHere,
    line_and_column,
)
from tidecast.promql.settings import QueryLimits
from tidecast.promql.tree import Span
from tidecast.samples.batch import Int64s, SampleBatch
from tidecast.samples.matchers import Matchers
from tidecast.samples.protocol import (
    LimitExceeded,
    PointSelection,
    Selectable,
    SelectHint,
    SelectLimits,
)
from tidecast_collector.labels import Labels

Made = TypeVar("Made")

BYTES_PER_SAMPLE = 32
"""Its time and its value, and once more while they are put together."""
BYTES_PER_CELL = 32
"""A value, whether it is present, and where its window begins and ends."""
BYTES_PER_WRITTEN_SAMPLE = 64
"""What a sample takes, and costs, in an answer that gives the samples themselves."""
MAX_TIME_MS = 1 << 53
"""Far beyond any calendar, and far below where arithmetic on int64 milliseconds overflows."""


@dataclass(slots=True)
class Context:
    """One query's samples, times, limits, and the notes taken while it is evaluated."""

    samples: Selectable
    query: str
    start_ms: int
    end_ms: int
    step_ms: int
    lookback_ms: int
    subquery_step_ms: int
    limits: QueryLimits
    monotonic: Callable[[], float]
    timeout_seconds: float
    deadline: float
    cancelled: Callable[[], bool]
    here_bytes: int | None = None
    samples_selected: int = 0
    estimated_bytes: int = 0
    warnings: dict[str, None] = field(default_factory=dict)
    infos: dict[str, None] = field(default_factory=dict)

    def check_time(self) -> None:
        """Raises `QueryTimeout` when time is up, `QueryCancelled` when nobody waits any more."""
        if self.cancelled():
            raise QueryCancelled("query was canceled in query execution")
        if self.monotonic() > self.deadline:
            raise QueryTimeout(
                f"query timed out in query execution after {self.timeout_seconds:g} seconds; "
                "ask for less time, fewer series or a longer step"
            )

    def check_cells(self, series: int, steps: int, new: int | None = None) -> None:
        """Raises `LimitExceeded` where series x steps would not fit into memory.

        `TooCostlyHere` where they are too many for this place; all of them are new unless told
        otherwise.
        """
        if series * steps > self.limits.cells:
            raise LimitExceeded(
                f"query would hold {series} series x {steps} steps, above the limit of "
                f"{self.limits.cells} values; ask for less time, fewer series or a longer step"
            )
        self.count_bytes((series if new is None else new) * steps * BYTES_PER_CELL)

    def select(self, matchers: Matchers, start_ms: int, end_ms: int) -> SampleBatch:
        """The matching samples in [start, end], as far as the query may still have so many.

        Raises `LimitExceeded` or `TooCostlyHere`.
        """
        with self._within_limits(BYTES_PER_SAMPLE) as limits:
            batch = self.samples.select(matchers, start_ms, end_ms, limits)
        self.samples_selected += len(batch.timestamps)
        self.count_bytes(len(batch.timestamps) * BYTES_PER_SAMPLE)
        return batch

    def select_each(
        self,
        matchers: Matchers,
        start_ms: int,
        end_ms: int,
        steps: int,
        work: Callable[[SampleBatch], Made],
    ) -> list[Made]:
        """What `work` makes of the matching samples in [start, end], some series at a time.

        It makes so many `steps` of each series. Raises as `select` and `check_cells` do.
        """
        series: dict[Labels, int] = {}

        def counted(batch: SampleBatch) -> tuple[int, Made]:
            self.check_time()
            # By the first of its labels: where work begins anew a part is not counted twice.
            series[batch.labels[0] if len(batch) else ()] = len(batch)
            self.count_bytes(len(batch.timestamps) * BYTES_PER_SAMPLE)
            self.check_cells(sum(series.values()), steps, new=len(batch))
            return len(batch.timestamps), work(batch)

        with self._within_limits(BYTES_PER_SAMPLE) as limits:
            found = self.samples.select_each(matchers, start_ms, end_ms, counted, limits)
        self.samples_selected += sum(samples for samples, _ in found)
        return [made for _, made in found]

    def select_points(self, matchers: Matchers, hint: SelectHint) -> PointSelection | None:
        """As `select`, the matching series as points; None where there are samples to read."""
        bytes_per_point = BYTES_PER_SAMPLE * (2 + len(hint.fields))
        with self._within_limits(bytes_per_point) as limits:
            found = self.samples.select_points(matchers, hint, limits)
        if found is not None:
            self.samples_selected += len(found.points.end_ms)
            self.count_bytes(len(found.points.end_ms) * bytes_per_point)
        return found

    @contextmanager
    def _within_limits(self, bytes_each: int) -> Iterator[SelectLimits]:
        self.check_time()
        allowed = self.limits.select.samples - self.samples_selected
        here = allowed
        if self.here_bytes is not None:
            here = min(allowed, (self.here_bytes - self.estimated_bytes) // bytes_each)
        try:
            yield replace(self.limits.select, samples=here)
        except LimitExceeded as error:
            if here < allowed:
                raise TooCostlyHere(str(error)) from error
            raise

    def count_bytes(self, more: int) -> None:
        """Says that a part of the query will take so much.

        Raises `LimitExceeded` where that is more than the query may have, `TooCostlyHere` where
        all parts together are more than it may have here: so much work they are.
        """
        self.estimated_bytes += more
        if more > self.limits.memory_bytes:
            raise LimitExceeded(
                f"query would take about {more >> 20} MiB of memory at once, above the "
                f"limit of {self.limits.memory_bytes >> 20} MiB; "
                "ask for less time, fewer series or a longer step"
            )
        if self.here_bytes is not None and self.estimated_bytes > self.here_bytes:
            raise TooCostlyHere(f"query would take more than {self.here_bytes} bytes here")

    def warn(self, text: str, span: Span | None) -> None:
        """Notes what makes the answer doubtful."""
        self.warnings[f"PromQL warning: {text}{self._where(span)}"] = None

    def inform(self, text: str, span: Span) -> None:
        """Notes what the asker may have meant otherwise."""
        self.infos[f"PromQL info: {text}{self._where(span)}"] = None

    def _where(self, span: Span | None) -> str:
        if span is None:
            return ""
        line, column = line_and_column(self.query, span.start)
        return f" ({line}:{column})"

    def milliseconds(self, duration: Duration, span: Span) -> int:
        """The length of a duration expression; raises `ParseError` where it has none."""
        seconds = self._seconds(duration)
        if not math.isfinite(seconds) or abs(seconds) * 1000 > MAX_DURATION_MS:
            raise ParseError(self.query, span.start, "duration out of range")
        return round(seconds * 1000)

    def positive_milliseconds(self, duration: Duration, span: Span) -> int:
        """The length of a range or step; raises `ParseError` unless it is above zero."""
        found = self.milliseconds(duration, span)
        if found <= 0:
            raise ParseError(self.query, span.start, "duration must be greater than 0")
        return found

    def _seconds(self, duration: Duration) -> float:
        match duration:
            case DurationLiteral():
                return duration.milliseconds / 1000
            case DurationNumber():
                return duration.value
            case DurationParen():
                return self._seconds(duration.inner)
            case DurationCall():
                return self._call(duration)
            case DurationOperation():
                left = 0.0 if duration.left is None else self._seconds(duration.left)
                right = self._seconds(duration.right)
                if duration.op in "/%" and right == 0:
                    reason = "division by zero" if duration.op == "/" else "modulo by zero"
                    raise ParseError(self.query, duration.position, reason)
                return _arithmetic(duration.op, left, right)

    def _call(self, call: DurationCall) -> float:
        if call.function == "step":
            return self.step_ms / 1000
        if call.function == "range":
            return (self.end_ms - self.start_ms) / 1000
        first, second = (self._seconds(argument) for argument in call.arguments)
        return min(first, second) if call.function.startswith("min") else max(first, second)

    def reference_times(
        self, times: Int64s, offset: Duration | None, at: At | None, span: Span
    ) -> Int64s:
        """The times to look at for these steps, after @ and offset."""
        if at is not None:
            fixed = {"start": self.start_ms, "end": self.end_ms}.get(at.kind, at.ms or 0)
            bounded = max(-MAX_TIME_MS, min(MAX_TIME_MS, fixed))
            times = np.full(len(times), bounded, dtype=np.int64)
        return times if offset is None else times - self.milliseconds(offset, span)


def _arithmetic(op: str, left: float, right: float) -> float:
    try:
        match op:
            case "+":
                return left + right
            case "-":
                return left - right
            case "*":
                return left * right
            case "/":
                return left / right
            case "%":
                return math.fmod(left, right)
            case _:
                return math.pow(left, right)
    except (ValueError, OverflowError) as error:
        raise QueryError(f"duration expression cannot be computed: {error}") from error
