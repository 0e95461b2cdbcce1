"""Leaks across restarts, and what only looks like one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tidecast_analytics.leaks import find_leak
from tidecast_analytics.series import HOUR_MS, Grid

HOURS = np.arange(42 * 24)
MIB = 2.0**20
FAMILY = range(25)


def since_restart(random, least=60, most=240):
    """The hours since the last of some restarts at irregular times."""
    age = np.empty(HOURS.size)
    at = 0
    while at < HOURS.size:
        length = int(random.integers(least, most))
        age[at : at + length] = np.arange(length)[: HOURS.size - at]
        at += length
    return age


def leaking(random):
    age = since_restart(random)
    season = 20 * np.sin(HOURS * 2 * np.pi / 24)
    return 500 + random.uniform(1, 4) * age + season + random.normal(0, 8, HOURS.size)


def warming(random):
    age = since_restart(random, 120, 240)
    rise = 300 * (1 - np.exp(-age / random.uniform(4, 36)))
    return 500 + rise + random.normal(0, 8, HOURS.size)


def housekeeping(random):
    period = int(random.integers(3, 24))
    return 500 + 20.0 * (HOURS % period) + random.normal(0, 5, HOURS.size)


def noise(random):
    return 500 + random.normal(0, 50, HOURS.size)


def wandering(random):
    walk = np.cumsum(random.normal(0, 4, HOURS.size))
    return 900 + walk - 400 * (since_restart(random) < 24)


def seasonal(random):
    season = 100 * np.sin(HOURS * 2 * np.pi / 24) + 40 * (HOURS // 24 % 7 < 5)
    return 500 + season + random.normal(0, 8, HOURS.size)


def leak_of(values):
    return find_leak(Grid(0, HOUR_MS, np.asarray(values, dtype=np.float64)))


def share_leaking(family):
    return np.mean([leak_of(family(np.random.default_rng(seed))) is not None for seed in FAMILY])


def test_leaks_are_found():
    assert share_leaking(leaking) >= 0.9


@pytest.mark.parametrize("family", [warming, housekeeping, noise, wandering, seasonal])
def test_what_only_looks_like_a_leak_is_none(family):
    assert share_leaking(family) <= 0.04


def test_the_rate_and_the_restarts_are_told():
    # 2 MiB an hour from 500 MiB, restarted every 100 hours: 48 MiB a day.
    leak = leak_of((500 + 2.0 * (HOURS % 100)) * MIB)
    assert leak.rate_per_day == pytest.approx(48 * MIB)
    assert leak.restarts_ms == tuple(HOUR_MS * at for at in range(100, HOURS.size, 100))
    # Ten parts of 100 hours without 20 of warm-up, 5 by the mean of six and 24 of the first day,
    # and the last of 8 hours: 10 x 51 / 24 days.
    assert leak.days == pytest.approx(510 / 24)


def test_unit_and_level_do_not_matter():
    values = leaking(np.random.default_rng(3))
    leak = leak_of(values)
    scaled, moved = leak_of(1024 * values), leak_of(values + 64)
    assert scaled.rate_per_day == pytest.approx(1024 * leak.rate_per_day)
    assert moved.rate_per_day == pytest.approx(leak.rate_per_day)
    assert scaled.restarts_ms == moved.restarts_ms == leak.restarts_ms


def test_growth_without_a_restart_is_no_leak():
    assert leak_of(500 + 2.0 * HOURS) is None


def test_a_dip_is_no_restart():
    values = 500 + 0.1 * HOURS
    values[500] = 100
    assert leak_of(values) is None


def test_gaps_do_not_hide_a_leak():
    values = 500 + 2.0 * (HOURS % 100)
    values[::7] = np.nan
    values[600:620] = np.nan
    assert leak_of(values).rate_per_day == pytest.approx(48, rel=0.1)


@given(
    hnp.arrays(
        np.float64,
        st.integers(0, 60),
        elements=st.one_of(
            st.floats(-1e150, 1e150), st.just(np.nan), st.sampled_from([0.0, 1.0, 100.0])
        ),
    )
)
@settings(max_examples=50, deadline=None)
def test_whatever_comes_raises_nothing(values):
    values = np.tile(values, 5)
    if np.isfinite(values).any():
        leak_of(values)


@pytest.mark.parametrize("values", [[np.nan] * 60 + [1.0], [1e308, -1e308] * 40, [5e-324, 0] * 40])
def test_nothing_ugly_is_a_leak_or_a_warning(values):
    assert find_leak(Grid(0, HOUR_MS, np.array(values))) is None
