"""A sudden change of pace."""

import numpy as np
import pytest

from tidecast_analytics.forecasting import forecast
from tidecast_analytics.outlook import History, OutlookState
from tidecast_analytics.paces import at_newest_pace, changes_of_pace
from tidecast_analytics.series import DAY_MS, HOUR_MS

HOURS = np.arange(60 * 24)
NOISE = np.random.default_rng(0).normal(0, 0.2, HOURS.size)


def elbow(at, before, after):
    return 40 + before * HOURS + (after - before) * np.maximum(HOURS - at, 0)


def test_an_elbow_is_found_where_it_is_with_its_size():
    change = changes_of_pace((elbow(1100, 0.002, 0.04) + NOISE)[None, :], 24)[0]
    assert abs(change.position - 1100) <= 24
    assert change.position + change.steps_since == HOURS.size - 1
    assert change.added == pytest.approx(0.038, rel=0.05)


def test_history_at_the_newest_pace_is_one_line():
    values = elbow(1100, 0.0, 0.05)
    straight = at_newest_pace(values, changes_of_pace(values[None, :], 24)[0])
    assert straight[-300:] == pytest.approx(values[-300:])
    # All on one line of 0.05 an hour, within 3 % of its rise of 72.
    line = values[-1] + 0.05 * (HOURS - HOURS[-1])
    assert straight == pytest.approx(line, abs=2)


def test_lines_curves_steps_teeth_and_noise_have_no_elbow():
    rng = np.random.default_rng(1)
    for values in (
        0.01 * HOURS + NOISE,
        2 ** (HOURS / 300),
        np.where(HOURS > 900, 30.0, 0.0),
        (HOURS % 168) * 0.3,
        rng.normal(size=HOURS.size).cumsum(),
        NOISE,
        np.zeros(HOURS.size),
        np.log1p(HOURS / 100),
    ):
        assert changes_of_pace(values[None, :], 24)[0] is None
    assert changes_of_pace(HOURS[None, : 20 * 24] * 1.0, 24)[0] is None


def test_a_disk_that_began_to_fill_a_fortnight_ago_is_seen_and_told():
    # 40 until hour 1100, then 0.06 an hour: 60.3 now, at 90 after 495 hours more.
    values = elbow(1100, 0.0, 0.06) + NOISE
    history = History(HOUR_MS * HOURS.astype(np.int64), values, mark=90.0)
    (said,) = forecast([history], 60 * DAY_MS)
    assert said.state is OutlookState.IN_HORIZON
    assert (said.p50_ms - history.times_ms[-1]) / HOUR_MS == pytest.approx(495, abs=48)
    assert said.p10_ms < said.p50_ms < (said.p90_ms or np.inf)
    assert any("The pace changed at 1970-02-" in reason for reason in said.reasons)


def test_one_that_ceased_to_fill_no_longer_crosses():
    values = elbow(1100, 0.04, 0.0) + NOISE
    history = History(HOUR_MS * HOURS.astype(np.int64), values, mark=values.max() + 8)
    (said,) = forecast([history], 60 * DAY_MS)
    assert said.state is not OutlookState.IN_HORIZON
