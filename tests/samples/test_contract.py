"""What every implementation of `Samples` must do, whatever lies behind it."""

import numpy as np
import pytest

from tidecast.samples.batch import STALE_NAN, STALE_NAN_BITS, SampleBatch, is_stale
from tidecast.samples.memory import MemorySamples
from tidecast.samples.protocol import LimitExceeded, MetricMetadata, Samples, SelectLimits
from tidecast.samples.routed import RoutedSamples

from .support import ALL_TIME, batch_of, content, everything, labels_of, matcher, open_store

UP_A, UP_B = labels_of("up", host="a"), labels_of("up", host="b")
LOAD = labels_of("node_load1", host="a", zone="x")
USAGE = labels_of("tidecast_usage", host="a")


@pytest.fixture(params=["memory", "embedded", "flushed", "routed"])
def store(request, tmp_path):
    if request.param == "memory":
        yield MemorySamples()
    elif request.param == "routed":
        with open_store(tmp_path / "own") as own, open_store(tmp_path / "raw") as raw:
            yield RoutedSamples(own, raw)
    else:
        with open_store(tmp_path) as embedded:
            if request.param == "flushed":
                append = embedded.append

                def append_and_flush(batch):
                    report = append(batch)
                    embedded.flush()
                    return report

                embedded.append = append_and_flush
            yield embedded


@pytest.fixture
def filled(store: Samples):
    store.append(
        batch_of(
            (UP_B, [1000, 2000], [1, 0]),
            (UP_A, [1000, 2000, 3000], [1, 1, 1]),
            (LOAD, [2500], [0.5]),
            (USAGE, [0, 3_600_000], [0.25, 0.75]),
        )
    )
    return store


def test_series_come_sorted_with_their_samples_in_the_range(filled):
    found = filled.select([matcher("__name__", "=", "up")], 2000, 3000)
    assert list(found.labels) == [UP_A, UP_B]
    assert found.offsets.tolist() == [0, 2, 3]
    assert found.timestamps.tolist() == [2000, 3000, 2000]
    assert found.values.tolist() == [1, 1, 0]


def test_nothing_selected_is_an_empty_batch(filled):
    for found in (
        filled.select([matcher("__name__", "=", "absent")], *ALL_TIME),
        filled.select([], 5_000_000, 6_000_000),
        filled.select([], 3000, 2000),
    ):
        assert (len(found), len(found.timestamps), found.offsets.tolist()) == (0, 0, [0])


@pytest.mark.parametrize(
    ("matchers", "expected"),
    [
        ([], [LOAD, USAGE, UP_A, UP_B]),
        ([matcher("host", "=", "a")], [LOAD, USAGE, UP_A]),
        ([matcher("host", "!=", "a")], [UP_B]),
        ([matcher("zone", "=", "")], [USAGE, UP_A, UP_B]),
        ([matcher("zone", "!=", "")], [LOAD]),
        ([matcher("__name__", "=~", "up|node_.*")], [LOAD, UP_A, UP_B]),
        ([matcher("__name__", "!~", "up|node_.*")], [USAGE]),
        ([matcher("zone", "=~", "x?"), matcher("host", "=~", ".+")], [LOAD, USAGE, UP_A, UP_B]),
        ([matcher("absent", "=~", ".+")], []),
    ],
)
def test_matchers(filled, matchers, expected):
    assert list(filled.select(matchers, *ALL_TIME).labels) == expected
    assert list(filled.series([matchers], *ALL_TIME)) == expected


def test_series_and_labels(filled):
    both = [[matcher("__name__", "=", "up")], [matcher("zone", "=", "x")]]
    assert list(filled.series(both, *ALL_TIME)) == [LOAD, UP_A, UP_B]
    assert list(filled.label_names([], *ALL_TIME)) == ["__name__", "host", "zone"]
    assert list(filled.label_names(both[:1], *ALL_TIME)) == ["__name__", "host"]
    assert list(filled.label_values("host", [], *ALL_TIME)) == ["a", "b"]
    assert list(filled.label_values("host", both[1:], *ALL_TIME)) == ["a"]
    assert list(filled.label_values("absent", [], *ALL_TIME)) == []
    assert list(filled.series([], *ALL_TIME)) == []


def test_a_duplicate_is_harmless_and_another_value_wins(store):
    store.append(batch_of((UP_A, [1000, 2000], [1, 2])))
    store.append(batch_of((UP_A, [2000, 3000], [2, 3])))
    store.append(batch_of((UP_A, [1000], [7])))
    assert content(store.select([], *ALL_TIME)) == content(
        batch_of((UP_A, [1000, 2000, 3000], [7, 2, 3]))
    )


