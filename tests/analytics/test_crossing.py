"""First passage with answers known by hand."""

import numpy as np
import pytest

from tidecast_analytics.crossing import (
    PATHS,
    crossed_now,
    draws,
    first_passages,
    probability,
    quantile_steps,
)
from tidecast_analytics.intervals import SHAPE_AT

NORMAL = SHAPE_AT / 1.2816
QUIET = np.zeros((1, 24))


def passages(mean, half80=0.0, mark=1.0, run=3, blocks=QUIET, shape=NORMAL):
    mean = np.asarray(mean, dtype=np.float64)
    return first_passages(mean, np.full(mean.size, half80), shape, blocks, mark, run)


def test_crossed_is_the_first_of_three_consecutive_values():
    # Two values over at 1 and 2 do not count; the run starts at 4.
    assert (passages([0, 1, 1, 0, 1, 2, 1, 0]) == 4).all()
    assert (passages([0, 1, 1, 0, 1, 1]) == 6).all()
    assert (passages([0, 1, 0], run=1) == 1).all()
    assert (passages([1, 1]) == 2).all()


def test_crossed_now_looks_at_the_last_values_only():
    assert crossed_now(np.array([0.0, 5, 5, 5]), 5.0, 3)
    assert not crossed_now(np.array([5.0, 5, 5, 4]), 5.0, 3)
    assert not crossed_now(np.array([5.0, 5.0]), 5.0, 3)
    assert crossed_now(np.array([5.0]), 5.0, 1)


def test_quantiles_are_first_dates_by_which_enough_paths_have_crossed():
    # Of ten paths 1 has crossed by step 3, 5 by step 7, 8 in all.
    crossed = np.array([3, 5, 6, 7, 7, 8, 9, 9, 12, 12])
    assert quantile_steps(crossed, 12, (10, 50, 80, 90)) == [3, 7, 9, None]
    assert probability(crossed, 12) == pytest.approx(0.8)


def test_paths_leave_the_mean_as_the_band_says():
    # At the end of the horizon 10 % of the paths lie above the upper edge of the 80 % band.
    level = draws(30).level[:, -1]
    assert (level > 1.2816).mean() == pytest.approx(0.10, abs=0.03)
    late = first_passages(
        np.concatenate((np.full(29, -1e6), [0.0])), np.ones(30), NORMAL, np.zeros((1, 1)), 1.0, 1
    )
    assert probability(late, 30) == pytest.approx(0.10, abs=0.03)


def test_a_higher_mark_is_never_crossed_earlier_on_any_path():
    blocks = np.random.default_rng(1).normal(0, 0.3, (20, 24))
    mean = np.linspace(0, 1, 480)
    last = np.zeros(PATHS)
    for mark in np.linspace(0.1, 3, 15):
        now = passages(mean, 0.5, mark, blocks=blocks)
        assert (now >= last).all()
        last = now


def test_draws_are_the_same_every_time():
    first = draws(17).level.copy()
    draws.cache_clear()
    assert (draws(17).level == first).all()
