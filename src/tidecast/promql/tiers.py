"""Selections answered by tiers, where raw samples are past keeping or buckets say the same.

A bucket of a tier is (end - width, end]. A time within one is answered as the end of the bucket
before it would be: so at steps on whole buckets nothing differs from the raw samples, and elsewhere
an annotation says so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tidecast.promql.block import Block
from tidecast.promql.context import Context
from tidecast.promql.durations import format_duration
from tidecast.promql.tree import Span, VectorSelector
from tidecast.promql.windows import Windows
from tidecast.samples.batch import Float64s, Int64s
from tidecast.samples.columns import find, own_columns
from tidecast.samples.points import Field, PointBatch
from tidecast.samples.protocol import Layer, SelectHint

_VALUES = {
    "count_over_time": Field.COUNT,
    "first_over_time": Field.FIRST,
    "max_over_time": Field.MAX,
    "min_over_time": Field.MIN,
    "sum_over_time": Field.SUM,
}
"""What stands for a bucket in a function; for the rest its LAST does, or its mean."""
_MEANS = frozenset(["mad_over_time", "quantile_over_time", "stddev_over_time", "stdvar_over_time"])
_EXACT = frozenset(
    [
        "absent_over_time",
        "count_over_time",
        "first_over_time",
        "last_over_time",
        "max_over_time",
        "min_over_time",
        "present_over_time",
        "ts_of_first_over_time",
        "ts_of_last_over_time",
    ]
)
"""Of whole buckets these give, bit for bit, what they give of the samples."""
_COUNTER_FIELDS = (Field.FIRST, Field.LAST, Field.LOST)
_FIELDS = {
    "avg_over_time": (Field.SUM,),
    "delta": _COUNTER_FIELDS,
    "idelta": _COUNTER_FIELDS,
    "increase": _COUNTER_FIELDS,
    "irate": _COUNTER_FIELDS,
    "rate": _COUNTER_FIELDS,
    "resets": (Field.FIRST, Field.LAST, Field.RESETS),
}


def point_windows(
    context: Context, node: VectorSelector, ends: Int64s, length_ms: int, function: str
) -> Windows | None:
    """The points within the range before each step; None where there are samples to read."""
    fields = (Field.COUNT, *_FIELDS.get(function, (_value_field(function),)))
    step_ms, grid_ms = _step_and_grid(ends)
    grid_ms = math.gcd(grid_ms, length_ms)
    after_ms, exact = int(ends.min()) - length_ms, function in _EXACT
    hint = SelectHint(after_ms, int(ends.max()), step_ms, length_ms, grid_ms, fields, exact=exact)
    found = context.select_points(node.all_matchers, hint)
    if found is None:
        return None
    points = found.points.only(found.points.stats[Field.COUNT] > 0)
    context.check_cells(len(points), len(ends))
    end_ms, start_ms = _windows(ends, length_ms, found.layers)
    moved = bool((end_ms != ends).any() or (start_ms != ends - length_ms).any())
    if moved:
        _tell(context, found.layers, "ranges begin and end with these", node.span)
    if function not in _EXACT and function not in _FIELDS and function not in _VALUES:
        what = "the mean" if function in _MEANS else "the last sample"
        _tell(context, found.layers, f"{what} stands for all of each", node.span)
    borders = np.unique(np.concatenate((start_ms, end_ms)))
    places = find(points.offsets, points.end_ms, borders) - points.offsets[:-1, None]
    return Windows(
        points.labels,
        points.offsets,
        np.zeros(len(points), bool),
        points.last_ms if function != "ts_of_first_over_time" else points.first_ms,
        _values(points, function),
        own_columns(len(points)),
        places[:, np.searchsorted(borders, start_ms)],
        places[:, np.searchsorted(borders, end_ms)],
        start_ms,
        end_ms,
        context.check_time,
        points=points,
        asked_ms=length_ms,
    )


def newest_points(
    context: Context, node: VectorSelector, at_ms: Int64s, after_ms: int
) -> tuple[Block, Float64s] | None:
    """The newest value at each step, and when it was taken; None where there are samples to read.

    Within a bucket that is what it was at the end of the bucket before.
    """
    fields = (Field.COUNT, Field.LAST, Field.STALE)
    step_ms, grid_ms = _step_and_grid(at_ms)
    hint = SelectHint(after_ms, int(at_ms.max()), step_ms, 0, grid_ms, fields)
    found = context.select_points(node.all_matchers, hint)
    if found is None:
        return None
    points, times = found.points, _snapped(at_ms, found.layers)
    context.check_cells(len(points), len(times))
    if bool((times != at_ms).any()):
        _tell(context, found.layers, "a step within one shows what was before it", node.span)
    if not len(points):
        empty = np.empty((0, len(times)))
        return Block([], empty, empty.astype(bool), np.zeros(0, bool)), empty
    newest = find(points.offsets, points.end_ms, times) - 1
    inside = newest >= points.offsets[:-1, None]
    place = np.maximum(newest, 0)
    taken = points.last_ms[place]
    present = inside & (taken > times - context.lookback_ms)
    present &= points.stats[Field.STALE][place] == 0
    values = points.stats[Field.LAST][place]
    block = Block(points.labels, values, present, np.zeros(len(points), bool))
    return block.with_present(present), taken[present.any(axis=1)].astype(np.float64)


def _value_field(function: str) -> Field:
    return Field.SUM if function in _MEANS else _VALUES.get(function, Field.LAST)


def _values(points: PointBatch, function: str) -> Float64s:
    values = points.stats[_value_field(function)]
    return values / points.stats[Field.COUNT] if function in _MEANS else values


def _step_and_grid(times: Int64s) -> tuple[int, int]:
    """How far ascending steps lie apart (0 where there is but one time), and their common factor.

    >>> _step_and_grid(np.array([600, 900, 1200])), _step_and_grid(np.array([7, 7]))
    ((300, 300), (0, 7))
    """
    apart = times[1:] - times[:-1]
    step_ms = int(apart[0]) if len(apart) else 0
    if (apart == step_ms).all():
        return step_ms, math.gcd(int(times[0]), step_ms)
    # Those of a subquery may lie apart in several ways.
    return int(apart.min()), int(np.gcd.reduce(times))


def _snapped(times: Int64s, layers: Sequence[Layer]) -> Int64s:
    """The times, those within a bucket moved back to where it begins."""
    moved = times.copy()
    for layer in layers:
        inside = (times > layer.after_ms) & (times <= layer.up_to_ms)
        moved[inside] = times[inside] // layer.width_ms * layer.width_ms
    return moved


def _windows(ends: Int64s, length_ms: int, layers: Sequence[Layer]) -> tuple[Int64s, Int64s]:
    """Where windows end and begin; each is at least as wide as a bucket where it ends."""
    end_ms, start_ms = _snapped(ends, layers), _snapped(ends - length_ms, layers)
    for layer in layers:
        inside = (end_ms > layer.after_ms) & (end_ms <= layer.up_to_ms)
        least = np.where(inside, end_ms - layer.width_ms, start_ms)
        start_ms = np.minimum(start_ms, least)
    return end_ms, start_ms


def _tell(context: Context, layers: Sequence[Layer], what: str, span: Span) -> None:
    widths = sorted({layer.width_ms for layer in layers})
    named = " and ".join(map(format_duration, widths))
    context.inform(f"samples past keeping stand in buckets of {named}: {what}", span)
