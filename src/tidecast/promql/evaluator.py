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
    chain,
    children,
    operands,
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
            case Binary():
                return all(map(self.is_invariant, operands(node)))
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
                joined = self._binary(node, times)
                assert isinstance(joined, Block)
                return joined
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
                computed = self._binary(node, times)
                assert isinstance(computed, np.ndarray)
                return computed
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

    def _trim(self, node: Binary, left: Block | Float64s, right: Block | Float64s) -> Block:
        """Trimming leaves nothing of float samples: only native histograms can be trimmed."""
        blocks = [side for side in (left, right) if isinstance(side, Block)]
        if all(block.present.any() for block in blocks):
            text = f'incompatible sample types encountered for binary operator "{node.op}"'
            self.context.inform(f"{text}: float {node.op} float", node.span)
        return empty_block(blocks[0].present.shape[1])

    def _binary(self, last: Binary, times: Int64s) -> Block | Float64s:
        """The value of the chain of operations that ends with this one."""
        operations = chain(last)
        value = self._side(operations[0].left, times)
        for each in operations:
            value = self._operation(each, value, self._side(each.right, times))
        return value

    def _side(self, node: Node, times: Int64s) -> Block | Float64s:
        scalar = node.type is ValueType.SCALAR
        return self.scalar(node, times) if scalar else self.vector(node, times)

    def _operation(
        self, node: Binary, left: Block | Float64s, right: Block | Float64s
    ) -> Block | Float64s:
        if isinstance(left, np.ndarray) and isinstance(right, np.ndarray):
            return matching.scalar_operation(node.op, left, right)
        if node.op in TRIMS:
            return self._trim(node, left, right)
        op, return_bool = node.op, node.return_bool
        if isinstance(left, np.ndarray):
            assert isinstance(right, Block)
            return matching.vector_and_scalar(
                op, right, left, scalar_left=True, return_bool=return_bool
            )
        if isinstance(right, np.ndarray):
            return matching.vector_and_scalar(
                op, left, right, scalar_left=False, return_bool=return_bool
            )
        how = node.matching or matching.DEFAULT_MATCHING
        if op in SET_OPERATORS:
            return matching.set_operation(op, left, right, how)
        return matching.vector_and_vector(
            op, left, right, how, self.context.check_cells, return_bool=return_bool
        )
