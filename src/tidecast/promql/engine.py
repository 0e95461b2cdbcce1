"""The engine: PromQL answered from any samples, at one time or over a range."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np

from tidecast.promql.block import Block, drop_names, one_series
from tidecast.promql.context import BYTES_PER_WRITTEN_SAMPLE, MAX_TIME_MS, Context
from tidecast.promql.errors import InvalidRange
from tidecast.promql.evaluator import Evaluator
from tidecast.promql.extended_ranges import boundary_samples
from tidecast.promql.fetch import samples_of
from tidecast.promql.parser import parse
from tidecast.promql.result import Matrix, QueryResult, Scalar, String, Vector
from tidecast.promql.settings import (
    DEFAULT_LIMITS,
    DEFAULT_LOOKBACK_MS,
    DEFAULT_OPTIONS,
    DEFAULT_SUBQUERY_STEP_MS,
    QueryLimits,
    QueryOptions,
)
from tidecast.promql.tree import Node, ValueType
from tidecast.promql.windows import Windows, expand
from tidecast.samples.batch import SampleBatch
from tidecast.samples.protocol import Selectable

MAX_NOTES = 10
"""How many warnings, and how many infos, are told."""
_quiet = np.errstate(all="ignore")
"""Infinities and NaN are values in PromQL, not accidents to warn of."""


class Engine:
    """Answers PromQL queries; safe to use from several threads.

    >>> Engine(samples).instant('sum by (job) (up)', at_ms).value  # doctest: +SKIP
    """

    def __init__(
        self,
        samples: Selectable,
        *,
        lookback_ms: int = DEFAULT_LOOKBACK_MS,
        subquery_step_ms: int = DEFAULT_SUBQUERY_STEP_MS,
        limits: QueryLimits = DEFAULT_LIMITS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.samples = samples
        self.lookback_ms = lookback_ms
        self.subquery_step_ms = subquery_step_ms
        self.limits = limits
        self.monotonic = monotonic

    @_quiet
    def instant(
        self, query: str, at_ms: int, options: QueryOptions = DEFAULT_OPTIONS
    ) -> QueryResult:
        """The query's value at one time.

        A range selector is answered with its samples as they were taken. Raises `ParseError`,
        `QueryError`, `QueryTimeout`, `QueryCancelled`, `LimitExceeded` or `TooCostlyHere`.
        """
        tree = parse(query)
        context = self._context(query, (at_ms, at_ms, 0), options)
        evaluator = Evaluator(context)
        times = np.array([at_ms], dtype=np.int64)
        value: Scalar | String | Vector | Matrix
        match tree.type:
            case ValueType.SCALAR:
                value = Scalar(at_ms, float(evaluator.scalar(tree, times)[0]))
            case ValueType.STRING:
                value = String(at_ms, evaluator.string(tree))
            case ValueType.MATRIX:
                windows = evaluator.windows(tree, at_ms)
                context.count_bytes(context.samples_selected * BYTES_PER_WRITTEN_SAMPLE)
                value = _samples_within(windows)
            case ValueType.VECTOR:
                block = drop_names(evaluator.vector(tree, times))
                block = block.with_present(block.present)
                value = Vector(at_ms, block.labels, block.values[:, 0])
        return _result(value, context)

    @_quiet
    def range(
        self,
        query: str,
        start_ms: int,
        end_ms: int,
        step_ms: int,
        options: QueryOptions = DEFAULT_OPTIONS,
    ) -> QueryResult:
        """The query's values at start, start + step, ... up to end, as a `Matrix`.

        Raises `ParseError`, `InvalidRange`, `QueryError`, `QueryTimeout`, `QueryCancelled`,
        `LimitExceeded` or `TooCostlyHere`.
        """
        tree = parse(query)
        self.check_range(tree, start_ms, end_ms, step_ms)
        context = self._context(query, (start_ms, end_ms, step_ms), options)
        evaluator = Evaluator(context)
        times = start_ms + np.arange((end_ms - start_ms) // step_ms + 1) * step_ms
        if tree.type is ValueType.SCALAR:
            block = one_series((), evaluator.scalar(tree, times))
        else:
            block = drop_names(evaluator.vector(tree, times))
        return _result(_matrix(samples_of(_sorted(block), times)), context)

    def check_range(self, tree: Node, start_ms: int, end_ms: int, step_ms: int) -> None:
        """Raises `InvalidRange` where a range query cannot be asked so."""
        if step_ms <= 0:
            raise InvalidRange(
                "zero or negative query resolution step widths are not accepted. "
                "Try a positive integer"
            )
        if end_ms < start_ms:
            raise InvalidRange("end timestamp must not be before start time")
        if (end_ms - start_ms) // step_ms > self.limits.points:
            raise InvalidRange(
                f"exceeded maximum resolution of {self.limits.points:,} points per timeseries. "
                "Try decreasing the query resolution (?step=XX)"
            )
        if tree.type not in (ValueType.SCALAR, ValueType.VECTOR):
            raise InvalidRange(
                f'invalid expression type "{tree.type.value}" for range query, '
                "must be Scalar or instant Vector"
            )

    def _context(self, query: str, times: tuple[int, int, int], options: QueryOptions) -> Context:
        allowed = self.limits.timeout_seconds
        if options.timeout_seconds is not None:
            allowed = min(allowed, options.timeout_seconds)
        start_ms, end_ms, step_ms = times
        if max(abs(start_ms), abs(end_ms)) > MAX_TIME_MS:
            raise InvalidRange(f"time is out of range: more than {MAX_TIME_MS} ms from 1970")
        return Context(
            samples=self.samples,
            query=query,
            start_ms=start_ms,
            end_ms=end_ms,
            step_ms=step_ms,
            lookback_ms=options.lookback_ms or self.lookback_ms,
            subquery_step_ms=self.subquery_step_ms,
            limits=self.limits,
            monotonic=self.monotonic,
            timeout_seconds=allowed,
            deadline=self.monotonic() + allowed,
            cancelled=options.cancelled,
            here_bytes=options.here_bytes,
        )


def _result(value: Scalar | String | Vector | Matrix, context: Context) -> QueryResult:
    warnings, infos = _told(context.warnings, "warning"), _told(context.infos, "info")
    return QueryResult(value, warnings, infos, context.samples_selected)


def _told(notes: Mapping[str, None], kind: str) -> tuple[str, ...]:
    told = tuple(notes)
    if len(told) <= MAX_NOTES:
        return told
    return (*told[:MAX_NOTES], f"{len(told) - MAX_NOTES} more {kind} annotations omitted")


def _sorted(block: Block) -> Block:
    block = block.with_present(block.present)
    order = sorted(range(len(block.labels)), key=block.labels.__getitem__)
    return block.take(np.array(order, dtype=np.int64))


def _matrix(batch: SampleBatch) -> Matrix:
    return Matrix(batch.labels, batch.offsets, batch.timestamps, batch.values)


def _samples_within(windows: Windows) -> Matrix:
    """The samples of the only window of each series; series without any go."""
    if windows.boundary:
        return _matrix(boundary_samples(windows))
    first, last = windows.first[:, 0], windows.last[:, 0]
    rows = np.flatnonzero(last > first)
    offsets = np.concatenate(([0], np.cumsum((last - first)[rows])))
    places = np.concatenate(
        [
            np.empty(0, dtype=np.int64),
            *(places for _, _, places in expand(first, last, windows.tick)),
        ]
    )
    labels = [windows.labels[row] for row in rows.tolist()]
    return Matrix(labels, offsets, windows.timestamps[places], windows.values[places])
