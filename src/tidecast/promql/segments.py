"""Sums, quantiles and ranks of many short segments of an array at once.

A segment is a run of equal ids; ids ascend. Sums are compensated (Neumaier), so that they
agree with Prometheus where plain or pairwise summation cancels.
"""

from __future__ import annotations

import numpy as np

from tidecast.samples.batch import Float64s, Int64s

_WIDE = 1 << 12
"""Where there are so many values to each place in the longest segment, places go one by one."""


def segment_sums(values: Float64s, ids: Int64s, count: int) -> Float64s:
    """The compensated sum of each segment 0 .. count-1 along the first axis; 0 where it is empty.

    Carries the rounding error of each addition beside the sum. Few long segments are halved by
    adding neighbours until one element each is left; many are summed member by member, all at once.

    >>> values = np.array([1.0, 1e100, 1.0, -1e100, 5.0])
    >>> segment_sums(values, np.array([0, 0, 0, 0, 2]), 3).tolist()
    [2.0, 0.0, 5.0]
    """
    total = np.zeros((count, *values.shape[1:]))
    if not len(ids):
        return total
    starts = np.flatnonzero(np.append(True, ids[1:] != ids[:-1]))
    if values.size >= _WIDE * int(np.diff(np.append(starts, len(ids))).max()):
        with np.errstate(all="ignore"):
            total[ids[starts]] = _sums_member_by_member(values, starts)
        return total
    sums, errors = values, np.zeros_like(values)
    with np.errstate(all="ignore"):
        while len(ids):
            rank = ranks(ids)
            if not rank.any():
                break
            even = rank % 2 == 0
            left, paired = np.flatnonzero(even), np.flatnonzero(even[:-1] & ~even[1:])
            added, error = _two_sum(sums[paired], sums[paired + 1])
            sums, errors = sums.copy(), errors.copy()
            errors[paired] += errors[paired + 1] + error
            sums[paired] = added
            sums, errors, ids = sums[left], errors[left], ids[left]
        result = sums + errors
    total[ids] = np.where(np.isfinite(sums), result, sums)
    return total


def _sums_member_by_member(values: Float64s, starts: Int64s) -> Float64s:
    lengths = np.diff(np.append(starts, len(values)))
    sums = values[starts]
    errors = np.zeros_like(sums)
    for place in range(1, int(lengths.max())):
        longer = np.flatnonzero(lengths > place)
        # Mostly all segments are of one length; nothing then need be picked out.
        some = slice(None) if len(longer) == len(starts) else longer
        before, added = sums[some], values[starts[some] + place]
        after = before + added
        back = after - before
        errors[some] += (before - (after - back)) + (added - back)
        sums[some] = after
    return np.where(np.isfinite(sums), sums + errors, sums)


def _two_sum(a: Float64s, b: Float64s) -> tuple[Float64s, Float64s]:
    """a + b rounded, and the exact error of that (Knuth's TwoSum); no error where not finite."""
    total = a + b
    back = total - a
    error = (a - (total - back)) + (b - back)
    return total, np.where(np.isfinite(total), error, 0.0)


def ranks(ids: Int64s) -> Int64s:
    """The place of each element within its segment, from 0."""
    starts = np.flatnonzero(np.append(True, ids[1:] != ids[:-1]))
    lengths = np.diff(np.append(starts, len(ids)))
    return np.arange(len(ids)) - np.repeat(starts, lengths)


def segment_quantiles(values: Float64s, ids: Int64s, quantiles: Float64s) -> Float64s:
    """The quantile of each segment, one `quantiles` each; NaN where the segment is empty.

    Linear between the two nearest ranks; NaN sorts first; below 0 gives -Inf, above 1 +Inf.
    """
    count = len(quantiles)
    order = np.lexsort(
        (np.nan_to_num(values, nan=-np.inf, posinf=np.inf, neginf=-np.inf), ~np.isnan(values), ids)
    )
    ordered = values[order]
    lengths = np.bincount(ids, minlength=count)
    starts = np.cumsum(lengths) - lengths
    result = np.full(count, np.nan)
    ok = (lengths > 0) & (quantiles >= 0) & (quantiles <= 1)
    rank = quantiles[ok] * (lengths[ok] - 1)
    lower = np.floor(rank).astype(np.int64)
    upper = np.minimum(lower + 1, lengths[ok] - 1)
    weight = rank - lower
    with np.errstate(all="ignore"):
        result[ok] = (
            ordered[starts[ok] + lower] * (1 - weight) + ordered[starts[ok] + upper] * weight
        )
    result[(lengths > 0) & (quantiles < 0)] = -np.inf
    result[(lengths > 0) & (quantiles > 1)] = np.inf
    return result


def row_quantiles(table: Float64s, quantiles: Float64s) -> Float64s:
    """The quantile of each row of numbers [rows x values], one `quantiles` each; NaN-free rows.

    >>> row_quantiles(np.array([[4.0, 1.0, 2.0]]), np.array([0.25])).tolist()
    [1.5]
    """
    last = table.shape[1] - 1
    ok = (quantiles >= 0) & (quantiles <= 1)
    rank = np.where(ok, quantiles, 0.0) * last
    lower = np.floor(rank).astype(np.int64)
    upper = np.minimum(lower + 1, last)
    # All rows mostly want the same ranks: only these are brought to their places.
    ordered = np.partition(table, np.unique((lower, upper)), axis=1)
    rows, weight = np.arange(len(table)), rank - lower
    with np.errstate(all="ignore"):
        found = ordered[rows, lower] * (1 - weight) + ordered[rows, upper] * weight
    found = np.where(quantiles < 0, -np.inf, np.where(quantiles > 1, np.inf, found))
    return np.where(np.isnan(quantiles), np.nan, found)
