"""Intervals of levels: as wide as events that fail together make them."""

from __future__ import annotations

import numpy as np
import pytest

from tidecast_analytics.level_intervals import level_interval, overdispersion


def test_wilsons_interval_by_hand() -> None:
    # 9 of 10, z = 1.64485: (0.9 + z2/20) / (1 + z2/10) -+ z sqrt(0.009 + z2/400) / (1 + z2/10)
    # with z2 = 2.70554: 0.814823 -+ 0.162542.
    low, high = level_interval(0.9, 10)
    assert (low, high) == pytest.approx((0.652281, 0.977365), abs=1e-6)
    assert level_interval(1.0, 50)[1] == 1.0 and level_interval(0.0, 50)[0] == 0.0
    # Events that fail in fours are worth a quarter of them.
    assert level_interval(0.9, 40, 4.0) == pytest.approx((low, high))


def test_overdispersion_by_hand() -> None:
    total = np.array([100.0, 100.0, 0.0, np.nan])
    # 90 and 100 good: p = 0.95, expected 95 each: 2 x 25 / 4.75 = 10.526 on one degree of freedom.
    assert overdispersion(np.array([90.0, 100.0, 0.0, np.nan]), total) == pytest.approx(
        10.526, abs=1e-3
    )
    # As even as can be is no less than chance; nothing and everything tell nothing.
    assert overdispersion(np.array([95.0, 95.0, 0.0, np.nan]), total) == 1
    assert overdispersion(np.array([100.0, 100.0, 0.0, np.nan]), total) == 1
    assert overdispersion(np.array([90.0]), np.array([100.0])) == 1


def test_intervals_hold_as_often_as_they_say_where_failures_come_together() -> None:
    # Beta-binomial hours (mean 0.98): a plain Wilson interval of all events misses far more often.
    draw = np.random.default_rng(3)
    held = plain = 0
    for _ in range(400):
        total = np.full(200, 100.0)
        good = draw.binomial(100, draw.beta(9.8, 0.2, size=200)).astype(float)
        level = good.sum() / total.sum()
        low, high = level_interval(level, total.sum(), overdispersion(good, total))
        held += low <= 0.98 <= high
        low, high = level_interval(level, total.sum())
        plain += low <= 0.98 <= high
    assert 0.86 <= held / 400 <= 0.94
    assert plain / 400 < 0.6
