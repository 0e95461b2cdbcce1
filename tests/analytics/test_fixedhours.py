import numpy as np

from tidecast_analytics.fixedhours import with_fixed_hours
from tidecast_analytics.forecasting import forecast
from tidecast_analytics.outlook import History
from tidecast_analytics.series import HOUR_MS

RANDOM = np.random.default_rng


def shop(days):
    """Visitors from eight to twenty on six days of seven."""
    hours = np.arange(24 * days)
    opened = (hours // 24 % 7 < 6) & (hours % 24 >= 8) & (hours % 24 < 20)
    return np.where(opened, RANDOM(days).poisson(40, hours.size), 0).astype(np.float64)


def ahead(values, hours):
    times_ms = HOUR_MS * np.arange(values.size, dtype=np.int64)
    return forecast([History(times_ms, values)], hours * HOUR_MS)[0].mean


def test_nights_at_which_nobody_ever_came_are_zero():
    mean = ahead(shop(8), 24).reshape(1, 24)
    assert (mean[:, :8] == 0).all()
    assert (mean[:, 8:20] > 0).all()


def test_a_day_off_is_zero_as_it_was_three_times():
    mean = ahead(shop(27), 48)
    # The 28th day is a Sunday; on the Monday after it they come again.
    assert (mean[:24] == 0).all()
    assert (mean[32:44] > 0).all()


def test_six_days_are_not_enough_to_tell_that_an_hour_never_changes():
    values = RANDOM(1).normal(size=(1, 6 * 24))
    values[:, 5::24] = 0.25
    mean = np.ones((1, 24))
    assert with_fixed_hours(mean, values, 24) is mean


def test_what_was_different_within_three_weeks_may_change_again():
    values = RANDOM(1).normal(size=(1, 21 * 24))
    values[:, 5::24] = values[:, 6::24] = 0.25
    values[0, 6 + 24 * 7] = 0.5
    fixed = with_fixed_hours(np.ones((1, 24)), values, 24)
    assert fixed[0, 5] == 0.25
    assert (np.delete(fixed, 5) == 1).all()
