"""Binary operations between vectors: which series meet which, and what comes of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from tidecast.promql.block import (
    Block,
    Bools,
    concatenate,
    empty_block,
    merge_equal,
    only_labels,
    without_labels,
)
from tidecast.promql.errors import QueryError
from tidecast.promql.spelling import quote
from tidecast.promql.tree import Matching
from tidecast.samples.batch import Float64s, Int64s
from tidecast_collector.labels import NAME, Labels, label_value, make_labels

Operation = Callable[[Float64s, Float64s], Float64s]
DEFAULT_MATCHING = Matching()

COMPARE: dict[str, Callable[[Float64s, Float64s], Bools]] = {
    "==": np.equal,
    "!=": np.not_equal,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
}
ARITHMETIC: dict[str, Operation] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "%": np.fmod,
    "^": np.power,
    "atan2": np.arctan2,
}


def scalar_operation(op: str, left: Float64s, right: Float64s) -> Float64s:
    """The result [steps] of an operation between scalars; comparisons give 0 or 1."""
    if op in COMPARE:
        return COMPARE[op](left, right).astype(np.float64)
    return ARITHMETIC[op](left, right)


def vector_and_scalar(
    op: str, block: Block, scalar: Float64s, *, scalar_left: bool, return_bool: bool
) -> Block:
    """The result of an operation between each series and a scalar [steps].

    A comparison without `bool` keeps the elements for which it holds.
    """
    left, right = (scalar, block.values) if scalar_left else (block.values, scalar)
    if op in COMPARE and not return_bool:
        return block.with_present(block.present & COMPARE[op](left, right))
    left, right = np.broadcast_arrays(left, right)
    return block.with_values(scalar_operation(op, left, right))


def signatures(
    left: Block, right: Block, matching: Matching
) -> tuple[Int64s, Int64s, Sequence[Labels]]:
    """For each series the number of its match group, and the labels of the groups."""
    numbers: dict[Labels, int] = {}
    gone = frozenset((NAME, *matching.labels))
    wanted = frozenset(matching.labels)

    def number(labels: Labels) -> int:
        kept = only_labels(labels, wanted) if matching.on else without_labels(labels, gone)
        return numbers.setdefault(kept, len(numbers))

    left_ids = np.array([number(labels) for labels in left.labels], dtype=np.int64)
    right_ids = np.array([number(labels) for labels in right.labels], dtype=np.int64)
    return left_ids, right_ids, list(numbers)


def _seen(block: Block, ids: Int64s, count: int) -> Bools:
    """At which steps each match group has a member: [groups x steps]."""
    seen = np.zeros((count, block.steps), dtype=bool)
    order = np.argsort(ids, kind="stable")
    present, starts = np.unique(ids[order], return_index=True)
    if len(present):
        seen[present] = np.logical_or.reduceat(block.present[order], starts, axis=0)
    return seen


def set_operation(op: str, left: Block, right: Block, matching: Matching) -> Block:
    """`and`, `or` and `unless`, at every step."""
    left_ids, right_ids, groups = signatures(left, right, matching)
    count = len(groups)
    if op == "or":
        hidden = _seen(left, left_ids, count)[right_ids]
        rest = right.with_present(right.present & ~hidden)
        return merge_equal(concatenate(left, rest), "both sides of or hold the same series")
    there = _seen(right, right_ids, count)[left_ids]
    return left.with_present(left.present & (there if op == "and" else ~there))


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Which row of the "many" side meets which merged row of the "one" side."""

    many_rows: Int64s
    one_rows: Int64s


def vector_and_vector(
    op: str,
    left: Block,
    right: Block,
    matching: Matching,
    check_cells: Callable[[int, int], None],
    *,
    return_bool: bool,
) -> Block:
    """The result of an arithmetic operation or comparison between two vectors, at every step.

    `check_cells` is told how many series x steps will be held, and raises where that is too much.
    """
    if matching.fills:
        left, right = _filled_in(left, right, matching)
    many, one = (right, left) if matching.group == "right" else (left, right)
    many_ids, one_ids, _ = signatures(many, one, matching)
    side = "left" if matching.group == "right" else "right"
    _check_unique(one, one_ids, many, matching, side)
    one, rows_of = _merged_side(one, one_ids, matching)
    found = [
        (many_row, one_row)
        for many_row, group in enumerate(many_ids.tolist())
        for one_row in rows_of.get(group, ())
    ]
    if not found:
        return empty_block(left.steps)
    check_cells(len(found), left.steps)
    many_rows, one_rows = np.array(found, dtype=np.int64).T
    pairs = _Pairs(many_rows, one_rows)
    if not matching.group:
        _check_one_to_one(many, one, pairs)
    return _combine(op, many, one, pairs, matching, return_bool=return_bool)


def _filled_in(left: Block, right: Block, matching: Matching) -> tuple[Block, Block]:
    """Both sides, each with the series that its fill value puts where only the other side is."""
    left_ids, right_ids, groups = signatures(left, right, matching)
    seen_left = _seen(left, left_ids, len(groups))
    seen_right = _seen(right, right_ids, len(groups))
    return (
        _with_fill(left, matching.fill_left, groups, seen_right & ~seen_left),
        _with_fill(right, matching.fill_right, groups, seen_left & ~seen_right),
    )


