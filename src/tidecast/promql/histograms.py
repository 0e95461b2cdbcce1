"""Quantiles and fractions of classic histograms: series of cumulative buckets labelled `le`."""

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
_GREATEST = float(np.finfo(np.float64).max)
BUCKET_LABEL = "le"
OfBuckets = Callable[[Float64s, Float64s, Int64s], Float64s]
"""Upper bounds [buckets], cumulative counts [buckets x steps], which steps -> values [steps]."""


@dataclass(slots=True)
class Mending:
    """How the counts of a metric's buckets had to be lifted so that they ascend."""

    lowest_bound: float
    highest_bound: float
    greatest_lift: float
    samples: int
    first_step: int
    last_step: int

    def merge(self, other: Mending) -> None:
        """Takes in what was mended elsewhere."""
        self.lowest_bound = min(self.lowest_bound, other.lowest_bound)
        self.highest_bound = max(self.highest_bound, other.highest_bound)
        self.greatest_lift = max(self.greatest_lift, other.greatest_lift)
        self.samples += other.samples
        self.first_step = min(self.first_step, other.first_step)
        self.last_step = max(self.last_step, other.last_step)


@dataclass(frozen=True, slots=True)
class HistogramNotes:
    """What the asker should know: (metric, bound) of bad buckets, and what was mended by metric."""

    malformed: dict[tuple[str, str], None]
    mended: dict[str, Mending]

    def note_mending(self, name: str, found: Mending | None) -> None:
        """Remembers what was mended in a histogram of this metric."""
        if found is None:
            return
        if name in self.mended:
            self.mended[name].merge(found)
        else:
            self.mended[name] = found


@dataclass(frozen=True, slots=True)
class HistogramValues:
    """A value for each histogram, and what the asker should know."""

    block: Block
    notes: HistogramNotes


def parse_bound(text: str) -> float | None:
    """The upper bound that a value of `le` stands for."""
    try:
        return float(text) if text.strip() == text and "_" not in text else None
    except ValueError:
        return None


def over_buckets(block: Block, function: OfBuckets, tick: Tick, *, mend: bool) -> HistogramValues:
    """One value for each histogram among the series, at the steps where it has buckets.

    With `mend` counts that fall from one bucket to the next are lifted.
    """
    notes = HistogramNotes({}, {})
    members = _members(block, notes)
    if not members:
        return HistogramValues(empty_block(block.steps), notes)
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
            distinct, counts = np.unique(bounds[pattern]), _merged(bounds[pattern], held)
            if mend:
                counts, mending = _monotonic(distinct, counts, steps)
                notes.note_mending(label_value(labels, NAME), mending)
            values[index, steps] = function(distinct, counts, steps)
    drop = np.ones(len(members), dtype=bool)
    result = Block(list(members), values, present, drop)
    return HistogramValues(result.with_present(present), notes)


def _members(block: Block, notes: HistogramNotes) -> dict[Labels, list[tuple[float, int]]]:
    """The (bound, row) of each bucket of each histogram."""
    members: dict[Labels, list[tuple[float, int]]] = defaultdict(list)
    for row, labels in enumerate(block.labels):
        text = label_value(labels, BUCKET_LABEL)
        bound = parse_bound(text)
        if bound is None or np.isnan(bound):
            notes.malformed[label_value(labels, NAME), text] = None
            continue
        rest = tuple(pair for pair in labels if pair[0] != BUCKET_LABEL)
        members[rest].append((bound, row))
    return members


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


def _monotonic(
    bounds: Float64s, counts: Float64s, steps: Int64s
) -> tuple[Float64s, Mending | None]:
    """The counts made ascending, and what that took beyond rounding."""
    result = counts.copy()
    lifts = np.zeros_like(counts)
    for bucket in range(1, len(result)):
        previous, current = result[bucket - 1], result[bucket]
        scale = np.minimum(np.abs(previous) + np.abs(current), _GREATEST)
        close = np.abs(previous - current) < _TOLERANCE * scale
        falls = ~close & (current < previous)
        lifts[bucket] = np.where(falls, previous - current, 0.0)
        result[bucket] = np.where(close | falls, previous, current)
    lifted = lifts > 0
    if not lifted.any():
        return result, None
    which = bounds[lifted.any(axis=1)]
    when = steps[lifted.any(axis=0)]
    lowest, highest = float(which[0]), float(which[-1])
    first, last = int(when.min()), int(when.max())
    return result, Mending(lowest, highest, float(lifts.max()), len(when), first, last)


