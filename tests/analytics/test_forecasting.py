"""The one door: typed answers, dates, bands, reasons, for any input."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tidecast_analytics.forecasting import MAX_HORIZON_MS, forecast
from tidecast_analytics.outlook import History, OutlookState
from tidecast_analytics.series import DAY_MS, HOUR_MS

START = 1_767_225_600_000
HOURS = np.arange(60 * 24)
DAY = np.sin(HOURS * 2 * np.pi / 24)


def history(values, mark=None, limit=None, step_ms=HOUR_MS):
    values = np.asarray(values, dtype=np.float64)
    return History(START + step_ms * np.arange(values.size), values, mark, limit)


def one(values, mark=None, limit=None, days=60, step_ms=HOUR_MS):
    return forecast([history(values, mark, limit, step_ms)], days * DAY_MS)[0]


def hours_to(outlook, time_ms):
    return (time_ms - outlook.times_ms[0]) / HOUR_MS


def noise(seed, sigma, size=HOURS.size):
    return np.random.default_rng(seed).normal(0, sigma, size)


class TestStates:
    def test_a_steady_line_crosses_on_the_analytic_date(self):
        # 10 + 0.02 an hour: after 1440 hours at 38.8 - 0.02; the mark of 48.4 is 480 hours on.
        outlook = one(10 + 0.02 * HOURS, mark=48.4)
        assert outlook.state is OutlookState.IN_HORIZON
        assert hours_to(outlook, outlook.p50_ms) == pytest.approx(480, abs=24)
        assert outlook.p10_ms <= outlook.p50_ms <= outlook.p90_ms
        assert outlook.growing

    def test_a_daily_line_too(self):
        outlook = one(100 + 2.0 * np.arange(120), mark=400, step_ms=DAY_MS)
        # The last value is 338; 400 is reached after 31 days, by step 30.
        assert outlook.step_ms == DAY_MS
        assert hours_to(outlook, outlook.p50_ms) / 24 == pytest.approx(30, abs=1.5)

    def test_flat_noisy_cpu_is_not_growing(self):
        outlook = one(30 + 10 * DAY + noise(1, 4), mark=90)
        assert outlook.state is OutlookState.NOT_GROWING
        assert (outlook.p10_ms, outlook.p50_ms, outlook.p90_ms) == (None, None, None)
        assert outlook.probability < 0.05

    def test_a_constant_below_its_mark_is_not_growing(self):
        outlook = one(np.full(200, 7.0), mark=7.5)
        assert outlook.state is OutlookState.NOT_GROWING
        assert outlook.mean == pytest.approx(7.0)

    def test_over_now_needs_the_last_three_hours(self):
        values = np.full(200, 50.0)
        values[-3:] = 95
        over = one(values, mark=95)
        assert over.state is OutlookState.OVER_NOW
        assert over.p10_ms == over.p90_ms == START + 199 * HOUR_MS
        values[-1] = 50
        assert one(values, mark=95).state is not OutlookState.OVER_NOW

    def test_one_daily_value_is_over_now_even_with_little_history(self):
        assert one([1.0, 9.0], mark=5, step_ms=DAY_MS).state is OutlookState.OVER_NOW
        assert one([9.0, 1.0], mark=5, step_ms=DAY_MS).state is OutlookState.NOT_ENOUGH_DATA

    def test_two_days_in_a_straight_line_are_no_certainty(self):
        outlook = one(20 + 0.1 * np.arange(48.0), mark=60)
        likely = hours_to(outlook, outlook.p50_ms)
        assert hours_to(outlook, outlook.p10_ms) < 0.8 * likely
        assert outlook.p90_ms is None or hours_to(outlook, outlook.p90_ms) > 1.2 * likely

    def test_slow_growth_is_beyond_the_horizon(self):
        outlook = one(20 + 0.005 * HOURS + noise(2, 0.2), mark=60)
        assert outlook.state is OutlookState.BEYOND_HORIZON
        assert outlook.p50_ms is None

    @pytest.mark.parametrize(("steps", "step_ms"), [(47, HOUR_MS), (13, DAY_MS), (1, HOUR_MS)])
    def test_less_than_the_minimum_is_not_enough(self, steps, step_ms):
        outlook = one(np.arange(steps), mark=1000, step_ms=step_ms)
        assert outlook.state is OutlookState.NOT_ENOUGH_DATA
        assert any(reason.startswith("Not known yet: in ") for reason in outlook.reasons)

    def test_the_minimum_is_enough(self):
        assert one(np.arange(48.0), mark=1000).state is not OutlookState.NOT_ENOUGH_DATA
        daily = one(np.arange(14.0), mark=1000, step_ms=DAY_MS)
        assert daily.state is not OutlookState.NOT_ENOUGH_DATA

    def test_without_a_mark_there_is_a_forecast_and_no_state(self):
        outlook = one(30 + DAY)
        assert (outlook.state, outlook.probability) == (None, None)
        assert outlook.mean.size == 60 * 24


class TestNoCryOfWolf:
    @pytest.mark.parametrize("period", [24, 60, 168, 240])
    def test_a_saw_tooth_disk(self, period):
        saw = 40 + 30 * (HOURS % period) / period + noise(3, 0.2)
        outlook = one(saw, mark=85)
        assert outlook.state in (OutlookState.NOT_GROWING, OutlookState.BEYOND_HORIZON)

    @pytest.mark.parametrize("at", [400, 800, 1200, 1380])
    def test_a_step_after_a_release(self, at):
        outlook = one(np.where(at <= HOURS, 55.0, 30.0) + 3 * DAY + noise(4, 0.5), mark=85)
        assert outlook.state is OutlookState.NOT_GROWING
        assert outlook.mean[-24:].mean() == pytest.approx(55, abs=2)
        assert any("not taken for growth" in reason for reason in outlook.reasons)

    def test_a_clean_up_and_single_spikes(self):
        values = np.where(HOURS < 700, 60.0, 35.0) + noise(5, 0.5)
        values[[100, 500, 1100, 1300]] = 95
        assert one(values, mark=90).state in (
            OutlookState.NOT_GROWING,
            OutlookState.BEYOND_HORIZON,
        )


class TestFilling:
    def test_the_truth_lies_between_p10_and_p90_for_most_disks(self):
        """Growth of random daily amounts: where it really crosses is known by going on."""
        rng = np.random.default_rng(11)
        histories, truths = [], []
        for _ in range(40):
            steps = rng.gamma(2.0, 0.01, 4 * HOURS.size)
            path = 20 + np.cumsum(steps) + rng.normal(0, 0.05, steps.size)
            mark = path[HOURS.size] + 24 * 30 * 0.02
            later = path[HOURS.size :] >= mark
            truths.append(np.flatnonzero(later[:-2] & later[1:-1] & later[2:])[0])
            histories.append(history(path[: HOURS.size], mark))
        inside = early = 0
        for outlook, truth in zip(forecast(histories, 60 * DAY_MS), truths, strict=True):
            assert outlook.state is OutlookState.IN_HORIZON
            low, high = hours_to(outlook, outlook.p10_ms), hours_to(outlook, outlook.p90_ms)
            inside += low <= truth <= high
            early += truth < low
        assert inside >= 0.7 * len(truths)
        assert early <= 0.2 * len(truths)

    def test_accelerating_growth_is_within_its_dates(self):
        rng = np.random.default_rng(14)
        inside = 0
        for doubling_days in (15, 20, 25, 30, 40, 50):
            values = 10 * 2 ** (HOURS / 24 / doubling_days) + rng.normal(0, 0.2, HOURS.size)
            mark = values[-1] * 2 ** (20 / doubling_days)
            outlook = one(values, mark=mark, days=90)
            early, late = hours_to(outlook, outlook.p10_ms), outlook.p90_ms
            inside += early <= 480 and (late is None or hours_to(outlook, late) >= 480)
            assert outlook.state is OutlookState.IN_HORIZON
        assert inside >= 5


class TestBands:
    def test_coverage_on_a_seasonal_process_with_known_noise(self):
        rng = np.random.default_rng(12)
        horizon = 72
        hours = np.arange(30 * 24 + horizon)
        season = 10 * np.sin(hours * 2 * np.pi / 24)
        rows = 50 + season + rng.normal(0, 2, (60, hours.size))
        outlooks = forecast([history(row[:-horizon]) for row in rows], horizon * HOUR_MS)
        later = rows[:, -horizon:]
        inside80 = np.mean(
            [(y >= o.lo80) & (y <= o.hi80) for y, o in zip(later, outlooks, strict=True)]
        )
        inside95 = np.mean(
            [(y >= o.lo95) & (y <= o.hi95) for y, o in zip(later, outlooks, strict=True)]
        )
        assert 0.76 <= inside80 <= 0.90
        assert 0.93 <= inside95 <= 0.995

    def test_coverage_on_random_walks(self):
        rng = np.random.default_rng(13)
        horizon = 48
        rows = 500 + rng.normal(0, 1, (60, 30 * 24 + horizon)).cumsum(axis=1)
        outlooks = forecast([history(row[:-horizon]) for row in rows], horizon * HOUR_MS)
        inside80 = np.mean(
            [
                (y >= o.lo80) & (y <= o.hi80)
                for y, o in zip(rows[:, -horizon:], outlooks, strict=True)
            ]
        )
        assert 0.70 <= inside80 <= 0.92

    def test_bands_stay_within_what_can_be(self):
        outlook = one(np.abs(noise(6, 1)) + 0.002 * HOURS, mark=50, limit=6.0)
        assert outlook.lo95.min() >= 0
        assert outlook.hi95.max() <= 6.0
        below_zero = one(noise(7, 1))
        assert below_zero.lo95.min() < 0

    def test_one_log_rotation_in_nine_days_does_not_open_the_band_without_end(self):
        hours = np.arange(9 * 24)
        values = 40 + 0.2 * hours - np.where(hours >= 120, 25, 0) + noise(15, 0.1, hours.size)
        outlook = one(values, mark=90, limit=100.0, days=90)
        week = 7 * 24 - 1
        assert outlook.hi95[week] - outlook.lo95[week] < 80
        assert outlook.hi80[week] - outlook.lo80[week] < 50
        # It swings by 25 a rotation: that much may happen again within a day or two.
        assert outlook.hi95[47] - outlook.lo95[47] > 25

    def test_bands_are_nested_and_widen(self):
        outlook = one(50 + noise(8, 1).cumsum() * 0.1 + 3 * DAY)
        assert (outlook.lo95 <= outlook.lo80).all()
        assert (outlook.lo80 <= outlook.mean).all()
        assert (outlook.mean <= outlook.hi80).all()
        assert (outlook.hi80 <= outlook.hi95).all()
        width = outlook.hi80 - outlook.lo80
        assert width[-1] > width[0]


class TestInvariances:
    VALUES = 40 + 0.01 * HOURS + 4 * DAY + noise(9, 1)

    @pytest.mark.parametrize("scale", [1e-9, 3.0, 2.0**30])
    def test_scale(self, scale):
        plain = one(self.VALUES, mark=62)
        scaled = one(self.VALUES * scale, mark=62 * scale)
        assert scaled.mean == pytest.approx(plain.mean * scale)
        assert scaled.state is plain.state
        assert abs(scaled.p50_ms - plain.p50_ms) <= 2 * HOUR_MS

    def test_shift_of_value_and_time(self):
        plain = one(self.VALUES, mark=62)
        raised = one(self.VALUES + 1000, mark=1062)
        assert raised.mean == pytest.approx(plain.mean + 1000)
        assert abs(raised.p50_ms - plain.p50_ms) <= 2 * HOUR_MS
        given_ = history(self.VALUES, 62)
        later = History(given_.times_ms + 5 * HOUR_MS, given_.values, 62)
        (moved,) = forecast([later], 60 * DAY_MS)
        assert moved.p50_ms - plain.p50_ms == 5 * HOUR_MS
        assert (moved.mean == plain.mean).all()

    def test_company_does_not_matter(self):
        others = [history(noise(seed, 1), 3.0) for seed in range(5)]
        alone = one(self.VALUES, mark=62)
        among = forecast([*others, history(self.VALUES, 62)], 60 * DAY_MS)[-1]
        assert among.p50_ms == alone.p50_ms
        assert among.mean == pytest.approx(alone.mean, rel=1e-6)

    @settings(max_examples=15, deadline=None)
    @given(st.integers(0, 1000), st.floats(-0.01, 0.03))
    def test_a_higher_mark_is_never_crossed_earlier(self, seed, slope):
        hours = HOURS[: 20 * 24]
        values = 40 + slope * hours + noise(seed, 2, hours.size)
        marks = np.linspace(values.min(), values.max() + 20, 12)
        outlooks = forecast([history(values, mark) for mark in marks], 30 * DAY_MS)
        for percent in ("p10_ms", "p50_ms", "p90_ms"):
            dates = [getattr(o, percent) or np.iinfo(np.int64).max for o in outlooks]
            assert dates == sorted(dates)
        chances = [o.probability for o in outlooks]
        assert chances == sorted(chances, reverse=True)


ugly = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([0.0, 1.0, -1.0, 5e-324, 1.7e308, -1.7e308, np.nan]),
)


class TestUglyInput:
    @settings(max_examples=60, deadline=None)
    @given(
        hnp.arrays(np.float64, st.integers(0, 130), elements=ugly),
        st.one_of(st.none(), ugly),
        st.one_of(st.none(), ugly),
        st.sampled_from([60_000, HOUR_MS, 5 * HOUR_MS, DAY_MS, 40 * DAY_MS]),
    )
    def test_no_exception_no_warning_and_finite_ordered_answers(self, values, mark, limit, step_ms):
        outlook = one(values, mark, limit, days=20, step_ms=step_ms)
        for band in (outlook.mean, outlook.lo80, outlook.hi80, outlook.lo95, outlook.hi95):
            assert np.isfinite(band).all()
            assert band.size == outlook.times_ms.size
        assert (outlook.lo95 <= outlook.hi95).all()
        assert (outlook.state is None) == (mark is None or not np.isfinite(mark))
        assert (outlook.state is OutlookState.IN_HORIZON) == (
            outlook.p50_ms is not None and outlook.state is not OutlookState.OVER_NOW
        )

    @settings(max_examples=30, deadline=None)
    @given(
        st.lists(st.tuples(st.integers(0, 10**10), st.floats(-1e6, 1e6)), min_size=0, max_size=80)
    )
    def test_any_times(self, samples):
        times = np.array([t for t, _ in samples], dtype=np.int64)
        values = np.array([v for _, v in samples], dtype=np.float64)
        (outlook,) = forecast([History(times, values, 10.0)], DAY_MS)
        assert outlook.state is not None

    def test_nothing_asked_nothing_answered(self):
        assert forecast([], DAY_MS) == []

    @pytest.mark.parametrize("horizon_ms", [0, -1, MAX_HORIZON_MS + 1])
    def test_horizons_out_of_reach_are_refused(self, horizon_ms):
        with pytest.raises(ValueError, match="horizon"):
            forecast([history([1.0])], horizon_ms)

    def test_the_longest_horizon_works(self):
        (outlook,) = forecast([history(HOURS * 1.0, 1e5)], MAX_HORIZON_MS)
        assert outlook.mean.size == 732 * 24


class TestExplains:
    def test_reasons_say_span_method_record_and_why(self):
        text = " ".join(one(30 + 10 * DAY + noise(1, 4), mark=90).reasons)
        for part in ("Not growing", "1440 hourly values", "2026-01-01 00:00", "Method:", "a day"):
            assert part in text

    def test_missing_values_are_told(self):
        values = 30 + DAY
        values[100:200] = np.nan
        assert "missing" in " ".join(one(values, mark=90).reasons)

    def test_back_test_weights_and_errors(self):
        backtest = one(30 + 10 * DAY + noise(1, 1), mark=90).backtest
        assert sum(backtest.weights.values()) == pytest.approx(1)
        assert backtest.mae < backtest.naive_mae
        assert backtest.origins == 8


class TestRareValues:
    """Months and weeks: each value is a step, and none is made up between two of them."""

    MONTHS = np.arange("2023-01", "2026-01", dtype="datetime64[M]").astype("datetime64[ms]")

    def told(self, values, days=365):
        times = self.MONTHS.astype(np.int64)[: len(values)]
        return forecast([History(times, np.asarray(values, float), 90.0)], days * DAY_MS)[0]

    def test_three_years_of_months_that_grow_are_dated(self):
        # 40 + 1.2 a month: 82 in December 2025, and 90 after 6.7 more months.
        noise = np.random.default_rng(1).normal(0, 0.5, 36)
        found = self.told(40 + 1.2 * np.arange(36) + noise)
        assert found.state is OutlookState.IN_HORIZON and found.growing
        crossed = np.datetime64(found.p50_ms, "ms")
        assert np.datetime64("2026-05-15") < crossed < np.datetime64("2026-08-15")

    def test_the_answer_comes_day_by_day(self):
        found = self.told(40 + 1.2 * np.arange(36), days=90)
        assert found.step_ms == DAY_MS
        assert np.diff(found.times_ms).tolist() == [DAY_MS] * 89
        # 82 in December, 1.2 a month: half of that after half of 30.4 days.
        assert found.mean[14] == pytest.approx(82 + 1.2 * 15 / 30.4, abs=0.1)
        assert found.crossed_by_day.size == 90
        assert (np.diff(found.crossed_by_day) >= 0).all()

    def test_months_that_do_not_grow_are_not_dated(self):
        found = self.told(60 + np.random.default_rng(2).normal(0, 1, 36))
        assert found.state is OutlookState.NOT_GROWING

    def test_a_year_of_months_is_too_little_and_says_when_more_will_be(self):
        found = self.told(40 + np.arange(12))
        assert found.state is OutlookState.NOT_ENOUGH_DATA
        assert "12 values (one in 30.4 days)" in found.reasons[0]
        assert any("in 61 days: a typed answer" in each for each in found.reasons)

    def test_a_missing_month_is_a_hole(self):
        values = 40 + 1.2 * np.arange(36)
        values[[7, 20]] = np.nan
        assert self.told(values).state is OutlookState.IN_HORIZON
