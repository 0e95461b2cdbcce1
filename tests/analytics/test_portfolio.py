"""Members, back-test and bands."""

import numpy as np
import pytest

from tidecast_analytics.intervals import (
    SHAPE_AT,
    Phases,
    for_few_days,
    half_widths,
    with_changing_trend,
    with_disagreement,
    within_swings,
)
from tidecast_analytics.members import DAILY, HOURLY
from tidecast_analytics.portfolio import choose, plan
from tidecast_analytics.rows import Rows

HOURS = np.arange(40 * 24)
DAY = np.sin(HOURS * 2 * np.pi / 24)


def hourly(values):
    return Rows(np.atleast_2d(np.asarray(values, dtype=np.float64)), 24, 24)


def test_naive_members_by_hand():
    rows = Rows(np.arange(10.0)[None, :], 7, 1)
    assert DAILY["last value"].forecast(rows, 3).tolist() == [[[9.0, 9.0, 9.0]]]
    week = DAILY["seasonal naive (week)"].forecast(rows, 9)
    assert week.tolist() == [[[3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 3.0, 4.0]]]


@pytest.mark.parametrize("name", [n for n in HOURLY if n not in ("last value", "median level")])
def test_every_member_with_a_season_continues_a_pure_one(name):
    forecast = HOURLY[name].forecast(hourly(DAY), 200)
    expected = np.sin((HOURS[-1] + 1 + np.arange(200)) * 2 * np.pi / 24)
    assert np.abs(forecast[0] - expected).max() < 0.05


@pytest.mark.parametrize("name", ["recent line + season", "robust line + season", "drift + season"])
def test_lines_continue_a_line_with_a_season(name):
    forecast = HOURLY[name].forecast(hourly(DAY + 0.02 * HOURS), 240)
    later = HOURS[-1] + 1 + np.arange(240)
    expected = np.sin(later * 2 * np.pi / 24) + 0.02 * later
    assert np.abs(forecast[0] - expected).max() < 0.1


def test_a_damped_trend_bends():
    forecast = HOURLY["damped trend + daily season"].forecast(hourly(0.02 * HOURS), 2400)[0, 0]
    rise = forecast - forecast[0]
    # 0.48 a day, each day 0.9 of the one before: 0.48 / 0.1 = 4.8 in the end, about.
    assert rise[-1] == pytest.approx(4.6, abs=0.3)
    assert (np.diff(forecast) >= 0).all()


@pytest.mark.parametrize("name", ["long bend + season", "short bend + season"])
def test_bending_growth_continues_lines_and_curves(name):
    hours = np.arange(60 * 24)
    line = HOURLY[name].forecast(hourly(0.01 * hours), 240)[0, 0]
    assert line == pytest.approx(0.01 * (hours[-1] + 1 + np.arange(240)), abs=0.05)
    # Doubles every 30 days: in ten days more by a factor of 2 ** (1 / 3).
    curve = HOURLY[name].forecast(hourly(2 ** (hours / 720)), 240)[0, 0]
    assert curve[-1] == pytest.approx(2 ** ((hours[-1] + 240) / 720), rel=0.02)


def test_a_bend_fades_and_a_slowing_one_goes_on_slowing():
    days = np.arange(120.0)
    quick = DAILY["long bend + season"].forecast(Rows(np.exp(days / 20)[None, :], 7, 1), 2000)[0, 0]
    pace = np.diff(quick)
    assert pace[-1] == pytest.approx(2 * pace[0], rel=0.1)
    slow = DAILY["long bend + season"].forecast(Rows(1 - np.exp(-days / 40)[None, :], 7, 1), 400)[
        0, 0
    ]
    assert slow[-1] == pytest.approx(1.0, abs=0.02)


def test_a_curve_never_speaks_alone_and_its_doubt_is_told():
    days = np.arange(120.0)
    rows = np.stack((np.exp(days / 60) / 8, days / 120))
    chosen = choose(rows, 90, DAILY, period=7, per_day=1)
    bends = np.array([DAILY[name].bends for name in chosen.names])
    assert (chosen.weights[0, bends].sum(), chosen.weights[0].sum()) == pytest.approx((0.6, 1.0))
    # The line is known to be one; the curve could as well straighten.
    assert chosen.disagreement[1].max() < 0.01
    assert chosen.disagreement[0, -1] > 0.1


