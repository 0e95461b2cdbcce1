"""Autoregressions with answers known by hand."""

import numpy as np
import pytest

from tidecast_analytics.autoregression import continued
from tidecast_analytics.forecasting import forecast
from tidecast_analytics.members import HOURLY
from tidecast_analytics.outlook import History
from tidecast_analytics.portfolio import choose
from tidecast_analytics.rows import Rows
from tidecast_analytics.series import HOUR_MS


def after(values, horizon, lags, season, ends=()):
    """What follows each of the values [series, steps] at the last origin."""
    rows = Rows(np.atleast_2d(np.asarray(values, dtype=np.float64)), season, season, ends)
    return continued(rows, horizon, lags)[:, -1]


def test_changes_that_alternate_go_on_alternating():
    # 0, 1, 0, 1, ...: each change is minus the one before; the penalty takes 0.3 %.
    ahead = after(np.arange(40) % 2, 3, (1,), 1)[0]
    assert ahead == pytest.approx([0, 1, 0], abs=0.02)


def test_a_season_that_is_all_there_is_comes_again():
    season = np.array([1.0, 5.0, 2.0, 8.0])
    ahead = after(np.tile(season, 6), 10, (1, 2), 4)
    assert ahead[0].tolist() == [1, 5, 2, 8, 1, 5, 2, 8, 1, 5]


def test_a_season_on_a_line_keeps_rising():
    # Differences to four steps ago are all 0.4, so the next ones are too, but for the penalty.
    season = np.tile([1.0, 5.0, 2.0, 8.0], 12)
    values = season + 0.1 * np.arange(48)
    expected = np.tile([1.0, 5.0, 2.0, 8.0], 2) + 0.1 * np.arange(48, 56)
    ahead = after(values, 8, (1, 2), 4)[0]
    assert ahead == pytest.approx(expected, abs=0.02)


def test_too_short_for_one_equation_repeats_the_last_season():
    ahead = after(np.arange(5.0), 4, (1, 3), 4)
    assert ahead[0].tolist() == [1, 2, 3, 4]


def test_nothing_explodes():
    growing = 1.5 ** np.arange(60.0)
    ahead = after(growing, 500, (1, 2), 1)[0]
    # No change is larger than the largest seen.
    assert np.abs(np.diff(ahead)).max() <= np.abs(np.diff(growing)).max() * (1 + 1e-9)


def test_origins_see_what_they_would_see_alone():
    values = np.random.default_rng(3).normal(size=(3, 400))
    rows = Rows(values, 24, 24, (200, 250, 400))
    together = continued(rows, 48, (1, 24))
    for at, end in enumerate(rows.ends):
        assert together[:, at] == pytest.approx(after(values[:, :end], 48, (1, 24), 24))


def test_rows_do_not_see_each_other():
    rows = np.random.default_rng(0).normal(size=(4, 400))
    together = after(rows, 48, (1, 24), 24)
    assert together[1] == pytest.approx(after(rows[1:2], 48, (1, 24), 24)[0])


def test_a_series_with_memory_is_left_to_those_who_remember():
    rng = np.random.default_rng(1)
    values = np.zeros((12, 800))
    for at in range(1, 800):
        values[:, at] = 0.97 * values[:, at - 1] + rng.normal(0, 0.02, 12)
    values = np.clip(values, -1, 1)
    chosen = choose(values, 24, HOURLY, period=24, per_day=24)
    assert (chosen.mae <= chosen.naive_mae).all()
    assert any("autoregression" in name for name in chosen.names)


def test_autoregressions_are_not_asked_for_months():
    rng = np.random.default_rng(2)
    history = History(HOUR_MS * np.arange(800, dtype=np.int64), rng.normal(size=800))
    (outlook,) = forecast([history], 60 * 24 * HOUR_MS)
    assert not any("autoregression" in name for name in outlook.backtest.weights)
