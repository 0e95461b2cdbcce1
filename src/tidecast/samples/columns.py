"""Timestamps that series share: what was scraped together is looked up once."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tidecast.samples.batch import Int64s

MANY_TIMES = 32
"""From so many times on it pays to look which series share their timestamps."""
_OF_ONE = 2
"""The offsets of a single series."""
_LONG = 64
"""Series with so many samples are searched one by one; shorter ones all at once."""
_COMPARED_AT_ONCE = 1 << 16


@dataclass(frozen=True, slots=True)
class Columns:
    """Which series have the same timestamps: `of` [series] is the number of each one's column.

    `example` [columns] is a series that has the column.
    """

    of: Int64s
    example: Int64s


def own_columns(series: int) -> Columns:
    """Columns where no series shares its own."""
    numbers = np.arange(series, dtype=np.int64)
    return Columns(numbers, numbers)


def shared_columns(offsets: Int64s, timestamps: Int64s) -> Columns:
    """The columns of these series, each as few times as possible but for rare look-alikes.

    Series `i` owns `timestamps[offsets[i]:offsets[i + 1]]`.
    """
    lengths = np.diff(offsets)
    if not len(timestamps):
        return Columns(np.zeros(len(lengths), np.int64), np.arange(min(1, len(lengths))))
    last_place = len(timestamps) - 1
    looks = np.stack(
        [
            lengths,
            *(
                np.where(lengths > 0, timestamps[np.clip(places, 0, last_place)], 0)
                for places in (
                    *(offsets[:-1] + lengths * share // 8 for share in range(8)),
                    offsets[1:] - 1,
                )
            ),
        ]
    )
    order = np.lexsort(looks)
    differs = (looks[:, order[1:]] != looks[:, order[:-1]]).any(axis=0)
    bounds = np.concatenate(([0], np.flatnonzero(differs) + 1, [len(order)]))
    of = np.empty(len(lengths), dtype=np.int64)
    example: list[int] = []
    for low, high in pairwise(bounds.tolist()):
        rows = order[low:high]
        of[rows] = len(example)
        example.append(int(rows[0]))
        if high - low > 1:
            for row in rows[~_same(offsets, timestamps, rows)].tolist():
                of[row] = len(example)
                example.append(row)
    return Columns(of, np.array(example, dtype=np.int64))


def _same(
    offsets: Int64s, timestamps: Int64s, rows: Int64s
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which of these series, of one length, have all the timestamps of the first of them."""
    length = int(offsets[rows[0] + 1] - offsets[rows[0]])
    same = np.ones(len(rows), dtype=np.bool_)
    if not length:
        return same
    first = timestamps[offsets[rows[0]] :][:length]
    starts = offsets[rows]
    within = np.arange(length)
    at_once = max(1, _COMPARED_AT_ONCE // length)
    even = len(timestamps) == length * (len(offsets) - 1) and bool(
        (np.diff(offsets) == length).all()
    )
    table = timestamps.reshape(-1, length) if even else None
    for low in range(0, len(rows), at_once):
        part = slice(low, low + at_once)
        compared = timestamps[starts[part, None] + within] if table is None else table[rows[part]]
        same[part] = (compared == first).all(axis=1)
    return same


def columns_for(offsets: Int64s, timestamps: Int64s, times: int) -> Columns:
    """The columns to look so many times up in; where these are few, each series has its own."""
    if times >= MANY_TIMES and len(offsets) > _OF_ONE:
        return shared_columns(offsets, timestamps)
    return own_columns(len(offsets) - 1)


def places(offsets: Int64s, timestamps: Int64s, columns: Columns, at_ms: Int64s) -> Int64s:
    """How many timestamps of each column are at or before each time: [columns x times].

    `at_ms` need not be sorted.
    """
    count = len(columns.example)
    if not len(timestamps) or not len(at_ms):
        return np.zeros((count, len(at_ms)), dtype=np.int64)
    own = count == len(offsets) - 1
    if own and len(at_ms) < MANY_TIMES and len(timestamps) < _LONG * count:
        found = _search_all(offsets, timestamps, at_ms)
        if found is not None:
            return found
    result = np.empty((count, len(at_ms)), dtype=np.int64)
    starts, stops = offsets[columns.example].tolist(), offsets[columns.example + 1].tolist()
    for row, (low, high) in enumerate(zip(starts, stops, strict=True)):
        result[row] = timestamps[low:high].searchsorted(at_ms, side="right")
    return result


def _search_all(offsets: Int64s, timestamps: Int64s, at_ms: Int64s) -> Int64s | None:
    """The same by one binary search over all series; None where its keys would overflow."""
    count = len(offsets) - 1
    low = int(timestamps.min())
    span = int(timestamps.max()) - low + 2
    if span * count >= 1 << 63:
        return None
    # The series' number is folded into the key.
    series = np.arange(count, dtype=np.int64)
    keys = np.repeat(series, np.diff(offsets)) * span + (timestamps - low + 1)
    wanted = series[:, None] * span + np.clip(at_ms - low + 1, 0, span - 1)[None, :]
    return np.searchsorted(keys, wanted, side="right") - offsets[:-1, None]


def find(offsets: Int64s, timestamps: Int64s, at_ms: Int64s) -> Int64s:
    """For each series and each time the place behind its last sample at or before that time.

    `at_ms` need not be sorted. Returns [series x times].
    """
    columns = columns_for(offsets, timestamps, len(at_ms))
    counted = places(offsets, timestamps, columns, at_ms)
    return offsets[:-1, None] + counted[columns.of]
