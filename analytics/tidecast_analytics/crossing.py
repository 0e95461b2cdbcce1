"""When a mark is crossed: first passage over simulated paths.

A path is the mean, plus an uncertain level, plus blocks of whole days of what the past left
unexplained. The level is half trend (one draw a path, growing with the horizon) and half random
walk; its size is what the calibrated band leaves beside the blocks. All series and all marks
share the same draws, so that a higher mark is never crossed earlier.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from tidecast_analytics.intervals import NORMAL_80, SHAPE_AT

Float64s = npt.NDArray[np.float64]
Float32s = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
Int64s = npt.NDArray[np.int64]

PATHS = 256
_SEED = 20_260_101
_TREND_SHARE = 0.8
# The level keeps at least this share of the band's deviation, however restless the blocks.
_LEAST_LEVEL_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class Draws:
    """The random numbers all series share: `level` [paths, blocks], unit variance; `block` in
    [0, 1) says which past block stands at each place."""

    level: Float32s
    block: Float32s


@lru_cache(maxsize=8)
def draws(blocks: int) -> Draws:
    """The same draws for the same number of blocks, always."""
    random = np.random.default_rng(_SEED)
    law = NormalDist()
    strata = np.array([law.inv_cdf((i + 0.5) / PATHS) for i in range(PATHS)])
    trend = random.permutation(strata)[:, None]
    walk = random.standard_normal((PATHS, blocks)).cumsum(axis=1)
    walk /= np.sqrt(np.arange(1, blocks + 1))
    level = np.sqrt(_TREND_SHARE) * trend + np.sqrt(1 - _TREND_SHARE) * walk
    return Draws(level.astype(np.float32), random.random((PATHS, blocks), dtype=np.float32))


def crossed_now(values: Float64s, mark: float, run: int) -> bool:
    """True where the last `run` values are all at or above the mark; False for fewer values."""
    return values.size >= run and bool((values[-run:] >= mark).all())


def first_passages(
    mean: Float64s,
    half80: Float64s,
    shape: Float64s,
    blocks: Float64s,
    mark: float | Float64s,
    run: int,
) -> Int64s:
    """The step (0 first) at which each path crosses the mark, or the horizon where it does not.

    Crossed is the first of `run` consecutive values at or above the mark. `mean` and `half80`
    (half the width of the 80 % band) are [horizon]; `shape` is the law of the errors in units of
    `half80`, at SHAPE_AT; `blocks` [past blocks, block length] is what the past left
    unexplained; `mark` is one, or that of each step. Returns [paths], ascending.
    """
    horizon, length = mean.size, blocks.shape[1]
    chance = draws(-(-horizon // length))
    least = (_LEAST_LEVEL_SHARE * half80) ** 2
    level = np.sqrt(np.maximum(half80**2 - NORMAL_80**2 * blocks.var(), least))
    errors = np.sign(chance.level) * np.interp(np.abs(chance.level), SHAPE_AT, shape)
    highest = mean + level * float(errors.max()) + float(blocks.max())
    if not (highest >= mark).any():
        return np.full(PATHS, horizon, dtype=np.int64)
    which = (chance.block * blocks.shape[0]).astype(np.intp)
    np.minimum(which, blocks.shape[0] - 1, out=which)
    paths = blocks.astype(np.float32)[which].reshape(PATHS, -1)[:, :horizon]
    by_step = np.repeat(errors.astype(np.float32), length, axis=1)[:, :horizon]
    paths += level.astype(np.float32) * by_step
    # What the path must reach at each step, as one row: the mark less the mean.
    over = paths >= np.asarray(mark - mean, dtype=np.float32)
    return passages(over, run)


def passages(over: Bools, run: int) -> Int64s:
    """The first step of `run` consecutive ones over the mark on each path, ascending.

    `over` is [paths, horizon]; a path that never crosses gives the horizon.
    """
    return np.asarray(np.sort(_first_run(over, run)))


def _first_run(over: Bools, run: int) -> Int64s:
    """The first column of `run` consecutive true ones in each row, or the number of columns."""
    columns = over.shape[1]
    if columns < run:
        return np.full(over.shape[0], columns, dtype=np.int64)
    begun = over[:, : columns - run + 1].copy()
    for later in range(1, run):
        begun &= over[:, later : columns - run + 1 + later]
    first = begun.argmax(axis=1)
    crossed = begun[np.arange(over.shape[0]), first]
    return np.asarray(np.where(crossed, first, columns), dtype=np.int64)


def probability(passages: Int64s, horizon: int) -> float:
    """P(crossed within the horizon)."""
    return float((passages < horizon).mean())


def shares_by_day(passages: Int64s, horizon: int, per_day: int) -> Float64s:
    """P(crossed by the end of each day) [days]; the last day may be a shorter one.

    `passages` are ascending steps, as `first_passages` gives them.
    """
    ends = np.minimum(np.arange(per_day, horizon + per_day, per_day), horizon)
    return np.asarray(np.searchsorted(passages, ends, side="left") / passages.size)


def quantile_steps(passages: Int64s, horizon: int, percents: Sequence[int]) -> list[int | None]:
    """For each XX the first step by which at least XX % of the paths have crossed, else None."""
    found: list[int | None] = []
    for percent in percents:
        needed = -(-passages.size * percent // 100)
        step = int(passages[needed - 1])
        found.append(step if step < horizon else None)
    return found
