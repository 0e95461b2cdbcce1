"""Forecasts of the past made again: nothing after an origin is seen, and errors by hand."""

from __future__ import annotations

import numpy as np
import pytest

from tidecast_analytics.backtesting import OURS, backtest
from tidecast_analytics.changes import Change
from tidecast_analytics.outlook import History
from tidecast_analytics.rivals import RIVALS, rival_outlook, seasonal_naive, straight_line
from tidecast_analytics.scoring import Alarm
from tidecast_analytics.series import DAY_MS, HOUR_MS, regular

DAYS = 40
T0 = 500_000 * HOUR_MS
TIMES = T0 + HOUR_MS * np.arange(DAYS * 24, dtype=np.int64)
X = np.arange(DAYS * 24)
NAIVE = {"snaive 24 h": seasonal_naive(1)}
LINE = {"predict_linear 7d": straight_line}


def scores(values, mark=None, horizon_days=5, origins=2, rivals=NAIVE):
    (found,) = backtest(
        [History(TIMES, np.asarray(values, dtype=float), mark)],
        horizon_days * DAY_MS,
        origins,
        rivals,
    )
    return {each.method: each for each in found}


def test_no_method_sees_what_comes_after_its_origin():
    seen = []

    def spy(grid, steps):
        seen.append((grid.end_ms, grid.values.size, steps))
        return np.zeros(steps), np.ones(steps)

    scores(X, rivals={"spy": spy}, origins=3)
    ends = [end for end, _, _ in seen]
    assert [size for _, size, _ in seen] == [5 * 24, 20 * 24, 35 * 24]
    # The last origin leaves five days, the first has those before it: 40 - 5 and 5 days.
    assert ends == [TIMES[5 * 24 - 1], TIMES[20 * 24 - 1], TIMES[35 * 24 - 1]]
    assert {steps for _, _, steps in seen} == {5 * 24}


def test_ours_is_the_same_whatever_comes_after():
    wave = 50 + 10 * np.sin(X / 24 * 2 * np.pi)
    later = wave.copy()
    later[35 * 24 :] = 1e6
    one = scores(wave, origins=1)[OURS]
    other = scores(later, origins=1)[OURS]
    assert one.mae == pytest.approx(0, abs=0.5)
    # Only what came differs: the forecast was as before, so it is off by what was added.
    assert other.mae == pytest.approx(1e6 - wave[35 * 24 :].mean(), rel=1e-3)


def test_a_line_by_hand():
    found = scores(X / 24.0, rivals={**NAIVE, **LINE})
    # One a day: the day before is one too low on the first day and five on the fifth, 3 on average;
    # in units of the in-sample error of one season, which is 1.
    assert found["snaive 24 h"].mae == pytest.approx(3)
    assert found["snaive 24 h"].mase == pytest.approx(3)
    assert found["predict_linear 7d"].mae == pytest.approx(0, abs=1e-9)
    assert (found[OURS].origins, found[OURS].values) == (2, 2 * 5 * 24)
    assert found[OURS].mase < 0.5


def test_dates_and_alarms():
    # Crosses 37 on day 37; at the only origin, day 35, it is two days away.
    found = scores(X / 24.0, mark=37.0, origins=1, rivals={**NAIVE, **LINE})
    line = found["predict_linear 7d"]
    assert line.date_error_days == pytest.approx(0, abs=0.1)
    assert line.alarms == {Alarm.RIGHT: 1}
    naive = found["snaive 24 h"]
    assert (naive.date_error_days, naive.alarms) == (None, {Alarm.MISSED: 1})
    # P10, P50 and P90 at the horizon of 5 days, crossed after 2: (.9 + .5 + .1) * 3 / 3 = 1.5;
    # its P10, the upper edge of the band, comes earlier.
    assert naive.dates_pinball_days is not None
    assert naive.dates_pinball_days <= 1.5
    assert scores(X / 24.0, mark=20.0, origins=1)[OURS].dates == 0, "over already"


def test_bands_of_the_naive_cover_a_random_walk_of_days():
    random = np.random.default_rng(5)
    walk = np.repeat(random.normal(0, 1, DAYS).cumsum(), 24)
    naive = scores(walk, origins=20)["snaive 24 h"]
    assert naive.coverage80 == pytest.approx(0.8, abs=0.12)
    assert naive.coverage95 == pytest.approx(0.95, abs=0.06)


def test_what_is_too_short_has_no_scores():
    short = History(TIMES[:90], X[:90].astype(float))
    assert backtest([short, History(TIMES[:0], X[:0].astype(float))], 5 * DAY_MS, 3) == [[], []]


@pytest.mark.parametrize("name", RIVALS)
@pytest.mark.parametrize("values", [np.zeros(200), np.full(200, 1e300), X[:200] * 1.0])
def test_every_rival_copes_with_any_history(name, values):
    history = History(TIMES[:200], values, 5.0)
    grid = regular(history.times_ms, history.values)
    found = rival_outlook(name, RIVALS[name], grid, history, DAY_MS)
    assert found is not None
    assert found.mean.shape == (24,)
    assert (found.lo95 <= found.hi95).all()
    short = regular(TIMES[:47], values[:47])
    assert rival_outlook(name, RIVALS[name], short, history, DAY_MS) is None


def test_a_change_is_known_from_when_it_was_known():
    # Growth, and two thirds of it moved away two days before the only origin.
    moved_ms = int(TIMES[33 * 24 - 1])
    values = 10 + X / 24 - 20 * (moved_ms < TIMES)
    history = History(TIMES, values)

    def mae(*changes):
        (methods,) = backtest([history], 5 * DAY_MS, 1, NAIVE, [changes])
        return methods[0].mae

    unknown, known = mae(), mae(Change(moved_ms, T0, "moved"))
    assert known < 0.2 < unknown
    origin_ms = int(TIMES[35 * 24 - 1])
    assert mae(Change(moved_ms, origin_ms, "told just then")) == known
    assert mae(Change(moved_ms, origin_ms + 1, "told later")) == unknown
    assert mae(Change(moved_ms, T0, "withdrawn", withdrawn_ms=origin_ms)) == unknown
    assert mae(Change(origin_ms + HOUR_MS, T0, "planned, not made yet")) == unknown
