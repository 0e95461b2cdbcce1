"""What season and level leave of a history: the weather of its days."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tidecast_analytics.rows import Floats, Rows

Float64s = npt.NDArray[np.float64]

_BLOCK_DAYS = 28


def unexplained(rows: Rows) -> Float64s:
    """What season and level leave of the last four weeks, [series, blocks, block length].

    `rows` know all, at one origin. Blocks are days of hours, or weeks of days, newest last; zero
    where the history is shorter than two seasons.
    """
    values, steps = rows.values, rows.least_steps
    cycle = rows.week if steps >= 3 * rows.week else rows.period
    cycles = min(steps // cycle, -(-_BLOCK_DAYS * max(rows.per_day, 2) // cycle) + 1)
    if cycles < 2:
        return np.zeros((values.shape[0], 1, rows.period))
    folded = values[:, -cycles * cycle :].reshape(-1, cycles, cycle)
    profile = rows.day_profile if cycle == rows.period else rows.week_profile
    rest = (folded - _running_level(folded) - profile).reshape(folded.shape[0], -1)
    newest = rest[:, -_BLOCK_DAYS * max(rows.per_day, 2) :]
    newest = newest[:, newest.shape[1] % rows.period :]
    return np.asarray(newest.reshape(newest.shape[0], -1, rows.period), dtype=np.float64)


def _running_level(folded: Floats) -> Floats:
    """The line through the mean of each cycle at its middle, level at both ends."""
    level = folded.mean(axis=2)
    before = np.concatenate((level[:, :1], level[:, :-1]), axis=1)
    after = np.concatenate((level[:, 1:], level[:, -1:]), axis=1)
    period = folded.shape[2]
    place = (np.arange(period) - (period - 1) / 2) / period
    return np.asarray(
        level[:, :, None]
        + np.minimum(place, 0) * (level - before)[:, :, None]
        + np.maximum(place, 0) * (after - level)[:, :, None]
    )
