"""Regular grids from samples as they come: any order, any spacing, with duplicates and holes.

A grid is hourly or daily, or has a step of its own where values are rarer than that (`rare`).
Samples finer than an hour are averaged into hours covering (h-1h, h] and stamped at h, as usage
records are; samples that already come once an hour, or once a day, stay as they are. What was not
observed stays NaN: only models see interpolations.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Int64s = npt.NDArray[np.int64]
Float64s = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS

# A sampling interval from here on is daily; anything quicker is put on an hourly grid.
_DAILY_FROM_MS = 18 * HOUR_MS
# ... and one from here on is no longer put on a grid of days.
_RARE_FROM_MS = 5 * DAY_MS
# Timestamps this close to the full hour (or midnight) are taken to mean it.
_SNAP_MS = 5 * 60_000
# Linear across short holes; longer ones are bridged along the seasonal profile.
_LINEAR_STEPS = 6
MAX_STEPS = {HOUR_MS: 180 * 24, DAY_MS: 730}
"""Only the newest part of a history is modelled: 180 days of hours, two years of days."""


@dataclass(frozen=True, slots=True)
class Grid:
    """A history at regular times: `values[i]` is for `start_ms + i * step_ms`, NaN where unseen.

    The first and the last value are observed, unless the grid is empty.
    """

    start_ms: int
    step_ms: int
    values: Float64s

    @property
    def end_ms(self) -> int:
        """The time of the last value, in milliseconds UTC."""
        return self.start_ms + (self.values.size - 1) * self.step_ms

    @property
    def observed(self) -> Bools:
        """True where a value was seen."""
        return np.isfinite(self.values)

    @property
    def season_steps(self) -> int:
        """The shortest season of the grid: 24 hours in a day, or 7 days (or rarer values)."""
        return 24 if self.step_ms == HOUR_MS else 7

    @property
    def steps_per_day(self) -> int:
        """24 on an hourly grid, 1 on a daily one and on one of rarer values."""
        return max(DAY_MS // self.step_ms, 1)


def regular(times_ms: Int64s, values: Float64s) -> Grid:
    """The hourly or daily grid of a history.

    `times_ms` (int64, milliseconds UTC) and `values` have equal length, in any order. Values that
    are not finite count as unseen; of two at the same time the later given one holds. Raises
    ValueError where the lengths differ.
    """
    times_ms = np.asarray(times_ms, dtype=np.int64)
    values = np.asarray(values, dtype=np.float64)
    if times_ms.shape != values.shape or times_ms.ndim != 1:
        raise ValueError(f"{times_ms.shape} times for {values.shape} values")
    already = _already(times_ms, values)
    if already is not None:
        return already
    times_ms, values = _sorted_unique(times_ms, values)
    if times_ms.size == 0:
        return Grid(0, HOUR_MS, np.empty(0))
    step_ms = _grid_step(times_ms)
    interval_ms = _interval(times_ms)
    if step_ms == HOUR_MS and interval_ms is not None and interval_ms < 0.9 * HOUR_MS:
        return _hourly_means(times_ms, values)
    return _as_is(times_ms, values, step_ms)


def rare(times_ms: Int64s, values: Float64s) -> Grid | None:
    """The grid of a history whose values are five days or more apart, as those of weeks and months
    are, with their mean distance as its step; None for any other.

    A day between two of them is not made up: it would lean on the later one.
    """
    times_ms, values = _sorted_unique(
        np.asarray(times_ms, dtype=np.int64), np.asarray(values, dtype=np.float64)
    )
    interval_ms = _interval(times_ms)
    if interval_ms is None or interval_ms < _RARE_FROM_MS:
        return None
    # Months differ in length: each value is one step, or some where others are missing, further.
    steps = np.maximum(np.rint(np.diff(times_ms) / interval_ms), 1.0).astype(np.int64)
    at = np.concatenate(([0], steps.cumsum()))
    step_ms = int(times_ms[-1] - times_ms[0]) // int(at[-1])
    kept = at > at[-1] - MAX_STEPS[DAY_MS]
    at, values = at[kept] - at[kept][0], values[kept]
    grid = np.full(int(at[-1]) + 1, np.nan)
    grid[at] = values
    return Grid(int(times_ms[-1]) - (grid.size - 1) * step_ms, step_ms, grid)


def _already(times_ms: Int64s, values: Float64s) -> Grid | None:
    """The grid of what comes once an hour, or once a day, without a hole; None otherwise."""
    step_ms = int(times_ms[1] - times_ms[0]) if times_ms.size > 1 else 0
    if step_ms not in MAX_STEPS or not np.isfinite(values).all():
        return None
    if not bool((times_ms[1:] - times_ms[:-1] == step_ms).all()):
        return None
    kept = values[-MAX_STEPS[step_ms] :]
    end_ms = _snapped(int(times_ms[-1]), step_ms)
    return Grid(end_ms - (kept.size - 1) * step_ms, step_ms, kept.copy())


def _snapped(end_ms: int, step_ms: int) -> int:
    off = (end_ms + _SNAP_MS) % step_ms
    return end_ms + _SNAP_MS - off if off <= 2 * _SNAP_MS else end_ms


def _sorted_unique(times_ms: Int64s, values: Float64s) -> tuple[Int64s, Float64s]:
    seen = np.isfinite(values)
    times_ms, values = times_ms[seen], values[seen]
    order = np.argsort(times_ms, kind="stable")
    times_ms, values = times_ms[order], values[order]
    last = np.append(times_ms[1:] != times_ms[:-1], True)[: times_ms.size]
    return times_ms[last], values[last]


def _interval(times_ms: Int64s) -> float | None:
    if times_ms.size < 2:
        return None
    return float(np.median(np.diff(times_ms)))


def _grid_step(times_ms: Int64s) -> int:
    interval_ms = _interval(times_ms)
    return DAY_MS if interval_ms is not None and interval_ms >= _DAILY_FROM_MS else HOUR_MS


def _hourly_means(times_ms: Int64s, values: Float64s) -> Grid:
    """Means of (h-1h, h]; a first or last hour seen for less than half of its time is left out."""
    hour = -(-times_ms // HOUR_MS)
    first, last = _whole_hours(times_ms, hour)
    inside = (hour >= first) & (hour <= last)
    index, inside_values = hour[inside] - first, values[inside]
    size = min(int(last - first) + 1, MAX_STEPS[HOUR_MS])
    index = index - (int(last - first) + 1 - size)
    inside_values, index = inside_values[index >= 0], index[index >= 0]
    count = np.bincount(index, minlength=size)
    # Each value is divided before it is added: the sum of huge ones would overflow.
    total = np.bincount(index, weights=inside_values / count[index], minlength=size)
    means = np.where(count > 0, total, np.nan)
    return _trimmed(Grid((int(last) - size + 1) * HOUR_MS, HOUR_MS, means))


def _whole_hours(times_ms: Int64s, hour: Int64s) -> tuple[int, int]:
    first, last = int(hour[0]), int(hour[-1])
    if last - first < 2:
        return first, last
    if first * HOUR_MS - int(times_ms[0]) < HOUR_MS // 2:
        first += 1
    if int(times_ms[-1]) - (last - 1) * HOUR_MS < HOUR_MS // 2:
        last -= 1
    return first, last


def _as_is(times_ms: Int64s, values: Float64s, step_ms: int) -> Grid:
    """Each value at the nearest time of the grid that ends with the last sample."""
    end_ms = _snapped(int(times_ms[-1]), step_ms)
    back = (end_ms - times_ms + step_ms // 2) // step_ms
    kept = back < MAX_STEPS[step_ms]
    back, values = back[kept], values[kept]
    size = int(back[0]) + 1
    grid = np.full(size, np.nan)
    grid[size - 1 - back] = values
    return _trimmed(Grid(end_ms - (size - 1) * step_ms, step_ms, grid))


def _trimmed(grid: Grid) -> Grid:
    seen = np.flatnonzero(grid.observed)
    if seen.size == 0:
        return Grid(grid.start_ms, grid.step_ms, np.empty(0))
    first, last = int(seen[0]), int(seen[-1])
    return Grid(grid.start_ms + first * grid.step_ms, grid.step_ms, grid.values[first : last + 1])


def within_one(grid: Grid) -> tuple[Grid, float]:
    """The grid with its values within -1 and 1, and what they were divided by.

    What is computed from these stays finite, however huge or tiny the values are.
    """
    seen = np.abs(grid.values[grid.observed])
    size = float(seen.max(initial=0.0)) or 1.0
    return Grid(grid.start_ms, grid.step_ms, grid.values / size), size


def newest_span(grid: Grid, max_gap_days: float, min_steps: int) -> Grid:
    """The part after the last hole longer than `max_gap_days`, if it has `min_steps` values.

    A hole of that length says nothing about what came before; where too little follows it,
    the grid is returned whole.
    """
    seen = np.flatnonzero(grid.observed)
    if seen.size < 2:
        return grid
    long = np.flatnonzero(np.diff(seen) > max_gap_days * DAY_MS / grid.step_ms)
    if long.size == 0 or seen.size - int(long[-1]) - 1 < min_steps:
        return grid
    first = int(seen[int(long[-1]) + 1])
    return Grid(grid.start_ms + first * grid.step_ms, grid.step_ms, grid.values[first:])


def filled(grid: Grid) -> Float64s:
    """The grid's values with its holes interpolated, for models only.

    Up to six steps linearly; longer holes follow the median profile of the season, shifted
    linearly between the two edges. Same length as the grid; finite where it is not empty.
    """
    values = grid.values
    seen = grid.observed
    if bool(seen.all()):
        return values.copy()
    profile = _phase_median(values, grid.season_steps)
    position = np.arange(values.size)
    linear = np.interp(position, position[seen], values[seen])
    rest = np.interp(position, position[seen], (values - profile)[seen])
    return np.where(_hole_length(seen) > _LINEAR_STEPS, rest + profile, linear)


def _phase_median(values: Float64s, period: int) -> Float64s:
    """The median of each phase around the median of all, tiled to the length of `values`."""
    centre = float(np.median(values[np.isfinite(values)]))
    profile = np.zeros(period)
    for phase in range(period):
        of_phase = values[phase::period]
        of_phase = of_phase[np.isfinite(of_phase)]
        if of_phase.size:
            profile[phase] = np.median(of_phase) - centre
    return np.resize(profile, values.size)


def _hole_length(seen: Bools) -> Int64s:
    """For each position the length of the hole it lies in, 0 where it was seen."""
    edges = np.flatnonzero(np.diff(np.concatenate(([True], seen, [True])).astype(np.int8)))
    length = np.zeros(seen.size, dtype=np.int64)
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        length[start:stop] = stop - start
    return length
