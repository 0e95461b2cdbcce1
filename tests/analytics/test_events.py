"""Planned events, recorded changes and ends of months."""

from datetime import UTC, datetime

import numpy as np
import pytest

from tidecast_analytics.events import Event, ahead, month_ends, without_events
from tidecast_analytics.forecasting import forecast
from tidecast_analytics.outlook import History
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
    for event in month_ends(start_ms, int(times_ms[-1])):
        values[(times_ms > event.start_ms) & (times_ms <= event.end_ms)] += 10
    (told,) = forecast([History(times_ms, values)], 10 * DAY_MS)
    at = [datetime.fromtimestamp(int(ms - 1) / 1000, tz=UTC).day for ms in told.times_ms]
    busy = np.isin(at, (30, 1))  # June has thirty days
    assert told.mean[busy].mean() > 27
    assert told.mean[~busy].mean() < 21


def test_month_ends_by_hand():
    start, end = datetime(2026, 1, 15, tzinfo=UTC), datetime(2026, 3, 31, 12, tzinfo=UTC)
    found = month_ends(int(start.timestamp() * 1000), int(end.timestamp() * 1000))
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
