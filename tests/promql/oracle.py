"""Trees of this parser and of promql-parser, both as nested tuples that can be compared."""

from __future__ import annotations

import math
from typing import Any

import promql_parser as theirs

from tidecast.promql import duration_tree as durations
from tidecast.promql import tree as ours
from tidecast_collector.labels import NAME


def from_ours(node: ours.Node) -> Any:  # noqa: C901 - one case for each kind of node
    match node:
        case ours.NumberLiteral():
            return "number", "NaN" if math.isnan(node.value) else node.value
        case ours.StringLiteral():
            return "string", node.value
        case ours.Paren():
            return "paren", from_ours(node.expression)
        case ours.Unary() if node.op == "+":
            return from_ours(node.expression)
        case ours.Unary():
            return "minus", from_ours(node.expression)
        case ours.VectorSelector():
            matchers = sorted((m.name, m.op.value, m.value) for m in node.all_matchers)
            return "vector", matchers, offset_of(node.offset), at_of(node.at)
        case ours.MatrixSelector():
            return "matrix", from_ours(node.vector), length(node.range)
        case ours.Subquery():
            step = None if node.step is None else length(node.step)
            modifiers = offset_of(node.offset), at_of(node.at)
            return "subquery", from_ours(node.expression), length(node.range), step, *modifiers
        case ours.Call():
            return "call", node.function, [from_ours(argument) for argument in node.arguments]
        case ours.Aggregation():
            parameter = None if node.parameter is None else from_ours(node.parameter)
            grouping = node.grouping and (node.grouping.without, sorted(node.grouping.labels))
            return "aggregation", node.op, parameter, from_ours(node.expression), grouping
        case ours.Binary():
            return "binary", node.op, from_ours(node.left), from_ours(node.right), *matching(node)


def matching(node: ours.Binary) -> tuple[Any, ...]:
    how = node.matching
    if how is None:
        return node.return_bool, None, "", []
    return node.return_bool, (how.on, sorted(how.labels)), how.group, sorted(how.include)


def length(duration: durations.Duration) -> int:
    assert isinstance(duration, durations.DurationLiteral)
    return duration.milliseconds


def offset_of(duration: durations.Duration | None) -> int:
    return 0 if duration is None else length(duration)


def at_of(at: durations.At | None) -> Any:
    return None if at is None else (at.kind, at.ms)


def from_theirs(node: Any) -> Any:  # noqa: C901 - one case for each kind of node
    match node:
        case theirs.NumberLiteral():
            return "number", "NaN" if math.isnan(node.val) else node.val
        case theirs.StringLiteral():
            return "string", node.val
        case theirs.ParenExpr():
            return "paren", from_theirs(node.expr)
        case theirs.UnaryExpr():
            return "minus", from_theirs(node.expr)
        case theirs.VectorSelector():
            return their_vector(node)
        case theirs.MatrixSelector():
            return "matrix", their_vector(node.vector_selector), their_length(node.range)
        case theirs.SubqueryExpr():
            step = None if node.step is None else their_length(node.step)
            modifiers = their_length(node.offset), their_at(node.at)
            return "subquery", from_theirs(node.expr), their_length(node.range), step, *modifiers
        case theirs.Call():
            return "call", node.func.name, [from_theirs(argument) for argument in node.args]
        case theirs.AggregateExpr():
            parameter = None if node.param is None else from_theirs(node.param)
            how = node.modifier
            grouping = how and (str(how.type).endswith("Without"), sorted(how.labels))
            return "aggregation", str(node.op), parameter, from_theirs(node.expr), grouping
        case theirs.BinaryExpr():
            left, right = from_theirs(node.lhs), from_theirs(node.rhs)
            return "binary", str(node.op), left, right, *their_matching(node.modifier)
    raise AssertionError(type(node))


def their_vector(node: Any) -> Any:
    matchers = [
        (m.name, OPERATORS[str(m.op).split(".")[-1]], m.value) for m in node.matchers.matchers
    ]
    if node.name:
        matchers.append((NAME, "=", node.name))
    return "vector", sorted(matchers), their_length(node.offset), their_at(node.at)


OPERATORS = {"Equal": "=", "NotEqual": "!=", "Re": "=~", "NotRe": "!~"}


def their_length(delta: Any) -> int:
    return 0 if delta is None else round(delta.total_seconds() * 1000)


def their_at(at: Any) -> Any:
    if at is None:
        return None
    kind = str(at.type).split(".")[-1].lower()
    if kind != "at":
        return kind, None
    return "time", round(at.at.timestamp() * 1000)


def their_matching(modifier: Any) -> tuple[Any, ...]:
    if modifier is None:
        return False, None, "", []
    how = modifier.matching
    labels = None
    if how is not None:
        labels = (str(how.type).endswith("Include"), sorted(how.labels or []))
    card = str(modifier.card).split(".")[-1]
    group = {"ManyToOne": "left", "OneToMany": "right"}.get(card, "")
    return modifier.return_bool, labels, group, sorted(modifier.group_labels or [])
