"""When a daily level first reaches a mark: the law of its running maximum.

A mark is crossed within h days just if the highest level of those days reaches it. So each shape
(`dayshapes`) says that highest level for each h, and a back-test from many days of the past says
how far it was off: that gives the law of the maximum. The laws are mixed, and the probability
that the mark is crossed by each day is the share of the mixture at or above it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from tidecast_analytics import dayshapes, shapeweights
from tidecast_analytics.dailypeaks import Days
from tidecast_analytics.robust import dejumped_slope
from tidecast_analytics.smoothing import smoothed

Float64s = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

LEAST_DAYS = 14
"""A shorter history is not judged day by day."""
PATHS = 256

# How many days before the end the back-test looks ahead from, and how far.
_BACK = (1, 2, 3, 5, 7, 10, 14, 20, 28, 40, 56, 70, 84, 100, 120, 150, 180, 210, 240, 270, 300)
_SCORED = np.array([1, 2, 3, 5, 7, 10, 14, 20, 28, 40, 56, 80, 112, 160, 224, 320])
# Days ahead that are computed: each of the first four weeks, then ever fewer.
_EACH_DAY, _FEWER = 28, 1.04
_LEVELS = np.array([0.01, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95, 0.99])
_NORMAL = np.array([NormalDist().inv_cdf(level) for level in _LEVELS])
_ENDS = np.concatenate(([0.0], _LEVELS, [1.0]))
# The law of the errors is a quarter normal, of the deviation that goes with a mean error.
_NORMAL_SHARE, _OF_MEAN_ERROR = 0.25, 1.25
# Mixed laws are wide by their differences: each is narrowed, and widened where few days speak.
_NARROWED, _FEW = 0.75, 0.5
# Beyond the back-test errors grow with this power of the days, or as they did within it.
_GROWTH, _BELIEVED, _LEAST_GROWTH, _MOST_GROWTH = 0.8, 0.6, 0.2, 1.2
_TREND_CHANGE, _MOST_TREND_CHANGE = 0.1, 0.5
_LEAST_ERROR = 1e-4
_LEAST_WEIGHT = 0.02
_CONTEXT_DAYS = 60


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a batch of series before a mark is asked for.

    `highest` [shapes, series, days ahead] is the running maximum each shape says, `size` its mean
    error, `law` [shapes, series, levels] the law of the errors in that unit; `scores` [shapes,
    series, kinds of score] and `context` [series, traits] are what the weights depend on.
    """

    names: Sequence[str]
    ahead: Int64s
    highest: Float64s
    size: Float64s
    law: Float64s
    scores: Float64s
    context: Float64s


