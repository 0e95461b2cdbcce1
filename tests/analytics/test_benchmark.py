"""The scores and the made families of the forecast benchmark, by hand."""

import numpy as np
import pytest
from benchmarks.forecast import datasets, elsewhere, families, scores


def row(*values):
    return np.array(values, dtype=np.float64)


def test_point_scores_by_hand():
    # |10 - 8| / 18 and 0 / 0: 200 x (1 / 9 + 0) / 2.
    assert scores.smape(row(10, 0), row(8, 0)) == pytest.approx(100 / 9)
    # One season of two apart: |3 - 1|, |6 - 2|, mean 3; the error of 6 is two of them.
    unit = scores.season_error(row(1, 2, 3, 6), 2)
    assert unit == pytest.approx(3)
    assert scores.mase(row(6), row(0), unit) == pytest.approx(2)


def test_interval_scores_by_hand():
    # Width 2; the second value lies 1 below: 2 / 0.05 = 40 for it.
    actual, low, high = row(5, 3), row(4, 4), row(6, 6)
    assert scores.msis(actual, low, high, 1.0, 95) == pytest.approx((2 + 2 + 40) / 2)
    assert scores.inside(actual, low, high) == 0.5


def test_a_crossing_is_the_first_of_a_run():
    assert scores.first_crossing(row(1, 9, 1, 9, 9, 9), 9, 3) == 4
    assert scores.first_crossing(row(1, 9, 1, 9, 9, 9), 9, 1) == 2
    assert scores.first_crossing(row(1, 9, 9), 9, 3) is None
    assert scores.first_crossing(row(9), 9, 3) is None


def test_crossing_pinball_by_hand():
    # Truth 10; P10 at 5 is early by 5: 0.1 x 5; P50 at 12: 0.5 x 2; P90 never, of 30: 0.1 x 20.
    assert scores.crossing_pinball(10, (5, 12, None), 30) == pytest.approx((0.5 + 1 + 2) / 3)
    assert scores.crossing_pinball(None, (None, None, None), 30) == 0


def test_families_are_the_same_for_the_same_seed_and_within_bounds():
    one, other = families.made(1, 7), families.made(1, 7)
    assert len(one) == len(families.FAMILIES) >= 16
    for made, again in zip(one, other, strict=True):
        assert (made.known == again.known).all()
        assert made.hidden.size == families.HIDDEN_HOURS
        assert made.known.min() >= 0
        assert made.hidden.max() <= 100


def test_missing_data_is_said(monkeypatch, tmp_path):
    monkeypatch.setenv("TIDECAST_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(SystemExit, match="set TIDECAST_DATA"):
        datasets.folder()


def test_test_windows_end_in_the_last_fifth_and_others_before_it(shared_data, monkeypatch):
    monkeypatch.setenv("TIDECAST_DATA", str(shared_data))
    validation, test = datasets.m4(test=False), datasets.m4(test=True)
    assert len(validation) == len(test) == 414
    for one, other in zip(validation, test, strict=True):
        assert (np.append(one.known, one.hidden) == other.known).all()
    for windows in (datasets.growth(test=False), datasets.growth(test=True)):
        assert {w.known.size for w in windows} == {datasets.GROWTH_SEEN}
        assert {w.hidden.size for w in windows} == {datasets.GROWTH_HIDDEN}
    early = {w.known.tobytes() for w in datasets.growth(test=False) if np.ptp(w.known)}
    assert not early & {w.known.tobytes() for w in datasets.growth(test=True) if np.ptp(w.known)}


def test_windows_anywhere_come_from_before_the_test_parts(shared_data, monkeypatch):
    monkeypatch.setenv("TIDECAST_DATA", str(shared_data))
    found = datasets.anywhere(72, each=1)
    assert {"m4", "service-metrics", "nab", "nab by 5 min", "fleet"} <= found.keys()
    assert all(w.hidden.size == 72 for windows in found.values() for w in windows)
    whole = {}
    for w in datasets.utilization(test=True, horizon=24)["service-metrics"]:
        values = np.concatenate((w.known, w.hidden))
        whole[w.series] = max(values, whole.get(w.series, values), key=len)
    for w in found["service-metrics"]:
        training = whole[w.series][: -(whole[w.series].size // 5)]
        places = np.lib.stride_tricks.sliding_window_view(training, 72)
        assert (places == w.hidden).all(axis=1).any()


def test_windows_of_a_folder_hold_the_hours_of_its_files(tmp_path):
    # A value every half hour for nine days: 216 hours, each the mean of its two.
    lines = [f"{1_767_225_600 + 1800 * each},{each // 2},{each % 2}" for each in range(1, 433)]
    (tmp_path / "load.csv").write_text("\n".join(("time,rising,even", *lines)))
    series = list(elsewhere.of_folder(tmp_path))
    assert [(group, name) for group, name, _ in series] == [
        ("load", "load:rising"),
        ("load", "load:even"),
    ]
    assert series[1][2] == pytest.approx(np.full(216, 0.5))
    windows = elsewhere.rolling(series, 24, 7, each=8)["load"]
    # Of 216 hours 168 are known and 24 hidden: a second window would begin 77 hours before.
    assert [window.known.size for window in windows] == [168, 168]
    assert [window.hidden.size for window in windows] == [24, 24]


def test_a_file_that_is_not_understood_is_named_with_its_line(tmp_path):
    (tmp_path / "load.csv").write_text("time,a\n2026-01-01T00:00,1\n2026-01-01T01:00,x\n")
    with pytest.raises(SystemExit, match=r"load\.csv, line 3: 'x' is no number"):
        list(elsewhere.of_folder(tmp_path))
