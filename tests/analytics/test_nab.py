"""The scoring of the anomaly benchmark, against hand calculations."""

import math

import numpy as np
import pytest
from benchmarks.forecast.nab_scoring import (
    LabelledSeries,
    average_precision,
    corpus_score,
    detections,
    scaled_sigmoid,
    step_weights,
)

STEPS = 200


def series(*windows, size=STEPS):
    return LabelledSeries("made", np.arange(size), np.zeros(size), windows)


def at(*steps, size=STEPS):
    scores = np.zeros(size)
    scores[list(steps)] = 1.0
    return scores


def sigmoid(position):
    return 2 / (1 + math.exp(5 * position)) - 1


def test_the_sigmoid_falls_from_one_to_minus_one():
    # 2 / (1 + e^-5) - 1 = 0.98661; 0 at the end of the window; -1 beyond three widths.
    found = scaled_sigmoid(np.array([-1.0, 0.0, 1.0, 3.1]))
    assert found == pytest.approx([0.98661, 0.0, -0.98661, -1.0], abs=1e-5)


def test_weights_around_a_window():
    weights = step_weights(series((100, 119)))
    assert weights[100] == pytest.approx(1.0)
    assert weights[110] == pytest.approx(sigmoid(-0.5) / sigmoid(-1))
    assert weights[99] == -0.11
    assert weights[120] == pytest.approx(0.11 * sigmoid(1 / 19))
    assert weights[199] == -0.11


def test_perfect_is_100_and_silence_is_0():
    corpus = [series((100, 119)), series((60, 79), (150, 169)), series()]
    perfect = corpus_score(corpus, [at(100), at(60, 150), at()])
    assert (perfect.score, perfect.found, perfect.missed) == (pytest.approx(100), 3, 0)
    assert corpus_score(corpus, [at(), at(), at()]).score == 0


def test_one_late_detection_and_one_false_one():
    # Found at half of its window: 0.8598; one false alarm before it: -0.11; nothing is missed.
    # From -1 (silence) to 1 (perfection): (0.8598 - 0.11 + 1) / 2 = 87.5 %.
    found = corpus_score([series((100, 119))], [at(50, 110)])
    worth = sigmoid(-0.5) / sigmoid(-1)
    assert found.score == pytest.approx(100 * (worth - 0.11 + 1) / 2)


def test_later_detections_in_a_window_count_for_nothing():
    once, often = (corpus_score([series((100, 119))], [s]) for s in (at(105), at(105, 110, 119)))
    assert once == often


def test_the_best_threshold_is_found():
    scores = at()
    scores[[40, 50, 60]] = 0.2
    scores[100] = 0.7
    found = corpus_score([series((100, 119))], [scores])
    assert (found.score, found.threshold) == (pytest.approx(100), 0.7)


def test_the_time_of_learning_counts_for_nothing():
    # 15 % of 200 steps are 30; of more than 5000, 750.
    assert series().probation == 30
    assert series(size=20_000).probation == 750
    assert corpus_score([series((100, 119))], [at(3, 29, 100)]).score == pytest.approx(100)


def test_precision_and_recall_are_not_adjusted():
    corpus = [series((100, 119), (150, 159))]
    found = detections(corpus, [at(105, 106, 190, 195)], 1.0)
    assert (found.precision, found.recall) == (0.5, 0.5)


def test_average_precision_by_hand():
    # By falling score: right, false, right, and then 168 others that hold the 18 missing ones.
    scores = at()
    scores[[100, 60, 101]] = [0.9, 0.8, 0.7]
    expected = (1 / 1 + 2 / 3 + 18 * 20 / 170) / 20
    assert average_precision([series((100, 119))], [scores]) == pytest.approx(expected)
