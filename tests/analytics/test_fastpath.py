"""Full in how long, from the last hours of raw samples."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tidecast_analytics.fastpath import full_in

MINUTES = np.arange(-360, 1) * 60_000


def test_a_steady_rise_is_full_when_the_line_says():
    # 0.05 a minute from 50, now at 68: 32 are left, 640 minutes.
    usage = 50 + 0.05 * (MINUTES - MINUTES[0]) / 60_000
    early, likely, late = full_in(MINUTES, usage, 100.0)
    assert likely == pytest.approx(640 * 60, rel=0.01)
    assert early < likely < late


def test_noise_does_not_move_the_answer_far():
    rng = np.random.default_rng(0)
    usage = 50 + 0.05 * (MINUTES - MINUTES[0]) / 60_000 + rng.normal(0, 0.5, MINUTES.size)
    early, likely, late = full_in(MINUTES, usage, 100.0)
    assert early < 640 * 60 < late
    assert likely == pytest.approx(640 * 60, rel=0.25)


def test_a_rise_that_began_an_hour_ago_is_seen():
    minutes = MINUTES / 60_000
    usage = 40 + np.maximum(minutes + 120, 0) * 0.3
    _, likely, _ = full_in(MINUTES, usage, 100.0)
    assert likely < 3 * 3600


def test_full_is_full_now():
    assert full_in(MINUTES, np.full(MINUTES.size, 100.0), 100.0) == (0.0, 0.0, 0.0)
    assert full_in(MINUTES[-1:], np.array([101.0]), 100.0) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    "usage",
    [
        np.full(MINUTES.size, 60.0),
        60 - 0.01 * np.arange(MINUTES.size),
        60 + 0.3 * (np.arange(MINUTES.size) % 60),  # log rotation every hour
        60 + 0.1 * (np.arange(MINUTES.size) % 180),  # every three hours
        np.where(np.arange(MINUTES.size) > 200, 80.0, 60.0),  # a step
        np.where(np.arange(MINUTES.size) > 357, 95.0, 60.0),  # a spike just now
        60 + 0.001 * np.arange(MINUTES.size),  # rises, but for months yet
    ],
    ids=["flat", "falling", "hourly saw", "three-hourly saw", "step", "spike", "slow"],
)
def test_no_cry_of_wolf(usage):
    assert full_in(MINUTES, usage, 100.0) is None


def test_noise_alone_hardly_ever_cries_wolf():
    rng = np.random.default_rng(1)
    cried = [full_in(MINUTES, 90 + rng.normal(0, 1, MINUTES.size), 96.0) for _ in range(200)]
    assert sum(answer is not None and any(answer) for answer in cried) <= 4


def test_fifteen_minutes_are_needed():
    usage = 50 + 0.5 * np.arange(MINUTES.size)
    assert full_in(MINUTES[-10:], usage[-10:], 300.0) is None
    assert full_in(MINUTES[-17:], usage[-17:], 300.0) is not None


@given(
    hnp.arrays(np.float64, st.integers(0, 80), elements=st.floats(allow_nan=True)),
    st.floats(allow_nan=True),
)
def test_any_input_gives_none_or_ascending_seconds(values, limit):
    times = np.arange(values.size) * 300_000
    answer = full_in(times, values, limit)
    if answer is not None:
        assert 0 <= answer[0] <= answer[1] <= answer[2] < np.inf
