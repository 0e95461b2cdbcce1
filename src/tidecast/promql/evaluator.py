"""Evaluation of the tree, each node once for all steps."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tidecast.promql import aggregate, matching
from tidecast.promql.block import Block, broadcast, empty_block
from tidecast.promql.calls import evaluate_call
from tidecast.promql.context import Context
from tidecast.promql.errors import QueryError
from tidecast.promql.fetch import (
    instant_vector,
    over_range_vector,
    range_vector,
    samples_of,
    subquery_times,
    windows_of,
)
from tidecast.promql.numbers import format_short
from tidecast.promql.tree import (
    Aggregation,
    Binary,
    Call,
    MatrixSelector,
    Node,
    NumberLiteral,
    Paren,
    StringLiteral,
    Subquery,
    Unary,
    ValueType,
    VectorSelector,
    children,
)
from tidecast.promql.typecheck import SET_OPERATORS, TRIMS
from tidecast.promql.windows import Windows
from tidecast.samples.batch import Float64s, Int64s

_TIME_FUNCTIONS = frozenset(
    [
        "day_of_month",
        "day_of_week",
        "day_of_year",
        "days_in_month",
        "hour",
        "info",
        "minute",
        "month",
        "predict_linear",
        "time",
        "timestamp",
        "year",
    ]
)


class Evaluator:
    """Evaluates nodes at any ascending times; every answer covers all of them at once."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self._invariant: dict[int, bool] = {}

    def is_invariant(self, node: Node) -> bool:
        """Whether the node has the same value at every step (everything below it is fixed by @)."""
        known = self._invariant.get(id(node))
        if known is None:
            known = self._invariant[id(node)] = self._find_invariant(node)
        return known

    def _find_invariant(self, node: Node) -> bool:
        match node:
            case NumberLiteral() | StringLiteral():
                return True
            case VectorSelector():
                return node.at is not None
            case Subquery():
                return node.at is not None
            case Call() if node.function in _TIME_FUNCTIONS:
                return False
        return all(self.is_invariant(child) for child in children(node))

    def vector(self, node: Node, times: Int64s) -> Block:
        """The instant vector of the node at these times."""
        self.context.check_time()
        if len(times) > 1 and self.is_invariant(node):
            block = self._vector(node, times[:1])
            self.context.check_cells(len(block.labels), len(times))
            return broadcast(block, len(times))
        return self._vector(node, times)

    def _vector(self, node: Node, times: Int64s) -> Block:
        match node:
            case Paren():
                return self.vector(node.expression, times)
            case VectorSelector():
                return instant_vector(self.context, node, times)[0]
            case Unary():
                block = self.vector(node.expression, times)
                return block if node.op == "+" else block.with_values(-block.values)
            case Call():
                answer = evaluate_call(self, node, times)
                assert isinstance(answer, Block)
                return answer
            case Aggregation():
                return self._aggregation(node, times)
            case Binary():
                return self._binary(node, times)
        raise AssertionError(f"{node.type.value} where the parser lets only vectors pass")

    def scalar(self, node: Node, times: Int64s) -> Float64s:
        """The number [steps] of the node at these times."""
        match node:
            case NumberLiteral():
                return np.full(len(times), node.value)
            case Paren():
                return self.scalar(node.expression, times)
            case Unary():
                value = self.scalar(node.expression, times)
                return -value if node.op == "-" else value
            case Binary():
                left, right = self.scalar(node.left, times), self.scalar(node.right, times)
                return matching.scalar_operation(node.op, left, right)
            case Call():
                found = evaluate_call(self, node, times)
                assert isinstance(found, np.ndarray)
                return found
        raise AssertionError(f"{node.type.value} where the parser lets only scalars pass")

    def string(self, node: Node) -> str:
        """The text of the node."""
        while isinstance(node, Paren):
            node = node.expression
        assert isinstance(node, StringLiteral)
        return node.value

    def windows(self, node: Node, at_ms: int) -> Windows:
        """The range vector of the node at a single time."""
        while isinstance(node, Paren):
            node = node.expression
        times = np.array([at_ms], dtype=np.int64)
        if isinstance(node, MatrixSelector):
            return range_vector(self.context, node, times)
        assert isinstance(node, Subquery)
        return self._subquery(node, times)

    def over_windows(
        self, node: Node, times: Int64s, function: str, work: Callable[[Windows], Block]
    ) -> Block:
        """What the work, which is that of this function, makes of the node's range vector.

        It is given some series of it at a time.
        """
        while isinstance(node, Paren):
            node = node.expression
        if isinstance(node, MatrixSelector):
            return over_range_vector(self.context, node, times, function, work)
        assert isinstance(node, Subquery)
        return work(self._subquery(node, times))

    def _subquery(self, node: Subquery, times: Int64s) -> Windows:
        context = self.context
        length = context.positive_milliseconds(node.range, node.span)
        step = context.subquery_step_ms
        if node.step is not None:
            step = context.positive_milliseconds(node.step, node.span)
        ends = context.reference_times(times, node.offset, node.at, node.span)
        context.check_cells(1, (int(ends.max()) - int(ends.min()) + length) // step)
        inner_times = subquery_times(ends, length, step)
        if not len(inner_times):
            block = empty_block(0)
        else:
            block = self.vector(node.expression, inner_times)
        batch = samples_of(block, inner_times)
        context.check_cells(len(batch), len(times))
        return windows_of(batch, block.drop_name, ends - length, ends, context.check_time)

    def _aggregation(self, node: Aggregation, times: Int64s) -> Block:
        block = self.vector(node.expression, times)
        if node.parameter is None:
            return aggregate.aggregate(node.op, block, node.grouping)
        if node.op == "count_values":
            return aggregate.count_values(
                block, node.grouping, self.string(node.parameter), self.context.check_cells
            )
        parameter = self.scalar(node.parameter, times)
        match node.op:
            case "quantile":
                self.note_quantiles(parameter, node.parameter)
                return aggregate.quantile(block, node.grouping, parameter)
            case "limitk":
                return aggregate.first_series(block, node.grouping, parameter)
            case "limit_ratio":
                ratios = self._bounded_ratios(parameter, node.parameter)
                return aggregate.share_of_series(block, ratios)
        return aggregate.top_or_bottom(block, node.grouping, parameter, top=node.op == "topk")

    def _bounded_ratios(self, ratios: Float64s, node: Node) -> Float64s:
        if np.isnan(ratios).any():
            raise QueryError("Ratio value is NaN")
        for extreme, bound in ((ratios.max(), 1.0), (ratios.min(), -1.0)):
            if extreme * bound > 1:
                got, cap = format_short(float(extreme)), format_short(bound)
                text = f"ratio value should be between -1 and 1, got {got}, capping to {cap}"
                self.context.warn(text, node.span)
        return np.clip(ratios, -1.0, 1.0)

    def note_quantiles(self, quantiles: Float64s, node: Node) -> None:
        """Warns of quantiles outside of [0, 1]."""
        for value in dict.fromkeys(quantiles[~((quantiles >= 0) & (quantiles <= 1))].tolist()):
            text = f"quantile value should be between 0 and 1, got {format_short(value)}"
            self.context.warn(text, node.span)

    def _trim(self, node: Binary, times: Int64s) -> Block:
        """Trimming leaves nothing of float samples: only native histograms can be trimmed."""
        sides = [each for each in (node.left, node.right) if each.type is ValueType.VECTOR]
        blocks = [self.vector(each, times) for each in sides]
        if all(block.present.any() for block in blocks):
            text = f'incompatible sample types encountered for binary operator "{node.op}"'
            self.context.inform(f"{text}: float {node.op} float", node.span)
        return empty_block(len(times))

    def _binary(self, node: Binary, times: Int64s) -> Block:
        if node.op in TRIMS:
            return self._trim(node, times)
        how = node.matching or matching.DEFAULT_MATCHING
        if node.left.type is ValueType.SCALAR:
            scalar, block = self.scalar(node.left, times), self.vector(node.right, times)
            return matching.vector_and_scalar(
                node.op, block, scalar, scalar_left=True, return_bool=node.return_bool
            )
        left = self.vector(node.left, times)
        if node.right.type is ValueType.SCALAR:
            scalar = self.scalar(node.right, times)
            return matching.vector_and_scalar(
                node.op, left, scalar, scalar_left=False, return_bool=node.return_bool
            )
        right = self.vector(node.right, times)
        if node.op in SET_OPERATORS:
            return matching.set_operation(node.op, left, right, how)
        return matching.vector_and_vector(
            node.op, left, right, how, self.context.check_cells, return_bool=node.return_bool
        )
