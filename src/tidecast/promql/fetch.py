"""Reading a query's samples: one selection for each selector, covering all its steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tidecast.promql.block import Block, Bools, concatenate, empty_block
from tidecast.promql.context import Context
from tidecast.promql.extended_ranges import SMOOTHED, extended_places, smoothed_instant
from tidecast.promql.tiers import newest_points, point_windows
from tidecast.promql.tree import MatrixSelector, VectorSelector
from tidecast.promql.windows import Tick, Windows
from tidecast.samples.batch import EMPTY_BATCH, Float64s, Int64s, SampleBatch, is_stale
from tidecast.samples.columns import MANY_TIMES, Columns, columns_for, places


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
    borders = _Borders(at_ms)

    def work(batch: SampleBatch) -> tuple[Block, Float64s]:
        if smoothed:
            return _smoothed(without_stale(batch), at_ms, context.lookback_ms)
        return _newest(batch, borders, context.lookback_ms)

    parts = context.select_each(node.all_matchers, after_ms + 1, end_ms, len(times), work)
    if not parts:
        return empty_block(len(times)), np.empty((0, len(times)))
    return concatenate(*(block for block, _ in parts)), _one_below_the_other(
        [taken for _, taken in parts]
    )


def _newest(batch: SampleBatch, borders: _Borders, lookback_ms: int) -> tuple[Block, Float64s]:
    """The newest samples that are fresh enough, with when each was taken."""
    columns, behind = borders.places(batch)
    # The newest sample's place within its series; where there is none, that of the first.
    newest = np.maximum(behind - 1, 0)
    if not len(batch.timestamps):
        newest = newest[:0]
    taken_ms = batch.timestamps[batch.offsets[columns.example][:, None] + newest]
    fresh = (behind > 0) & (taken_ms > borders.at_ms - lookback_ms)
    values = batch.values[batch.offsets[:-1, None] + newest[columns.of]]
    present = fresh[columns.of] & ~is_stale(values)
    block = Block(batch.labels, values, present, np.zeros(len(batch), bool))
    somewhere = present.any(axis=1)
    return block.with_present(present), taken_ms[columns.of[somewhere]].astype(np.float64)


def _one_below_the_other(parts: Sequence[Float64s]) -> Float64s:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _smoothed(batch: SampleBatch, at_ms: Int64s, lookback_ms: int) -> tuple[Block, Float64s]:
    values, taken, present = smoothed_instant(batch, at_ms, lookback_ms)
    block = Block(batch.labels, values, present, np.zeros(len(batch), bool))
    return block.with_present(present), taken[present.any(axis=1)]


def range_vector(context: Context, node: MatrixSelector, times: Int64s) -> Windows:
    """The samples within the range before each step."""
    wanted = _Wanted(context, node, times)
    batch = context.select(node.vector.all_matchers, wanted.first_ms, wanted.last_ms)
    context.check_cells(len(batch), len(times))
    return wanted.windows(batch)


def over_range_vector(
    context: Context,
    node: MatrixSelector,
    times: Int64s,
    function: str,
    work: Callable[[Windows], Block],
) -> Block:
    """What the work, which is that of this function, makes of the samples before each step."""
    wanted = _Wanted(context, node, times)
    if not node.vector.boundary:
        found = point_windows(context, node.vector, wanted.ends, wanted.length_ms, function)
        if found is not None:
            return work(found)

    def part(batch: SampleBatch) -> Block:
        return work(wanted.windows(batch))

    blocks = context.select_each(
        node.vector.all_matchers, wanted.first_ms, wanted.last_ms, len(times), part
    )
    return concatenate(*blocks) if blocks else part(EMPTY_BATCH)


class _Wanted:
    """Which samples a range selector wants at each step."""

    def __init__(self, context: Context, node: MatrixSelector, times: Int64s) -> None:
        self._context, self._boundary = context, node.vector.boundary
        self.length_ms = context.positive_milliseconds(node.range, node.span)
        self.ends = context.reference_times(times, node.vector.offset, node.vector.at, node.span)
        before = context.lookback_ms if self._boundary else 0
        behind = context.lookback_ms if self._boundary == SMOOTHED else 0
        self.first_ms = int(self.ends.min()) - self.length_ms - before + 1
        self.last_ms = int(self.ends.max()) + behind
        # Windows often begin where others end: each border is searched for once.
        self._starts = self.ends - self.length_ms
        self._borders = _Borders(np.unique(np.concatenate((self._starts, self.ends))))

    def windows(self, batch: SampleBatch) -> Windows:
        """The windows into these samples, less their staleness markers."""
        context = self._context
        batch = without_stale(batch)
        named = np.zeros(len(batch), bool)
        starts, ends, borders = self._starts, self.ends, self._borders
        windows = _windows(batch, named, starts, ends, borders, context.check_time)
        if not self._boundary:
            return windows
        lookback_ms = context.lookback_ms
        first, last = extended_places(batch, self._boundary, starts, ends, lookback_ms)
        return windows.with_places(first, last, self._boundary)


class _Borders:
    """How many samples of each series are at or before some times, ascending or not.

    What is found of one part of a selection is known of series of the same times in the next.
    """

    def __init__(self, at_ms: Int64s) -> None:
        self.at_ms = at_ms
        self._known: dict[int, Int64s] = {}

    def places(self, batch: SampleBatch) -> tuple[Columns, Int64s]:
        """Which series have the same times, and [columns x times] the number of samples."""
        offsets, timestamps = batch.offsets, batch.timestamps
        if batch.columns is None or len(self.at_ms) < MANY_TIMES or len(batch) <= 1:
            columns = columns_for(offsets, timestamps, len(self.at_ms))
            return columns, places(offsets, timestamps, columns, self.at_ms)
        codes, example, of = np.unique(batch.columns, return_index=True, return_inverse=True)
        columns = Columns(of.reshape(-1), example)
        known = self._known
        unknown = [i for i, code in enumerate(codes.tolist()) if code < 0 or code not in known]
        fresh = Columns(columns.of, example[unknown])
        found = places(offsets, timestamps, fresh, self.at_ms)
        known |= dict(zip(codes[unknown].tolist(), found, strict=True))
        return columns, np.stack([known[code] for code in codes.tolist()])


def windows_of(
    batch: SampleBatch, drop_name: Bools, start_ms: Int64s, end_ms: Int64s, tick: Tick
) -> Windows:
    """The batch with a window (start, end] into each series for each step."""
    borders = _Borders(np.unique(np.concatenate((start_ms, end_ms))))
    return _windows(batch, drop_name, start_ms, end_ms, borders, tick)


def _windows(
    batch: SampleBatch,
    drop_name: Bools,
    start_ms: Int64s,
    end_ms: Int64s,
    borders: _Borders,
    tick: Tick,
) -> Windows:
    columns, found = borders.places(batch)
    return Windows(
        batch.labels,
        batch.offsets,
        drop_name,
        batch.timestamps,
        batch.values,
        columns,
        found[:, np.searchsorted(borders.at_ms, start_ms)],
        found[:, np.searchsorted(borders.at_ms, end_ms)],
        start_ms,
        end_ms,
        tick,
    )


def without_stale(batch: SampleBatch) -> SampleBatch:
    """The batch without its staleness markers."""
    stale = is_stale(batch.values)
    if not stale.any():
        return batch
    kept = ~stale
    running = np.concatenate(([0], np.cumsum(kept)))
    offsets = running[batch.offsets]
    columns = batch.columns
    if columns is not None:
        # Who had a marker no longer has the times of the others; numbers below 0 are its own.
        ended = np.flatnonzero(np.diff(offsets) < np.diff(batch.offsets))
        columns = columns.copy()
        columns[ended] = -1 - ended
    return SampleBatch(batch.labels, offsets, batch.timestamps[kept], batch.values[kept], columns)


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
