"""Histories as they come, examined together: each as if it were alone."""

import numpy as np
import pytest

from tidecast.journeys.examine_usage import examine, on_steps, reasons_of
from tidecast_analytics.series import DAY_MS, HOUR_MS

START_MS = 1_760_054_400_000  # 2025-10-10 00:00 UTC


def history(hours, spike, start_ms=START_MS, seed=0):
    values = np.random.default_rng(seed).normal(50, 1, hours)
    values[spike] += 40
    return start_ms + HOUR_MS * np.arange(hours, dtype=np.int64), values


def test_lengths_and_steps_may_differ():
    days = START_MS + DAY_MS * np.arange(300, dtype=np.int64)
    level = np.random.default_rng(4).normal(9, 1, 300)
    histories = [history(600, 500), history(900, 800, seed=1), (days, level), history(3, 1)]
    together = examine(histories, 0.1)
    assert together == [examine([each], 0.1)[0] for each in histories]
    times = [each.events[-1].first_ms for each in together[:2]]
    assert times == [START_MS + HOUR_MS * at for at in (500, 800)]
    assert together[3].score is None
    assert examine([], 0.1) == []


def test_how_far_back_was_read_changes_no_late_event():
    times, values = history(50 * 24, 1100)
    whole, part = examine([(times, values), (times[77:], values[77:])], 0.1)
    assert whole.events[-1] == part.events[-1]


def test_values_go_to_the_next_step_and_holes_stay():
    step = 300_000
    times = np.array([2, 0, 3, 3], dtype=np.int64) * step + [10_000, -10_000, 0, 1000]
    grid = on_steps(times, np.array([2.0, 1.0, 3.0, 4.0]), step)
    assert (grid.start_ms, grid.step_ms) == (0, step)
    np.testing.assert_array_equal(grid.values, [1, np.nan, 2, 4])
    assert on_steps(times, np.full(4, np.nan), step).values.size == 0


def test_what_is_told_of_the_last_day_and_of_leaks():
    times, values = history(600, 595)
    leaking = 500 + 2.0 * (np.arange(600) % 100)
    strange, leak = examine([(times, values), (times, leaking)], 0.001)
    (said,) = reasons_of(strange, lambda value: f"{value:.0f}")
    assert said.startswith("Strange in the last day: 9")
    assert "2025-11-03 19:00 UTC" in said  # START_MS + 595 hours
    # 48 a day; parts of 100 hours rise by 2 an hour each.
    assert reasons_of(leak, lambda value: f"{value:.0f}")[0] == (
        "It leaks: between 5 restarts it rises by 48 a day (give or take 0)."
    )
    assert leak.leak.rate_per_day == pytest.approx(48)
