"""Scores by hand: bands, dates and alarms against what came."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidecast_analytics.crossing import shares_by_day
from tidecast_analytics.lead_time import probability_by
from tidecast_analytics.outlook import Outlook, OutlookState
from tidecast_analytics.scoring import (
    Alarm,
    Dates,
    alarm,
    band_score,
    dates_held,
    dates_pinball_ms,
    first_crossing_ms,
)

HOUR = 3_600_000
DAY = 24 * HOUR


def outlook(mean, half80=1.0, half95=2.0, step_ms=HOUR, **more):
    mean = np.asarray(mean, dtype=float)
    times = step_ms * np.arange(1, mean.size + 1, dtype=np.int64)
    return Outlook(
        times, mean, mean - half80, mean + half80, mean - half95, mean + half95, step_ms, "m", (),
        **more,
    )  # fmt: skip


def scored(came, said, **more):
    times = HOUR * np.arange(1, len(came) + 1, dtype=np.int64)
    return band_score(said, times, np.asarray(came, dtype=float), **more)


def test_bands_by_hand():
    # Away from the mean by 0, 1, 1.5, -3: two within the 80 % band, three within the 95 %.
    score = scored([10, 11, 11.5, 7], outlook([10] * 4))
    assert (score.values, score.inside80, score.inside95) == (4, 2, 3)
    assert score.mae == pytest.approx((0 + 1 + 1.5 + 3) / 4)
    # In half-widths of the 80 % band: 0, 1, 1.5 and 3, each in the count up to its border.
    assert score.reach == (1, 0, 0, 1, 0, 1, 0, 1, 0, 0, 0)


def test_pinball_by_hand():
    # One value at the mean; quantiles 2, 1, 0, -1, -2 away: (.025*2 + .1*1 + 0 + .1*1 + .025*2)/5.
    assert scored([10], outlook([10])).pinball == pytest.approx(0.3 / 5)


def test_bands_that_were_widened_are_counted_as_they_were_before():
    assert scored([10.9], outlook([10]), widening=2.0).reach == (0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0)


def test_a_band_without_width_holds_only_its_value():
    score = scored([10, 10.1], outlook([10, 10], half80=0.0, half95=0.0))
    assert (score.inside80, score.reach[0], score.reach[-1]) == (1, 1, 1)


def test_values_go_to_the_nearest_step_and_others_are_left_out():
    said = outlook([10, 20])
    times = np.array([-HOUR, HOUR + 5 * 60_000, 2 * HOUR, 9 * HOUR], dtype=np.int64)
    score = band_score(said, times, np.array([0.0, 10, 20, 0]))
    assert (score.values, score.inside80) == (2, 2)
    assert band_score(said, times[-1:], np.array([1.0])) is None
    assert band_score(said, times, np.full(4, np.nan)) is None
    assert band_score(outlook([]), times, np.ones(4)) is None


def test_a_crossing_is_the_first_of_three_in_a_row():
    times = HOUR * np.arange(7, dtype=np.int64)
    values = np.array([0, 9, 9, 0, 9, 9, 9.0])
    assert first_crossing_ms(times, values, 9, 3) == 4 * HOUR
    assert first_crossing_ms(times, values, 9, 1) == HOUR
    assert first_crossing_ms(times, values, 10, 1) is None
    assert first_crossing_ms(times[:2], values[:2], 9, 3) is None


SAID = Dates(0, 90 * DAY, 10 * DAY, 20 * DAY, 40 * DAY)


@pytest.mark.parametrize(
    ("crossed_day", "until_day", "held"),
    [(25, 30, True), (9, 30, True), (8, 30, False), (None, 30, True), (None, 42, False),
     (41, 60, True), (42, 60, False)],
)  # fmt: skip
def test_dates_hold_within_p10_and_p90_give_or_take_a_day(crossed_day, until_day, held):
    crossed = None if crossed_day is None else crossed_day * DAY
    assert dates_held(SAID, crossed, until_day * DAY) is held


def test_what_is_said_not_to_cross_holds_until_it_does():
    never = Dates(0, 90 * DAY, None, None, None)
    assert dates_held(never, None, 60 * DAY)
    assert not dates_held(never, 50 * DAY, 60 * DAY)
    assert dates_held(Dates(0, 90 * DAY, 30 * DAY, None, None), 50 * DAY, 60 * DAY)


@pytest.mark.parametrize(
    ("p50_day", "crossed_day", "until_day", "verdict"),
    [(20, 44, 60, Alarm.RIGHT), (20, 46, 60, Alarm.WRONG), (20, None, 44, None),
     (20, None, 45, Alarm.WRONG), (None, 20, 30, Alarm.MISSED), (31, 30, 30, Alarm.MISSED),
     (31, None, 30, Alarm.QUIET), (None, None, 29, None), (31, 40, 45, Alarm.QUIET)],
)  # fmt: skip
def test_alarms(p50_day, crossed_day, until_day, verdict):
    days = [None if day is None else day * DAY for day in (p50_day, crossed_day)]
    said = Dates(0, 90 * DAY, None, days[0], None)
    assert alarm(said, days[1], until_day * DAY) is verdict


def test_dates_beyond_the_horizon_cost_nothing_where_nothing_happens():
    assert dates_pinball_ms(Dates(0, 90 * DAY, None, None, None), None) == 0


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=30))
def test_any_values_are_scored_without_a_warning(came):
    score = scored(came, outlook([1e300] * len(came)))
    if score is not None:
        assert sum(score.reach) == score.values >= score.inside95 >= score.inside80


def test_the_probability_by_a_day_is_the_share_of_the_paths():
    # Of four paths one crosses in the first hour, one on day 3, one on day 10, one never.
    hours = np.array([0, 2 * 24 + 23, 9 * 24, 10 * 24 + 6])
    by_day = shares_by_day(hours, 10 * 24 + 6, 24)
    assert by_day.tolist() == [0.25] * 2 + [0.5] * 7 + [0.75] * 2
    said = outlook(
        [0] * (10 * 24 + 6), state=OutlookState.IN_HORIZON, p50_ms=3 * DAY, crossed_by_day=by_day
    )
    start = int(said.times_ms[0]) - said.step_ms
    by = [probability_by(said, start + day * DAY) for day in (-1, 0, 0.5, 1, 2.5, 3, 9, 10, 900)]
    assert by == pytest.approx([0, 0, 0.125, 0.25, 0.375, 0.5, 0.5, 0.75, 0.75])
    # Stated twice as wide, what is 2 days before P50 is as likely as 1 day before it was.
    twice = probability_by(replace(said, p50_ms=start + 3 * DAY), start + DAY, 2.0)
    assert twice == pytest.approx(0.25)
    assert probability_by(outlook([0]), DAY) is None
    assert probability_by(outlook([], state=OutlookState.OVER_NOW), DAY) == 1