def test_within_one_batch_the_last_value_wins_in_any_order(store):
    store.append(batch_of((UP_A, [3000, 1000, 3000], [1, 2, 3]), (UP_A, [1000], [4])))
    assert everything(store) == content(batch_of((UP_A, [1000, 3000], [4, 3])))


def test_very_old_and_future_samples_are_taken(store):
    year_9000 = 221_845_392_000_000
    store.append(batch_of((UP_A, [0], [1]), (UP_B, [year_9000, -86_400_000], [1, 2])))
    assert everything(store) == content(
        batch_of((UP_A, [0], [1]), (UP_B, [-86_400_000, year_9000], [2, 1]))
    )


def test_every_bit_of_a_value_is_kept(store):
    bits = np.array([STALE_NAN_BITS, 0x7FF8000000000001, 1 << 63, 1, 0xFFF0 << 48], dtype=np.uint64)
    times = np.arange(5, dtype=np.int64) * 1000
    store.append(SampleBatch.of([(UP_A, times, bits.view(np.float64))]))
    found = store.select([], *ALL_TIME)
    assert found.values.view(np.uint64).tolist() == bits.tolist()
    assert is_stale(found.values).tolist() == [True, False, False, False, False]


def test_bad_series_are_named_and_the_rest_is_written(store):
    nameless = (("host", "a"),)
    twice = (("__name__", "up"), ("host", "a"), ("host", "b"))
    long = labels_of("up", host="x" * 4097)
    broken = (("__name__", "up"), ("host", "\udcff"))
    crowded = labels_of("up", **{f"l{i}": "v" for i in range(64)})
    bad = [nameless, twice, long, broken, crowded]
    report = store.append(batch_of((UP_A, [1000], [1]), *((labels, [1000], [1]) for labels in bad)))
    assert report.appended == 1
    assert sorted(r.labels for r in report.rejected) == sorted(bad)
    assert all(r.reason for r in report.rejected)
    assert everything(store) == content(batch_of((UP_A, [1000], [1])))


def test_names_are_any_utf8(store):
    spaced = batch_of((labels_of("ßup.time now", **{"host-name": "ä"}), [1000], [1]))
    assert store.append(spaced).appended == 1
    assert everything(store) == content(spaced)


def test_an_empty_batch_is_nothing(store):
    assert store.append(batch_of()).appended == 0
    assert store.append(batch_of((UP_A, [], []))).appended == 0
    assert everything(store) == {}


def test_a_selection_beyond_its_limits_is_refused(filled):
    with pytest.raises(LimitExceeded, match="4 series"):
        filled.select([], *ALL_TIME, SelectLimits(series=3))
    with pytest.raises(LimitExceeded, match="samples"):
        filled.select([], *ALL_TIME, SelectLimits(samples=7))
    assert len(filled.select([], *ALL_TIME, SelectLimits(series=4, samples=8))) == 4


def test_deleted_samples_are_gone_and_later_ones_are_not(filled):
    assert filled.delete([matcher("__name__", "=", "up")], 2000, 3000) == 2
    assert everything(filled) == content(
        batch_of(
            (LOAD, [2500], [0.5]),
            (USAGE, [0, 3_600_000], [0.25, 0.75]),
            (UP_A, [1000], [1]),
            (UP_B, [1000], [1]),
        )
    )
    filled.append(batch_of((UP_A, [2000], [9])))
    assert content(filled.select([matcher("host", "=", "a")], 2000, 2000)) == content(
        batch_of((UP_A, [2000], [9]))
    )
    assert filled.delete([matcher("__name__", "=", "absent")], *ALL_TIME) == 0


def test_a_series_deleted_whole_is_no_longer_listed(filled):
    filled.delete([matcher("__name__", "=", "up")], *ALL_TIME)
    assert list(filled.series([[]], *ALL_TIME)) == [LOAD, USAGE]


def test_metadata_is_remembered_and_replaced(store):
    store.put_metadata({"up": MetricMetadata("gauge", "old"), "tidecast_usage": USAGE_ABOUT})
    store.put_metadata({"up": MetricMetadata("gauge", "Whether the scrape worked.", "")})
    assert store.metadata() == {
        "up": MetricMetadata("gauge", "Whether the scrape worked."),
        "tidecast_usage": USAGE_ABOUT,
    }


USAGE_ABOUT = MetricMetadata("gauge", "Usage.", "bytes")


def test_what_was_read_does_not_change_when_more_is_written(filled):
    before = filled.select([], *ALL_TIME)
    kept = content(before)
    filled.append(batch_of((UP_A, [1000, 1500, 4000], [5, 6, float(STALE_NAN)])))
    assert content(before) == kept