def test_the_plan_hides_at_most_a_quarter_and_reaches_the_end():
    for steps in (48, 100, 336, 720, 2160):
        test = plan(steps, 2160, 24, 24)
        assert test.steps == steps // 4
        assert test.origins[-1] + test.steps == steps
        assert 1 <= len(test.origins) <= 8
        assert test.origins[0] >= min(steps // 3, 48)
    assert plan(3, 10, 24, 24).origins[0] >= 1


@pytest.mark.parametrize(("period", "per_day", "pool"), [(24, 24, HOURLY), (7, 1, DAILY)])
def test_nothing_after_an_origin_is_known_at_it(period, per_day, pool):
    rng = np.random.default_rng(5)
    values = rng.uniform(-1, 1, (2, 720))
    ends = (511, 530, 535, 600)
    other = values.copy()
    other[:, 530:] = rng.uniform(-1, 1, (2, 190))
    for member in pool.values():
        seen = member.forecast(Rows(values, period, per_day, ends), 30)
        changed = member.forecast(Rows(other, period, per_day, ends), 30)
        assert (seen[:, :2] == changed[:, :2]).all(), member.name


def test_a_random_walk_is_left_to_the_naive_member_and_a_season_is_not():
    walk = np.random.default_rng(2).normal(size=(20, 960)).cumsum(axis=1)
    walk /= np.abs(walk).max(axis=1, keepdims=True)
    season = np.tile(DAY, (20, 1)) * 0.8
    season += np.random.default_rng(3).normal(0, 0.1, season.shape)
    chosen = choose(walk, 48, HOURLY, period=24, per_day=24)
    assert chosen.naive_only.mean() > 0.3
    assert (chosen.mae <= chosen.naive_mae).all()
    seasonal = choose(season, 48, HOURLY, period=24, per_day=24)
    assert not seasonal.naive_only.any()
    # A naive forecast has the noise twice: its error is sqrt(2) times the least possible.
    assert (seasonal.mae / seasonal.naive_mae).mean() < 0.82


def test_weights_sum_to_one_and_batching_changes_nothing():
    values = np.clip(np.random.default_rng(4).normal(0, 0.3, (5, 400)), -1, 1)
    together = choose(values, 100, HOURLY, period=24, per_day=24)
    alone = choose(values[2:3], 100, HOURLY, period=24, per_day=24)
    assert together.weights.sum(axis=1) == pytest.approx(1.0)
    assert together.mean[2] == pytest.approx(alone.mean[0])


def test_members_are_kept_from_diverging():
    spike = np.zeros((1, 60))
    spike[0, -2:] = 1.0
    chosen = choose(spike, 17_520, HOURLY, period=24, per_day=24)
    assert np.abs(chosen.mean).max() <= 1 + (1 + 2 * 17_520 / 60)


def test_half_widths_hold_the_share_they_state_and_never_shrink():
    residuals = np.random.default_rng(6).normal(0, 1, (50, 8, 100))
    widths = half_widths(residuals, 300, 900)
    inside80 = (np.abs(residuals) <= widths.of80[:, None, :100]).mean()
    inside95 = (np.abs(residuals) <= widths.of95[:, None, :100]).mean()
    # What is left for departures: 0.935 and 0.91 of the quantiles, widened for eight looks.
    assert 0.77 <= inside80 <= 0.82
    assert 0.93 <= inside95 <= 0.97
    assert (np.diff(widths.of80[:, 100:], axis=1) >= 0).all()
    assert (widths.of95 >= widths.of80).all()
    # The law of the errors is normal here: at 1.25 deviations about 1.25 / 1.2816.
    assert widths.shape[:, 5].mean() == pytest.approx(SHAPE_AT[5] / 1.2816, rel=0.03)


def test_bands_are_wider_at_the_hours_at_which_errors_were_larger():
    random = np.random.default_rng(7)
    # Three times as large from eight to sixteen; origins at every third hour see it at any step.
    origins = [168 + 27 * each for each in range(8)]
    hours = (np.array(origins)[:, None] + np.arange(48)) % 24
    sizes = np.where((hours >= 8) & (hours < 16), 3.0, 1.0)
    residuals = sizes * random.normal(0, 1, (200, 8, 48))
    widths = half_widths(residuals, 48, 168.0, Phases.of(origins, 48, 336, 24))
    busy, quiet = widths.of80[:, 11].mean(), widths.of80[:, 3].mean()
    # Believed to one half: the mean is 5/3, so 1 + (9/5 - 1) / 2 to 1 + (3/5 - 1) / 2, to 0.8.
    assert busy / quiet == pytest.approx((1.4 / 0.8) ** 0.8, rel=0.05)
    assert widths.of80[:, 24:].mean() == pytest.approx(widths.of80[:, :24].mean(), rel=0.1)


def test_perfect_back_tests_give_no_width_until_a_trend_may_change():
    widths = half_widths(np.zeros((1, 8, 10)), 20, 80)
    assert widths.of95.max() == 0
    line = np.arange(20.0)[None, :]
    changed = with_changing_trend(widths, line, known=np.array([20]), period=1)
    # Twenty steps ahead of twenty known: a tenth of the rise of 19, times 1.2816.
    assert changed.of80[0, -1] == pytest.approx(1.2816 * 0.1 * 19)
    assert changed.of80[0, 0] == 0


def test_disagreement_widens_by_its_own_size():
    widths = half_widths(np.zeros((1, 8, 10)), 10, 80)
    wider = with_disagreement(widths, np.full((1, 10), 2.0))
    assert wider.of80 == pytest.approx(np.full((1, 10), 2 * 1.2816))
    assert wider.of95 == pytest.approx(np.full((1, 10), 2 * 1.96))


def test_bands_reach_no_further_than_the_history_has_swung():
    # A saw-tooth of ten steps: the largest change is 9, within one step and within any more.
    saw = (np.arange(100.0) % 10)[None, :]
    endless = half_widths(np.full((1, 4, 25), 50.0), 400, 100)
    bound = within_swings(endless, saw, 24)
    assert bound.of95[0, :50] == pytest.approx(np.full(50, 1.25 * 9))
    assert bound.of80[0, :50] == pytest.approx(np.full(50, 0.8 * 9))
    # Eight times half of the history ahead: twice as far.
    assert bound.of95[0, -1] == pytest.approx(2 * 1.25 * 9)
    assert (bound.of95 >= bound.of80).all()


def test_a_long_history_is_believed_in_what_its_back_test_shows():
    values = np.random.default_rng(9).normal(size=(3, 120 * 24))
    widths = half_widths(np.random.default_rng(10).normal(0, 1, (3, 8, 200)), 400, 1800)
    assert within_swings(widths, values, 24).of95 == pytest.approx(widths.of95)


def test_bands_follow_what_the_newest_origins_show():
    noise = np.random.default_rng(8).normal(size=100)
    lately, once = np.tile(noise, (2, 1, 8, 1))
    lately[:, -3:], once[:, :3] = 2 * noise, 2 * noise
    # The newest three are twice as large or not, all together the same: in 80 % the third root of
    # 2, nearly, lies between them, in 95 % the tenth root.
    newly, before = half_widths(lately, 100, 900), half_widths(once, 100, 900)
    assert newly.of80 / before.of80 == pytest.approx(np.full((1, 100), 2**0.33))
    assert newly.of95 / before.of95 == pytest.approx(np.full((1, 100), 2**0.1))


def test_few_days_are_believed_less():
    widths = half_widths(np.random.default_rng(6).normal(0, 1, (1, 8, 10)), 10, 80)
    short = for_few_days(widths, 6)
    # 1.6 / 6 more in 95 %, 0.25 / 6 more in 80 %.
    assert short.of95 == pytest.approx((1 + 1.6 / 6) * widths.of95)
    assert short.of80 == pytest.approx((1 + 0.25 / 6) * widths.of80)


def test_some_of_the_rows_forecast_as_they_do_alone():
    values = np.random.default_rng(7).normal(0, 0.3, (4, 600))
    which = np.array([False, True, False, True])
    for member in HOURLY.values():
        some = member.forecast(Rows(values, 24, 24).some(which), 48)
        alone = member.forecast(Rows(values[which], 24, 24), 48)
        assert some == pytest.approx(alone, abs=1e-9), member.name
