"""Functions over range vectors: `*_over_time`, rates and their kin.

Each takes windows and gives one value for each window that has enough samples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from tidecast.promql.block import Block, Bools
from tidecast.promql.errors import QueryError
from tidecast.promql.lines import lines
from tidecast.promql.rates import delta, increase, rate
from tidecast.promql.segments import row_quantiles, segment_quantiles, segment_sums
from tidecast.promql.windows import CHUNK, Windows, expand, window_extremes, window_sums
from tidecast.samples.batch import Float64s, Int64s

_FEW_LENGTHS = 16
RangeFunction = Callable[[Windows], Block]


def sum_over_time(windows: Windows) -> Block:
    """The sum of each window."""
    sums = window_sums(windows.values, windows.offsets, windows.first, windows.last, windows.tick)
    return windows.block(sums, windows.counts > 0)


def avg_over_time(windows: Windows) -> Block:
    """The mean of each window."""
    return windows.block(_means(windows), windows.counts > 0)


def _means(windows: Windows) -> Float64s:
    counts = np.maximum(windows.counts, 1)
    sums = window_sums(windows.values, windows.offsets, windows.first, windows.last, windows.tick)
    means: Float64s = sums / counts
    # A sum may overflow where the mean does not: there each value is divided first.
    over = ~np.isfinite(sums) & (windows.counts > 0)
    if over.any():
        first, last, number = windows.first[over], windows.last[over], counts[over]
        patched = np.empty(len(first))
        for part, ids, places in expand(first, last, windows.tick):
            shares = windows.values[places] / number[part][ids]
            patched[part] = segment_sums(shares, ids, part.stop - part.start)
        means[over] = patched
    return means


def min_over_time(windows: Windows) -> Block:
    """The least value of each window."""
    found = window_extremes(windows.values, windows.first, windows.last, np.fmin)
    return windows.block(found, windows.counts > 0)


def max_over_time(windows: Windows) -> Block:
    """The greatest value of each window."""
    found = window_extremes(windows.values, windows.first, windows.last, np.fmax)
    return windows.block(found, windows.counts > 0)


def count_over_time(windows: Windows) -> Block:
    """The number of samples in each window."""
    return windows.block(windows.counts.astype(np.float64), windows.counts > 0)


def present_over_time(windows: Windows) -> Block:
    """1 where the window has a sample."""
    return windows.block(np.ones(windows.first.shape), windows.counts > 0)


def last_over_time(windows: Windows) -> Block:
    """The newest value of each window; the name stays."""
    return windows.block(windows.at(windows.last - 1), windows.counts > 0, drop_name=False)


def first_over_time(windows: Windows) -> Block:
    """The oldest value of each window; the name stays."""
    return windows.block(windows.at(windows.first), windows.counts > 0, drop_name=False)


def ts_of_last_over_time(windows: Windows) -> Block:
    """When the newest sample of each window was taken, in seconds."""
    return windows.block(windows.times_at(windows.last - 1) / 1000, windows.counts > 0)


def ts_of_first_over_time(windows: Windows) -> Block:
    """When the oldest sample of each window was taken, in seconds."""
    return windows.block(windows.times_at(windows.first) / 1000, windows.counts > 0)


def ts_of_min_over_time(windows: Windows) -> Block:
    """When the window last had its least value, in seconds."""
    return _time_of(windows, window_extremes(windows.values, windows.first, windows.last, np.fmin))


def ts_of_max_over_time(windows: Windows) -> Block:
    """When the window last had its greatest value, in seconds."""
    return _time_of(windows, window_extremes(windows.values, windows.first, windows.last, np.fmax))


def _time_of(windows: Windows, wanted: Float64s) -> Block:
    target = wanted.ravel()
    place = windows.last.ravel() - 1
    for part, ids, places in expand(windows.first.ravel(), windows.last.ravel(), windows.tick):
        hits = windows.values[places] == target[part][ids]
        # Places ascend within a window: the last assignment is the newest.
        place[part.start + ids[hits]] = places[hits]
    found = windows.times_at(place).reshape(wanted.shape) / 1000
    return windows.block(found, windows.counts > 0)


def stdvar_over_time(windows: Windows) -> Block:
    """The population variance of each window."""
    return windows.block(_variances(windows), windows.counts > 0)


def stddev_over_time(windows: Windows) -> Block:
    """The population standard deviation of each window."""
    return windows.block(np.sqrt(_variances(windows)), windows.counts > 0)


def _variances(windows: Windows) -> Float64s:
    means = _means(windows).ravel()
    result = np.zeros(len(means))
    for part, ids, places in expand(windows.first.ravel(), windows.last.ravel(), windows.tick):
        squares = (windows.values[places] - means[part][ids]) ** 2
        result[part] = segment_sums(squares, ids, part.stop - part.start)
    shaped: Float64s = result.reshape(windows.first.shape) / np.maximum(windows.counts, 1)
    return shaped


def quantile_over_time(windows: Windows, quantiles: Float64s) -> Block:
    """The quantile of each window, `quantiles` [steps]."""
    shape = windows.first.shape
    wanted = np.broadcast_to(quantiles, shape).ravel()
    return windows.block(
        _quantiles(windows, windows.values, wanted).reshape(shape), windows.counts > 0
    )


def _quantiles(windows: Windows, values: Float64s, wanted: Float64s) -> Float64s:
    result = np.full(len(wanted), np.nan)
    if _is_even(windows):
        for rows, places in _tables(windows):
            result[rows] = row_quantiles(values[places], wanted[rows])
        return result
    for part, ids, places in expand(windows.first.ravel(), windows.last.ravel(), windows.tick):
        result[part] = segment_quantiles(values[places], ids, wanted[part])
    return result


def _is_even(windows: Windows) -> bool:
    """Whether windows hold numbers only, and are of so few lengths that tables can be made."""
    counts = windows.ends - windows.begins
    return len(np.unique(counts)) <= _FEW_LENGTHS and not np.isnan(windows.values).any()


def _tables(windows: Windows) -> Iterator[tuple[Int64s, Int64s]]:
    """Windows of one length at a time: which (as if flat), and the places in each [rows x length].

    Windows without a sample are left out; tables are of bounded size.
    """
    first, counts = windows.first.ravel(), windows.counts.ravel()
    for length in np.unique(counts[counts > 0]).tolist():
        rows = np.flatnonzero(counts == length)
        at_once = max(1, CHUNK // length)
        for at in range(0, len(rows), at_once):
            windows.tick()
            some = rows[at : at + at_once]
            yield some, first[some][:, None] + np.arange(length)


def mad_over_time(windows: Windows) -> Block:
    """The median distance from the median of each window."""
    result = np.full(windows.first.size, np.nan)
    if _is_even(windows) and np.isfinite(windows.values).all():
        for rows, table in _tables(windows):
            halves = np.full(len(rows), 0.5)
            values = windows.values[table]
            away = np.abs(values - row_quantiles(values, halves)[:, None])
            result[rows] = row_quantiles(away, halves)
        return windows.block(result.reshape(windows.first.shape), windows.counts > 0)
    for part, ids, places in expand(windows.first.ravel(), windows.last.ravel(), windows.tick):
        halves = np.full(part.stop - part.start, 0.5)
        values = windows.values[places]
        medians = segment_quantiles(values, ids, halves)
        result[part] = segment_quantiles(np.abs(values - medians[ids]), ids, halves)
    return windows.block(result.reshape(windows.first.shape), windows.counts > 0)


def changes(windows: Windows) -> Block:
    """How often the value changed within each window."""
    values = windows.values
    changed = (values[1:] != values[:-1]) & ~(np.isnan(values[1:]) & np.isnan(values[:-1]))
    return windows.block(_count_between(windows, changed), windows.counts > 0)


def resets(windows: Windows) -> Block:
    """How often the value fell within each window."""
    fell = windows.values[1:] < windows.values[:-1]
    return windows.block(_count_between(windows, fell), windows.counts > 0)


def _count_between(windows: Windows, event: Bools) -> Float64s:
    """How many neighbours within each window have the event (`event[i]`: between i and i + 1)."""
    running = np.concatenate(([0], np.cumsum(event), [0]))[: max(len(windows.values), 1)]
    counted = windows.at(windows.last - 1, running) - windows.at(windows.first, running)
    return counted.astype(np.float64)


def irate(windows: Windows) -> Block:
    """The increase a second between the last two samples of each window."""
    return _between_last_two(windows, per_second=True)


def idelta(windows: Windows) -> Block:
    """The difference of the last two samples of each window."""
    return _between_last_two(windows, per_second=False)


def _between_last_two(windows: Windows, *, per_second: bool) -> Block:
    newest, previous = windows.at(windows.last - 1), windows.at(windows.last - 2)
    result = newest - previous
    if per_second:
        result = np.where(newest < previous, newest, result)
        elapsed = windows.times_at(windows.last - 1) - windows.times_at(windows.last - 2)
        result = result / (elapsed / 1000)
    return windows.block(result, windows.counts >= 2)


def deriv(windows: Windows) -> Block:
    """The slope a second of the straight line through each window."""
    slope, _ = lines(windows, windows.times_at(windows.first))
    return windows.block(slope, windows.counts >= 2)


def predict_linear(windows: Windows, at_ms: Int64s, ahead_seconds: Float64s) -> Block:
    """What the straight line through each window says so many seconds after the step."""
    around = np.broadcast_to(at_ms.astype(np.float64), windows.first.shape)
    slope, intercept = lines(windows, around)
    predicted = slope * ahead_seconds + intercept
    return windows.block(predicted, windows.counts >= 2)


def double_exponential_smoothing(windows: Windows, smoothing: Float64s, trend: Float64s) -> Block:
    """Holt's level and trend smoothed through each window; factors [steps] within (0, 1)."""
    for name, factors in (("smoothing", smoothing), ("trend", trend)):
        bad = ~((factors > 0) & (factors < 1))
        if bad.any():
            short = "sf" if name == "smoothing" else "tf"
            raise QueryError(
                f"invalid {name} factor. Expected: 0 < {short} < 1, got: {factors[bad][0]:f}"
            )
    counts = windows.counts
    level, slope = windows.at(windows.first), windows.at(windows.first + 1)
    slope = slope - level
    earlier = level
    # The recursion has no closed form: one pass for each place within the longest window.
    for place in range(1, int(counts.max(initial=0))):
        windows.tick()
        if place > 1:
            slope = np.where(place < counts, trend * (level - earlier) + (1 - trend) * slope, slope)
        newer = smoothing * windows.at(windows.first + place) + (1 - smoothing) * (level + slope)
        earlier = np.where(place < counts, level, earlier)
        level = np.where(place < counts, newer, level)
    return windows.block(level, counts >= 2)


RANGE_FUNCTIONS: dict[str, RangeFunction] = {
    function.__name__: function
    for function in (
        avg_over_time,
        changes,
        count_over_time,
        delta,
        deriv,
        first_over_time,
        idelta,
        increase,
        irate,
        last_over_time,
        mad_over_time,
        max_over_time,
        min_over_time,
        present_over_time,
        rate,
        resets,
        stddev_over_time,
        stdvar_over_time,
        sum_over_time,
        ts_of_first_over_time,
        ts_of_last_over_time,
        ts_of_max_over_time,
        ts_of_min_over_time,
    )
}
"""The functions whose only argument is a range vector, by name."""
