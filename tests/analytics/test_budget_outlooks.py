"""What is to be expected of budgets, by hand and by enumeration."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidecast_analytics.budget_outlooks import Past, calendar_outlook, rolling_outlook

DAY = 86_400_000


def test_steady_days_end_the_budget_on_the_day_they_add_up_to() -> None:
    # 1000 events a day, 2 bad: over 30 days 99.9 % allow 30; 10 days spent 20, day 15 reaches 30,
    # and only day 16 goes beyond.
    found = calendar_outlook(
        Past([2] * 20, [1000] * 20), 0.999, (20, 10_000), now_ms=0, end_ms=20 * DAY
    )
    assert found.met_probability == 0
    assert found.ends_ms == (6 * DAY, 6 * DAY, 6 * DAY)
    good = calendar_outlook(
        Past([0] * 20, [1000] * 20), 0.999, (20, 10_000), now_ms=0, end_ms=20 * DAY
    )
    assert (good.met_probability, good.ends_ms) == (1, (None, None, None))


def test_a_period_that_is_over_is_what_it_was() -> None:
    met = calendar_outlook(Past([1], [1000]), 0.999, (1, 1000), now_ms=DAY, end_ms=DAY)
    assert (met.met_probability, met.ends_ms) == (1, (None, None, None))
    missed = calendar_outlook(Past([1], [1000]), 0.999, (2, 1000), now_ms=DAY, end_ms=DAY)
    assert (missed.met_probability, missed.ends_ms) == (0, (DAY, DAY, DAY))


def test_the_chance_to_meet_it_is_that_of_the_days_drawn() -> None:
    # Every second day has 10 bad of 1000, one day is left and 5 more may fail: half the days do.
    found = calendar_outlook(
        Past([0, 10] * 200, [1000] * 400), 0.99, (5, 0), now_ms=0, end_ms=DAY, paths=4_000
    )
    assert found.met_probability == pytest.approx(0.5, abs=0.03)


def test_a_rolling_budget_ends_when_new_days_outweigh_those_that_leave() -> None:
    # 30 days of 1000 events; 99.9 % allow 30 bad. The older 15 had none, the newer 15 one each:
    # 15 bad now. Drawn days have 0 or 1, so that it never goes beyond 30.
    calm = Past([0] * 15 + [1] * 15, [1000] * 30)
    assert rolling_outlook(calm, 0.999, now_ms=0).met_probability == 1
    # The same bad day each day: 1.5 x 30 = 45 > 30 is over already, 1 x 30 = 30 is not, nor ever.
    over = rolling_outlook(Past([1.5] * 30, [1000] * 30), 0.999, now_ms=5)
    assert (over.met_probability, over.ends_ms) == (0, (5, 5, 5))
    even = rolling_outlook(Past([1] * 30, [1000] * 30), 0.999, now_ms=5)
    assert (even.met_probability, even.ends_ms) == (1, (None, None, None))
    # Known for ten days only, 2.5 bad on each: 25, where 10 000 events allow 10.
    young = Past([0] * 20 + [2.5] * 10, [0] * 20 + [1000] * 10)
    assert rolling_outlook(young, 0.999, now_ms=0).met_probability == 0


def test_a_rolling_budgets_chance_is_that_of_the_days_drawn() -> None:
    # A window of two days: 1 bad of 100 and none. Drawn one by one, each day ahead has 1 or 0 bad:
    # 98.5 % allow 3 of 200, which is never reached. 99.5 % allow 1: after one day the window has
    # the old 0 and the drawn one, after two both drawn ones, which break it if both are 1.
    past = Past([1, 0], [100, 100], block=1)
    assert rolling_outlook(past, 0.985, now_ms=0).met_probability == 1
    found = rolling_outlook(past, 0.995, now_ms=0, paths=4_000)
    assert found.met_probability == pytest.approx(0.75, abs=0.03)
    assert found.ends_ms == (2 * DAY, None, None)


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(5, 50)), min_size=2, max_size=20),
    st.sampled_from([0.5, 0.9, 0.99]),
)
def test_the_end_comes_as_often_as_the_period_is_missed(
    days: list[tuple[int, int]], objective: float
) -> None:
    past = Past([bad for bad, _ in days], [total for _, total in days])
    found = rolling_outlook(past, objective, now_ms=0, paths=200)
    for share, end in zip((0.1, 0.5, 0.9), found.ends_ms, strict=True):
        assert (end is not None) == (1 - found.met_probability >= share - 1e-9)
    assert list(filter(None, found.ends_ms)) == sorted(filter(None, found.ends_ms))