def _with_fill(
    block: Block, value: float | None, groups: Sequence[Labels], missing: Bools
) -> Block:
    if value is None:
        return block
    values = np.full(missing.shape, value)
    filled = Block(groups, values, missing, np.zeros(len(groups), dtype=bool))
    return concatenate(block, filled.with_present(missing))


def _combine(
    op: str, many: Block, one: Block, pairs: _Pairs, matching: Matching, *, return_bool: bool
) -> Block:
    m, o = many.values[pairs.many_rows], one.values[pairs.one_rows]
    left, right = (o, m) if matching.group == "right" else (m, o)
    present = many.present[pairs.many_rows] & one.present[pairs.one_rows]
    filters = op in COMPARE and not return_bool
    if filters:
        present &= COMPARE[op](left, right)
        values = left
    else:
        values = scalar_operation(op, left, right)
    labels = [
        _result_labels(many.labels[m_row], one.labels[o_row], matching)
        for m_row, o_row in zip(pairs.many_rows.tolist(), pairs.one_rows.tolist(), strict=True)
    ]
    drop = many.drop_name[pairs.many_rows] if filters else np.ones(len(labels), dtype=bool)
    block = Block(labels, values, present, drop).with_present(present)
    if matching.group:
        error = "multiple matches for labels: grouping labels must ensure unique matches"
    else:
        error = _MANY_TO_ONE
    return merge_equal(block, error)


_MANY_TO_ONE = (
    "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
)


def _result_labels(many: Labels, one: Labels, matching: Matching) -> Labels:
    if not matching.group:
        named = frozenset(matching.labels)
        return only_labels(many, named) if matching.on else without_labels(many, named)
    if not matching.include:
        return many
    return make_labels(dict(many) | {name: label_value(one, name) for name in matching.include})


def _check_unique(one: Block, ids: Int64s, many: Block, matching: Matching, side: str) -> None:
    """Raises where two series of a match group share a step on the "one" side."""
    if len(np.unique(ids)) == len(ids):
        return
    asked = many.present.any(axis=0)
    for rows in _members(ids.tolist()).values():
        taken = np.zeros(one.steps, dtype=bool)
        for row in rows:
            both = taken & one.present[row] & asked
            if both.any():
                step = int(np.argmax(both))
                first = next(each for each in rows if one.present[each, step])
                raise QueryError(_duplicate(one.labels[first], one.labels[row], matching, side))
            taken |= one.present[row]


def _merged_side(one: Block, ids: Int64s, matching: Matching) -> tuple[Block, dict[int, list[int]]]:
    """The "one" side with series joined that no result can tell apart, and the rows of each group.

    Series of one group follow each other in time; only the included labels tell them apart.
    """
    keys = [
        (group, tuple(label_value(labels, name) for name in matching.include))
        for group, labels in zip(ids.tolist(), one.labels, strict=True)
    ]
    rows_of: dict[int, list[int]] = defaultdict(list)
    members = _members(keys)
    for row, (group, _) in enumerate(members):
        rows_of[group].append(row)
    if len(members) == len(keys):
        return one, rows_of
    values, present = one.values.copy(), one.present.copy()
    for first, *others in members.values():
        for row in others:
            values[first] = np.where(one.present[row], one.values[row], values[first])
            present[first] |= one.present[row]
    heads = np.array([rows[0] for rows in members.values()], dtype=np.int64)
    return Block(one.labels, values, present, one.drop_name).take(heads), rows_of


Key = TypeVar("Key")


def _members(keys: Sequence[Key]) -> dict[Key, list[int]]:
    """The rows of each key, keys in the order in which they first come."""
    members: dict[Key, list[int]] = defaultdict(list)
    for row, key in enumerate(keys):
        members[key].append(row)
    return members


def _duplicate(first: Labels, second: Labels, matching: Matching, side: str) -> str:
    if matching.on:
        group = [pair for pair in first if pair[0] in matching.labels]
    else:
        group = [pair for pair in first if pair[0] not in (NAME, *matching.labels)]
    return (
        f"found duplicate series for the match group {format_labels(group)} on the {side} "
        f"hand-side of the operation: [{format_labels(second)}, {format_labels(first)}]"
        ";many-to-many matching not allowed: matching labels must be unique on one side"
    )


def format_labels(labels: Sequence[tuple[str, str]]) -> str:
    """The labels as `{a="b", c="d"}`."""
    return "{" + ", ".join(f"{name}={quote(value)}" for name, value in labels) + "}"


def _check_one_to_one(many: Block, one: Block, pairs: _Pairs) -> None:
    if len(np.unique(pairs.one_rows)) == len(pairs.one_rows):
        return
    present = many.present[pairs.many_rows] & one.present[pairs.one_rows]
    met = np.zeros(one.present.shape, dtype=np.int64)
    np.add.at(met, pairs.one_rows, present)
    if (met > 1).any():
        raise QueryError(_MANY_TO_ONE)
