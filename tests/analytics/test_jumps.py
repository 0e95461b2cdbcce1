"""Growth in rare jumps."""

import numpy as np
import pytest

from tidecast_analytics import jumps
from tidecast_analytics.forecasting import forecast
from tidecast_analytics.outlook import History, OutlookState
from tidecast_analytics.series import DAY_MS


def compound(seed, days, chance=0.05, size=10.0):
    """Nothing on most days, else an exponential amount."""
    rng = np.random.default_rng(seed)
    return 100 + np.cumsum((rng.random(days) < chance) * rng.exponential(size, days))


def outlook(values, mark=None, days=90):
    times = DAY_MS * np.arange(len(values), dtype=np.int64)
    return forecast([History(times, np.asarray(values, dtype=float), mark)], days * DAY_MS)[0]


def test_rare_jumps_are_told_from_lines_noise_and_silence():
    rng = np.random.default_rng(1)
    rows = np.stack(
        [
            compound(0, 200),
            np.arange(200.0),
            rng.normal(size=200),
            np.zeros(200),
            rng.exponential(size=200).cumsum(),
            np.where(np.arange(200) % 7 < 5, 1.0, 0.0),
            np.where(np.arange(200) % 20 == 0, 1.0, 0.0),
        ]
    )
    assert jumps.jumpy(rows).tolist() == [True] + [False] * 6
    assert not jumps.jumpy(rows[:, : jumps.LEAST_DAYS - 1]).any()


def test_paths_draw_the_increments_of_the_past_and_no_others():
    # One increment of 5 in the past: on each day a path rises by some of them, or by none.
    days = np.where(np.arange(100) >= 45, 5.0, 0.0)
    paths = jumps.paths(days, 60)
    assert np.unique(paths % 5).tolist() == [0.0]
    # The newest half holds no increment: paths that draw from it, or from less, stay.
    stay = (paths == 5.0).all(axis=1)
    assert 0.55 <= stay.mean() <= 0.85
    # The others rise by 5 in a hundred days, at a pace whose median is nine tenths.
    assert np.median(paths[~stay, -1]) == 10.0


def test_paths_and_typical_growth_follow_shift_and_scale():
    days = compound(2, 150)
    assert jumps.paths(3 * days + 7, 30) == pytest.approx(3 * jumps.paths(days, 30) + 7)
    assert jumps.typical(days[None, :], 30)[0] == pytest.approx(
        np.median(jumps.paths(days, 30), axis=0)
    )


def test_bands_hold_what_compound_growth_brings():
    inside80, inside95 = [], []
    for seed in range(60):
        path = compound(seed, 550, chance=0.06)
        said = outlook(path[:460])
        later = path[460:]
        inside80.append(((later >= said.lo80 - 1e-9) & (later <= said.hi80 + 1e-9)).mean())
        inside95.append(((later >= said.lo95 - 1e-9) & (later <= said.hi95 + 1e-9)).mean())
    assert 0.75 <= np.mean(inside80) <= 0.97
    assert np.mean(inside95) >= 0.93


def test_what_never_shrank_has_no_band_below_its_last_value():
    path = compound(3, 460)
    said = outlook(path)
    assert (said.lo95 >= path[-1] - 1e-9).all()
    assert said.hi95[-1] > said.hi80[-1] > path[-1]
    assert "growth in jumps" in said.backtest.weights or said.method == "last value"


def test_a_big_import_long_ago_does_not_cry_wolf():
    values = np.full(460, 40.0)
    values[100:] += 30
    values[[200, 300, 400]] += 0.1
    assert outlook(values, mark=90.0).state is not OutlookState.IN_HORIZON


def test_marks_ordered_mean_dates_ordered():
    path = compound(4, 300, chance=0.2)
    chances = [outlook(path, mark=path[-1] + more).probability for more in (5, 20, 80, 300)]
    assert chances == sorted(chances, reverse=True)
    assert chances[0] > 0.8
