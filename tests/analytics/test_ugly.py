"""Whatever comes in: finite bands, ascending dates, no exception and no warning."""

import numpy as np
import pytest

from tidecast_analytics.events import Event
from tidecast_analytics.expectations import Amount, Expected
from tidecast_analytics.forecasting import forecast
from tidecast_analytics.outlook import History
from tidecast_analytics.series import DAY_MS, HOUR_MS

LENGTHS = (1, 2, 3, 14, 20, 24, 25, 47, 48, 49, 99, 168, 336, 340, 700, 1500)
STEPS_MS = (HOUR_MS, DAY_MS, HOUR_MS // 4, 7 * HOUR_MS, 7 * DAY_MS, 30 * DAY_MS, 60_000)
HORIZONS_MS = (1, HOUR_MS, DAY_MS, 14 * DAY_MS, 90 * DAY_MS, 400 * DAY_MS)
BOUNDS = (None, 0.0, 1.0, -1.0, 1e308, -1e308, float("nan"), float("inf"), 5e-324, 2.0)


def values(random, count):
    """Values of some ugly kind."""
    noise, at = random.normal(0, 1, count), np.arange(count)
    with np.errstate(all="ignore"):
        kinds = (
            noise.cumsum(),
            np.abs(noise) * 1e308,
            noise * 1e-310,
            np.full(count, random.choice([0.0, 1e308, -1e308, 5e-324, -3.0])),
            np.where(random.random(count) < 0.02, random.choice([np.inf, 1e308, -1e300]), noise),
            np.round(np.abs(noise) * 3),
            np.where(at > count * random.random(), 1e5, 0) + noise,
            np.exp(noise * random.choice([1, 50, 300])),
            1e15 + noise,
            np.where(at % 7 == 3, 10.0 + at, 0.0),
        )
    holes = random.random(count) < random.choice([0, 0, 0.3, 0.9])
    return np.where(holes, np.nan, kinds[random.integers(len(kinds))])


def history(random):
    step_ms, count = int(random.choice(STEPS_MS)), int(random.choice(LENGTHS))
    times = np.arange(count, dtype=np.int64) * step_ms
    if random.random() < 0.2:
        times = times + random.integers(-step_ms, step_ms + 1, count)
    end_ms = max(int(times.max()), 1)
    starts = random.integers(-5 * DAY_MS, end_ms + 20 * DAY_MS, random.integers(0, 4))
    lengths = random.choice([1, HOUR_MS, 3 * DAY_MS, 90 * DAY_MS], starts.size)
    sizes = random.choice([-1.0, 0.0, 0.2, 1000.0, 1e300, -1e300], (2, 2))
    amounts = [Amount(float(np.clip(ratio, -1, 1000)), float(size)) for ratio, size in sizes]
    return History(
        times,
        values(random, count),
        BOUNDS[random.integers(len(BOUNDS))],
        BOUNDS[random.integers(len(BOUNDS))],
        [Event(int(at), int(at + long), "e") for at, long in zip(starts, lengths, strict=True)],
        tuple(random.integers(0, end_ms + 1, random.integers(0, 3)).tolist()),
        [Expected(end_ms + int(random.integers(-DAY_MS, 90 * DAY_MS)), *amounts)],
    )


@pytest.mark.parametrize("seed", range(40))
def test_any_histories_together_give_finite_bands(seed):
    random = np.random.default_rng(seed)
    histories = [history(random) for _ in range(6)]
    horizon_ms = HORIZONS_MS[seed % len(HORIZONS_MS)]
    for found in forecast(histories, horizon_ms):
        bands = np.stack([found.mean, found.lo80, found.hi80, found.lo95, found.hi95])
        assert np.isfinite(bands).all()
        assert (found.lo95 <= found.hi95).all() and (found.lo80 <= found.hi80).all()
        dates = [at for at in (found.p10_ms, found.p50_ms, found.p90_ms) if at is not None]
        assert dates == sorted(dates)
