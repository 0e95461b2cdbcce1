"""Planned events, recorded changes and turns of months."""

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from tidecast_analytics.events import Event, ahead, month_turns, without_events
from tidecast_analytics.forecasting import forecast
from tidecast_analytics.month_turns import TurnDays, turn_days
from tidecast_analytics.outlook import History, OutlookState
from tidecast_analytics.series import DAY_MS, HOUR_MS
from tidecast_analytics.shifts import known_shifts

HOURS = np.arange(60 * 24)
DAY = 20 + 5 * np.sin(HOURS * 2 * np.pi / 24)
NOISE = np.random.default_rng(1).normal(0, 0.3, HOURS.size)


def sale(day):
    return Event(day * DAY_MS, (day + 1) * DAY_MS, "sale")


def history(values, **more):
    # Stamped at the end of each hour: the first hour of day 0 at 1 h.
    return History(HOUR_MS * (1 + np.arange(values.size, dtype=np.int64)), values, **more)


def with_sales(*days):
    values = DAY + NOISE
    for day in days:
        values[day * 24 : (day + 1) * 24] += 30
    return values


def test_the_effect_is_drawn_towards_nothing_by_how_few_events_there_were():
    values = np.full(60 * 24, 10.0)
    values[30 * 24 : 31 * 24] = 22.0
    cleaned, effects = without_events(values, HOUR_MS, HOUR_MS, [sale(30)])
    # Twelve more, seen once: 1 / (1 + 1) of it is believed, and it may as well not come again.
    assert effects["sale"].lift == pytest.approx(np.full(24, 6.0))
    assert (effects["sale"].deviation >= 12.0).all()
    assert cleaned == pytest.approx(np.full(60 * 24, 10.0))


def test_what_is_to_come_is_lifted_at_its_hours_only():
    values = np.full(60 * 24, 10.0)
    for day in (20, 30, 40):
        values[day * 24 : (day + 1) * 24] = 14.0
    _, effects = without_events(values, HOUR_MS, HOUR_MS, [sale(day) for day in (20, 30, 40)])
    effect = ahead(effects, [sale(61)], 60 * DAY_MS, HOUR_MS, 72)
    # Three of three events, four more each: 3 / 4 of it.
    assert effect.lift == pytest.approx([0.0] * 24 + [3.0] * 24 + [0.0] * 24)
    # The quarter that is not believed is the doubt: all three were alike.
    assert effect.deviation == pytest.approx([0.0] * 24 + [1.0] * 24 + [0.0] * 24)


def test_a_forecast_knows_the_next_sale_and_no_other_day():
    days = (10, 23, 36, 49)
    planned = [sale(day) for day in (*days, 61)]
    (told,) = forecast([history(with_sales(*days), events=planned)], 3 * DAY_MS)
    lifts = told.mean.reshape(3, 24).mean(axis=1)
    # Four of four: 4 / 5 of the thirty.
    assert lifts == pytest.approx([20.0, 44.0, 20.0], abs=1.0)
    assert (told.hi80 - told.lo80)[24:48].mean() > 2 * (told.hi80 - told.lo80)[:24].mean()


def test_growth_is_not_taken_for_an_event_or_the_end_of_a_month():
    hours = np.arange(150 * 24)
    values = 5 + 0.01 * hours + np.random.default_rng(2).normal(0, 0.3, hours.size)
    cleaned, effects = without_events(values, HOUR_MS, HOUR_MS, [sale(30), sale(60)])
    assert set(effects) == {"sale"}
    assert np.abs(effects["sale"].lift).mean() < 0.5
    assert np.abs(cleaned - values).mean() < 0.1


def test_the_end_of_the_month_is_found_where_it_stands_out():
    start_ms = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1000)
    hours = np.arange(175 * 24)
    values = 20 + np.random.default_rng(3).normal(0, 0.5, hours.size)
    times_ms = start_ms + HOUR_MS * (1 + hours)
    for event in month_turns(TurnDays(-1, 0), start_ms, int(times_ms[-1])):
        values[(times_ms > event.start_ms) & (times_ms <= event.end_ms)] += 10
    (told,) = forecast([History(times_ms, values)], 10 * DAY_MS)
    at = [datetime.fromtimestamp(int(ms - 1) / 1000, tz=UTC).day for ms in told.times_ms]
    busy = np.isin(at, (30, 1))  # June has thirty days
    assert told.mean[busy].mean() > 27
    assert told.mean[~busy].mean() < 21


