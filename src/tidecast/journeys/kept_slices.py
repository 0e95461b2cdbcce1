"""Slices of SLOs that were measured before, so that only the newest are asked for again.

What a slice had stays as it is: samples that come late are told by `forget`, and what else may have
changed (series that were deleted, a foreign engine that got late samples) is found when everything
is measured anew, a few times a day.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from tidecast.promql.query_engine import QueryEngine
from tidecast.promql.result import Matrix
from tidecast_alerts.slo.queries import EventQueries
from tidecast_analytics.error_budgets import Float64s, Slices
from tidecast_analytics.spans import Int64s
from tidecast_collector.errors import InvalidInput

POINTS_AT_ONCE = 10_000
SETTLED_MS = 3_600_000
"""A slice that ended so long ago is not asked for again: what came since then was late."""
ANEW_MS = 6 * 3_600_000
MAX_RUNS = 8
"""More gaps than this are asked for as one."""


@dataclass
class _Kept:
    """The slices [start, start + width x n) of one pair of queries, and which still hold."""

    start_ms: int
    good: Float64s
    total: Float64s
    holds: npt.NDArray[np.bool_]
    anew_ms: int


class KeptSlices:
    """Good and all events of each slice, by the queries that count them.

    Objectives that count the same by the same slices share them. Safe to use from several threads.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[EventQueries, int], _Kept] = {}
        self._lock = threading.Lock()
        self._late = 0

    def slices(
        self, engine: QueryEngine, queries: EventQueries, wanted: tuple[int, int], width_ms: int
    ) -> Slices:
        """The `wanted` = (start, count) slices; those not known yet are asked of the engine.

        Raises what the engine does, and `InvalidInput` for a query of more than one series.
        """
        start_ms, count = wanted
        starts = _starts(start_ms, count, width_ms)
        until_ms, key = start_ms + count * width_ms, (queries, width_ms)
        with self._lock:
            late = self._late
            kept = _moved(self._kept.get(key), start_ms, count, width_ms, until_ms)
        for first, after in _runs(~kept.holds):
            part = ask(engine, queries, starts[first:after], width_ms)
            kept.good[first:after], kept.total[first:after] = part.good, part.total
        with self._lock:
            # What came late meanwhile may be missing in them: then all are asked for next time.
            kept.holds[:] = (starts + width_ms <= until_ms - SETTLED_MS) & (late == self._late)
            self._kept[key] = kept
        return Slices(starts, width_ms, kept.good, kept.total)

    def forget(self, start_ms: int, end_ms: int) -> None:
        """Has the slices that reach into [start, end) asked for again: samples came late there."""
        with self._lock:
            self._late += 1
            for (_, width_ms), kept in self._kept.items():
                first = max((start_ms - kept.start_ms) // width_ms, 0)
                after = max(-(-(end_ms - kept.start_ms) // width_ms), 0)
                kept.holds[first:after] = False

    def keep_only(self, wanted: Iterable[tuple[EventQueries, int]]) -> None:
        """Lets go the slices of other queries than these."""
        with self._lock:
            known = set(wanted)
            self._kept = {key: kept for key, kept in self._kept.items() if key in known}


def ask(engine: QueryEngine, queries: EventQueries, starts: Int64s, width_ms: int) -> Slices:
    """These slices, as the engine's samples tell them."""
    total = np.ones(len(starts))
    if queries.total:
        total = _asked(engine, queries.total, starts, width_ms)
    if queries.part:
        part = _asked(engine, queries.part, starts, width_ms)
        part = np.where(np.isnan(part), 0 * total, part)
        good = total - part if queries.bad else part
    else:
        good = _asked(engine, queries.good, starts, width_ms)
    total = np.where(np.isnan(good), np.nan, total)
    return Slices(starts, width_ms, np.clip(good, 0, total), total)


def _asked(engine: QueryEngine, query: str, starts: Int64s, width_ms: int) -> Float64s:
    """The query's value at the end of each slice; NaN where there is none."""
    values = np.full(len(starts), np.nan)
    for first in range(0, len(starts), POINTS_AT_ONCE):
        ends = starts[first : first + POINTS_AT_ONCE] + width_ms
        answer = engine.range(query, int(ends[0]), int(ends[-1]), width_ms).value
        assert isinstance(answer, Matrix)
        if len(answer) > 1:
            raise InvalidInput(f"{query} gives {len(answer)} series; an SLI must give one: use sum")
        for _, times, found in answer:
            values[first + (times - int(ends[0])) // width_ms] = found
    return values


def _moved(kept: _Kept | None, start_ms: int, count: int, width_ms: int, now_ms: int) -> _Kept:
    """A copy for (start, count) of what is kept, where that fits and is not due to be anew."""
    nothing = np.full(count, np.nan)
    holds = np.zeros(count, dtype=np.bool_)
    moved = _Kept(start_ms, nothing, nothing.copy(), holds, now_ms + ANEW_MS)
    if kept is None or now_ms >= kept.anew_ms or (start_ms - kept.start_ms) % width_ms:
        return moved
    moved.anew_ms = kept.anew_ms
    by = (start_ms - kept.start_ms) // width_ms
    old = slice(max(by, 0), max(by, 0, min(by + count, len(kept.good))))
    new = slice(old.start - by, old.stop - by)
    moved.good[new], moved.total[new] = kept.good[old], kept.total[old]
    moved.holds[new] = kept.holds[old]
    return moved


def _runs(gaps: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """The (first, after) of each stretch of gaps; one around all where there are many."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], gaps, [False]]).astype(np.int8)))
    found = [(int(first), int(after)) for first, after in edges.reshape(-1, 2)]
    return found if len(found) <= MAX_RUNS else [(found[0][0], found[-1][1])]


@lru_cache(maxsize=32)
def _starts(start_ms: int, count: int, width_ms: int) -> Int64s:
    """Shared by all SLOs of one period: nobody may write into it."""
    starts: Int64s = start_ms + np.arange(count, dtype=np.int64) * width_ms
    starts.flags.writeable = False
    return starts
