"""Function calls: each function's arguments evaluated, then handed to where it is computed."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from tidecast.promql import elementwise, histogram_calls, label_functions, range_functions
from tidecast.promql.block import Block, Bools, empty_block, one_series
from tidecast.promql.evaluates import Evaluates
from tidecast.promql.extended_ranges import check_function, extended_difference
from tidecast.promql.fetch import instant_vector
from tidecast.promql.functions import CALENDAR, MATHEMATICAL, OF_NATIVE_HISTOGRAMS
from tidecast.promql.info_labels import with_info_labels
from tidecast.promql.point_functions import POINT_FUNCTIONS
from tidecast.promql.tree import Call, MatrixSelector, Node, Paren, VectorSelector
from tidecast.promql.windows import Windows
from tidecast.samples.batch import Float64s, Int64s
from tidecast_collector.labels import NAME, Labels, label_value

_COUNTING = ("rate", "increase")
COUNTER_ENDINGS = ("_total", "_sum", "_count", "_bucket")


Answer: TypeAlias = Block | Float64s
Handler = Callable[[Evaluates, Call, Int64s], Answer]


def evaluate_call(evaluator: Evaluates, node: Call, times: Int64s) -> Answer:
    """The instant vector, or the scalar [steps], of a function call at these times."""
    for argument in node.arguments:
        check_function(_boundary(argument), node.function)
    return _HANDLERS[node.function](evaluator, node, times)


def _boundary(node: Node) -> str:
    """The boundary modifier of a range; "" where there is none."""
    while isinstance(node, Paren):
        node = node.expression
    return node.vector.boundary if isinstance(node, MatrixSelector) else ""


def _over_range(evaluator: Evaluates, node: Call, times: Int64s) -> Block:
    def work(windows: Windows) -> Block:
        evaluator.context.check_time()
        return _of_windows(node.function, windows)

    block = evaluator.over_windows(node.arguments[0], times, node.function, work)
    if node.function in _COUNTING:
        _note_counters(evaluator, node, block)
    return block


def _of_windows(function: str, windows: Windows) -> Block:
    if windows.boundary and (function in _COUNTING or function == "delta"):
        per_second = function == "rate"
        return extended_difference(windows, counter=function in _COUNTING, per_second=per_second)
    if windows.points is not None and function in POINT_FUNCTIONS:
        return POINT_FUNCTIONS[function](windows, windows.points)
    return range_functions.RANGE_FUNCTIONS[function](windows)


def _note_counters(evaluator: Evaluates, node: Call, block: Block) -> None:
    for name, kind in sorted(set(map(_name_and_type, block.labels))):
        text = ""
        if kind and kind not in ("counter", "histogram"):
            text = f'__type__ label is not set to "counter" or "histogram", got "{kind}": "{name}"'
        elif name and not kind and not name.endswith(COUNTER_ENDINGS):
            text = f'name does not end in {"/".join(COUNTER_ENDINGS)}: "{name}"'
        if text:
            text = f"metric might not be a counter, {text}"
            evaluator.context.inform(text, node.arguments[0].span)


@functools.lru_cache(maxsize=1 << 12)
def _name_and_type(labels: Labels) -> tuple[str, str]:
    return label_value(labels, NAME), label_value(labels, "__type__")


def _mathematical(evaluator: Evaluates, node: Call, times: Int64s) -> Block:
    block = evaluator.vector(node.arguments[0], times)
    return block.with_values(elementwise.MATHEMATICS[node.function](block.values))


def _calendar(evaluator: Evaluates, node: Call, times: Int64s) -> Block:
    if not node.arguments:
        return one_series((), elementwise.calendar(node.function, times / 1000))
    block = evaluator.vector(node.arguments[0], times)
    return block.with_values(elementwise.calendar(node.function, block.values))


def _nowhere(present: Bools) -> Bools:
    """At which steps no series is present."""
    nowhere: Bools = np.logical_not(np.logical_or.reduce(present, axis=0))
    return nowhere


def _absent(evaluator: Evaluates, node: Call, times: Int64s) -> Block:
    absent = _nowhere(evaluator.vector(node.arguments[0], times).present)
    labels = label_functions.absent_labels(node.arguments[0])
    return one_series(labels, np.ones(len(times)), absent)


def _absent_over_time(evaluator: Evaluates, node: Call, times: Int64s) -> Block:
    present = range_functions.present_over_time
    found = evaluator.over_windows(node.arguments[0], times, node.function, present)
    absent = _nowhere(found.present)
    labels = label_functions.absent_labels(node.arguments[0])
    return one_series(labels, np.ones(len(times)), absent)


def _clamp(evaluator: Evaluates, node: Call, times: Int64s) -> Block:
    block = evaluator.vector(node.arguments[0], times)
    bounds = [evaluator.scalar(argument, times) for argument in node.arguments[1:]]
    if node.function == "clamp":
        return elementwise.clamp(block, bounds[0], bounds[1])
    limit = elementwise.greater if node.function == "clamp_min" else elementwise.lesser
    return block.with_values(limit(block.values, bounds[0]))


def _round(evaluator: Evaluates, node: Call, times: Int64s) -> Block:
    block = evaluator.vector(node.arguments[0], times)
    nearest = np.ones(len(times))
    if len(node.arguments) > 1:
        nearest = evaluator.scalar(node.arguments[1], times)
    return elementwise.round_to(block, nearest)


def _double_exponential_smoothing(evaluator: Evaluates, node: Call, times: Int64s) -> Block:
    smoothing, trend = (evaluator.scalar(argument, times) for argument in node.arguments[1:])
    smoothed = functools.partial(
        range_functions.double_exponential_smoothing, smoothing=smoothing, trend=trend
    )
    return evaluator.over_windows(node.arguments[0], times, node.function, smoothed)


def _predict_linear(evaluator: Evaluates, node: Call, times: Int64s) -> Block:
    ahead = evaluator.scalar(node.arguments[1], times)
    predicted = functools.partial(range_functions.predict_linear, at_ms=times, ahead_seconds=ahead)
    return evaluator.over_windows(node.arguments[0], times, node.function, predicted)


def _quantile_over_time(evaluator: Evaluates, node: Call, times: Int64s) -> Block:
    quantiles = evaluator.scalar(node.arguments[0], times)
    evaluator.note_quantiles(quantiles, node.arguments[0])
    found = functools.partial(range_functions.quantile_over_time, quantiles=quantiles)
    return evaluator.over_windows(node.arguments[1], times, node.function, found)


def _label_replace(evaluator: Evaluates, node: Call, times: Int64s) -> Block:
    block = evaluator.vector(node.arguments[0], times)
    target, replacement, source, pattern = (
        evaluator.string(argument) for argument in node.arguments[1:]
    )
    return label_functions.label_replace(
        block, target, replacement, source, pattern, evaluator.context.check_time
    )


def _label_join(evaluator: Evaluates, node: Call, times: Int64s) -> Block:
    block = evaluator.vector(node.arguments[0], times)
    target, separator, *sources = (evaluator.string(argument) for argument in node.arguments[1:])
    return label_functions.label_join(
        block, target, separator, sources, evaluator.context.check_time
    )


def _sort(evaluator: Evaluates, node: Call, times: Int64s) -> Block:
    _note_sort(evaluator)
    block = evaluator.vector(node.arguments[0], times)
    return label_functions.sort_by_value(block, descending=node.function == "sort_desc")


def _note_sort(evaluator: Evaluates) -> None:
    if evaluator.context.start_ms != evaluator.context.end_ms:
        text = "sort is ineffective for range queries since results are always ordered by labels"
        evaluator.context.warn(text, None)


def _sort_by_label(evaluator: Evaluates, node: Call, times: Int64s) -> Block:
    _note_sort(evaluator)
    block = evaluator.vector(node.arguments[0], times)
    names = [evaluator.string(argument) for argument in node.arguments[1:]]
    descending = node.function == "sort_by_label_desc"
    return label_functions.sort_by_labels(block, names, descending=descending)


def _timestamp(evaluator: Evaluates, node: Call, times: Int64s) -> Block:
    argument = node.arguments[0]
    while isinstance(argument, Paren):
        argument = argument.expression
    if isinstance(argument, VectorSelector):
        block, taken_ms = instant_vector(evaluator.context, argument, times)
        return block.with_values(taken_ms / 1000)
    block = evaluator.vector(argument, times)
    return block.with_values(np.broadcast_to(times / 1000, block.values.shape))


def _scalar(evaluator: Evaluates, node: Call, times: Int64s) -> Float64s:
    block = evaluator.vector(node.arguments[0], times)
    values = np.where(block.present, block.values, 0.0).sum(axis=0)
    return np.where(block.present.sum(axis=0) == 1, values, np.nan)


def _vector(evaluator: Evaluates, node: Call, times: Int64s) -> Block:
    return one_series((), evaluator.scalar(node.arguments[0], times))


def _time(_evaluator: Evaluates, _node: Call, times: Int64s) -> Float64s:
    seconds: Float64s = times / 1000
    return seconds


def _pi(_evaluator: Evaluates, _node: Call, times: Int64s) -> Float64s:
    return np.full(len(times), np.pi)


def _of_query(evaluator: Evaluates, node: Call, times: Int64s) -> Float64s:
    context = evaluator.context
    milliseconds = {
        "start": context.start_ms,
        "end": context.end_ms,
        "range": context.end_ms - context.start_ms,
        "step": context.step_ms,
    }[node.function]
    return np.full(len(times), milliseconds / 1000)


def _extreme_of(evaluator: Evaluates, node: Call, times: Int64s) -> Float64s:
    first, second = (evaluator.scalar(argument, times) for argument in node.arguments)
    of = elementwise.greater if node.function == "max_of" else elementwise.lesser
    return of(first, second)


def _of_native_histograms(evaluator: Evaluates, node: Call, times: Int64s) -> Block:
    evaluator.vector(node.arguments[0], times)
    return empty_block(len(times))


def _info(evaluator: Evaluates, node: Call, times: Int64s) -> Block:
    base = evaluator.vector(node.arguments[0], times)
    asked = node.arguments[1] if len(node.arguments) > 1 else None
    assert asked is None or isinstance(asked, VectorSelector)
    return with_info_labels(evaluator.context, base, asked, times)


_HANDLERS: dict[str, Handler] = {
    **dict.fromkeys(range_functions.RANGE_FUNCTIONS, _over_range),
    **dict.fromkeys(MATHEMATICAL, _mathematical),
    **dict.fromkeys(CALENDAR, _calendar),
    **dict.fromkeys(OF_NATIVE_HISTOGRAMS, _of_native_histograms),
    **dict.fromkeys(("start", "end", "range", "step"), _of_query),
    "absent": _absent,
    "absent_over_time": _absent_over_time,
    "clamp": _clamp,
    "clamp_max": _clamp,
    "clamp_min": _clamp,
    "double_exponential_smoothing": _double_exponential_smoothing,
    "histogram_fraction": histogram_calls.fraction,
    "histogram_quantile": histogram_calls.quantile,
    "histogram_quantiles": histogram_calls.quantiles,
    "info": _info,
    "label_join": _label_join,
    "label_replace": _label_replace,
    "max_of": _extreme_of,
    "min_of": _extreme_of,
    "pi": _pi,
    "predict_linear": _predict_linear,
    "quantile_over_time": _quantile_over_time,
    "round": _round,
    "scalar": _scalar,
    "sort": _sort,
    "sort_by_label": _sort_by_label,
    "sort_by_label_desc": _sort_by_label,
    "sort_desc": _sort,
    "time": _time,
    "timestamp": _timestamp,
    "vector": _vector,
}
