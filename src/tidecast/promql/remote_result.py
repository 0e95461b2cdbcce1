"""What another engine answered, as the results that our own engine gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tidecast.promql.errors import QueryError
from tidecast.promql.result import Matrix, Scalar, String, Vector
from tidecast.promql.tree import Aggregation, Binary, Call, Node, Paren, Unary, ValueType
from tidecast.samples.batch import SampleBatch
from tidecast.samples.prometheus_answers import InvalidAnswer, labels_of, matrix_samples
from tidecast_collector.labels import NAME, Labels

_ARITHMETIC = frozenset(("+", "-", "*", "/", "%", "^", "atan2"))
_FUNCTIONS_KEEPING_NAMES = frozenset(
    ("last_over_time", "first_over_time", "sort", "sort_desc", "sort_by_label",
     "sort_by_label_desc", "label_replace", "label_join", "info", "limitk")
)  # fmt: skip
_FOREVER = 2**62


def instant_value(data: Any, tree: Node, at_ms: int) -> Scalar | String | Vector | Matrix:
    """The value in the `data` of an instant query's answer; raises `InvalidAnswer`."""
    try:
        kind, result = data["resultType"], data["result"]
        if kind == "matrix":
            return range_value(data, tree)
        if kind == "scalar":
            return Scalar(at_ms, float(result[1]))
        if kind == "string":
            return String(at_ms, str(result[1]))
        # Native histograms stand under another key; they are no numbers, and are left out.
        found = [each for each in _listed(result) if "value" in each]
        labels = [labels_of(each["metric"]) for each in found]
        values = np.array([float(each["value"][1]) for each in found], dtype=np.float64)
    except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
        raise InvalidAnswer(f"the vector does not read as one: {error!r}") from error
    if tree.type is ValueType.SCALAR:
        # VictoriaMetrics knows no scalars: they are vectors of one element, or of none for NaN.
        return Scalar(at_ms, float(values[0]) if len(values) == 1 else np.nan)
    return Vector(at_ms, _named(labels, tree), values)


def _listed(result: Any) -> list[Any]:
    if not isinstance(result, list):
        raise TypeError(f"expected a list, got {str(result)[:200]}")
    return result


def range_value(data: Any, tree: Node) -> Matrix:
    """The matrix in the `data` of a range query's answer; raises `InvalidAnswer`."""
    found = matrix_samples(data, -_FOREVER, _FOREVER)
    labels = _named(found.labels, tree)
    parts = [(each, times, values) for each, (_, times, values) in zip(labels, found, strict=True)]
    batch = SampleBatch.of(sorted(parts, key=lambda part: part[0]))
    return Matrix(batch.labels, batch.offsets, batch.timestamps, batch.values)


def _named(labels: Sequence[Labels], tree: Node) -> Sequence[Labels]:
    """The label sets without the metric's name where PromQL drops it and the engine has not.

    Raises `QueryError` where series become one, as PromQL does.
    """
    if keeps_names(tree):
        return labels
    named = [tuple(pair for pair in each if pair[0] != NAME) for each in labels]
    if len(set(named)) < len(named):
        raise QueryError("vector cannot contain metrics with the same labelset")
    return named


def keeps_names(tree: Node) -> bool:
    """Whether what the expression gives may carry metric names."""
    match tree:
        case Paren():
            return keeps_names(tree.expression)
        case Unary():
            return tree.op == "+" and keeps_names(tree.expression)
        case Call():
            return tree.function in _FUNCTIONS_KEEPING_NAMES
        case Binary():
            return tree.op not in _ARITHMETIC and not tree.return_bool
        case Aggregation():
            # Those that choose series keep them as they are; the others keep what they group by.
            return True
    return True
