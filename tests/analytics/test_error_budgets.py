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
