"""Reading a query's samples: one selection for each selector, covering all its steps."""

from __future__ import annotations

import numpy as np

from tidecast.promql.block import Block, Bools, empty_block
from tidecast.promql.columns import columns_for, places
from tidecast.promql.context import Context
from tidecast.promql.extended_ranges import SMOOTHED, extended_places, smoothed_instant
from tidecast.promql.tiers import newest_points, point_windows
from tidecast.promql.tree import MatrixSelector, VectorSelector
from tidecast.promql.windows import Tick, Windows
from tidecast.samples.batch import Float64s, Int64s, SampleBatch, is_stale


def instant_vector(context: Context, node: VectorSelector, times: Int64s) -> tuple[Block, Float64s]:
    """The newest samples at each step, with when each was taken (milliseconds, as float).

    A sample counts within the look-back, left-open; a staleness marker means there is none.
    """
    at_ms = context.reference_times(times, node.offset, node.at, node.span)
    smoothed = node.boundary == SMOOTHED
    end_ms = int(at_ms.max()) + (context.lookback_ms if smoothed else 0)
    after_ms = int(at_ms.min()) - context.lookback_ms
    found = None if node.boundary else newest_points(context, node, at_ms, after_ms)
    if found is not None:
        return found
    batch = _select(context, node, after_ms, end_ms)
    if not len(batch):
        return empty_block(len(times)), np.empty((0, len(times)))
    context.check_cells(len(batch), len(times))
    if smoothed:
        return _smoothed(without_stale(batch), at_ms, context.lookback_ms)
    columns = columns_for(batch.offsets, batch.timestamps, len(at_ms))
    # The newest sample's place within its series; where there is none, that of the first.
    behind = places(batch.offsets, batch.timestamps, columns, at_ms)
    newest = np.maximum(behind - 1, 0)
    taken_ms = batch.timestamps[batch.offsets[columns.example][:, None] + newest]
    fresh = (behind > 0) & (taken_ms > at_ms - context.lookback_ms)
    values = batch.values[batch.offsets[:-1, None] + newest[columns.of]]
    present = fresh[columns.of] & ~is_stale(values)
    block = Block(batch.labels, values, present, np.zeros(len(batch), bool))
    somewhere = present.any(axis=1)
    return block.with_present(present), taken_ms[columns.of[somewhere]].astype(np.float64)


def _smoothed(batch: SampleBatch, at_ms: Int64s, lookback_ms: int) -> tuple[Block, Float64s]:
    values, taken, present = smoothed_instant(batch, at_ms, lookback_ms)
    block = Block(batch.labels, values, present, np.zeros(len(batch), bool))
    return block.with_present(present), taken[present.any(axis=1)]


def range_vector(
    context: Context, node: MatrixSelector, times: Int64s, function: str = ""
) -> Windows:
    """The samples within the range before each step, as the function needs them."""
    vector = node.vector
    length = context.positive_milliseconds(node.range, node.span)
    ends = context.reference_times(times, vector.offset, vector.at, node.span)
    before = context.lookback_ms if vector.boundary else 0
    behind = context.lookback_ms if vector.boundary == SMOOTHED else 0
    if not vector.boundary:
        found = point_windows(context, vector, ends, length, function)
        if found is not None:
            return found
    batch = _select(context, vector, int(ends.min()) - length - before, int(ends.max()) + behind)
    context.check_cells(len(batch), len(times))
    batch = without_stale(batch)
    named = np.zeros(len(batch), bool)
    windows = windows_of(batch, named, ends - length, ends, context.check_time)
    if not vector.boundary:
        return windows
    first, last = extended_places(batch, vector.boundary, ends - length, ends, context.lookback_ms)
    return windows.with_places(first, last, vector.boundary)


def windows_of(
    batch: SampleBatch, drop_name: Bools, start_ms: Int64s, end_ms: Int64s, tick: Tick
) -> Windows:
    """The batch with a window (start, end] into each series for each step."""
    # Windows often begin where others end: each border is searched for once.
    borders = np.unique(np.concatenate((start_ms, end_ms)))
    columns = columns_for(batch.offsets, batch.timestamps, len(borders))
    found = places(batch.offsets, batch.timestamps, columns, borders)
    return Windows(
        batch.labels,
        batch.offsets,
        drop_name,
        batch.timestamps,
        batch.values,
        columns,
        found[:, np.searchsorted(borders, start_ms)],
        found[:, np.searchsorted(borders, end_ms)],
        start_ms,
        end_ms,
        tick,
    )


def _select(context: Context, node: VectorSelector, after_ms: int, end_ms: int) -> SampleBatch:
    return context.select(node.all_matchers, after_ms + 1, end_ms)


def without_stale(batch: SampleBatch) -> SampleBatch:
    """The batch without its staleness markers."""
    stale = is_stale(batch.values)
    if not stale.any():
        return batch
    kept = ~stale
    running = np.concatenate(([0], np.cumsum(kept)))
    return SampleBatch(
        batch.labels, running[batch.offsets], batch.timestamps[kept], batch.values[kept]
    )


def samples_of(block: Block, times: Int64s) -> SampleBatch:
    """The block's elements as samples taken at its steps."""
    offsets = np.concatenate(([0], np.cumsum(block.present.sum(axis=1))))
    _, steps = np.nonzero(block.present)
    return SampleBatch(block.labels, offsets, times[steps], block.values[block.present])


def subquery_times(ends: Int64s, length_ms: int, step_ms: int) -> Int64s:
    """The multiples of the step that lie in (end - length, end] of any of `ends`, ascending."""
    ordered = np.unique(ends)
    first = (ordered - length_ms) // step_ms + 1
    last = ordered // step_ms
    # Overlapping windows share their steps: each adds only what lies behind the one before it.
    begin = np.maximum(first, np.concatenate((first[:1], last[:-1] + 1)))
    counts = np.maximum(last - begin + 1, 0)
    skip = np.repeat(begin - (np.cumsum(counts) - counts), counts)
    times: Int64s = (np.arange(int(counts.sum())) + skip) * step_ms
    return times
