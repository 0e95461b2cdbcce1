"""Anomalies of histories, with the number of false ones a week as the knob.

Surprise is turned into what a reader can weigh: how often ordinary behaviour looks as strange. Time
is cut into periods of three hours, in which one anomaly at most is told. Of the largest surprises
of the past periods the k highest lie over the (k+1)-th, u, by excesses with the sum S. If what
comes is like what was and the tail is exponential, then a new period exceeds u with probability
(k + 1) / (n + 1), and then exceeds u + y with probability (1 + y / S)^-k: both exact for any k
and n, as the rank of a new value among n is uniform and the ratio of y to S has an F law.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tidecast_analytics.series import DAY_MS
from tidecast_analytics.surprise import VIEWS, Steps, surprise

Float64s = npt.NDArray[np.float64]

WEEK_MS = 7 * DAY_MS
MOST_EXPECTED = 5.0
"""Asking for more false anomalies a week than this would ask for what is not in the tail."""
HIGHEST_SCORE = 6.0

_PERIODS_A_DAY = 8
_LEARNED_PERIODS, _LEAST_PERIODS = 224, 8
_TAIL_SHARE, _LEAST_TAIL = 0.125, 3
# As if two excesses of length one, which is what an exponential tail has, had been seen before.
_PRIOR_EXCESSES, _PRIOR_LENGTH = 2, 1.0
_VALUES_AT_ONCE = 120_000


@dataclass(frozen=True, slots=True)
class AnomalyScores:
    """How strange each value [series, steps] was when it came.

    A score is the logarithm to base 10 of the weeks in which ordinary behaviour looks as strange
    once: 0 is once a week, 1 once in ten weeks; -inf is ordinary, NaN unseen or still learning.
    `leading` is the view that shows it most, an index of `VIEWS`; `usual` the median of the same
    time on the days before, NaN on the first day.
    """

    scores: Float64s
    leading: npt.NDArray[np.int8]
    usual: Float64s


@dataclass(frozen=True, slots=True)
class Anomaly:
    """Strange behaviour from `first` to `last`, most so at `peak` (positions); there the value was
    `value` where `usual` (NaN: not known) is usual, and `view` (of `VIEWS`) shows it most."""

    first: int
    last: int
    peak: int
    score: float
    value: float
    usual: float
    view: str


def anomaly_scores(values: Float64s, step_ms: int) -> AnomalyScores:
    """The score of each value of each history [series, steps], from what came before it alone.

    Values are `step_ms` milliseconds apart; what is not finite was not seen. A change of later
    values never changes a score. Nothing is said of the first two days.
    """
    values = np.asarray(values, dtype=np.float64)
    found = AnomalyScores(
        np.full(values.shape, np.nan),
        np.zeros(values.shape, dtype=np.int8),
        np.full(values.shape, np.nan),
    )
    at_once = max(_VALUES_AT_ONCE // max(values.shape[1], 1), 1)
    steps = Steps.of(step_ms)
    for first in range(0, values.shape[0], at_once):
        rows = slice(first, first + at_once)
        told = surprise(values[rows], steps)
        found.scores[rows] = _rarity(told.sizes, steps, step_ms)
        found.leading[rows], found.usual[rows] = told.leading, told.usual
    return found


def period_steps(step_ms: int) -> int:
    """The steps of a period, in which one anomaly at most is told: three hours, or one step."""
    return max(DAY_MS // step_ms // _PERIODS_A_DAY, 1)


def _rarity(sizes: Float64s, steps: Steps, step_ms: int) -> Float64s:
    """log10 of the weeks between two periods as surprising as each value [series, steps]."""
    length = period_steps(step_ms)
    highest = _period_maxima(sizes, length)
    # The views have learned nothing on the first day, so its surprises say nothing.
    highest[:, : -(-max(steps.day, steps.lesson) // length)] = -np.inf
    a_week = WEEK_MS / (step_ms * length)
    found = np.full(sizes.shape, np.nan)
    for start in range(steps.lesson, sizes.shape[1], steps.lesson):
        known = start // length
        past = highest[:, max(0, known - _LEARNED_PERIODS) : known]
        now = slice(start, start + steps.lesson)
        found[:, now] = _rarity_in(sizes[:, now], past, a_week)
    return found


def _period_maxima(sizes: Float64s, length: int) -> Float64s:
    """The largest surprise of each whole period; -inf where nothing was seen."""
    whole = sizes.shape[1] // length
    seen = np.where(np.isnan(sizes), -np.inf, sizes)[:, : whole * length]
    return np.asarray(seen.reshape(sizes.shape[0], whole, length).max(axis=2, initial=-np.inf))


def _rarity_in(sizes: Float64s, past: Float64s, a_week: float) -> Float64s:
    """The rarity of surprises after periods with the maxima `past`; NaN after too few of them."""
    if past.shape[1] < _LEAST_PERIODS:
        return np.full(sizes.shape, np.nan)
    falling = -np.sort(-past, axis=1)
    count = np.isfinite(falling).sum(axis=1, keepdims=True)
    tail = np.maximum((count * _TAIL_SHARE).astype(np.int64), _LEAST_TAIL)
    enough = count >= _LEAST_PERIODS
    begin = np.where(enough, np.take_along_axis(falling, tail, 1), 0.0)
    inside = (np.arange(falling.shape[1]) < tail) & enough
    total = np.where(inside, falling - begin, 0.0).sum(axis=1, keepdims=True, where=inside)
    total, excesses = total + _PRIOR_EXCESSES * _PRIOR_LENGTH, tail + _PRIOR_EXCESSES
    over = np.maximum(sizes - begin, 0.0)
    weeks = np.log10((count + 1) / ((tail + 1) * a_week)) + excesses * np.log10(1 + over / total)
    weeks = np.where(sizes > begin, np.minimum(weeks, HIGHEST_SCORE), -np.inf)
    return np.where(enough & np.isfinite(sizes), weeks, np.nan)


def find_anomalies(
    values: Float64s, scored: AnomalyScores, step_ms: int, expected_per_week: float = 1.0
) -> list[Sequence[Anomaly]]:
    """The anomalies of each history, oldest first, at so many expected false ones a week.

    Strange values less than a period apart are one anomaly. Raises ValueError where
    `expected_per_week` is not over 0 and at most 5.
    """
    least = least_score(expected_per_week)
    strange = np.where(np.isnan(scored.scores), -np.inf, scored.scores) >= least
    found: list[Sequence[Anomaly]] = [()] * values.shape[0]
    for row in np.flatnonzero(strange.any(axis=1)):
        at = np.flatnonzero(strange[row])
        runs = np.split(at, np.flatnonzero(np.diff(at) > period_steps(step_ms)) + 1)
        found[row] = [_anomaly(values[row], scored, int(row), run) for run in runs]
    return found


def least_score(expected_per_week: float) -> float:
    """The score from which on as many false anomalies a week are expected; ValueError as above."""
    if not 0 < expected_per_week <= MOST_EXPECTED:
        raise ValueError(f"{expected_per_week} is not over 0 and at most {MOST_EXPECTED:g} a week")
    return float(-np.log10(expected_per_week))


def _anomaly(
    values: Float64s, scored: AnomalyScores, row: int, run: npt.NDArray[np.int64]
) -> Anomaly:
    peak = int(run[np.argmax(scored.scores[row, run])])
    return Anomaly(
        first=int(run[0]),
        last=int(run[-1]),
        peak=peak,
        score=float(scored.scores[row, peak]),
        value=float(values[peak]),
        usual=float(scored.usual[row, peak]),
        view=VIEWS[scored.leading[row, peak]],
    )
