"""How far forecasts leave the newest level, and what that does to their bands."""

import numpy as np
import pytest

from tidecast_analytics.departures import departures
from tidecast_analytics.intervals import half_widths, steps_to_come, with_departures

DAY = np.tile(np.sin(np.arange(24) * 2 * np.pi / 24), 20)


def test_by_hand():
    history = np.array([[5.0, 1.0, 1.0, 1.0]])
    away = departures(history, np.array([[3.0] * 9]), period=1, week=1)
    assert away.by_step == pytest.approx(np.full((1, 9), 2.0))
    assert away.of_level == pytest.approx([2.0])


@pytest.mark.parametrize(
    "values",
    [
        DAY,
        DAY + 0.02 * np.arange(480),
        DAY + 4.0 * (np.arange(480) // 24 % 7 < 5),
    ],
    ids=["daily season", "straight line", "weekly season"],
)
def test_what_goes_on_as_before_departs_by_nothing(values):
    known, later = values[None, :312], values[None, 312:480]
    away = departures(known, later, 24, 168)
    assert away.by_step.max() == pytest.approx(0, abs=1e-9)
    assert away.of_level == pytest.approx([0], abs=1e-9)


def test_a_level_that_is_said_to_come_back_departs_by_its_step():
    values = DAY[None, :336] + 3.0 * (np.arange(336) >= 300)
    away = departures(values, DAY[None, :168], 24, 168)
    assert away.by_step == pytest.approx(np.full((1, 168), 3.0))
    stays = departures(values, DAY[None, :168] + 3.0, 24, 168)
    assert stays.by_step == pytest.approx(np.zeros((1, 168)), abs=1e-9)


def test_short_histories_have_departures_too():
    for steps in (1, 5, 24, 47, 48, 190):
        away = departures(np.zeros((2, steps)), np.ones((2, 30)), 24, 168)
        assert away.by_step == pytest.approx(np.ones((2, 30)))
        assert away.of_level == pytest.approx([1, 1])


def test_bands_hold_the_level_that_stays_and_the_one_that_comes_back():
    values = DAY[None, :336] + 3.0 * (np.arange(336) >= 300)
    narrow = half_widths(np.full((1, 8, 24), 0.1), 168, 200)
    widths = with_departures(narrow, departures(values, DAY[None, :168], 24, 168), 24)
    assert (widths.of80 > narrow.of80).all()
    assert (widths.of95 >= widths.of80).all()
    # 1.96 * hypot(1.3, 0.6) deviations of 3 once a season has passed.
    assert (widths.of95[0, 23:] > 1.96 * 1.43 * 3).all()
    untouched = with_departures(narrow, departures(values, DAY[None, :168] + 3.0, 24, 168), 24)
    assert untouched.of95 == pytest.approx(narrow.of95)


def test_steps_go_on_as_half_of_a_walk():
    # Two steps of 3 and 4 in 100 steps: in as many again the walk has a deviation of 5.
    deviation = steps_to_come([[3.0, 4.0], []], 100, 100)
    assert deviation[:, -1].tolist() == [2.5, 0.0]
    assert deviation[0, 24] == pytest.approx(1.25)


def test_months_ahead_departures_stay_those_of_the_second_week():
    rising = np.arange(1.0, 61.0)[None, :]
    away = departures(np.zeros((1, 40)), rising, period=7, week=7).by_step[0]
    # Means over three neighbours on either side, but for the ends.
    assert away[3:11] == pytest.approx(rising[0, 3:11])
    assert away[14:] == pytest.approx(np.resize(away[7:14], 46))
