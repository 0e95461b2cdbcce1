"""Bursts that came once do not make dates; bursts that grow do."""

import numpy as np
import pytest

from tidecast_analytics.bursts import Role, as_dated
from tidecast_analytics.forecasting import forecast
from tidecast_analytics.outlook import History, OutlookState
from tidecast_analytics.series import DAY_MS, HOUR_MS

MARK = 90.0


def idle(days, seed):
    """A quiet resource around 40, by hours."""
    hours = np.arange(days * 24)
    noise = np.random.default_rng(seed).normal(0, 1, hours.size)
    return 40 + 4 * np.sin(hours * 2 * np.pi / 24) + noise


def outlook(values):
    times = 1_767_225_600_000 + HOUR_MS * np.arange(values.size)
    return forecast([History(times, values, MARK, 100.0)], 90 * DAY_MS)[0]


@pytest.mark.parametrize("days", [21, 45, 120])
@pytest.mark.parametrize(("back_days", "hours"), [(4, 4), (9, 30)])
def test_a_burst_that_came_once_is_not_expected_higher(days, back_days, hours):
    values = idle(days, seed=days)
    start = values.size - back_days * 24
    values[start : start + hours] = 83
    found = outlook(values)
    assert found.probability < 0.05
    assert found.state is OutlookState.NOT_GROWING
    assert any("came only once" in each for each in found.reasons)


def test_a_burst_over_the_mark_still_counts():
    values = idle(45, seed=1)
    values[-200:-196] = 95
    assert outlook(values).probability > outlook(idle(45, seed=1)).probability


def test_weekly_bursts_that_grow_are_dated():
    # 45 to 80 within 90 days, 0.39 a day: the mark of 90 is reached some 26 days later.
    values = idle(90, seed=2)
    for day in range(3, 90, 7):
        values[day * 24 : day * 24 + 5] = 45 + 35 * day / 90
    found = outlook(values)
    assert found.state is OutlookState.IN_HORIZON
    assert 10 < (found.p50_ms - found.times_ms[0]) / DAY_MS < 60
    assert any("bursts grow" in each for each in found.reasons)


def test_weekly_bursts_of_the_same_height_are_not():
    values = idle(90, seed=2)
    for day in range(3, 90, 7):
        values[day * 24 : day * 24 + 5] = 80
    assert outlook(values).state is OutlookState.NOT_GROWING


def test_each_day_counts_as_the_highest_of_the_newest_where_bursts_grow():
    peaks = np.zeros((1, 20))
    peaks[0, [2, 7, 12, 17]] = [10, 11, 12, 13]
    dated, told = as_dated(peaks, np.array([20.0]))
    # Never more than five days from one burst to the next.
    assert dated[0].tolist() == [10] * 7 + [11] * 5 + [12] * 5 + [13] * 3
    assert told[0].role is Role.GROWING


def test_what_lasts_or_has_just_come_is_no_passed_burst():
    for days in (slice(10, 14), slice(18, 20)):
        peaks = np.zeros((1, 20))
        peaks[0, days] = 10
        dated, told = as_dated(peaks, np.array([20.0]))
        assert (dated == peaks).all() and not told
