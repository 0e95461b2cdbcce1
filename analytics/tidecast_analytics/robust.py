"""Slopes and levels that steps, saw-teeth and outliers do not fool; batched over rows."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
Bools = npt.NDArray[np.bool_]

MAD_TO_SIGMA = 1.4826
"""The standard deviation of a normal law in units of its median absolute deviation."""

# More points than this are averaged in neighbouring groups before pairs of them are taken.
_MAX_POINTS = 30
_JUMP_SIGMAS = 5.0


def middle(rows: Floats) -> Floats:
    """The median along the last axis: sorting is several times quicker than `numpy.median`."""
    ordered = np.sort(rows, axis=-1)
    half = rows.shape[-1] // 2
    if rows.shape[-1] % 2:
        return np.asarray(ordered[..., half])
    return np.asarray((ordered[..., half - 1] + ordered[..., half]) / 2)


def spread(rows: Floats) -> Floats:
    """A robust standard deviation of each row: 1.4826 x the median absolute deviation."""
    return np.asarray(MAD_TO_SIGMA * middle(np.abs(rows - middle(rows)[..., None])))


def thinned(levels: Floats) -> tuple[Floats, int]:
    """Rows of at most 30 points, each the mean of `factor` neighbours, and that factor."""
    factor = -(-levels.shape[1] // _MAX_POINTS)
    whole = levels.shape[1] // factor * factor
    newest = levels[:, levels.shape[1] - whole :]
    return newest.reshape(levels.shape[0], -1, factor).mean(axis=2), factor


def theil_sen(levels: Floats) -> Floats:
    """The median of the slopes between all pairs of points (Theil 1950, Sen 1968), per step.

    `levels` is [rows, points]. With points 0, 1, 2, 9 the six slopes are 1, 1, 1, 3, 4 and 7:
    the median is (1 + 3) / 2 = 2. Zero for fewer than two points.
    """
    if levels.shape[1] < 2:
        return np.zeros(levels.shape[0])
    points, factor = thinned(levels)
    first, second = _pairs(points.shape[1])
    slopes = (points[:, second] - points[:, first]) / (second - first).astype(points.dtype)
    return np.asarray(middle(slopes) / factor)


@lru_cache(maxsize=64)
def _pairs(count: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """The first and the second of each pair of so many points."""
    return np.triu_indices(count, 1)


def dejumped_slope(levels: Floats) -> Floats:
    """The mean difference between neighbours, jumps left out.

    A jump differs from the median difference by more than five robust deviations: a release, a
    clean-up. `levels` is [rows, points]; zero for fewer than two points.
    """
    if levels.shape[1] < 2:
        return np.zeros(levels.shape[0])
    differences = np.diff(levels, axis=1)
    distance = np.abs(differences - middle(differences)[:, None])
    ordinary = distance <= _JUMP_SIGMAS * spread(differences)[:, None] + 1e-12
    return np.asarray(np.where(ordinary, differences, 0.0).sum(axis=1) / ordinary.sum(axis=1))


def agreed(one: Floats, other: Floats) -> Floats:
    """The smaller of two slopes where both point the same way, zero where they do not."""
    smaller = np.minimum(np.abs(one), np.abs(other))
    return np.asarray(np.where(np.sign(one) == np.sign(other), np.sign(one) * smaller, 0.0))


def sustained_slope(levels: Floats) -> Floats:
    """The slope that both the pairs and the de-jumped differences bear out, per step.

    A saw-tooth rises between clean-ups but its pairs do not; a step moves the pairs but not the
    differences between neighbours: neither is growth.
    """
    return agreed(theil_sen(levels), dejumped_slope(levels))


def rises(levels: Floats, sigmas: float = 2.0) -> Bools:
    """True where the sustained slope is upward beyond what the noise around it explains.

    The standard error is the least-squares one, sigma * sqrt(12 / n^3), with sigma the robust
    spread around the line, widened by sqrt((1 + r) / (1 - r)) for autocorrelation r at lag one.
    """
    slope = sustained_slope(levels)
    count = levels.shape[1]
    if count < 3:
        return np.zeros(levels.shape[0], dtype=np.bool_)
    rest = levels - slope[:, None] * np.arange(count)
    rest = rest - middle(rest)[:, None]
    power = np.maximum((rest**2).sum(axis=1), 1e-300)
    lag_one = np.clip((rest[:, 1:] * rest[:, :-1]).sum(axis=1) / power, 0.0, 0.9)
    error = spread(rest) * np.sqrt(12.0 / count**3) * np.sqrt((1 + lag_one) / (1 - lag_one))
    return np.asarray((slope > sigmas * error) & (slope * count > 1e-6))