def quantile_of(quantiles: Float64s) -> OfBuckets:
    """The function that finds these quantiles [steps of the query] within buckets."""
    return lambda bounds, counts, steps: bucket_quantile(bounds, counts, quantiles[steps])


def fraction_of(lower: Float64s, upper: Float64s) -> OfBuckets:
    """The function that finds the share of observations in (lower, upper], each [steps]."""

    def fraction(bounds: Float64s, counts: Float64s, steps: Int64s) -> Float64s:
        total, low, high = counts[-1], lower[steps], upper[steps]
        if not np.isposinf(bounds[-1]):
            return np.full(len(steps), np.nan)
        share = (_rank(bounds, counts, high) - _rank(bounds, counts, low)) / total
        share = np.where(low >= high, 0.0, share)
        unknown = (total == 0) | np.isnan(total) | np.isnan(low) | np.isnan(high)
        return np.where(unknown, np.nan, share)

    return fraction


def _rank(bounds: Float64s, counts: Float64s, value: Float64s) -> Float64s:
    """How many observations are at most the value [steps], spread evenly within each bucket."""
    columns = np.arange(len(value))
    chosen = np.searchsorted(bounds, value, side="right")
    bucket = np.minimum(chosen, len(bounds) - 1)
    lowest = 0.0 if bounds[0] > 0 else -np.inf
    start = np.where(bucket > 0, bounds[np.maximum(bucket - 1, 0)], lowest)
    before = np.where(bucket > 0, counts[np.maximum(bucket - 1, 0), columns], 0.0)
    within = counts[bucket, columns]
    # A bucket without a lower end cannot be divided: it counts whole.
    inside = before + (within - before) * ((value - start) / (bounds[bucket] - start))
    rank = np.where(np.isneginf(start), within, inside)
    rank = np.where(start >= value, before, rank)
    capped: Float64s = np.minimum(np.where(chosen == len(bounds), counts[-1], rank), counts[-1])
    return capped


def bucket_quantile(bounds: Float64s, counts: Float64s, quantiles: Float64s) -> Float64s:
    """The quantile within the buckets, observations spread evenly within each.

    NaN without a +Inf bucket or observations; in the +Inf bucket the highest finite bound.
    """
    result = np.full(len(quantiles), np.nan)
    if len(bounds) >= 2 and np.isposinf(bounds[-1]):
        total = counts[-1]
        rank = quantiles * total
        chosen = _chosen(counts, rank)
        columns = np.arange(len(quantiles))
        below = np.maximum(chosen - 1, 0)
        start = np.where(chosen > 0, bounds[below], 0.0)
        before = np.where(chosen > 0, counts[below, columns], 0.0)
        within = counts[chosen, columns] - before
        result = start + (bounds[chosen] - start) * ((rank - before) / within)
        if bounds[0] <= 0:
            result = np.where(chosen == 0, bounds[0], result)
        result = np.where(chosen == len(bounds) - 1, bounds[-2], result)
        result = np.where(total == 0, np.nan, result)
    result = np.where(np.isnan(quantiles), np.nan, result)
    return np.where(quantiles < 0, -np.inf, np.where(quantiles > 1, np.inf, result))


def _chosen(counts: Float64s, rank: Float64s) -> Int64s:
    """The bucket of each step that holds this rank.

    Found by halving, as Prometheus does: with a NaN among the counts another search ends elsewhere.
    """
    columns = np.arange(len(rank))
    low = np.zeros(len(rank), dtype=np.int64)
    high = np.full(len(rank), len(counts) - 1)
    while (open_ := low < high).any():
        middle = (low + high) // 2
        enough = counts[middle, columns] >= rank
        high = np.where(open_ & enough, middle, high)
        low = np.where(open_ & ~enough, middle + 1, low)
    return low
