"""Dates from the law of the running maximum: by hand, in order, and calibrated."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tidecast_analytics import dayshapes, runningmax
from tidecast_analytics.dailypeaks import Days, sustained_peaks
from tidecast_analytics.forecasting import forecast
from tidecast_analytics.outlook import History, OutlookState
from tidecast_analytics.series import DAY_MS, HOUR_MS
from tidecast_analytics.shapeweights import weights
from tidecast_analytics.smoothing import smoothed

AHEAD = np.arange(1, 11)


def days(peaks):
    peaks = np.atleast_2d(np.asarray(peaks, dtype=np.float64))
    return Days(peaks, smoothed(peaks, [peaks.shape[1]])[peaks.shape[1]])


def said(values, mark, per_day=1, horizon=90):
    times = DAY_MS // per_day * np.arange(len(values), dtype=np.int64)
    history = History(times, np.asarray(values, dtype=np.float64), mark)
    return forecast([history], horizon * DAY_MS)[0]


def days_until(outlook):
    start = outlook.times_ms[0] - outlook.step_ms
    dates = (outlook.p10_ms, outlook.p50_ms, outlook.p90_ms)
    return [None if at is None else (at - start) / DAY_MS for at in dates]


def test_a_sustained_peak_is_what_three_hours_in_a_row_reach():
    hours = np.zeros((1, 48))
    hours[0, 10:12] = 9  # two hours only
    hours[0, 22:25] = 7  # across midnight: it counts where its third hour stands
    assert sustained_peaks(hours, 24).tolist() == [[0.0, 7.0]]
    assert sustained_peaks(hours[:, :5], 1).tolist() == [[0.0] * 5]


def test_a_straight_line_goes_on_in_every_shape_that_can():
    line = days(0.5 * np.arange(70))
    truth = 0.5 * (69 + AHEAD)
    for path in (
        line.smoothed.path(AHEAD)[0],
        dayshapes.elbow(line, AHEAD)[0],
        dayshapes.bend(line, 28, AHEAD, as_power=False)[0],
        dayshapes.bend(line, 28, AHEAD, as_power=True)[0],
        dayshapes.periodic(line, AHEAD)[0],
    ):
        assert path == pytest.approx(truth, rel=1e-3)


def test_curves_follow_the_law_they_are_named_for():
    at = np.arange(90)
    limited, exponential = 10 - 8 * np.exp(-at / 30), np.exp(at / 40)
    logistic = 5 / (1 + np.exp(-(at - 45) / 12))
    for which, law in enumerate((limited, exponential, logistic)):
        added = dayshapes.curves(law[None, :80], AHEAD)[which][0, -1]
        # Limits come from a grid: within a quarter of the rise of the ten days before.
        assert added == pytest.approx(law[89] - law[79], abs=0.25 * (law[79] - law[69]))


def test_an_elbow_gives_the_newest_pace():
    broken = days(np.maximum(np.arange(60) - 49, 0) * 0.3)
    assert dayshapes.elbow(broken, AHEAD)[0, -1] == pytest.approx(0.3 * 20, rel=0.05)


def test_a_period_is_found_and_goes_on():
    saw = days(np.arange(90) % 11)
    truth = (89 + AHEAD) % 11
    assert dayshapes.periodic(saw, AHEAD)[0] == pytest.approx(truth, abs=0.2)


def test_weekdays_are_told_from_noise():
    rng = np.random.default_rng(0)
    work = np.where(np.arange(84) % 7 < 5, 1.0, 0.0)
    assert days(work + 0.05 * rng.normal(size=84)).season(np.arange(1, 8))[0] == pytest.approx(
        work[:7] - 5 / 7, abs=0.1
    )
    assert np.abs(days(rng.normal(size=84)).weekday).max() < 0.8
    assert not days(np.arange(20)).weekday.any()


def test_no_state_of_the_smoothing_knows_what_came_later():
    rng = np.random.default_rng(1)
    known, other = rng.normal(size=(2, 3, 60))
    other[:, :40] = known[:, :40]
    one, two = smoothed(known, [40])[40], smoothed(other, [40])[40]
    assert (one.path(AHEAD) == two.path(AHEAD)).all()


def test_shares_of_a_law_by_hand():
    # A law of eleven levels; at its median half of it lies above, at its 90 % level a tenth.
    law = np.linspace(-1, 1, 11)[None, :]
    highest, size = np.array([[10.0]]), np.array([[2.0]])
    for mark, share in ((10.0, 0.5), (10 + 2 * 0.6, 0.1), (5.0, 1.0), (20.0, 0.0)):
        found = runningmax.share_at_or_above(highest, size, law, np.array([mark]))
        assert found[0, 0] == pytest.approx(share, abs=1e-6)


def test_weights_sum_to_one_and_errors_cost():
    context = np.array([[1.0, 0, 0, 0, 0, 0, 0, 0, 0]])
    even = weights(["last", "line 20"], np.zeros((2, 1, 5)), context)
    worse = weights(["last", "line 20"], np.array([[[1.0] * 5], [[0.0] * 5]]), context)
    assert even.sum() == pytest.approx(1)
    assert worse[0, 0] < even[0, 0]


def test_a_line_is_dated_to_the_day():
    # 20 + 0.5 a day: 49.5 after 60 days, 60 is reached 21 days later.
    early, likely, late = days_until(said(20 + 0.5 * np.arange(60), 60.0))
    assert likely == pytest.approx(21, abs=2)
    assert early <= likely <= late <= 35


@pytest.mark.parametrize("known, latest", [(28, 40), (90, 33)])
def test_steady_growth_is_dated_sharply(known, latest):
    # 75 now and half a point a day, hardly any noise: 90 is reached after 30 days.
    hours = np.arange(known * 24)
    noise = np.random.default_rng(7).normal(0, 0.1, hours.size)
    values = 75 + 0.5 / 24 * (hours - hours.size) + np.sin(hours * 2 * np.pi / 24) / 2 + noise
    early, likely, late = days_until(said(values, 90.0, per_day=24))
    assert 25 <= early <= likely <= late <= latest
    assert likely == pytest.approx(29.5, abs=1.5)


def test_stairs_under_hours_are_continued_by_stairs():
    rng = np.random.default_rng(8)
    steps = np.repeat(np.where(rng.random(120) < 0.1, 2.0, 0.0).cumsum(), 24)
    values = 40 + steps + rng.normal(0, 0.01, steps.size)
    early, likely, late = days_until(said(values, values[-1] + 5.9, per_day=24))
    # Three steps of two are due, at one in ten days: P(N(17) >= 3) = 0.25, P(N(50) >= 3) = 0.88.
    assert early < 20 < likely < 45
    assert late is None or late > 45


def test_a_higher_mark_is_never_crossed_earlier():
    rng = np.random.default_rng(3)
    values = 40 + np.cumsum(rng.normal(0.3, 1.0, 100))
    last = np.zeros(3)
    for mark in np.linspace(values.max() + 0.1, values.max() + 60, 12):
        dates = [90.5 if date is None else date for date in days_until(said(values, mark))]
        assert (np.array(dates) >= last).all()
        last = np.array(dates)


def test_the_answer_follows_shift_and_scale():
    values = 30 + 0.2 * np.arange(80) + np.random.default_rng(4).normal(0, 1, 80)
    plain, other = said(values, 60.0), said(1000 + 7 * values, 1000 + 7 * 60.0)
    assert plain.p50_ms == other.p50_ms
    assert plain.probability == pytest.approx(other.probability, abs=0.01)


def test_a_saw_tooth_below_its_mark_is_not_growth():
    values = 30 + 40 * (np.arange(90 * 24) % 168) / 168
    assert said(values, 90.0, per_day=24).state is OutlookState.NOT_GROWING


def test_hours_and_days_of_one_line_agree():
    hours = 20 + 0.5 / 24 * np.arange(60 * 24)
    fine, coarse = days_until(said(hours, 60.0, per_day=24)), days_until(said(hours[23::24], 60.0))
    assert fine[1] == pytest.approx(coarse[1], abs=1.5)


def test_dates_of_random_walks_with_drift_are_held_as_often_as_said():
    rng = np.random.default_rng(5)
    paths = np.cumsum(rng.normal(0.25, 1.0, (150, 190)), axis=1)
    times = DAY_MS * np.arange(100, dtype=np.int64)
    marks = paths[:, :100].max(axis=1) + 10
    asked = [History(times, path[:100], mark) for path, mark in zip(paths, marks, strict=True)]
    held = []
    for path, mark, outlook in zip(paths, marks, forecast(asked, 90 * DAY_MS), strict=True):
        over = np.flatnonzero(path[100:] >= mark)
        truth = over[0] + 1 if over.size else 91
        early, _, late = (91 if date is None else date for date in days_until(outlook))
        held.append(early <= truth <= late)
    # A date beyond the horizon counts as held by a P90 beyond it: somewhat more than 80 %.
    assert 0.75 <= np.mean(held) <= 0.97


UGLY = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([0.0, 1.0, -1.0, 1e300, -1e300, 1e-300]),
)


@settings(max_examples=30, deadline=None)
@given(
    hnp.arrays(np.float64, st.integers(1, 60), elements=UGLY),
    UGLY,
    st.sampled_from([HOUR_MS, DAY_MS]),
)
def test_any_input_gives_an_answer_in_order(values, mark, step_ms):
    times = step_ms * np.arange(values.size, dtype=np.int64)
    outlook = forecast([History(times, values, mark)], 30 * DAY_MS)[0]
    dates = [date for date in (outlook.p10_ms, outlook.p50_ms, outlook.p90_ms) if date is not None]
    assert dates == sorted(dates)
    assert outlook.probability is None or 0 <= outlook.probability <= 1


@settings(max_examples=20, deadline=None)
@given(
    hnp.arrays(np.float64, st.tuples(st.just(2), st.integers(14, 80)), elements=st.floats(-1, 1)),
    st.integers(1, 200),
)
def test_probabilities_never_fall_with_time_and_stay_shares(peaks, horizon):
    found = runningmax.evidence(peaks, horizon)
    chance = runningmax.probabilities(found, np.array([0.5, 1.5]))
    assert found.ahead[-1] == horizon
    assert (np.diff(chance, axis=1) >= 0).all()
    assert chance.min() >= -1e-9
    assert chance.max() <= 1 + 1e-9
    paths = runningmax.passages(chance, found.ahead, horizon * 24, 24)
    assert (np.diff(paths, axis=1) >= 0).all()


@pytest.mark.parametrize("known", [14, 15, 27, 41, 60, 121, 400, 730])
def test_histories_of_all_lengths_have_shapes_with_learned_weights(known):
    peaks = np.random.default_rng(6).normal(size=(2, known)).cumsum(axis=1) / 30
    found = runningmax.evidence(peaks, 90)
    chance = runningmax.probabilities(found, np.array([5.0, 9.0]))
    assert len(found.names) >= 8
    assert (chance[1] <= chance[0] + 1e-9).all()
