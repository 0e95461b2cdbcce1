"""Burn rates equal the published tables to the last digit."""

from __future__ import annotations

import pytest

from tidecast_analytics.burn_rates import (
    DAY,
    GOOGLE_30D,
    HOUR,
    SLOTH,
    BurnWindows,
    doubts,
    fires,
    pyrra,
    window_sets,
)

MONTH = 30 * DAY


def test_the_workbooks_table() -> None:
    assert [w.factor(MONTH) for w in GOOGLE_30D] == [14.4, 6.0, 1.0]
    assert [w.threshold_ratio(MONTH, 0.999) for w in GOOGLE_30D] == [0.0144, 0.006, 0.001]
    assert all(w.long_seconds == 12 * w.short_seconds for w in GOOGLE_30D)


def test_the_other_sets_and_periods() -> None:
    assert [w.factor(MONTH) for w in SLOTH] == [14.4, 6.0, 3.0, 1.0]
    # 28 days: 0.02 x 672, 0.05 x 112, 0.1 x 28, 0.1 x 28 / 3
    assert [w.factor(28 * DAY) for w in SLOTH] == [13.44, 5.6, 2.8, 0.9333333333]
    assert [w.factor(28 * DAY) for w in pyrra(28 * DAY)] == [14.0, 7.0, 2.0, 1.0]
    assert [(w.long_seconds // HOUR) for w in pyrra(28 * DAY)] == [1, 6, 24, 96]
    # 30 days: an hour of 28 days is 64.3 minutes, five minutes 5.4, four days 4.3 days.
    grown = pyrra(MONTH)
    assert [w.factor(MONTH) for w in grown] == [14.0, 7.0, 2.0, 1.0]
    assert [w.long_seconds // 60 for w in grown] == [64, 386, 1_543, 6_171]
    assert [w.short_seconds // 60 for w in grown] == [5, 32, 129, 386]
    assert list(window_sets(MONTH)) == ["google", "sloth", "pyrra"]


def test_both_windows_must_be_strictly_above() -> None:
    page = GOOGLE_30D[0]
    assert not fires(0.0144, 0.02, page, MONTH, 0.999)
    assert not fires(0.02, 0.0144, page, MONTH, 0.999)
    assert fires(0.01441, 0.01441, page, MONTH, 0.999)


def test_what_cannot_work_is_said() -> None:
    page = GOOGLE_30D[0]
    # 14.4 x 0.1 = 1.44: no error ratio exceeds it.
    assert "can never fire" in doubts(page, MONTH, 0.9)[0]
    assert doubts(page, MONTH, 0.999, events_per_second=10) == []
    # 36 events an hour x 0.0144 is half an event.
    assert "one bad event" in doubts(page, MONTH, 0.999, events_per_second=0.01)[0]
    assert "longer than the period" in doubts(BurnWindows("x", 2 * DAY, HOUR, 1), DAY, 0.9)[0]
    with pytest.raises(ZeroDivisionError):
        BurnWindows("x", 0, 0, 1).factor(DAY)
