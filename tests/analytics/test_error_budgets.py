"""Error budgets by hand, by three methods, with exclusions and what is to be expected."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidecast_analytics.error_budgets import (
    BudgetingMethod,
    Slices,
    budget,
    budget_outlook,
)
from tidecast_analytics.spans import spans

DAY = 86_400_000
MINUTE = 60_000


def slices(*pairs: tuple[float, float]) -> Slices:
    good, total = np.array(pairs, dtype=np.float64).T
    return Slices(np.arange(len(pairs), dtype=np.int64) * MINUTE, MINUTE, good, total)


HOUR_OF_TROUBLE = slices((100, 100), (900, 1000), (0, 0), (95, 100), (np.nan, 10))


def test_three_methods_by_hand() -> None:
    events = budget(HOUR_OF_TROUBLE, 0.99)
    # 100 + 900 + 95 good of 1200: 1095 / 1200 = 0.9125; 0.0875 / 0.01 = 8.75 budgets.
    assert (events.numerator, events.denominator, events.unknown_slices) == (1095, 1200, 1)
    assert events.ratio == pytest.approx(0.9125)
    assert events.consumed_ratio == pytest.approx(8.75)
    assert events.remaining_ratio == pytest.approx(-7.75)
    timed = budget(HOUR_OF_TROUBLE, 0.9, BudgetingMethod.TIMESLICES, slice_target=0.95)
    # Good: 1.0, empty, 0.95; bad: 0.90.
    assert (timed.numerator, timed.denominator) == (3, 4)
    ratios = budget(HOUR_OF_TROUBLE, 0.9, BudgetingMethod.RATIO_TIMESLICES)
    # (1 + 0.9 + 1 + 0.95) / 4
    assert ratios.ratio == pytest.approx(0.9625)


def test_excluded_slices_count_for_nothing() -> None:
    found = budget(HOUR_OF_TROUBLE, 0.99, excluded=spans([(MINUTE, 2 * MINUTE)]))
    assert (found.numerator, found.denominator, found.excluded_slices) == (195, 200, 1)
    nothing = budget(HOUR_OF_TROUBLE, 0.99, excluded=spans([(0, DAY)]))
    assert (nothing.ratio, nothing.consumed_ratio, nothing.remaining_ratio) == (None, None, None)


@given(
    st.lists(st.integers(0, 20), min_size=1, max_size=12),
    st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=3),
)
def test_excluding_is_leaving_out(totals: list[int], cut: list[tuple[int, int]]) -> None:
    each = slices(*((t // 2, t) for t in totals))
    excluded = spans((a * MINUTE, b * MINUTE) for a, b in cut)
    kept = [t for i, t in enumerate(totals) if not excluded.contains(i * MINUTE)]
    found = budget(each, 0.9, excluded=excluded)
    assert found.denominator == sum(kept)
    assert found.excluded_slices == len(totals) - len(kept)


def test_steady_days_end_the_budget_on_the_day_they_add_up_to() -> None:
    # 1000 events a day, 2 bad: over 30 days 99.9 % allow 30; 10 days spent 20, day 15 reaches 30,
    # and only day 16 goes beyond.
    found = budget_outlook([2] * 20, [1000] * 20, 0.999, (20, 10_000), now_ms=0, end_ms=20 * DAY)
    assert found.met_probability == 0
    assert found.ends_ms == (6 * DAY, 6 * DAY, 6 * DAY)
    good = budget_outlook([0] * 20, [1000] * 20, 0.999, (20, 10_000), now_ms=0, end_ms=20 * DAY)
    assert (good.met_probability, good.ends_ms) == (1, (None, None, None))


def test_a_period_that_is_over_is_what_it_was() -> None:
    met = budget_outlook([1], [1000], 0.999, (1, 1000), now_ms=DAY, end_ms=DAY)
    assert (met.met_probability, met.ends_ms) == (1, (None, None, None))
    missed = budget_outlook([1], [1000], 0.999, (2, 1000), now_ms=DAY, end_ms=DAY)
    assert (missed.met_probability, missed.ends_ms) == (0, (DAY, DAY, DAY))


def test_the_chance_to_meet_it_is_that_of_the_days_drawn() -> None:
    # Every second day has 10 bad of 1000, one day is left and 5 more may fail: half the days do.
    found = budget_outlook(
        [0, 10] * 200, [1000] * 400, 0.99, (5, 0), now_ms=0, end_ms=DAY, paths=4_000
    )
    assert found.met_probability == pytest.approx(0.5, abs=0.03)
