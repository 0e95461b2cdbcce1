"""Hourly values of processes with a known law, and what is said of how the forecast was made."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tidecast_analytics.events import Event
from tidecast_analytics.forecasting import forecast
from tidecast_analytics.outlook import History
from tidecast_analytics.series import DAY_MS, HOUR_MS

RANDOM = np.random.default_rng
AHEAD = 72


def told(rows, horizon=AHEAD, **more):
    times_ms = HOUR_MS * np.arange(len(rows[0]), dtype=np.int64)
    histories = [History(times_ms, np.asarray(row, dtype=np.float64), **more) for row in rows]
    return forecast(histories, horizon * HOUR_MS)


def coverage(rows, horizon=AHEAD):
    """The shares of the last `horizon` values within their 80 % and 95 % bands."""
    outlooks = told([row[:-horizon] for row in rows], horizon)
    hidden = np.stack([row[-horizon:] for row in rows])

    def share(low, high):
        edges = [np.stack([getattr(o, name) for o in outlooks]) for name in (low, high)]
        return ((hidden >= edges[0]) & (hidden <= edges[1])).mean()

    return share("lo80", "hi80"), share("lo95", "hi95")


def noise(days, memory, series=60):
    draws = RANDOM(days).normal(0, 1, (series, days * 24 + AHEAD))
    for step in range(1, draws.shape[1]):
        draws[:, step] += memory * draws[:, step - 1]
    return draws


def with_week(rows):
    hours = np.arange(rows.shape[1])
    busy = np.where(hours // 24 % 7 < 5, 6.0, 0.0)
    return 50 + busy + 4 * np.sin(hours * 2 * np.pi / 24) + rows


@pytest.mark.parametrize(
    ("rows", "least", "most"),
    [
        (with_week(noise(28, 0.0)), 0.75, 0.87),
        (with_week(noise(60, 0.7)), 0.75, 0.87),
        (50 + noise(14, 0.7), 0.72, 0.88),
        (50 + noise(4, 0.0), 0.72, 0.92),
        (noise(28, 1.0), 0.70, 0.90),
    ],
    ids=["season", "season and memory", "two weeks", "four days", "random walk"],
)
def test_bands_hold_what_they_say_of_known_laws(rows, least, most):
    of80, of95 = coverage(rows)
    assert least <= of80 <= most
    # Four days do not show that there is nothing but noise: then the wide band is wider.
    assert 0.90 <= of95 <= (0.985 if rows.shape[1] > 10 * 24 else 1.0)


def test_a_week_seen_once_and_a_half_is_repeated_where_it_repeats():
    hours = np.arange(10 * 24 + AHEAD)
    busy = np.where((hours // 24 + 3) % 7 < 5, 30.0, 5.0) + RANDOM(1).normal(0, 0.5, hours.size)
    (outlook,) = told([busy[:-AHEAD]])
    last_day = np.abs(np.resize(busy[-AHEAD - 24 : -AHEAD], AHEAD) - busy[-AHEAD:]).mean()
    assert "seasonal naive (week)" in outlook.backtest.weights
    assert np.abs(outlook.mean - busy[-AHEAD:]).mean() < last_day


def test_one_wild_day_does_not_choose_the_members():
    rows = with_week(noise(40, 0.0, series=8))
    wild = rows.copy()
    wild[:, 30 * 24 : 31 * 24] += 400
    usual = np.abs(np.stack([o.mean for o in told(rows[:, :-AHEAD])]) - rows[:, -AHEAD:]).mean()
    despite = np.abs(np.stack([o.mean for o in told(wild[:, :-AHEAD])]) - rows[:, -AHEAD:]).mean()
    assert despite < 1.5 * usual


def test_what_was_made_of_the_history_is_told():
    hours = np.arange(40 * 24)
    values = with_week(RANDOM(2).normal(0, 0.3, (1, hours.size)))[0]
    values[30 * 24 :] += 40
    values[100:110] = np.nan
    (outlook,) = told([values], changes_ms=(30 * DAY_MS,))
    seen = outlook.seen
    assert (seen.start_ms, seen.end_ms, seen.steps) == (0, (40 * 24 - 1) * HOUR_MS, 960)
    assert seen.observed_ratio == pytest.approx(950 / 960)
    assert seen.season_steps == (24, 168)
    ((at_ms, size),) = seen.shifts
    assert abs(at_ms - 30 * DAY_MS) <= HOUR_MS
    assert size == pytest.approx(40, abs=2)
    errors = list(outlook.backtest.errors.values())
    assert errors == sorted(errors)
    assert set(outlook.backtest.weights) <= set(outlook.backtest.errors)


@settings(max_examples=40, deadline=None)
@given(
    hnp.arrays(
        np.float64,
        st.integers(0, 1000),
        elements=st.one_of(st.floats(allow_nan=True, allow_infinity=True), st.just(7.0)),
        fill=st.just(7.0),
    ),
    st.lists(st.tuples(st.integers(-(10**12), 10**12), st.integers(1, 90 * 24)), max_size=4),
    st.lists(st.integers(-(10**15), 10**15), max_size=3),
)
def test_events_and_changes_of_any_time_give_finite_answers(values, spans, changes):
    events = [Event(at, at + hours * HOUR_MS, "any") for at, hours in spans]
    times_ms = HOUR_MS * np.arange(values.size, dtype=np.int64)
    history = History(times_ms, values, 9.0, None, events, changes)
    (outlook,) = forecast([history], AHEAD * HOUR_MS)
    for edge in (outlook.mean, outlook.lo95, outlook.lo80, outlook.hi80, outlook.hi95):
        assert np.isfinite(edge).all()
    assert (outlook.lo95 <= outlook.lo80).all()
    assert (outlook.hi80 <= outlook.hi95).all()
