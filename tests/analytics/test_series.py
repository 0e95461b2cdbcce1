"""Grids from samples as they come."""

import numpy as np
import pytest

from tidecast_analytics.series import DAY_MS, HOUR_MS, filled, newest_span, regular

START = 1_767_225_600_000  # 2026-01-01 00:00 UTC, a full hour


def ms(hours):
    return (START + np.asarray(hours) * HOUR_MS).astype(np.int64)


def test_hourly_values_stay_as_they_are():
    grid = regular(ms([0, 1, 2, 3]), np.array([5.0, 6.0, 7.0, 8.0]))
    assert (grid.start_ms, grid.step_ms, grid.end_ms) == (START, HOUR_MS, START + 3 * HOUR_MS)
    assert grid.values.tolist() == [5.0, 6.0, 7.0, 8.0]


def test_finer_input_becomes_means_of_hours_stamped_at_their_end():
    # 10:10 .. 13:00 every ten minutes; hour 11 covers (10:00, 11:00]: its six values
    # are 0..5 with mean 2.5, then 6..11 with mean 8.5, then 12..17 with mean 14.5.
    times = ms(10 + np.arange(1, 19) / 6)
    grid = regular(times, np.arange(18.0))
    assert grid.start_ms == ms(11)
    assert grid.values == pytest.approx([2.5, 8.5, 14.5])


def test_the_running_hour_is_left_out_until_half_of_it_is_seen():
    times = ms(10 + np.arange(1, 19) / 6)
    assert regular(times[:-4], np.arange(14.0)).values.size == 2  # seen to 12:20
    assert regular(times[:-2], np.arange(16.0)).values.size == 3  # seen to 12:40


def test_two_glimpses_of_two_hours_make_no_hour():
    # 0:50, 0:55, 2:05 and 2:10: neither hour is seen for half of its time.
    times = START + np.array([50, 55, 125, 130]) * 60_000
    assert regular(times, np.ones(4)).values.size == 0


def test_daily_input_stays_daily_and_weekly_input_becomes_daily():
    daily = regular(ms([0, 24, 48]), np.array([1.0, 2.0, 3.0]))
    weekly = regular(ms([0, 168, 336]), np.array([1.0, 2.0, 3.0]))
    assert (daily.step_ms, daily.values.tolist()) == (DAY_MS, [1.0, 2.0, 3.0])
    assert weekly.values.size == 15
    assert filled(weekly)[1] == pytest.approx(1 + 1 / 7)


def test_order_and_duplicates_do_not_matter_and_the_later_given_value_holds():
    grid = regular(ms([2, 0, 1, 1]), np.array([3.0, 1.0, 9.0, 2.0]))
    assert grid.values.tolist() == [1.0, 2.0, 3.0]


def test_holes_stay_unseen_and_edges_are_observed():
    grid = regular(ms([0, 1, 2, 5, 6, 7]), np.array([np.nan, 1.0, 2.0, 5.0, np.inf, np.nan]))
    assert grid.start_ms == ms(1)
    assert grid.observed.tolist() == [True, True, False, False, True]
    assert filled(grid).tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]


def test_timestamps_a_few_minutes_off_the_hour_mean_the_hour():
    grid = regular(ms([0, 1, 2]) + np.array([20_000, -30_000, 45_000]), np.array([1.0, 2.0, 3.0]))
    assert grid.start_ms == START
    assert grid.values.tolist() == [1.0, 2.0, 3.0]


def test_a_long_hole_is_bridged_along_the_season():
    hours = np.arange(24 * 10)
    season = np.sin(hours * 2 * np.pi / 24)
    seen = (hours < 100) | (hours >= 136)
    grid = regular(ms(hours[seen]), season[seen])
    assert np.abs(filled(grid) - season).max() < 0.01


def test_history_before_a_hole_of_weeks_is_left_alone():
    hours = np.concatenate((np.arange(100), np.arange(600, 700)))
    grid = regular(ms(hours), np.ones(200))
    assert newest_span(grid, 7.0, 48).values.size == 100
    assert newest_span(grid, 7.0, 101).values.size == 700  # too little follows the hole


def test_empty_and_mismatched_input():
    assert regular(np.array([], dtype=np.int64), np.array([])).values.size == 0
    assert regular(ms([0]), np.array([np.nan])).values.size == 0
    with pytest.raises(ValueError, match="2,"):
        regular(ms([0, 1]), np.array([1.0]))


def test_huge_values_are_averaged_without_overflow():
    times = ms(np.arange(1, 13) / 6)
    assert regular(times, np.full(12, 1.7e308)).values == pytest.approx([1.7e308, 1.7e308])
