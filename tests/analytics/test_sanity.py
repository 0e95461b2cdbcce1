"""What is wrong with a history is found, told with its time, and nothing is found in a good one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidecast_analytics.outlook import History
from tidecast_analytics.sanity import Severity, clock_finding, findings, twin_finding, twins

HOUR = 3_600_000
NOW = 500_000 * HOUR
STEPS = 28 * 24
TIMES = NOW - HOUR * np.arange(STEPS - 1, -1, -1, dtype=np.int64)
WAVE = 50 + 10 * np.sin(np.arange(STEPS) / 24 * 2 * np.pi)
NOISE = np.random.default_rng(3).normal(0, 1, STEPS)


def found(values=WAVE + NOISE, times=TIMES, unit="bytes", mark=90.0, limit=100.0):
    return findings(History(times, np.asarray(values, dtype=float), mark, limit), unit, NOW)


def kinds(*args, **more):
    return [each.kind for each in found(*args, **more)]


def test_nothing_is_found_in_what_is_well():
    assert found() == ()
    assert found((WAVE + NOISE) / 100, unit="ratio", mark=0.9, limit=1.0) == ()
    assert found(np.linspace(10, 60, STEPS)) == (), "steady growth is no counter"
    assert found(np.full(STEPS, 7.0)) == (), "what never moved is not stuck"
    saw = np.arange(STEPS) % 168 + 20 + NOISE
    assert found(saw, mark=None, limit=None) == (), "log rotation is no counter's reset"


@pytest.mark.parametrize(
    ("values", "unit", "limit", "word"),
    [
        (WAVE, "ratio", 1.0, "percent"),
        (WAVE, "bytes", 5e10, "ratio or percent"),
        (WAVE * 1e9, "bytes", 100.0, "far above the limit"),
    ],
)
def test_units_that_do_not_match(values, unit, limit, word):
    first = found(values, unit=unit, limit=limit, mark=None)[0]
    assert (first.kind, first.severity) == ("unit_mismatch", Severity.ERROR)
    assert word in first.what
    assert first.do


def test_more_than_there_is():
    values = WAVE.copy()
    values[100:103] = 130
    (one,) = found(values)
    assert (one.kind, one.severity) == ("over_limit", Severity.NOTE)
    assert (one.first_ms, one.last_ms) == (TIMES[100], TIMES[102])
    assert "3 values above 100 % of the limit, at most 130.0%" in one.what


def test_uneven_samples_within_the_hours_are_no_gaps():
    uneven = np.sort(np.random.default_rng(4).integers(NOW - STEPS * HOUR, NOW, 6 * STEPS))
    assert found(NOISE.mean() + uneven % 11, uneven, mark=None, limit=None) == ()


@pytest.mark.parametrize(
    ("apart_minutes", "severity", "words"),
    [
        (1.5, Severity.NOTE, "90 seconds ahead"),
        (-7, Severity.WARNING, "7 minutes behind"),
        (-180, Severity.WARNING, "3.0 hours behind"),
    ],
)
def test_a_clock_that_is_apart(apart_minutes, severity, words):
    told = clock_finding(round(apart_minutes * 60_000), NOW)
    assert (told.kind, told.severity) == ("clock_skew", severity)
    assert f"The host's clock is {words}, " in told.what


def test_samples_of_the_future():
    (one,) = found(times=TIMES + 5 * HOUR)
    assert (one.kind, one.severity) == ("clock_skew", Severity.ERROR)
    assert one.first_ms == NOW + 3 * HOUR
    assert "3 values from the future, up to 5.0 hours" in one.what


def test_a_counter_recorded_as_it_is():
    counter = np.cumsum(np.abs(NOISE) + 1)
    counter[400:] -= counter[400]
    (one,) = found(counter, mark=None, limit=None)
    assert (one.kind, one.first_ms) == ("counter_reset", TIMES[400])
    assert "rate(" in one.do


def test_gaps():
    keep = np.ones(STEPS, dtype=bool)
    keep[200:300] = False
    (one,) = found((WAVE + NOISE)[keep], TIMES[keep])
    assert (one.kind, one.severity, one.first_ms) == ("gap", Severity.WARNING, TIMES[199])
    assert one.what == "14.9% of it is missing; the longest gap lasts 4 days."
    keep[207:300] = True
    assert found((WAVE + NOISE)[keep], TIMES[keep])[0].severity is Severity.NOTE


def test_a_sensor_that_is_stuck():
    values = WAVE + NOISE
    values[-100:] = values[-101]
    (one,) = found(values)
    assert (one.kind, one.first_ms) == ("flat_line", TIMES[-101])
    assert "for 4 days, and moved before" in one.what
    steps = np.repeat(np.arange(4.0), 168)
    assert found(steps, mark=None, limit=None) == (), "it always moved once a week"


def test_two_values_at_one_time():
    (one,) = found(np.append(WAVE, 3.0), np.append(TIMES, TIMES[5]))
    assert (one.kind, one.first_ms) == ("duplicate_time", TIMES[5])


def test_nothing_recorded_at_all():
    assert kinds([], TIMES[:0]) == ["no_data"]
    assert kinds([np.nan], TIMES[:1]) == ["no_data"]


def test_the_gravest_comes_first():
    values = WAVE.copy()
    values[5] = 130
    assert kinds(values, TIMES + 9 * HOUR) == ["clock_skew", "over_limit"]


def test_two_that_read_the_same_thing():
    one, other = History(TIMES, WAVE), History(TIMES, WAVE + NOISE)
    flat = History(TIMES, np.ones(STEPS))
    assert twins([one, other, History(TIMES, WAVE.copy()), flat, flat]) == {2: 0}
    told = twin_finding(one, "web-1:cpu")
    assert (told.kind, told.first_ms, told.last_ms) == ("twin", TIMES[0], TIMES[-1])
    assert "web-1:cpu" in told.what


@given(
    st.lists(
        st.tuples(st.integers(-(2**40), 2**40), st.floats()), max_size=40
    ),
    st.sampled_from(["ratio", "bytes", "count"]),
    st.none() | st.floats(),
)  # fmt: skip
def test_any_history_is_coped_with(points, unit, limit):
    times = np.array([t for t, _ in points], dtype=np.int64)
    values = np.array([v for _, v in points], dtype=float)
    for each in findings(History(times, values, limit, limit), unit, 0):
        assert each.first_ms <= each.last_ms
        assert each.what.endswith(".")
