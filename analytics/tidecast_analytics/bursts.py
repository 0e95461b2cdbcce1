"""Days that stand out of those around them, and what they say about days to come.

A burst below the mark that came once says nothing about a higher one: dates are asked of the days
without it. Where bursts recur and grow, dates are asked of them alone: each day counts as the
highest of the newest ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tidecast_analytics.robust import middle

Float64s = npt.NDArray[np.float64]

# A burst stands out of the week around it by so many usual distances, and by so much of the range.
_DISTANCES, _SHARE_OF_RANGE = 8.0, 0.25
_AROUND = 3
# One that passes lasts no longer, and has been over for so many days.
_MOST_DAYS, _LEAST_AFTER = 3, 2
# Bursts that grow come at least so often, with no longer gaps, and rise by a slope of so many
# standard errors, and more, the fewer they are.
_LEAST_RECURRING, _LONGEST_GAP = 4, 21
_ERRORS, _MORE_ERRORS = 3.5, 8.0


class Role(StrEnum):
    """PASSED: it is not expected again. GROWING: it is what reaches the mark."""

    PASSED = "passed"
    GROWING = "growing"


@dataclass(frozen=True, slots=True)
class Burst:
    """The days [first, last] of it, the highest `level` on them, and what is `usual` around."""

    first: int
    last: int
    level: float
    usual: float


class Bursts(NamedTuple):
    """The bursts of one history that are told of, oldest first, and what they were taken for."""

    role: Role
    found: Sequence[Burst]


def as_dated(peaks: Float64s, marks: Float64s) -> tuple[Float64s, dict[int, Bursts]]:
    """The daily peaks [series, days] that dates of `marks` [series] are asked of, and the bursts
    that make them differ from those given, by row."""
    dated, told = peaks.copy(), {}
    for row, found in _bursts(peaks).items():
        gap = _growing_gap(found, peaks.shape[1])
        if gap is not None:
            dated[row] = _highest_of(peaks[row], gap)
            told[row] = Bursts(Role.GROWING, found)
        elif _passed(found, peaks.shape[1]) and found[0].level < marks[row]:
            # Its edges may lie on the days beside it.
            days = slice(max(found[0].first - 1, 0), found[0].last + 2)
            dated[row, days] = np.minimum(peaks[row, days], found[0].usual)
            told[row] = Bursts(Role.PASSED, found)
    return dated, told


def _bursts(peaks: Float64s) -> dict[int, list[Burst]]:
    """The bursts of each row that has any."""
    if peaks.shape[1] < 2 * _AROUND + _LEAST_AFTER:
        return {}
    padded = np.pad(peaks, ((0, 0), (_AROUND, _AROUND)), mode="edge")
    usual = middle(np.lib.stride_tricks.sliding_window_view(padded, 2 * _AROUND + 1, axis=1))
    rest = peaks - usual
    least = np.maximum(
        _DISTANCES * middle(np.abs(rest)), np.maximum(_SHARE_OF_RANGE * np.ptp(peaks, axis=1), 1e-9)
    )
    out = rest > least[:, None]
    return {int(row): _of_row(peaks[row], usual[row], out[row]) for row in _rows_with(out)}


def _rows_with(out: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    return np.flatnonzero(out.any(axis=1))


def _of_row(peaks: Float64s, usual: Float64s, out: npt.NDArray[np.bool_]) -> list[Burst]:
    edges = np.flatnonzero(np.diff(np.concatenate(([False], out, [False])).astype(np.int8)))
    return [
        Burst(int(first), int(stop) - 1, float(peaks[first:stop].max()), float(usual[first]))
        for first, stop in zip(edges[::2], edges[1::2], strict=True)
    ]


def _passed(found: Sequence[Burst], days: int) -> bool:
    """Whether there was just one, and it is over."""
    burst = found[0]
    over = burst.last < days - _LEAST_AFTER
    return len(found) == 1 and over and burst.last - burst.first < _MOST_DAYS


def _growing_gap(found: Sequence[Burst], days: int) -> int | None:
    """The most days from one burst to the next, where they recur and clearly grow."""
    if len(found) < _LEAST_RECURRING:
        return None
    starts = np.array([each.first for each in found], dtype=np.float64)
    levels = np.array([each.level for each in found])
    gap = int(np.diff(starts, append=days).max())
    if not 2 <= gap <= min(_LONGEST_GAP, days // 3):
        return None
    at, level = starts - starts.mean(), levels - levels.mean()
    slope = float(at @ level / (at @ at))
    left = level - slope * at
    error = float(np.sqrt(left @ left / (starts.size - 2) / (at @ at)))
    return gap if slope > (_ERRORS + _MORE_ERRORS / (starts.size - 2)) * error else None


def _highest_of(peaks: Float64s, newest: int) -> Float64s:
    """At each day the highest of so many newest days; the first ones as the first that knows."""
    padded = np.concatenate((np.full(newest - 1, -np.inf), peaks))
    held = np.lib.stride_tricks.sliding_window_view(padded, newest).max(axis=1)
    held[: newest - 1] = held[newest - 1]
    return np.asarray(held)
