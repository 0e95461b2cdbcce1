"""Bands are widened by what came of past ones: not by chance, not without bounds, and said."""

from __future__ import annotations

import numpy as np
import pytest

from tidecast_analytics.calibration import (
    MOST,
    NOTHING,
    UNWIDENED,
    Fared,
    Widening,
    together,
    widened,
    widening,
)
from tidecast_analytics.outlook import Outlook, OutlookState
from tidecast_analytics.scoring import REACH_EDGES

DAY = 86_400_000


def fared(random, sigma, forecasts=30, values=24):
    """What comes of bands for a deviation of 1 where it is `sigma`."""
    half80 = 1.2816
    ratios = np.abs(random.normal(0, sigma, forecasts * values)) / half80
    places = np.searchsorted(np.array(REACH_EDGES), ratios)
    return Fared(tuple(np.bincount(places, minlength=11).tolist()), forecasts)


def test_what_is_calibrated_is_left_alone():
    for seed in range(20):
        assert widening(fared(np.random.default_rng(seed), 1.0), NOTHING) == UNWIDENED


@pytest.mark.parametrize("sigma", [1.5, 2.0, 2.5, 4.0])
def test_a_drift_is_mended_by_as_much_as_it_is(sigma):
    found = widening(fared(np.random.default_rng(1), sigma, forecasts=200), NOTHING)
    assert found.factor == pytest.approx(sigma, rel=0.06)
    assert f"{found.factor:.2g} times as wide" in found.reason


def test_few_forecasts_are_no_evidence_and_bounds_hold():
    # 12 of 24 values inside: with one forecast that is chance, with thirty it is not.
    half = (0, 0, 0, 12, 0, 0, 12, 0, 0, 0, 0)
    assert widening(Fared(half, 1), NOTHING) == UNWIDENED
    # 80 % of the values: 0.3 of the 0.5 between the borders 1.5 and 2, by hand 1.5 + 0.5 * 0.6.
    assert widening(Fared(half, 30), NOTHING).factor == pytest.approx(1.8)
    assert widening(Fared((0,) * 10 + (24,), 30), NOTHING).factor == MOST


def test_the_kind_helps_until_the_series_speaks_for_itself():
    random = np.random.default_rng(2)
    drifted, calibrated = fared(random, 2.0, 300), fared(random, 1.0, 30)
    young = Fared(calibrated.reach, 3)
    assert widening(NOTHING, drifted).factor > 1.8
    assert "this kind of resource" in widening(young, drifted).reason
    assert widening(calibrated, drifted) == UNWIDENED


def test_together_adds():
    assert together([]) == NOTHING
    one = Fared((1,) * 11, 0.5)
    assert together([one, one]) == Fared((2,) * 11, 1.0)
    assert together([one, Fared((1,) * 9, 0.5)]) == Fared((2,) * 9 + (1, 1), 1.0)


def outlook(**more):
    times = DAY * np.arange(1, 91, dtype=np.int64)
    mean = np.full(90, 50.0)
    return Outlook(
        times, mean, mean - 10, mean + 10, mean - 30, mean + 45, DAY, "m", ("why",),
        OutlookState.IN_HORIZON, **more,
    )  # fmt: skip


def test_bands_and_dates_get_wider_within_bounds_and_the_reason_is_told():
    said = outlook(p10_ms=30 * DAY, p50_ms=40 * DAY, p90_ms=60 * DAY)
    found = widened(said, Widening(2.0, "because"), 0.0, 100.0)
    assert (found.lo80[0], found.hi80[0]) == (30, 70)
    assert (found.lo95[0], found.hi95[0]) == (0, 100), "not below nothing nor above the limit"
    # P10 ten days before P50, then twenty; P90 twenty after, then forty.
    assert (found.p10_ms, found.p50_ms, found.p90_ms) == (20 * DAY, 40 * DAY, 80 * DAY)
    assert found.reasons == ("why", "because")
    assert found.mean is said.mean
    assert widened(said, UNWIDENED, 0.0, 100.0) is said


def test_dates_stay_ahead_and_within_the_horizon():
    said = outlook(p10_ms=5 * DAY, p50_ms=60 * DAY, p90_ms=80 * DAY)
    found = widened(said, Widening(3.0, "because"), 0.0, 100.0)
    assert (found.p10_ms, found.p90_ms) == (DAY, None)
    over = outlook(p10_ms=0, p50_ms=0, p90_ms=0)
    assert widened(over, Widening(3.0, "x"), 0.0, 100.0).p90_ms == 0
