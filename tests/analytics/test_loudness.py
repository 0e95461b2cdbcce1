import numpy as np
import pytest

from tidecast_analytics.loudness import louder

RANDOM = np.random.default_rng


def signs(sizes):
    """Days that go up and down by turns, so that each differs from the one before."""
    sizes = np.repeat(sizes, 24)
    return (sizes * np.tile(np.repeat([1.0, -1.0], 24), sizes.size)[: sizes.size])[None]


def test_four_loud_days_are_told_by_how_much_louder_they_are():
    # 24 days of 1, 5 of 3: 23 changes of 2, one of 4, four of 6.
    assert louder(signs([1.0] * 24 + [3.0] * 5), 24) == pytest.approx([6 / ((46 + 4 + 24) / 28)])


def test_three_loud_days_and_a_moved_level_are_not():
    assert louder(signs([1.0] * 25 + [3.0] * 3), 24) == 1
    moved = signs([1.0] * 28)
    moved[:, 24 * 22 :] += 50
    assert louder(moved, 24) == 1


def test_two_weeks_are_too_short():
    assert louder(signs([1.0] * 9 + [3.0] * 5), 24) == 1


def test_usual_noise_and_rest_have_not_grown():
    assert (louder(RANDOM(3).normal(size=(200, 40 * 24)), 24) == 1).all()
    assert (louder(np.zeros((2, 40 * 24)), 24) == 1).all()
