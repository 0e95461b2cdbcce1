"""Instant vectors over all steps of a query: the value that expressions pass to each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from tidecast.promql.errors import QueryError
from tidecast.samples.batch import Float64s, Int64s
from tidecast_collector.labels import NAME, Labels

Bools = npt.NDArray[np.bool_]

NAME_LABELS = frozenset((NAME, "__type__", "__unit__"))
"""What goes when an operation drops the metric name."""
_REMEMBERED_SERIES = 1 << 14
SAME_LABELSET = "vector cannot contain metrics with the same labelset"


@dataclass(frozen=True, slots=True)
class Block:
    """Series by steps: `values` [series x steps] counts where `present` [series x steps] is true.

    `drop_name` [series] marks series whose name goes at the end of the query; until then it still
    tells them apart and can be matched. Absent is never coded as NaN, which is a value.
    """

    labels: Sequence[Labels]
    values: Float64s
    present: Bools
    drop_name: Bools

    @property
    def steps(self) -> int:
        """The number of steps."""
        return int(self.values.shape[1])

    def take(self, rows: Int64s) -> Block:
        """These rows, in this order."""
        return Block(
            [self.labels[row] for row in rows.tolist()],
            self.values[rows],
            self.present[rows],
            self.drop_name[rows],
        )

    def with_values(self, values: Float64s, *, drop_name: bool = True) -> Block:
        """The same series with other values; by default their names go."""
        drop = np.ones(len(self.labels), dtype=bool) if drop_name else self.drop_name
        return replace(self, values=values, drop_name=drop)

    def with_present(self, present: Bools) -> Block:
        """The same series, present elsewhere; series that are nowhere go."""
        block = replace(self, present=present)
        somewhere = present.any(axis=1)
        return block if somewhere.all() else block.take(np.flatnonzero(somewhere))


def empty_block(steps: int) -> Block:
    """What an expression gives that finds no series: no rows, over so many steps."""
    return Block([], np.empty((0, steps)), np.empty((0, steps), bool), np.empty(0, bool))


def one_series(labels: Labels, values: Float64s, present: Bools | None = None) -> Block:
    """A single series; present everywhere unless told otherwise."""
    where = np.ones(len(values), bool) if present is None else present
    block = Block([labels], values[None, :], where[None, :], np.zeros(1, bool))
    return block.with_present(block.present)


def concatenate(*blocks: Block) -> Block:
    """The series of all of them, of which there is at least one."""
    return Block(
        [labels for block in blocks for labels in block.labels],
        np.concatenate([block.values for block in blocks]),
        np.concatenate([block.present for block in blocks]),
        np.concatenate([block.drop_name for block in blocks]),
    )


def broadcast(block: Block, steps: int) -> Block:
    """A block of one step, repeated for each of `steps`."""
    shape = (len(block.labels), steps)
    return replace(
        block,
        values=np.broadcast_to(block.values, shape),
        present=np.broadcast_to(block.present, shape),
    )


@lru_cache(maxsize=_REMEMBERED_SERIES)
def only_labels(labels: Labels, names: frozenset[str]) -> Labels:
    """The labels of these names; remembered, since rules ask for the same again and again."""
    return tuple(pair for pair in labels if pair[0] in names)


@lru_cache(maxsize=_REMEMBERED_SERIES)
def without_labels(labels: Labels, names: frozenset[str]) -> Labels:
    """The labels of other names than these; remembered."""
    return tuple(pair for pair in labels if pair[0] not in names)


def drop_names(block: Block) -> Block:
    """The block with the marked names gone, series that became equal joined.

    Raises `QueryError` where two of them have a value at the same step.
    """
    labels = [
        without_labels(pairs, NAME_LABELS) if drop else pairs
        for pairs, drop in zip(block.labels, block.drop_name.tolist(), strict=True)
    ]
    named = replace(block, labels=labels, drop_name=np.zeros(len(labels), bool))
    return merge_equal(named, SAME_LABELSET)


def merge_equal(block: Block, error: str) -> Block:
    """The block with series of equal labels joined; `QueryError(error)` where two collide."""
    keys = list(zip(block.labels, block.drop_name.tolist(), strict=True))
    if len(set(keys)) == len(keys):
        return block
    rows_of: dict[tuple[Labels, bool], list[int]] = defaultdict(list)
    for row, key in enumerate(keys):
        rows_of[key].append(row)
    values, present = block.values.copy(), block.present.copy()
    for rows in rows_of.values():
        first = rows[0]
        for row in rows[1:]:
            if (present[first] & present[row]).any():
                raise QueryError(error)
            values[first] = np.where(present[row], values[row], values[first])
            present[first] |= present[row]
    merged = Block(block.labels, values, present, block.drop_name)
    return merged.take(np.array([rows[0] for rows in rows_of.values()], dtype=np.int64))
