"""A history taken apart: its parts add up to it, and are what it was made of."""

from __future__ import annotations

import numpy as np
import pytest

from tidecast_analytics.decomposition import decompose
from tidecast_analytics.outlook import History
from tidecast_analytics.series import DAY_MS, HOUR_MS

MONDAY = 4 * DAY_MS  # 5 January 1970


def test_the_parts_of_a_made_history():
    x = np.arange(8 * 168)
    times = MONDAY + HOUR_MS * x.astype(np.int64)
    day = 10 * np.cos((x % 24 - 14) / 24 * 2 * np.pi)
    week = np.where((x // 24) % 7 == 2, 6.0, -1.0)
    values = 100 + x / 24 + day + week + np.random.default_rng(1).normal(0, 0.2, x.size)
    parts = decompose(History(times, values))
    assert parts is not None
    total = parts.trend + sum(parts.seasons.values()) + parts.rest
    assert total == pytest.approx(values)
    assert parts.rise_per_day == pytest.approx(1.0, abs=0.05)
    assert parts.trend_strength > 0.95
    assert parts.season_strengths["day"] > 0.95
    assert parts.peaks == {"day": 14, "week": 2}, "two in the afternoon, and Wednesday"


def test_days_have_a_week_and_short_histories_nothing():
    times = MONDAY + DAY_MS * np.arange(60, dtype=np.int64)
    parts = decompose(History(times, 5.0 + (np.arange(60) % 7 == 5)))
    assert parts is not None
    assert list(parts.seasons) == ["week"]
    assert parts.peaks["week"] == 5
    assert decompose(History(times[:14], np.ones(14))) is None
    assert decompose(History(times[:0], np.ones(0))) is None


def test_a_constant_has_no_strength():
    parts = decompose(History(HOUR_MS * np.arange(200, dtype=np.int64), np.full(200, 3.0)))
    assert parts is not None
    assert parts.trend_strength == 0
    assert parts.rise_per_day == pytest.approx(0)
