"""What kind of history it is."""

import numpy as np
import pytest

from tidecast_analytics.forecasting import forecast
from tidecast_analytics.kinds import Kind, kinds
from tidecast_analytics.outlook import History, OutlookState
from tidecast_analytics.series import HOUR_MS

HOURS = np.arange(30 * 24)


def bursts(seed=0, height=60.0):
    """Two at rest, with a burst of three hours twice a week or so."""
    rng = np.random.default_rng(seed)
    begun = (rng.random(HOURS.size) < 0.02) & (HOURS.size - 72 > HOURS)
    busy = np.convolve(begun, np.ones(3))[: HOURS.size] > 0
    return 2 + np.where(busy, height, 0) + rng.random(HOURS.size) * 0.1


def outlook(values, mark, days=30):
    times = HOUR_MS * np.arange(values.size, dtype=np.int64)
    return forecast([History(times, values, mark)], days * 24 * HOUR_MS)[0]


def test_bursts_from_a_rest_are_told_from_growth_and_from_seasons():
    assert kinds(np.asarray(bursts(), dtype=np.float64)[None, :], 24)[0] is Kind.RESTING
    assert (
        kinds(np.asarray(40 + 5 * np.sin(HOURS / 4), dtype=np.float64)[None, :], 24)[0] is Kind.EVEN
    )
    assert (
        kinds(np.asarray(np.maximum(HOURS - 500, 0) * 0.1, dtype=np.float64)[None, :], 24)[0]
        is Kind.EVEN
    )
    assert kinds(np.asarray(np.zeros(100), dtype=np.float64)[None, :], 24)[0] is Kind.EVEN


def test_what_was_cleared_and_creeps_up_again_is_not_at_rest():
    cleared = np.where(HOURS < 200, 85.0, 20.0) + 0.001 * HOURS
    assert kinds(np.asarray(cleared, dtype=np.float64)[None, :], 24)[0] is Kind.EVEN


def test_bursts_going_on_now_are_no_rest():
    values = bursts()
    values[-72:] = 60
    assert kinds(np.asarray(values, dtype=np.float64)[None, :], 24)[0] is Kind.EVEN


def test_at_rest_the_forecast_is_the_rest_and_the_band_knows_bursts():
    said = outlook(bursts(), mark=90.0)
    assert said.mean[:72] == pytest.approx(np.full(72, 2.05), abs=0.1)
    assert said.state is OutlookState.NOT_GROWING
    assert said.hi95[:72].max() > 5


def test_a_fill_that_began_lately_is_still_seen():
    said = outlook(np.maximum(HOURS - 400, 0) * 0.2, mark=90.0)
    assert said.state is OutlookState.IN_HORIZON
