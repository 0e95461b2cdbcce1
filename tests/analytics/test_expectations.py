"""What planned changes are said to do moves bands and dates."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidecast_analytics.expectations import Amount, Expected, ahead, parse_amount
from tidecast_analytics.forecasting import forecast
from tidecast_analytics.outlook import History, OutlookState
from tidecast_analytics.series import DAY_MS, HOUR_MS

START = 1_767_225_600_000
DAYS = 60


def history(rise_a_day=0.0, *, step_ms=HOUR_MS, mark=90.0, limit=100.0, level=40.0):
    count = DAYS * DAY_MS // step_ms
    at = np.arange(count)
    noise = np.random.default_rng(3).normal(0, 0.3, count)
    values = level + rise_a_day * at * step_ms / DAY_MS + noise
    return History(START + step_ms * at, values, mark, limit)


def with_change(known, day, usage="", limit=""):
    amounts = [parse_amount(text) if text else Amount() for text in (usage, limit)]
    expected = Expected(int(known.times_ms[-1]) + day * DAY_MS, *amounts)
    return replace(known, expected=[expected])


def one(known, days=90):
    return forecast([known], days * DAY_MS)[0]


def day_of(outlook, at_ms):
    return (at_ms - outlook.times_ms[0]) / DAY_MS


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("+20%", Amount(ratio=0.2)),
        (" - 5 % ", Amount(ratio=-0.05)),
        ("100%", Amount(ratio=1.0)),
        ("+1TB", Amount(size=1e12)),
        ("-2 GiB", Amount(size=-2147483648.0)),
        ("0.15", Amount(size=0.15)),
        ("+3e6", Amount(size=3e6)),
    ],
)
def test_amounts_are_shares_or_sizes(text, amount):
    assert parse_amount(text) == amount


@pytest.mark.parametrize("text", ["", "much", "+20 %%", "-101%", "+1e9%", "1 cow", "++3", "nan"])
def test_what_is_no_amount_is_refused(text):
    with pytest.raises(ValueError, match=r"amount|shrinks"):
        parse_amount(text)


def test_effects_follow_each_other():
    # Doubled on the second day, 5 more on the third.
    changes = [
        Expected(DAY_MS + 1, usage=Amount(ratio=1.0)),
        Expected(2 * DAY_MS + 1, usage=Amount(size=5.0), limit=Amount(ratio=0.5)),
    ]
    found = ahead(changes, 0, DAY_MS, 4)
    assert found.usage(np.full(4, 10.0)).tolist() == [10, 20, 25, 25]
    assert found.limits(100.0).tolist() == [100, 100, 150, 150]
    # 2 u + 5 reaches 135 (90 with half more) at 65.
    assert found.marks(90.0, 100.0).tolist() == [90, 45, 65, 65]


def test_a_planned_doubling_is_dated_to_its_day():
    plain = history(level=50.0)
    assert one(plain).state is OutlookState.NOT_GROWING
    found = one(with_change(plain, 30, usage="+100%"))
    assert found.state is OutlookState.IN_HORIZON
    assert day_of(found, found.p50_ms) == pytest.approx(30, abs=1.1)
    assert found.probability == 1.0
    # Doubled it would be 100, which is all there is.
    assert found.mean[29 * 24] == pytest.approx(50, abs=1)
    assert found.mean[31 * 24] == pytest.approx(100, abs=1)
    assert found.hi95.max() <= 100.0


@pytest.mark.parametrize("step_ms", [HOUR_MS, DAY_MS])
def test_an_added_disk_moves_the_mark_away(step_ms):
    growing = history(0.5, step_ms=step_ms)
    without = one(growing)
    # 70 now, 0.5 a day: 90 after 40 days; with a mark of 135 not within 90.
    assert day_of(without, without.p50_ms) == pytest.approx(40, abs=3)
    found = one(with_change(growing, 20, limit="+50%"))
    assert found.state is OutlookState.BEYOND_HORIZON
    assert found.probability < 0.05
    assert found.mean[-1] == pytest.approx(without.mean[0] + 45, abs=3)


def test_a_disk_that_is_added_too_late_changes_no_date():
    growing = history(0.5)
    without, late = one(growing), one(with_change(growing, 70, limit="+50%"))
    assert (late.p10_ms, late.p50_ms) == (without.p10_ms, without.p50_ms)


def test_less_is_later():
    growing = history(0.5)
    found = one(with_change(growing, 5, usage="-20"))
    # From 70 less 20 the mark of 90 is 80 days away.
    assert day_of(found, found.p50_ms) == pytest.approx(80, abs=6)


def test_a_change_that_shows_already_is_not_counted_again():
    known = history(level=50.0)
    past = replace(known, expected=[Expected(int(known.times_ms[-1]) - 1, Amount(ratio=1.0))])
    assert one(past).mean.tolist() == one(known).mean.tolist()


@given(
    st.floats(-1, 1000),
    st.floats(-1e290, 1e290),
    st.integers(0, 40),
    st.sampled_from([1e-300, 1.0, 1e300]),
)
def test_any_expectation_gives_finite_bands(ratio, size, day, unit):
    values = unit * (1 + 0.01 * np.arange(20))
    at_ms = START + (19 + day) * DAY_MS
    known = History(
        START + DAY_MS * np.arange(20), values, 2 * unit, 3 * unit,
        expected=[Expected(at_ms, Amount(ratio, size), Amount(ratio, size))],
    )  # fmt: skip
    found = one(known, days=30)
    assert np.isfinite([found.mean, found.lo80, found.hi80, found.lo95, found.hi95]).all()
