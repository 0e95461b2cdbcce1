"""Slopes and steps with answers known by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidecast_analytics.robust import (
    dejumped_slope,
    rises,
    spread,
    sustained_slope,
    theil_sen,
    thinned,
)
from tidecast_analytics.shifts import upward_shifts, without_shifts


def row(*values):
    return np.array([values], dtype=np.float64)


def test_theil_sen_by_hand():
    # Slopes of the six pairs of 0, 1, 2, 9: 1, 1, 3, 1, 4, 7; their median is (1 + 3) / 2.
    assert theil_sen(row(0, 1, 2, 9)) == pytest.approx([2.0])
    assert theil_sen(row(5)) == pytest.approx([0.0])


def test_dejumped_slope_leaves_the_jump_out():
    # Differences 1, 1, 1, 50, 1, 1: the median is 1, its spread 0, the 50 is a jump.
    assert dejumped_slope(row(0, 1, 2, 3, 53, 54, 55)) == pytest.approx([1.0])


def test_spread_by_hand():
    # Median 3, distances 2, 1, 0, 1, 97, their median 1.
    assert spread(row(1, 2, 3, 4, 100)) == pytest.approx([1.4826])


def test_long_rows_are_thinned_to_group_means_and_keep_their_slope():
    line = np.arange(150.0)[None, :]
    points, factor = thinned(line)
    assert (points.shape, factor, points[0, 0]) == ((1, 30), 5, 2.0)
    assert theil_sen(line) == pytest.approx([1.0])


def test_neither_a_saw_tooth_nor_a_step_is_a_sustained_rise():
    saw = (np.arange(84.0) % 7)[None, :]
    step = np.where(np.arange(84) >= 40, 10.0, 0.0)[None, :]
    assert abs(sustained_slope(saw)[0]) < 0.01
    assert sustained_slope(step)[0] == 0
    assert not rises(np.concatenate((saw, step))).any()


def test_a_line_rises_and_noise_does_not():
    noise = np.random.default_rng(7).normal(size=(200, 84))
    assert rises(noise + 0.1 * np.arange(84), 3.0).mean() > 0.95
    assert rises(noise, 3.0).mean() < 0.03


@given(st.floats(-1e3, 1e3), st.floats(0.01, 1e3))
def test_slopes_follow_shift_and_scale(shift, scale):
    levels = np.random.default_rng(3).normal(size=(1, 30)).cumsum(axis=1)
    for slope in (theil_sen, dejumped_slope):
        assert slope(levels * scale + shift) == pytest.approx(slope(levels) * scale, abs=1e-9)


def test_a_lasting_step_up_is_found_at_its_hour_and_taken_out():
    hours = np.arange(30 * 24)
    flat = 5 * np.sin(hours * 2 * np.pi / 24)
    values = np.where(hours >= 500, flat + 40, flat)
    ((shift,),) = upward_shifts(values[None, :], 24)
    assert abs(shift.position - 500) <= 3
    assert shift.size == pytest.approx(40, rel=0.01)
    assert np.ptp(without_shifts(values, [shift])[:490]) == pytest.approx(10, rel=0.01)


def test_spikes_clean_ups_and_saw_teeth_are_no_steps_up():
    hours = np.arange(60 * 24)
    spike = np.where((hours >= 500) & (hours < 530), 40.0, 0.0)
    clean_up = np.where(hours >= 500, -40.0, 0.0)
    jagged = np.where(hours // 240 % 2 == 1, 40.0, 0.0)
    for values in (spike, clean_up, jagged, hours * 0.1):
        assert not upward_shifts(values[None, :], 24)[0]
