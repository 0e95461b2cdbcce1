"""Scores of what came, by what came before: hand-made cases, invariances, and the false rate."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tidecast_analytics.anomalies import (
    HIGHEST_SCORE,
    WEEK_MS,
    anomaly_scores,
    find_anomalies,
    least_score,
)
from tidecast_analytics.series import HOUR_MS

RANDOM = np.random.default_rng
HOURS = np.arange(28 * 24)


def noise(series=1, hours=HOURS.size, seed=0):
    return RANDOM(seed).normal(0, 1, (series, hours))


def daily(series=1, seed=0):
    return 50 + 10 * np.sin(HOURS * 2 * np.pi / 24) + noise(series, seed=seed)


def found(rows, expected=1.0, step_ms=HOUR_MS):
    rows = np.asarray(rows, dtype=np.float64)
    return find_anomalies(rows, anomaly_scores(rows, step_ms), step_ms, expected)


def test_a_spike_is_found_at_its_hour_with_what_was_usual():
    rows = daily()
    rows[0, 500] += 40
    (anomaly,) = found(rows, expected=0.1)[0]
    assert anomaly.first == 500
    assert anomaly.peak in (500, 501)
    assert anomaly.value == pytest.approx(rows[0, anomaly.peak])
    assert anomaly.usual == pytest.approx(50 + 10 * np.sin(anomaly.peak * 2 * np.pi / 24), abs=2)


def test_what_is_usual_by_day_is_strange_at_night():
    rows = daily()
    assert np.sin(498 * 2 * np.pi / 24) == pytest.approx(-1)  # the quietest hour of the day
    rows[0, 493:504] = 50 + noise()[0, 493:504]  # a night that does not come
    anomalies = found(rows, expected=0.3)[0]
    assert {a.view for a in anomalies if 493 <= a.first < 504} == {"hour"}


def test_a_working_week_is_not_strange():
    busy = np.where(HOURS // 24 % 7 < 5, 30.0, 5.0)
    rows = np.tile(busy + 10 * np.sin(HOURS * 2 * np.pi / 24), 1) + noise(40)
    anomalies = [a for row in found(rows) for a in row if a.first >= 14 * 24]
    assert len(anomalies) / (40 * 2) < 1.5


@pytest.mark.parametrize(
    "law",
    [
        lambda random, shape: random.normal(0, 1, shape),
        lambda random, shape: random.poisson(3, shape).astype(float),
        lambda random, shape: random.exponential(1, shape),
        lambda random, shape: (
            np.sin(np.arange(shape[1]) / 24 * 2 * np.pi) * 5 + random.normal(0, 1, shape)
        ),
    ],
    ids=["normal", "Poisson", "exponential", "season"],
)
@pytest.mark.parametrize("expected", [0.5, 1.0, 3.0])
def test_the_false_rate_is_what_was_asked_for(law, expected):
    rows = law(RANDOM(1), (60, 8 * 168))
    scored = anomaly_scores(rows, HOUR_MS)
    anomalies = find_anomalies(rows, scored, HOUR_MS, expected)
    late = sum(each.first >= 4 * 168 for row in anomalies for each in row)
    assert 0.5 * expected < late / (60 * 4) < 1.5 * expected
    early = sum(each.first < 4 * 168 for row in anomalies for each in row)
    assert early / (60 * 4) < 1.5 * expected


def test_nothing_is_said_of_the_first_two_days():
    scores = anomaly_scores(noise(5), HOUR_MS).scores
    assert np.isnan(scores[:, :48]).all()
    assert not np.isnan(scores[:, 72:]).any()


def test_the_future_never_changes_a_score():
    rows = daily(3)
    whole = anomaly_scores(rows, HOUR_MS)
    changed = rows.copy()
    changed[:, 400:] = 1e6 * noise(3)[:, 400:]
    changed[0, 500:] = np.nan
    again = anomaly_scores(changed, HOUR_MS)
    cut = anomaly_scores(rows[:, :400], HOUR_MS)
    for other in (again.scores[:, :400], cut.scores):
        np.testing.assert_array_equal(whole.scores[:, :400], other)


def test_neither_unit_nor_zero_nor_sign_matter():
    rows = noise(4)
    rows[2, 450] = 30
    usual = anomaly_scores(rows, HOUR_MS).scores
    for changed in (1024.0 * rows, rows + 5, -rows, 1e-9 * rows):
        other = anomaly_scores(changed, HOUR_MS).scores
        both = np.isfinite(usual) & np.isfinite(other)
        np.testing.assert_allclose(other[both], usual[both], atol=1e-6)
        assert (np.isfinite(usual) != np.isfinite(other)).mean() < 1e-3


def test_series_do_not_touch_one_another():
    rows = daily(3)
    alone = [anomaly_scores(row[None], HOUR_MS).scores[0] for row in rows]
    np.testing.assert_array_equal(anomaly_scores(rows, HOUR_MS).scores, alone)


def test_a_constant_is_ordinary_and_its_first_change_is_not():
    rows = np.full((2, HOURS.size), 7.0)
    rows[1, 600] = 7.5
    quiet, changed = found(rows, expected=0.1)
    assert not quiet
    assert [each.first for each in changed] == [600]


def test_saturation_is_strange_once_and_then_usual():
    rows = np.minimum(60 + 3 * noise(), 100)
    rows[:, 400:] = 100
    anomalies = found(rows)[0]
    assert 400 in [each.first for each in anomalies]
    assert all(each.first < 430 for each in anomalies if each.first >= 400)


def test_gaps_have_no_score_and_raise_none():
    rows = daily(20)
    rows[:, 300:340] = np.nan
    rows[:, ::17] = np.nan
    scored = anomaly_scores(rows, HOUR_MS)
    assert np.isnan(scored.scores[np.isnan(rows)]).all()
    after = find_anomalies(rows, scored, HOUR_MS)
    assert sum(340 <= each.first < 388 for row in after for each in row) / 20 < 0.6


def test_near_strange_values_are_one_anomaly():
    rows = daily()
    rows[0, 500:503] += 60
    assert len([each for each in found(rows, 0.1)[0] if 490 < each.first < 510]) == 1


def test_asking_for_fewer_finds_no_more():
    rows = noise(20)
    counts = [sum(map(len, found(rows, expected))) for expected in (0.1, 0.3, 1.0, 5.0)]
    assert counts == sorted(counts)


@pytest.mark.parametrize("expected", [0.0, -1.0, 5.1, np.nan, np.inf])
def test_a_rate_outside_of_the_tail_is_refused(expected):
    with pytest.raises(ValueError, match="a week"):
        least_score(expected)


def test_a_score_is_the_logarithm_of_weeks():
    assert least_score(1.0) == 0
    assert least_score(0.1) == pytest.approx(1)
    assert WEEK_MS == 604_800_000


@given(
    hnp.arrays(
        np.float64,
        st.tuples(st.integers(0, 3), st.integers(0, 90)),
        elements=st.one_of(
            st.floats(allow_nan=True, allow_infinity=True),
            st.sampled_from([0.0, 1.0, 1.0, 1e300, -1e300, 5e-324]),
        ),
    ),
    st.sampled_from([HOUR_MS, 300_000, 24 * HOUR_MS]),
)
@settings(max_examples=40, deadline=None)
def test_whatever_comes_is_scored_without_a_word(rows, step_ms):
    rows = np.tile(rows, (1, 6))
    scored = anomaly_scores(rows, step_ms)
    assert scored.scores.shape == rows.shape
    told = scored.scores[~np.isnan(scored.scores)]
    assert (told <= HIGHEST_SCORE).all()
    find_anomalies(rows, scored, step_ms)