def test_month_ends_by_hand():
    start, end = datetime(2026, 1, 15, tzinfo=UTC), datetime(2026, 3, 31, 12, tzinfo=UTC)
    span = (int(start.timestamp() * 1000), int(end.timestamp() * 1000))
    found = month_turns(TurnDays(-1, 0), *span)
    starts = [datetime.fromtimestamp(event.start_ms / 1000, tz=UTC).date() for event in found]
    assert [f"{day:%m-%d}" for day in starts] == ["01-31", "02-28", "03-31"]


@pytest.mark.parametrize("end_ms", [0, -1, 93 * DAY_MS])
def test_an_event_without_length_or_end_is_refused(end_ms):
    with pytest.raises(ValueError, match="sale"):
        Event(0, end_ms, "sale")


def test_a_recorded_change_is_believed_where_it_changed_something():
    values = DAY + NOISE
    values[40 * 24 :] -= 8
    (shift,) = known_shifts(values, [40 * 24, 20 * 24, -5, 10**9], 24)
    assert shift.position == 40 * 24
    assert shift.size == pytest.approx(-8, abs=0.5)


def test_growth_is_no_change():
    growing = HOURS / 24.0
    assert known_shifts(growing, [20 * 24, 40 * 24], 24) == []
    moved = growing - 30 * (HOURS >= 40 * 24)
    (shift,) = known_shifts(moved, [20 * 24, 40 * 24], 24)
    assert (shift.position, shift.size) == (40 * 24, pytest.approx(-30))
    # Where a change lies in every day, growth is not known.
    (shift,) = known_shifts(np.repeat([1.0, 3.0], 24), [24], 24)
    assert shift.size == 2


def test_a_recorded_change_of_yesterday_moves_the_forecast_at_once():
    values = DAY + NOISE
    values[58 * 24 :] += 15
    (told,) = forecast([history(values, changes_ms=(58 * DAY_MS,))], 2 * DAY_MS)
    assert told.mean.mean() == pytest.approx(35, abs=0.5)
    assert (told.hi80 - told.lo80).mean() < 3


def turning(*days: int, months: int = 8, noise: float = 0.5, size: float = 10.0) -> np.ndarray:
    """Hours from the middle of January 2026 on, of which some days about each first differ."""
    start = datetime(2026, 1, 15, tzinfo=UTC)
    values = 20 + np.random.default_rng(7).normal(0, noise, months * 30 * 24)
    for hour in range(values.size):
        at = start + timedelta(hours=hour)
        until = (at.replace(day=1) + timedelta(days=32)).replace(day=1, hour=0) - at
        if at.day - 1 in days or -math.ceil(until / timedelta(days=1)) in days:
            values[hour] += size
    return values


START_MS = int(datetime(2026, 1, 15, 1, tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize("days", [(-2, -1), (0,), (-1, 0, 1), (2, 3)])
def test_the_days_about_the_first_of_the_month_are_found(days):
    found = turn_days(turning(*days), START_MS, HOUR_MS)
    assert found == TurnDays(days[0], days[-1])


def test_the_middle_of_months_noise_and_weeks_are_no_turn_of_the_month():
    assert turn_days(turning(14), START_MS, HOUR_MS) is None
    weekly = np.tile(np.repeat([9.0, 8, 9, 8, 9, 2, 1], 24), 30)
    walks = [np.random.default_rng(seed).normal(size=300 * 24).cumsum() for seed in range(20)]
    assert [turn_days(each, START_MS, HOUR_MS) for each in (weekly, *walks)] == [None] * 21


def test_months_that_have_an_event_planned_about_their_first_are_left_to_it():
    planned = [
        (int(datetime(2026, month, 1, tzinfo=UTC).timestamp() * 1000), DAY_MS)
        for month in range(1, 12)
    ]
    spans = [(at - DAY_MS, at + length) for at, length in planned]
    assert turn_days(turning(-1), START_MS, HOUR_MS, spans) is None


@pytest.mark.parametrize("hours", [289 * 24 - 5, 7200], ids=["within a turn", "after one"])
def test_two_days_a_month_are_neither_a_lasting_step_nor_growth(hours):
    values = turning(-2, -1, months=10)[:hours]
    times_ms = START_MS + HOUR_MS * np.arange(values.size)
    (told,) = forecast([History(times_ms, values, mark=45.0)], 60 * DAY_MS)
    assert told.state is OutlookState.NOT_GROWING
    assert told.seen.shifts == ()
    days = [datetime.fromtimestamp(int(ms - 1) / 1000, tz=UTC) for ms in told.times_ms]
    last = np.array([(day + timedelta(days=2)).month != day.month for day in days])
    assert told.mean[last].mean() > 28
    assert told.mean[~last].mean() < 21
