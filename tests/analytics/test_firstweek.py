import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tidecast_analytics.firstweek import week_share
from tidecast_analytics.forecasting import forecast
from tidecast_analytics.outlook import History
from tidecast_analytics.series import HOUR_MS

HOURS = np.arange(336)
DAILY = 10 * np.sin(2 * np.pi * HOURS / 24)
NOISE = np.random.default_rng(1).normal(0, 1, HOURS.size)


def office(first_day, days):
    """Busy from nine to five on five days of seven."""
    hours = HOURS[: 24 * days] + 24 * first_day
    busy = (hours // 24 % 7 < 5) & (hours % 24 >= 9) & (hours % 24 < 17)
    return 10 + 50 * busy + NOISE[: hours.size]


def share(values):
    return week_share(np.asarray(values)[None], 24)[0]


@pytest.mark.parametrize("first_day", [0, 1, 2, 3, 4, 5, 6])
def test_two_days_apart_from_five_are_a_week(first_day):
    assert share(office(first_day, 7)) > 0.5


def test_a_day_like_all_others_is_none():
    assert share(DAILY[:168] + NOISE[:168]) == 0


def test_a_level_that_moved_once_is_less_of_a_week_than_one_that_came_back():
    moved = DAILY[:168] + NOISE[:168] + 20 * (HOURS[:168] >= 96)
    returned = DAILY[:168] + NOISE[:168] + 20 * ((HOURS[:168] >= 48) & (HOURS[:168] < 96))
    assert share(moved) < 0.2 < 0.9 < share(returned)


def test_days_that_come_twice_decide():
    repeats = office(0, 12)
    fails = np.concatenate((office(0, 7), office(5, 5)))
    assert share(repeats) == 1 > 0.5 > share(fails)


def test_less_than_a_week_says_nothing():
    assert share(office(0, 6)) == 0


@given(arrays(np.float64, st.integers(1, 335), elements=st.floats(-1, 1)))
def test_a_share_is_a_share_whatever_the_values(values):
    assert 0 <= share(values) <= 1


def test_neither_scale_nor_level_matters():
    values = office(2, 9)
    assert share(values / 64) == pytest.approx(share(values - 30), rel=1e-6)


def test_one_week_of_office_hours_foretells_the_weekend():
    known = office(0, 7)
    outlook = forecast([History(HOUR_MS * HOURS[:168].astype(np.int64), known)], 168 * HOUR_MS)[0]
    at_noon = outlook.mean[12::24]
    assert at_noon[:5].min() > at_noon[5:].max() + 20
