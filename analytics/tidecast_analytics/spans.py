"""Sets of time: spans of it, their union, intersection and difference."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Int64s = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False, slots=True)
class Spans:
    """A set of time as disjoint spans [start, end), ascending, in int64 milliseconds UTC.

    Two spans never touch: what touches is one. Made by `spans`, `Spans.of` and the operators, which
    keep it so; `starts` and `ends` are of one length.
    """

    starts: Int64s
    ends: Int64s

    @staticmethod
    def of(starts: Int64s, ends: Int64s) -> Spans:
        """The set of all time in any [start, end), in whatever order; an empty one adds nothing."""
        filled = ends > starts
        starts, ends = starts[filled], ends[filled]
        if not len(starts):
            return NEVER
        order = np.argsort(starts, kind="stable")
        starts, reach = starts[order], np.maximum.accumulate(ends[order])
        first = np.concatenate([[True], starts[1:] > reach[:-1]])
        last = np.concatenate([first[1:], [True]])
        return Spans(starts[first], reach[last])

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return zip(self.starts.tolist(), self.ends.tolist(), strict=True)

    def __len__(self) -> int:
        return len(self.starts)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Spans)
            and np.array_equal(self.starts, other.starts)
            and np.array_equal(self.ends, other.ends)
        )

    def __hash__(self) -> int:
        return hash((self.starts.tobytes(), self.ends.tobytes()))

    def __or__(self, other: Spans) -> Spans:
        """Time in either."""
        if not len(self.starts) or not len(other.starts):
            return self if len(self.starts) else other
        return Spans.of(
            np.concatenate([self.starts, other.starts]), np.concatenate([self.ends, other.ends])
        )

    def __and__(self, other: Spans) -> Spans:
        """Time in both."""
        if not len(self.starts) or not len(other.starts):
            return NEVER
        # Each span of ours meets a run of neighbours of the other's.
        first = other.ends.searchsorted(self.starts, side="right")
        beyond = other.starts.searchsorted(self.ends, side="left")
        counts = np.maximum(beyond - first, 0)
        if not counts.any():
            return NEVER
        own = np.repeat(np.arange(len(self)), counts)
        theirs = np.arange(len(own)) - np.repeat(np.cumsum(counts) - counts - first, counts)
        return Spans(
            np.maximum(self.starts[own], other.starts[theirs]),
            np.minimum(self.ends[own], other.ends[theirs]),
        )

    def __sub__(self, other: Spans) -> Spans:
        """Time in this one that is not in the other."""
        if not len(self.starts) or not len(other.starts):
            return self
        return self & other.gaps(int(self.starts[0]), int(self.ends[-1]))

    def gaps(self, start_ms: int, end_ms: int) -> Spans:
        """Time in [start, end) that is not in this set."""
        inside = self.within(start_ms, end_ms)
        return Spans.of(
            np.concatenate([np.array([start_ms], dtype=np.int64), inside.ends]),
            np.concatenate([inside.starts, np.array([end_ms], dtype=np.int64)]),
        )

    def within(self, start_ms: int, end_ms: int) -> Spans:
        """What of it is in [start, end)."""
        return self & spans([(start_ms, end_ms)])

    def contains(self, at_ms: int) -> bool:
        """Whether this millisecond is in it."""
        return bool(self.covers(np.array([at_ms], dtype=np.int64))[0])

    def covers(self, times_ms: Int64s) -> npt.NDArray[np.bool_]:
        """Which of these times are in it."""
        # A time lies within where one more span has begun before it than has ended.
        begun = np.searchsorted(self.starts, times_ms, side="right")
        return begun > np.searchsorted(self.ends, times_ms, side="right")

    def total_ms(self) -> int:
        """How much time it is."""
        return int((self.ends - self.starts).sum())

    def longer_than(self, duration_ms: int) -> Spans:
        """Those of its spans that last longer than that."""
        long = self.ends - self.starts > duration_ms
        return Spans(self.starts[long], self.ends[long])


_NO_TIME: Int64s = np.empty(0, dtype=np.int64)
NEVER = Spans(_NO_TIME, _NO_TIME)
"""No time at all."""


def spans(pairs: Iterable[tuple[int, int]]) -> Spans:
    """The set of all time in any of these [start, end), in int64 milliseconds UTC."""
    edges = np.array(list(pairs), dtype=np.int64).reshape(-1, 2)
    return Spans.of(edges[:, 0], edges[:, 1])


def in_at_least(sets: Iterable[Spans], count: int) -> Spans:
    """Time that is in at least so many of the sets (k-of-n); `count` is at least one."""
    each = list(sets)
    edges = np.concatenate([_NO_TIME, *(s.starts for s in each), *(s.ends for s in each)])
    if not len(edges):
        return NEVER
    opened = sum(len(s) for s in each)
    steps = np.concatenate([np.ones(opened, dtype=np.int64), -np.ones(opened, dtype=np.int64)])
    times, place = np.unique(edges, return_inverse=True)
    held = np.cumsum(np.bincount(place, weights=steps).astype(np.int64)) >= count
    return Spans.of(times[:-1][held[:-1]], times[1:][held[:-1]])
