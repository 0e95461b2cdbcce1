"""PromQL as alert rules ask for it: the alerts room's `PromQL` port over an engine."""

from __future__ import annotations

from collections.abc import Sequence

import re2

from tidecast.promql.duration_tree import DurationLiteral
from tidecast.promql.errors import ParseError, QueryError
from tidecast.promql.parser import parse, selectors
from tidecast.promql.query_engine import QueryEngine
from tidecast.promql.result import Matrix, Scalar, String
from tidecast.promql.tree import ValueType, VectorSelector
from tidecast.samples.batch import is_stale
from tidecast.samples.matchers import Matcher, MatchOp
from tidecast_alerts.ports import VectorSample
from tidecast_collector.labels import NAME, Labels

EVIDENCE_MS = 86_400_000
_LOOKS_BACK_MS = (300_000, 3_600_000, EVIDENCE_MS)
"""How far to look for the newest sample: most often it is there at the first look."""


class AlertingPromQL:
    """Implements `tidecast_alerts.ports.PromQL` over a `QueryEngine`."""

    def __init__(self, engine: QueryEngine) -> None:
        self._engine = engine

    def check(self, expression: str) -> None:
        """Raises `ParseError`, with line and column, unless a rule can have this expression."""
        tree = parse(expression)
        if tree.type not in (ValueType.SCALAR, ValueType.VECTOR):
            reason = f"a rule needs a scalar or instant vector, not a {tree.type.value}"
            raise ParseError(expression, tree.span.start, reason)

    def instant(self, expression: str, at_ms: int) -> Sequence[VectorSample]:
        """The expression's instant vector at that time (a scalar is one element without labels)."""
        value = self._engine.instant(expression, at_ms).value
        if isinstance(value, Scalar):
            return [VectorSample((), value.value)]
        if isinstance(value, String | Matrix):
            raise QueryError("rule result is not a vector or scalar; aggregate over the range")
        return [VectorSample(labels, number) for labels, number in value]

    def newest_samples(self, expression: str, labels: Labels, at_ms: int) -> Sequence[int | None]:
        """For each selector of the expression, in order, the timestamp of its newest sample.

        Counts series that agree with `labels` on every label that both carry and have not ended
        with a staleness marker, and samples the selector can see at `at_ms` (its offset applied)
        that are not older than a day.
        """
        return [self._newest(node, labels, at_ms) for node in selectors(expression)]

    def _newest(self, node: VectorSelector, labels: Labels, at_ms: int) -> int | None:
        matchers = [*node.all_matchers]
        for name, value in labels:
            if name != NAME:
                # The same value, or no such label at all.
                matchers.append(Matcher(name, MatchOp.REGEX, f"(?:{re2.escape(value)})?"))
        end_ms = at_ms
        if isinstance(node.offset, DurationLiteral):
            end_ms -= max(0, node.offset.milliseconds)
        for back_ms in _LOOKS_BACK_MS:
            batch = self._engine.samples.select(
                matchers, end_ms - back_ms, end_ms, self._engine.limits.select
            )
            if len(batch):
                ends = batch.offsets[1:] - 1
                # A series that ended with a staleness marker is silent, whatever it said before.
                alive = batch.timestamps[ends][~is_stale(batch.values[ends])]
                return int(alive.max()) if len(alive) else None
        return None
