"""Quantiles of classic histograms: series of cumulative buckets labelled `le`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tidecast.promql.block import Block, Bools, empty_block
from tidecast.promql.windows import Tick
from tidecast.samples.batch import Float64s, Int64s
from tidecast_collector.labels import NAME, Labels, label_value

_TOLERANCE = 1e-12
BUCKET_LABEL = "le"
OfBuckets = Callable[[Float64s, Float64s, Float64s], Float64s]
"""Upper bounds [buckets], cumulative counts [buckets x steps], parameter [steps] -> [steps]."""


@dataclass(frozen=True, slots=True)
class HistogramNotes:
    """What the asker should know: metrics with bad buckets, and with mended ones."""

    malformed: dict[str, str]
    mended: set[str]


def parse_bound(text: str) -> float | None:
    """The upper bound that a value of `le` stands for."""
    try:
        return float(text) if text.strip() == text and "_" not in text else None
    except ValueError:
        return None


def over_buckets(
    block: Block, parameter: Float64s, function: OfBuckets, tick: Tick
) -> tuple[Block, HistogramNotes]:
    """One value for each histogram among the series, at the steps where it has buckets."""
    notes = HistogramNotes({}, set())
    members: dict[Labels, list[tuple[float, int]]] = defaultdict(list)
    for row, labels in enumerate(block.labels):
        bound = parse_bound(label_value(labels, BUCKET_LABEL))
        if bound is None or np.isnan(bound):
            notes.malformed[label_value(labels, NAME)] = label_value(labels, BUCKET_LABEL)
            continue
        rest = tuple(pair for pair in labels if pair[0] != BUCKET_LABEL)
        members[rest].append((bound, row))
    if not members:
        return empty_block(block.steps), notes
    values = np.zeros((len(members), block.steps))
    present = np.zeros((len(members), block.steps), dtype=bool)
    for index, (labels, buckets) in enumerate(members.items()):
        tick()
        buckets.sort()
        bounds = np.array([bound for bound, _ in buckets])
        rows = np.array([row for _, row in buckets], dtype=np.int64)
        there = block.present[rows]
        present[index] = there.any(axis=0)
        for pattern, steps in _patterns(there):
            held = block.values[np.ix_(rows[pattern], steps)]
            counts, mended = _monotonic(_merged(bounds[pattern], held))
            if mended:
                notes.mended.add(label_value(labels, NAME))
            values[index, steps] = function(np.unique(bounds[pattern]), counts, parameter[steps])
    drop = np.ones(len(members), dtype=bool)
    result = Block(list(members), values, present, drop)
    return result.with_present(present), notes


def _patterns(there: Bools) -> list[tuple[Bools, Int64s]]:
    """(which buckets, at which steps) for each set of buckets that occurs together."""
    if there.all():
        return [(np.ones(len(there), bool), np.arange(there.shape[1]))]
    patterns, which = np.unique(there, axis=1, return_inverse=True)
    return [
        (patterns[:, index], np.flatnonzero(which.ravel() == index))
        for index in range(patterns.shape[1])
        if patterns[:, index].any()
    ]


def _merged(bounds: Float64s, counts: Float64s) -> Float64s:
    """The counts with buckets of equal bounds added."""
    _, starts = np.unique(bounds, return_index=True)
    return np.add.reduceat(counts, starts, axis=0)


def _monotonic(counts: Float64s) -> tuple[Float64s, bool]:
    """The counts made ascending, and whether that took more than rounding."""
    result = counts.copy()
    mended = False
    for bucket in range(1, len(result)):
        previous, current = result[bucket - 1], result[bucket]
        scale = np.abs(previous) + np.abs(current)
        close = np.abs(previous - current) <= _TOLERANCE * scale
        falls = ~close & (current < previous)
        mended = mended or bool(falls.any())
        result[bucket] = np.where(close | falls, previous, current)
    return result, mended


def bucket_quantile(bounds: Float64s, counts: Float64s, quantiles: Float64s) -> Float64s:
    """The quantile within the buckets, observations spread evenly within each.

    NaN without a +Inf bucket or observations; in the +Inf bucket the highest finite bound.
    """
    result = np.full(len(quantiles), np.nan)
    if len(bounds) >= 2 and np.isposinf(bounds[-1]):
        total = counts[-1]
        rank = quantiles * total
        chosen = (counts[:-1] < rank).sum(axis=0)
        columns = np.arange(len(quantiles))
        below = np.maximum(chosen - 1, 0)
        start = np.where(chosen > 0, bounds[below], 0.0)
        before = np.where(chosen > 0, counts[below, columns], 0.0)
        within = counts[chosen, columns] - before
        result = start + (bounds[chosen] - start) * ((rank - before) / within)
        if bounds[0] <= 0:
            result = np.where(chosen == 0, bounds[0], result)
        result = np.where(chosen == len(bounds) - 1, bounds[-2], result)
        result = np.where((total == 0) | np.isnan(total), np.nan, result)
    result = np.where(np.isnan(quantiles), np.nan, result)
    return np.where(quantiles < 0, -np.inf, np.where(quantiles > 1, np.inf, result))
