"""The Numenta Anomaly Benchmark's scoring (Lavin and Ahmad 2015), standard profile.

A window of labelled steps is found by the first detection in it, the earlier the better; every
detection outside of the windows costs, the less the sooner it follows one. The first 15 % of a
series (750 steps at most) are for learning and count neither way.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

Float64s = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Int64s = npt.NDArray[np.int64]

FOUND, MISSED, FALSE = 1.0, -1.0, -0.11
"""What a found window, a missed window and a false detection weigh in the standard profile."""
_PROBATION, _PROBATION_STEPS = 0.15, 5000


@dataclass(frozen=True, slots=True)
class LabelledSeries:
    """A series with its labelled windows as (first, last) positions, both inclusive."""

    name: str
    times_ms: Int64s
    values: Float64s
    windows: Sequence[tuple[int, int]]

    @property
    def probation(self) -> int:
        """So many steps at the start are for learning."""
        return int(_PROBATION * min(self.values.size, _PROBATION_STEPS))

    @property
    def labelled(self) -> Bools:
        """True in the windows."""
        inside = np.zeros(self.values.size, dtype=np.bool_)
        for first, last in self.windows:
            inside[first : last + 1] = True
        return inside


@dataclass(frozen=True, slots=True)
class CorpusScore:
    """The score of a corpus, 0 for saying nothing and 100 for perfection, at its best threshold."""

    score: float
    threshold: float
    found: int
    missed: int


@dataclass(frozen=True, slots=True)
class Detections:
    """Detections inside (`right`) and outside (`false`) of windows, and the windows found."""

    right: int
    false: int
    found: int
    windows: int

    @property
    def precision(self) -> float:
        """The share of detections inside a window; 0 for none."""
        return self.right / max(self.right + self.false, 1)

    @property
    def recall(self) -> float:
        """The share of windows with a detection; 0 for none."""
        return self.found / max(self.windows, 1)


def read_corpus(folder: Path) -> list[LabelledSeries]:
    """The labelled series of a copy of the benchmark: `windows.json` beside folders of CSV files.

    Raises FileNotFoundError where `windows.json` or a file it names is missing.
    """
    labels = json.loads((folder / "windows.json").read_text())
    return [_labelled(folder, name, windows) for name, windows in sorted(labels.items())]


def _labelled(folder: Path, name: str, windows: Sequence[Sequence[str]]) -> LabelledSeries:
    with (folder / name).open(newline="") as lines:
        rows = list(csv.reader(lines))[1:]
    times_ms = np.array([_ms(time) for time, _ in rows], dtype=np.int64)
    values = np.array([float(value) for _, value in rows])
    inside = [np.flatnonzero((times_ms >= _ms(a)) & (times_ms <= _ms(b))) for a, b in windows]
    spans = [(int(steps[0]), int(steps[-1])) for steps in inside if steps.size]
    return LabelledSeries(name, times_ms, values, spans)


def _ms(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def scaled_sigmoid(position: Float64s) -> Float64s:
    """1 long before, 0 at, and -1 long after the end of a window: 2 / (1 + exp(5 y)) - 1."""
    return np.where(position > 3.0, -1.0, 2.0 / (1.0 + np.exp(5.0 * np.minimum(position, 3.0))) - 1)


def step_weights(series: LabelledSeries) -> Float64s:
    """What a detection at each step is worth: up to 1 in a window, down to -0.11 outside of all."""
    steps = np.arange(series.values.size)
    weights = np.full(steps.size, FALSE)
    for first, last in series.windows:
        after = (steps - last) / max(last - first, 1)
        weights = np.where(steps > last, scaled_sigmoid(after) * -FALSE, weights)
    best = float(scaled_sigmoid(np.array(-1.0)))
    for first, last in series.windows:
        inside = slice(first, last + 1)
        position = -(last - steps[inside] + 1) / (last - first + 1)
        weights[inside] = scaled_sigmoid(position) * FOUND / best
    return weights


def corpus_score(corpus: Sequence[LabelledSeries], scores: Sequence[Float64s]) -> CorpusScore:
    """The score at the threshold that serves the whole corpus best.

    `scores` holds one array for each series, higher being stranger; a detection is a score at or
    over the threshold. Scores in the time of learning, -inf and NaN detect nothing.
    """
    gains = [gain for each in zip(corpus, scores, strict=True) for gain in _gains(*each)]
    windows = sum(len(each.windows) for each in corpus)
    nothing = MISSED * windows
    falling = sorted(gains, reverse=True)
    totals = nothing + np.cumsum([gain for _, gain in falling])
    at = np.array([threshold for threshold, _ in falling])
    # A threshold lets through all scores that equal it.
    totals = np.where(np.append(at[1:] != at[:-1], True)[: at.size], totals, -np.inf)
    if not totals.size or totals.max() <= nothing:
        return CorpusScore(0.0, np.inf, 0, windows)
    best = int(np.argmax(totals))
    normal = 100.0 * (totals[best] - nothing) / ((FOUND - MISSED) * windows)
    found = detections(corpus, scores, float(at[best])).found
    return CorpusScore(float(normal), float(at[best]), found, windows - found)


def _gains(series: LabelledSeries, given: Float64s) -> list[tuple[float, float]]:
    """As (threshold, gain), what is gained once the threshold falls so low."""
    score = _counting(series, given)
    weights = step_weights(series)
    outside = np.isfinite(score) & ~series.labelled
    gains = list(zip(score[outside].tolist(), weights[outside].tolist(), strict=True))
    for first, last in series.windows:
        inside, worth = score[first : last + 1], weights[first : last + 1]
        before = np.maximum.accumulate(np.append(-np.inf, inside))[:-1]
        # The first detection counts: as the threshold falls, it moves to an earlier record.
        so_far = MISSED
        for at in np.flatnonzero(inside > before)[::-1]:
            gains.append((float(inside[at]), float(worth[at]) - so_far))
            so_far = float(worth[at])
    return gains


def _counting(series: LabelledSeries, given: Float64s) -> Float64s:
    """The scores that can detect something; -inf elsewhere."""
    score = np.where(np.isnan(given), -np.inf, given)
    score[: series.probation] = -np.inf
    return score


def detections(
    corpus: Sequence[LabelledSeries], scores: Sequence[Float64s], threshold: float
) -> Detections:
    """The detections at one threshold, none of them adjusted: each is in a window or is not."""
    right = false = found = windows = 0
    for series, given in zip(corpus, scores, strict=True):
        hit = _counting(series, given) >= threshold
        right += int(np.count_nonzero(hit & series.labelled))
        false += int(np.count_nonzero(hit & ~series.labelled))
        found += sum(bool(hit[first : last + 1].any()) for first, last in series.windows)
        windows += len(series.windows)
    return Detections(right, false, found, windows)


def average_precision(corpus: Sequence[LabelledSeries], scores: Sequence[Float64s]) -> float:
    """The mean of the precision at each labelled value, by falling score over the whole corpus;
    equal scores count as one threshold."""
    pairs = list(zip(corpus, scores, strict=True))
    score = np.concatenate([_counting(*each)[each[0].probation :] for each in pairs])
    label = np.concatenate([each.labelled[each.probation :] for each in corpus])
    order = np.argsort(-score, kind="stable")
    score, label = score[order], label[order]
    ends = np.flatnonzero(np.append(score[1:] != score[:-1], True))
    right = np.cumsum(label)[ends]
    gained = np.diff(right, prepend=0)
    return float((right / (ends + 1) * gained).sum() / max(int(right[-1]), 1))