def evidence(peaks: Float64s, horizon: int) -> Evidence:
    """What the shapes say of `horizon` days, and how they did so far.

    `peaks` [series, days] are sustained daily peaks within -1 and 1, at least 14 days.
    """
    count = peaks.shape[1]
    ends = [count - back for back in _BACK if count - back >= max(LEAST_DAYS // 2, count // 4)]
    states = smoothed(peaks, [*ends, count])
    ahead = _days_ahead(horizon)
    now = _highest(Days(peaks, states[count]), ahead)
    windows = [(end, int(days)) for end in ends for days in _scored(count - end)]
    errors = np.full((len(now), peaks.shape[0], len(windows)), np.nan)
    for end in ends:
        scored = _scored(count - end)
        said = _highest(Days(peaks[:, :end], states[end]), _days_ahead(int(scored[-1])))
        seen = np.maximum.accumulate(peaks[:, end:], axis=1)[:, scored - 1]
        place = np.searchsorted(_days_ahead(int(scored[-1])), scored)
        columns = [which for which, window in enumerate(windows) if window[0] == end]
        for shape, name in enumerate(now):
            if name in said:
                errors[shape][:, columns] = seen - said[name][:, place]
    return _judged(peaks, now, errors, np.array(windows), ahead)


def probabilities(found: Evidence, marks: Float64s) -> Float64s:
    """P(crossed by the day) for each series and its mark, [series, days ahead], never falling."""
    weights = shapeweights.weights(found.names, found.scores, found.context)
    weights = np.where(weights < _LEAST_WEIGHT, 0.0, weights)
    weights /= weights.sum(axis=0)
    size = found.size * shapeweights.widths(found.context)[:, None]
    mixed = np.zeros(found.highest.shape[1:])
    for shape in range(len(found.names)):
        some = weights[shape] > 0
        mixed[some] += weights[shape, some, None] * share_at_or_above(
            found.highest[shape, some], size[shape, some], found.law[shape, some], marks[some]
        )
    return np.asarray(np.maximum.accumulate(mixed, axis=1))


def passages(chance: Float64s, ahead: Int64s, horizon: int, per_day: int) -> Int64s:
    """The step (0 first) at which each of 256 equally likely paths crosses, [series, paths].

    `chance` [series, days ahead] is P(crossed by the day). Ascending; the horizon, in steps, where
    a path does not cross. Within a day the probability grows evenly.
    """
    days = np.concatenate(([0], ahead))
    levels = (np.arange(PATHS) + 0.5) / PATHS
    steps = np.full((chance.shape[0], PATHS), horizon, dtype=np.int64)
    for row, known in enumerate(np.pad(chance, ((0, 0), (1, 0)))):
        crossed = levels <= known[-1]
        later = np.searchsorted(known, levels[crossed])
        gained = np.maximum(known[later] - known[later - 1], 1e-12)
        part = np.clip((levels[crossed] - known[later - 1]) / gained, 0, 1)
        at = days[later - 1] + part * (days[later] - days[later - 1])
        steps[row, crossed] = np.ceil(at * per_day - 1e-9).astype(np.int64) - 1
    return np.asarray(np.clip(steps, 0, horizon))


def _scored(most: int) -> Int64s:
    """The days ahead that are scored where `most` are known."""
    return np.asarray(_SCORED[: np.searchsorted(_SCORED, most, side="right")])


def _days_ahead(horizon: int) -> Int64s:
    """The days ahead that are computed: those scored, and the horizon, always among them."""
    steps = [float(_EACH_DAY)]
    while steps[-1] < horizon:
        steps.append(max(steps[-1] + 1, steps[-1] * _FEWER))
    later = np.round(steps).astype(np.int64)
    days = np.concatenate((np.arange(1, _EACH_DAY + 1), later, _SCORED, [horizon]))
    return np.unique(days[days <= horizon])


def _highest(days: Days, ahead: Int64s) -> dict[str, Float64s]:
    """The running maximum over the days `ahead` by each shape, [series, days ahead]."""
    low, high = days.peaks.min(axis=1)[:, None], days.peaks.max(axis=1)[:, None]
    # A shape may leave the range seen by that range, and by more the further it looks ahead.
    reach = (high - low) * (1 + 3 * ahead / days.count)
    season = days.season(ahead)
    found = {}
    for name, path in _paths(days, ahead).items():
        within = np.clip(path + season, low - reach, high + reach)
        found[name] = np.maximum.accumulate(within, axis=1)
    mirrored = np.maximum.accumulate(days.peaks[:, ::-1], axis=1)
    found["as high as before"] = mirrored[:, np.minimum(ahead, days.count) - 1]
    for name in ("line 5", "ordinary days"):
        found[f"{name}, up to the top"] = np.minimum(found[name], high)
    return found


def _paths(days: Days, ahead: Int64s) -> dict[str, Float64s]:
    levels = days.levels
    last, none = levels[:, -1], np.zeros(levels.shape[0])
    found = {
        "last": dayshapes.line(last, none, ahead),
        "usual": dayshapes.line(days.now(none, 7), none, ahead),
        "smoothed": days.smoothed.path(ahead),
    }
    for window in (5, 10, 20, 40, 80, 160):
        if window > 5 and days.count < 0.75 * window:
            continue
        slope = days.slope(window)
        now = days.now(slope, min(window, 7))
        found[f"line {window}"] = dayshapes.line(now, slope, ahead)
        if window in (10, 40):
            found[f"damped {window}"] = dayshapes.damped(now, slope, ahead)
    for window in (7, 28, 84):
        if window == 7 or days.count > 0.75 * window:
            back = min(window, days.count - 1)
            rise: Float64s = (last - levels[:, -back - 1]) / back
            found[f"drift {window}"] = dayshapes.line(last, rise, ahead)
    found["ordinary days"] = dayshapes.line(last, dejumped_slope(levels[:, -57:]), ahead)
    if days.count >= 14:
        found["newest pace"] = dayshapes.elbow(days, ahead)
        found["period"] = dayshapes.periodic(days, ahead)
    return found | _bent_paths(days, ahead)


def _bent_paths(days: Days, ahead: Int64s) -> dict[str, Float64s]:
    found: dict[str, Float64s] = {}
    for window in (28, 56):
        if days.count >= window:
            found[f"bend {window}"] = dayshapes.bend(days, window, ahead, as_power=False)
            found[f"power {window}"] = dayshapes.bend(days, window, ahead, as_power=True)
    if days.count < 20:
        return found
    now = days.now(days.slope(20), 4)[:, None]
    spans = [("", 400)] if days.count < 60 else [("", 400), (" 45", 45)]
    for span, window in spans:
        limited, exponential, logistic = dayshapes.curves(days.levels[:, -window:], ahead)
        found[f"to a limit{span}"] = now + limited
        found[f"logistic{span}"] = now + logistic
        if not span:
            found["exponential"] = now + exponential
    return found


def _judged(
    peaks: Float64s,
    now: dict[str, Float64s],
    errors: Float64s,
    windows: Int64s,
    ahead: Int64s,
) -> Evidence:
    """The evidence from errors [shapes, series, windows], NaN where a shape could not speak."""
    spoke = np.isfinite(errors[:, 0])
    # A shape that speaks now for the first time has no record: it stays out.
    used = spoke.sum(axis=1) >= 0.4 * windows.shape[0]
    names = [name for name, one in zip(now, used, strict=True) if one]
    highest = np.stack([now[name] for name in names])
    errors, spoke = np.where(spoke[:, None], errors, 0.0)[used], spoke[used]
    scored = np.unique(windows[:, 1])
    place = np.searchsorted(scored, windows[:, 1])
    mean = _mean_errors(np.abs(errors), spoke, place, scored.size)
    logs, size = _sizes(mean, scored, ahead)
    score = _scores(np.abs(errors), spoke, windows, mean, place, peaks.shape[1])
    law = _laws(errors / np.exp(logs[:, :, place]), spoke, np.unique(windows[:, 0]).size)
    rise = np.abs(highest - highest[:, :, :1])
    change = np.minimum(_TREND_CHANGE * ahead / peaks.shape[1], _MOST_TREND_CHANGE)
    return Evidence(
        names, ahead, highest, np.hypot(size, rise * change), law, score, _context(peaks)
    )


def _mean_errors(errors: Float64s, spoke: Bools, place: Int64s, count: int) -> Float64s:
    """The mean absolute error of each shape so many days ahead, never falling with them."""
    which = np.eye(count)[place]
    seen = np.maximum(spoke @ which, 1e-9)
    return np.asarray(np.maximum.accumulate(errors @ which / seen[:, None], axis=2))


def _sizes(mean: Float64s, scored: Int64s, ahead: Int64s) -> tuple[Float64s, Float64s]:
    """Logarithms of the smoothed mean errors at the days scored, and mean errors for all days."""
    logs = np.log(mean + 0.1 * _LEAST_ERROR)
    growth = np.full(mean.shape[:2], _GROWTH)
    if scored.size >= 3:
        smooth = logs.copy()
        smooth[:, :, 1:-1] = (logs[:, :, :-2] + 2 * logs[:, :, 1:-1] + logs[:, :, 2:]) / 4
        smooth[:, :, -1] = np.maximum(logs[:, :, -1], smooth[:, :, -2])
        logs, middle = smooth, scored.size // 2
        seen = (logs[:, :, -1] - logs[:, :, middle - 1]) / np.log(scored[-1] / scored[middle - 1])
        growth = _BELIEVED * seen + (1 - _BELIEVED) * _GROWTH
    growth = np.clip(growth, _LEAST_GROWTH, _MOST_GROWTH)
    parts = [np.interp(np.log(ahead), np.log(scored), one) for one in np.eye(scored.size)]
    beyond = np.maximum(np.log(ahead / scored[-1]), 0)
    return logs, np.exp(logs @ np.stack(parts) + growth[:, :, None] * beyond)


def _scores(
    errors: Float64s,
    spoke: Bools,
    windows: Int64s,
    mean: Float64s,
    place: Int64s,
    count: int,
) -> Float64s:
    """Logarithms of the mean errors relative to the best shape: over all windows, over the
    longest looks ahead, and from the last two weeks, four weeks and one week."""
    usual = np.maximum.accumulate(np.median(mean, axis=0), axis=1) + _LEAST_ERROR
    relative = errors / usual[:, place]
    end, days = windows[:, 0], windows[:, 1]
    newest = [np.asarray(end >= count - back) for back in (14, 30, 7)]
    kinds = (np.ones(end.size, dtype=np.bool_), np.asarray(days >= 0.3 * days.max()), *newest)
    found = []
    for some in kinds:
        counted = spoke & some
        # Who did not speak there is judged by all it said.
        counted = np.where(counted.any(axis=1)[:, None], counted, spoke)
        score = (relative @ counted[:, :, None])[:, :, 0] / counted.sum(axis=1)[:, None] + 0.01
        found.append(np.log(score / score.min(axis=0)))
    return np.stack(found, axis=2)


def _laws(relative: Float64s, spoke: Bools, ends: int) -> Float64s:
    """The law of the errors in units of their size, at `_LEVELS`."""
    laws = np.empty((*relative.shape[:2], _LEVELS.size))
    for shape, said in enumerate(spoke):
        ordered = np.sort(relative[shape][:, said], axis=1)
        place = _LEVELS * (ordered.shape[1] - 1)
        below = place.astype(np.intp)
        above = np.minimum(below + 1, ordered.shape[1] - 1)
        low = ordered[:, below]
        laws[shape] = low + (place - below) * (ordered[:, above] - low)
    laws = (1 - _NORMAL_SHARE) * laws + _NORMAL_SHARE * _OF_MEAN_ERROR * _NORMAL
    return np.asarray(laws * _NARROWED * (1 + _FEW / max(ends / 3, 1)))


def share_at_or_above(
    highest: Float64s, size: Float64s, law: Float64s, marks: Float64s
) -> Float64s:
    """P(maximum >= mark), [series, days ahead], linear between the levels of the law."""
    away = (marks[:, None] - highest) / size
    first = 2 * law[:, :1] - law[:, 1:2] - 1e-9
    last = 2 * law[:, -1:] - law[:, -2:-1] + 1e-9
    at = np.concatenate((first, law, last), axis=1)
    below = np.zeros_like(away)
    for which, gained in enumerate(np.diff(_ENDS)):
        width = np.maximum(at[:, which + 1] - at[:, which], 1e-9)
        below += gained * np.clip((away - at[:, which, None]) / width[:, None], 0, 1)
    return np.asarray(1 - below)


def _context(peaks: Float64s) -> Float64s:
    """Traits of each series on which weights depend, [series, traits], the first one 1.

    Length; how much a line, an elbow and a parabola explain; how rare its moves are; the sign and
    strength of its trend; how far it has just left all it was before; how far it wanders.
    """
    series, count = peaks.shape
    newest = peaks[:, -_CONTEXT_DAYS:]
    at = np.arange(newest.shape[1]) - (newest.shape[1] - 1) / 2
    rest = newest - newest.mean(axis=1, keepdims=True)
    power = (rest**2).sum(axis=1) + 1e-12
    slope = rest @ at / (at @ at)
    least = 1e-9 * power
    line = np.maximum(power - slope**2 * (at @ at), least)
    square = at**2 - (at**2).mean()
    curve = np.maximum(line - (rest @ square) ** 2 / (square @ square), least)
    elbow = np.maximum(power - dayshapes.elbow_fit(newest)[2], least)
    moves = np.abs(np.diff(peaks, axis=1))
    # Of noise around a curve half of the squared moves is left, of a walk far more than one.
    steps = newest.shape[1] * (np.diff(newest, axis=1) ** 2).mean(axis=1) + least + 1e-12
    left = peaks[:, -3:].max(axis=1) - peaks[:, :-7].max(axis=1)
    return np.stack(
        (
            np.ones(series),
            np.full(series, np.log(count / 90)),
            np.log(power / line) / 3,
            np.log(line / elbow) / 2,
            np.log(elbow / curve) / 2,
            np.median(moves, axis=1) / (moves.mean(axis=1) + 1e-12) - 0.7,
            np.sign(slope) * (1 - line / power),
            np.clip(left / np.maximum(np.ptp(peaks, axis=1), 1e-12), -1, 1),
            np.clip(np.log(np.minimum(elbow, curve) / steps) / 2, -1, 2),
        ),
        axis=1,
    )
