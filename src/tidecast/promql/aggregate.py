"""Aggregation operators: many series to one for each group, at every step at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tidecast.promql.block import (
    NAME_LABELS,
    Block,
    Bools,
    empty_block,
    merge_equal,
    only_labels,
    without_labels,
)
from tidecast.promql.errors import QueryError
from tidecast.promql.numbers import format_short, format_value
from tidecast.promql.segments import ranks, segment_quantiles, segment_sums
from tidecast.promql.tree import Grouping
from tidecast.promql.xxhash import labels_hash
from tidecast.samples.batch import Float64s, Int64s
from tidecast_collector.labels import NAME, Labels, make_labels

_HASHES = float(2**64 - 1)
_INT64S = 2.0**63


@dataclass(frozen=True, slots=True)
class Groups:
    """Series sorted into groups: `block` has the members of group 0 first, then those of 1, ..."""

    labels: Sequence[Labels]
    drop_name: Bools
    ids: Int64s
    block: Block

    @property
    def starts(self) -> Int64s:
        """The row at which each group begins."""
        return np.searchsorted(self.ids, np.arange(len(self.labels)))

    def block_of(self, values: Float64s) -> Block:
        """One value for each group, where the group has a member."""
        present = np.logical_or.reduceat(self.block.present, self.starts, axis=0)
        return Block(self.labels, values, present, self.drop_name)


def group(block: Block, grouping: Grouping | None) -> Groups:
    """The series by the labels they are grouped by.

    A name that is grouped by goes at the end where it does for any member.
    """
    found: dict[Labels, int] = {}
    ids = np.empty(len(block.labels), dtype=np.int64)
    for row, labels in enumerate(block.labels):
        ids[row] = found.setdefault(_group_labels(labels, grouping), len(found))
    order = np.argsort(ids, kind="stable")
    drops = np.zeros(len(found), dtype=bool)
    if grouping is not None and not grouping.without and NAME in grouping.labels:
        drops[ids[block.drop_name]] = True
    return Groups(list(found), drops, ids[order], block.take(order))


def _group_labels(labels: Labels, grouping: Grouping | None) -> Labels:
    if grouping is None:
        return ()
    if grouping.without:
        return without_labels(labels, NAME_LABELS.union(grouping.labels))
    return only_labels(labels, frozenset(grouping.labels))


def aggregate(op: str, block: Block, grouping: Grouping | None) -> Block:
    """The result of an operator without parameter: sum, avg, count, min, max, group, std*."""
    if not len(block.labels):
        return empty_block(block.steps)
    groups = group(block, grouping)
    return groups.block_of(_REDUCE[op](groups))


def _sums(groups: Groups) -> Float64s:
    values = np.where(groups.block.present, groups.block.values, 0.0)
    return segment_sums(values, groups.ids, len(groups.labels))


def _counts(groups: Groups) -> Float64s:
    counts: Float64s = np.add.reduceat(
        groups.block.present.astype(np.float64), groups.starts, axis=0
    )
    return counts


def _means(groups: Groups) -> Float64s:
    sums, counts = _sums(groups), np.maximum(_counts(groups), 1)
    means: Float64s = sums / counts
    over = ~np.isfinite(sums)
    if over.any():
        # A sum may overflow where the mean does not: there each value is divided first.
        shares = np.where(groups.block.present, groups.block.values / counts[groups.ids], 0.0)
        means = np.where(over, segment_sums(shares, groups.ids, len(groups.labels)), means)
    return means


def _least(groups: Groups) -> Float64s:
    values = np.where(groups.block.present, groups.block.values, np.nan)
    return np.fmin.reduceat(values, groups.starts, axis=0)


def _greatest(groups: Groups) -> Float64s:
    values = np.where(groups.block.present, groups.block.values, np.nan)
    return np.fmax.reduceat(values, groups.starts, axis=0)


def _variances(groups: Groups) -> Float64s:
    away = groups.block.values - _means(groups)[groups.ids]
    squares = np.where(groups.block.present, away * away, 0.0)
    variances: Float64s = segment_sums(squares, groups.ids, len(groups.labels)) / np.maximum(
        _counts(groups), 1
    )
    return variances


def _deviations(groups: Groups) -> Float64s:
    return np.sqrt(_variances(groups))


def _ones(groups: Groups) -> Float64s:
    return np.ones((len(groups.labels), groups.block.steps))


_REDUCE = {
    "sum": _sums,
    "avg": _means,
    "count": _counts,
    "min": _least,
    "max": _greatest,
    "stdvar": _variances,
    "stddev": _deviations,
    "group": _ones,
}


def quantile(block: Block, grouping: Grouping | None, quantiles: Float64s) -> Block:
    """The quantile of each group; `quantiles` [steps]."""
    if not len(block.labels):
        return empty_block(block.steps)
    groups = group(block, grouping)
    rows, steps = np.nonzero(groups.block.present)
    segments = groups.ids[rows] * block.steps + steps
    wanted = np.tile(quantiles, len(groups.labels))
    found = segment_quantiles(groups.block.values[rows, steps], segments, wanted)
    return groups.block_of(found.reshape(len(groups.labels), block.steps))


def top_or_bottom(block: Block, grouping: Grouping | None, limits: Float64s, *, top: bool) -> Block:
    """The greatest (or least) series of each group at every step, as many as `limits` [steps].

    At a single step the series are ordered by group, then by value.
    """
    if not len(block.labels):
        return block
    groups = group(block, grouping)
    rows, steps = np.nonzero(groups.block.present)
    values = groups.block.values[rows, steps]
    segments = groups.ids[rows] * block.steps + steps
    order = np.lexsort((-values if top else values, np.isnan(values), segments))
    kept = order[ranks(segments[order]) < _whole(limits)[steps[order]]]
    present = np.zeros_like(groups.block.present)
    present[rows[kept], steps[kept]] = True
    if block.steps == 1:
        return Block(
            groups.block.labels, groups.block.values, present, groups.block.drop_name
        ).take(rows[kept])
    return groups.block.with_present(present)


def first_series(block: Block, grouping: Grouping | None, limits: Float64s) -> Block:
    """The first series of each group at every step, as many as `limits` [steps]: limitk."""
    if not len(block.labels):
        return block
    groups = group(block, grouping)
    running: Int64s = np.cumsum(groups.block.present, axis=0)
    before: Int64s = running[groups.starts] - groups.block.present[groups.starts]
    place: Int64s = running - before[groups.ids]
    return groups.block.with_present(groups.block.present & (place <= _whole(limits)))


def share_of_series(block: Block, ratios: Float64s) -> Block:
    """A pseudo-random share of the series: limit_ratio.

    `ratios` [steps] lie within [-1, 1]. A series is chosen by a hash of its labels; r - 1 chooses
    just those that r leaves out.
    """
    if not len(block.labels):
        return block
    places = np.array([labels_hash(labels) for labels in block.labels], dtype=np.float64)
    places = places[:, None] / _HASHES
    chosen = np.where(ratios >= 0, places < ratios, places >= 1 + ratios)
    return block.with_present(block.present & chosen)


def _whole(limits: Float64s) -> Int64s:
    if np.isnan(limits).any():
        raise QueryError("Parameter value is NaN")
    for limit, word in ((limits.max(), "overflows"), (limits.min(), "underflows")):
        if abs(limit) >= _INT64S and (limit > 0) == (word == "overflows"):
            raise QueryError(f"Scalar value {format_short(float(limit))} {word} int64")
    return limits.astype(np.int64)


def count_values(
    block: Block, grouping: Grouping | None, label: str, check_cells: Callable[[int, int], None]
) -> Block:
    """How many series of each group have each value, which becomes the label."""
    if not label:
        raise QueryError('invalid label name ""')
    if not len(block.labels):
        return block
    groups = group(block, grouping)
    rows, steps = np.nonzero(groups.block.present)
    # By bits, so that NaN equals NaN.
    bits = groups.block.values[rows, steps].view(np.int64)
    keys, inverse = np.unique(
        np.stack((groups.ids[rows], bits), axis=1), axis=0, return_inverse=True
    )
    check_cells(len(keys), block.steps)
    counts = np.zeros((len(keys), block.steps))
    np.add.at(counts, (inverse.ravel(), steps), 1.0)
    labels, drops = [], []
    for group_id, bit in keys.tolist():
        value = float(np.int64(bit).view(np.float64))
        pairs = dict(groups.labels[group_id]) | {label: format_value(value)}
        labels.append(make_labels(pairs))
        drops.append(bool(groups.drop_name[group_id]) and label != NAME)
    result = Block(labels, counts, counts > 0, np.array(drops, dtype=bool))
    return merge_equal(result, "count_values gave the same labels to two groups")
