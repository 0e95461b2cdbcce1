"""Full in how long, from the last hours of raw samples."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tidecast_analytics.fastpath import familiar, full_in

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


def cries(usages, limit=100.0):
    return sum(full_in(MINUTES, usage, limit) is not None for usage in usages)


def test_steps_in_noise_hardly_ever_cry_wolf():
    rng = np.random.default_rng(2)
    at = np.arange(MINUTES.size)
    noise = rng.normal(0, 1, (60, MINUTES.size))
    one = [50 + 10 * (at > rng.integers(20, 350)) + row for row in noise]
    two = [step + 8 * (at > rng.integers(20, 350)) for step in one]
    assert cries(one) <= 3
    assert cries(two) <= 4


def test_saw_teeth_and_clean_ups_hardly_ever_cry_wolf():
    rng = np.random.default_rng(3)
    at = np.arange(MINUTES.size)
    saws = [40 + 25 * ((at + rng.integers(400)) % period) / period for period in range(20, 180, 4)]
    cleaned = [70 + 0.03 * at - 20 * (at > rng.integers(200, 355)) for _ in range(40)]
    assert cries(saws) <= 2
    assert cries(cleaned) <= 1


def test_leaks_of_any_pace_are_seen_in_noise():
    rng = np.random.default_rng(4)
    minutes = MINUTES / 60_000
    held = 0
    for hours in np.linspace(0.5, 20, 40):
        now = rng.uniform(50, 95)
        pace = (100 - now) / (60 * hours)
        usage = np.maximum(now + pace * minutes, 0) + rng.normal(0, 0.2, MINUTES.size)
        early, likely, late = full_in(MINUTES, usage, 100.0)
        assert likely == pytest.approx(3600 * hours, rel=0.4)
        held += early <= 3600 * hours <= late
    assert held >= 32


def test_what_gathers_pace_is_full_earlier_than_its_line_says():
    # It doubles every two hours: 90 is 10 + 80, and full is 10 + 90 after log2(90 / 80) of them.
    usage = 10 + 80 * np.exp2(MINUTES / 7_200_000)
    early, likely, late = full_in(MINUTES, usage, 100.0)
    truth = 7200 * np.log2(90 / 80)
    assert likely == pytest.approx(truth, rel=0.15)
    assert early <= truth <= late


def test_what_levels_off_below_its_limit_is_not_full():
    # Towards 80, halving what is left every three hours: 65 now.
    usage = 80 - 60 * np.exp2(-(MINUTES - MINUTES[0]) / 10_800_000)
    assert full_in(MINUTES, usage, 100.0) is None
    _, likely, _ = full_in(MINUTES, usage, 70.0)
    assert likely == pytest.approx(10_800 * np.log2(15 / 10), rel=0.2)


def nights(*sizes):
    """What is familiar of backups of these sizes, one a night, each written within two hours."""
    days = [np.concatenate(([40, 40 + size / 2, 40 + size], np.full(21, 40.0))) for size in sizes]
    peaks = np.concatenate(days)
    return familiar(np.arange(peaks.size) * 3_600_000, peaks)


def rising(a_minute, up_to):
    """An hour of a rise up to this level, from 40."""
    return np.maximum(40.0, up_to + a_minute * MINUTES / 60_000)


def test_backups_of_threefold_differing_size_are_no_news():
    known = nights(15, 24, 40, 30, 21, 36, 18)
    # Peaks up to 80, days from 55 on with a median of 64: 16 more, but no more than a quarter of
    # the 20 that are left: up to 85. The fastest hour before rose by 20.
    assert known.level == 80 and known.differing == 16 and known.rise_an_hour == 20
    assert full_in(MINUTES, rising(0.4, up_to=70), 100.0) is not None
    assert full_in(MINUTES, rising(0.4, up_to=70), 100.0, known) is None
    assert full_in(MINUTES, rising(0.4, up_to=84), 100.0, known) is None
    assert full_in(MINUTES, rising(0.4, up_to=88), 100.0, known) is not None
    assert full_in(MINUTES, rising(0.75, up_to=79), 100.0, known) is not None


def test_where_nights_are_alike_a_higher_level_is_news():
    assert full_in(MINUTES, rising(0.4, up_to=84), 100.0, nights(*[40] * 7)) is not None


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
