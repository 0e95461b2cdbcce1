"""Samples of one series from several writes, as one ascending run: the newest write wins."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TypeAlias

import numpy as np

from tidecast.samples.batch import Float64s, Int64s

Run: TypeAlias = tuple[Int64s, Float64s]
"""Timestamps (ms) and the values beside them."""
Range: TypeAlias = tuple[int, int]
"""A first and a last time (ms), both included."""


def ascending(timestamps: Int64s) -> bool:
    """Whether the timestamps rise strictly."""
    return bool((timestamps[1:] > timestamps[:-1]).all())


def last_write_wins(timestamps: Int64s, values: Float64s) -> Run:
    """The samples sorted by time; of several at one time the last given stays."""
    order = np.argsort(timestamps, kind="stable")
    timestamps = timestamps[order]
    last = np.append(timestamps[1:] != timestamps[:-1], True) if len(timestamps) else slice(None)
    return timestamps[last], values[order][last]


def merge_runs(runs: Sequence[Run]) -> Run:
    """One run of several ascending ones, given from the oldest write to the newest."""
    filled = [run for run in runs if len(run[0])]
    if len(filled) == 1:
        return filled[0]
    if not filled:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float64)
    by_time = sorted(filled, key=lambda run: int(run[0][0]))
    disjoint = all(a[0][-1] < b[0][0] for a, b in pairwise(by_time))
    chosen = by_time if disjoint else filled
    timestamps = np.concatenate([run[0] for run in chosen])
    values = np.concatenate([run[1] for run in chosen])
    return (timestamps, values) if disjoint else last_write_wins(timestamps, values)


def within(run: Run, start_ms: int, end_ms: int) -> Run:
    """The part of the run in [start, end]."""
    low, high = np.searchsorted(run[0], [start_ms, end_ms + 1])
    return run[0][low:high], run[1][low:high]


def without(run: Run, ranges_ms: Sequence[tuple[int, int]]) -> Run:
    """The run less its samples in any of these ranges, both ends included."""
    for start_ms, end_ms in ranges_ms:
        low, high = np.searchsorted(run[0], [start_ms, end_ms + 1])
        if low < high:
            run = np.delete(run[0], slice(low, high)), np.delete(run[1], slice(low, high))
    return run
