import numpy as np
import pytest

from tidecast_analytics.forecasting import forecast
from tidecast_analytics.outlook import History
from tidecast_analytics.series import DAY_MS
from tidecast_analytics.wandering import walks, wandering

RANDOM = np.random.default_rng


def steps(series, count):
    return RANDOM(count).normal(0, 1, (series, count))


@pytest.mark.parametrize(("count", "per_day"), [(400, 1), (60 * 24, 24)])
def test_most_walks_are_told(count, per_day):
    assert walks(steps(200, count).cumsum(axis=1), per_day).mean() > 0.6


def test_noise_seasons_and_growth_are_no_walks():
    hours = np.arange(14 * 24)
    noise = steps(200, hours.size)
    assert walks(noise, 24).mean() < 0.01
    assert not walks(noise + 10 * np.sin(hours * 2 * np.pi / 24), 24).any()
    # Of steps of 1 and a drift of 1 a sixth goes down: what mostly grows is left to the trends.
    assert not walks((noise + 1).cumsum(axis=1), 24).any()
    assert not walks(np.zeros((1, hours.size)), 24).any()


def test_less_than_six_weeks_or_a_week_tell_nothing():
    assert not walks(steps(50, 42).cumsum(axis=1), 1).any()
    assert not walks(steps(50, 167).cumsum(axis=1), 24).any()


def test_a_walk_deviates_by_the_root_of_the_steps_and_its_drift_by_their_number():
    # Up one, down one: a variance of 1 without drift, over 100 steps.
    values = np.tile([0.0, 1.0], 51)[None, :101]
    deviation = wandering(values, np.array([True]), 25)
    # sqrt(25 * (1 + 25 / 100)) = sqrt(31.25).
    assert deviation[0, -1] == pytest.approx(31.25**0.5)
    assert (wandering(values, np.array([False]), 25) == 0).all()


def test_bands_of_daily_walks_hold_over_three_months():
    rows = steps(60, 210).cumsum(axis=1)
    times_ms = DAY_MS * np.arange(120, dtype=np.int64)
    outlooks = forecast([History(times_ms, row[:120]) for row in rows], 90 * DAY_MS)
    low, high = (np.stack([getattr(o, edge) for o in outlooks]) for edge in ("lo80", "hi80"))
    inside = (rows[:, 120:] >= low) & (rows[:, 120:] <= high)
    assert 0.72 <= np.mean(inside) <= 0.92
