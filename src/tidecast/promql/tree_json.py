"""The syntax tree as Prometheus' `/api/v1/parse_query` writes it."""

from __future__ import annotations

from collections.abc import Sequence

from tidecast.promql.duration_tree import At, Duration, DurationLiteral
from tidecast.promql.functions import SIGNATURES, UNLIMITED
from tidecast.promql.numbers import format_value
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
)

Json = dict[str, object]

_TYPES = {
    ValueType.SCALAR: "scalar",
    ValueType.VECTOR: "vector",
    ValueType.MATRIX: "matrix",
    ValueType.STRING: "string",
}
_CARDS = {"": "one-to-one", "left": "many-to-one", "right": "one-to-many"}


def tree_json(node: Node) -> Json:
    """The node and all below it, as plain data; durations in milliseconds."""
    match node:
        case NumberLiteral():
            return {"type": "numberLiteral", "val": format_value(node.value)}
        case StringLiteral():
            return {"type": "stringLiteral", "val": node.value}
        case VectorSelector():
            return {"type": "vectorSelector", **_selector(node)}
        case MatrixSelector():
            length = _milliseconds(node.range)
            return {"type": "matrixSelector", **_selector(node.vector), "range": length}
        case Paren():
            return {"type": "parenExpr", "expr": tree_json(node.expression)}
        case _:
            return _compound(node)


def _compound(node: Unary | Subquery | Call | Aggregation | Binary) -> Json:
    match node:
        case Unary():
            return {"type": "unaryExpr", "op": node.op, "expr": tree_json(node.expression)}
        case Subquery():
            return {
                "type": "subquery",
                "expr": tree_json(node.expression),
                "range": _milliseconds(node.range),
                "step": _milliseconds(node.step),
                **_modifiers(node.offset, node.at),
            }
        case Call():
            return {
                "type": "call",
                "func": _function(node.function),
                "args": _nodes(node.arguments),
            }
        case Aggregation():
            return {
                "type": "aggregation",
                "op": node.op,
                "expr": tree_json(node.expression),
                "param": None if node.parameter is None else tree_json(node.parameter),
                "grouping": [] if node.grouping is None else list(node.grouping.labels),
                "without": node.grouping is not None and node.grouping.without,
            }
        case Binary():
            return _chain(node)


def _chain(last: Binary) -> Json:
    operations = chain(last)
    left = tree_json(operations[0].left)
    for node in operations:
        left = {
            "type": "binaryExpr",
            "op": node.op,
            "lhs": left,
            "rhs": tree_json(node.right),
            "matching": _matching(node),
            "bool": node.return_bool,
        }
    return left


def _nodes(nodes: Sequence[Node]) -> list[Json]:
    return [tree_json(each) for each in nodes]


def _function(name: str) -> Json:
    signature = SIGNATURES[name]
    return {
        "name": name,
        "argTypes": [_TYPES[each] for each in signature.arguments],
        "variadic": -1 if signature.optional == UNLIMITED else signature.optional,
        "returnType": _TYPES[signature.returns],
    }


def _matching(node: Binary) -> Json | None:
    if ValueType.SCALAR in (node.left.type, node.right.type):
        return None
    how = node.matching
    card = _CARDS["" if how is None else how.group]
    if node.op in ("and", "or", "unless"):
        card = "many-to-many"
    return {
        "card": card,
        "labels": [] if how is None else list(how.labels),
        "on": how is not None and how.on,
        "include": [] if how is None else list(how.include),
        "fillValues": {
            "lhs": None if how is None else how.fill_left,
            "rhs": None if how is None else how.fill_right,
        },
    }


def _selector(node: VectorSelector) -> Json:
    return {
        "name": node.name or "",
        "matchers": [
            {"name": each.name, "value": each.value, "type": each.op.value}
            for each in node.all_matchers
        ],
        "anchored": node.boundary == "anchored",
        "smoothed": node.boundary == "smoothed",
        **_modifiers(node.offset, node.at),
    }


def _modifiers(offset: Duration | None, at: At | None) -> Json:
    return {
        "offset": _milliseconds(offset),
        "timestamp": None if at is None else at.ms,
        "startOrEnd": at.kind if at is not None and at.ms is None else None,
    }


def _milliseconds(duration: Duration | None) -> int | str:
    """A fixed duration in milliseconds; the text of an expression that the query decides."""
    if duration is None:
        return 0
    return duration.milliseconds if isinstance(duration, DurationLiteral) else str(duration)
