"""The embedded store against plain dictionaries, and what is its own: windows, upkeep, keeping."""

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.scenario.driver import PATIENCE_SECONDS

from tidecast.samples import gathering, metadata, recovery, sealing, segment_work
from tidecast.samples.batch import SampleBatch
from tidecast.samples.durable import StoreLocked
from tidecast.samples.memory import MemorySamples
from tidecast.samples.protocol import MetricMetadata, SamplesUnavailable
from tidecast_collector.errors import InvalidInput

from . import support
from .support import ALL_TIME, batch_of, content, everything, labels_of, matcher, open_store

UP = labels_of("up", host="a")
LOAD = labels_of("node_load1", host="a")

BLOCK_MS = 12_000
"""A block of the stores in these tests: 12 windows of a second."""

# Times meet often, lie in a handful of blocks, some of them over at time 0, and far away.
times = st.one_of(
    st.integers(-3 * BLOCK_MS, 2 * BLOCK_MS), st.integers(-40, 40).map(lambda i: i * 10_000_000)
)


@st.composite
def batches(draw):
    parts = []
    for _ in range(draw(st.integers(1, 4))):
        chosen = draw(st.lists(times, min_size=1, max_size=6))
        bits = draw(st.lists(support.bits, min_size=len(chosen), max_size=len(chosen)))
        values = np.array(bits, dtype=np.uint64).view(np.float64)
        parts.append((draw(support.series), np.array(chosen, dtype=np.int64), values))
    return SampleBatch.of(parts)


ranges = st.tuples(times, times).map(sorted)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("append"), batches()),
        st.tuples(st.just("append"), batches()),
        st.tuples(st.just("delete"), support.matcher_lists, ranges),
        st.tuples(st.sampled_from(["flush", "reopen"])),
        st.tuples(st.just("maintain"), times),
    ),
    max_size=14,
)


def in_parts(store, matchers, span):
    """What a selection gives in very small parts; series of one column have the same times."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gathering, "SAMPLES_AT_ONCE", 5)
        parts = store.select_each(matchers, *span, lambda batch: batch)
    times = {}
    for part in parts:
        if part.columns is not None:
            for column, (_, timestamps, _) in zip(part.columns.tolist(), part, strict=True):
                assert times.setdefault(column, timestamps.tolist()) == timestamps.tolist()
    labels = [each for part in parts for each in part.labels]
    assert labels == sorted(set(labels))
    return {labels: samples for part in parts for labels, samples in content(part).items()}


@settings(deadline=None, max_examples=80)
@given(steps=steps, matchers=support.matcher_lists, span=ranges)
def test_any_history_reads_as_dictionaries_would(new_directory, steps, matchers, span):
    directory = new_directory()
    oracle = MemorySamples()
    store = open_store(directory)
    for step, *arguments in steps:
        if step == "append":
            store.append(arguments[0])
            oracle.append(arguments[0])
        elif step == "delete":
            chosen, (start_ms, end_ms) = arguments
            assert store.delete(chosen, start_ms, end_ms) >= oracle.delete(chosen, start_ms, end_ms)
        elif step == "flush":
            store.flush()
        elif step == "reopen":
            store.close()
            store = open_store(directory)
        else:
            store.maintain(arguments[0])
        assert everything(store) == everything(oracle)
    expected = content(oracle.select(matchers, *span))
    assert content(store.select(matchers, *span)) == expected
    assert in_parts(store, matchers, span) == expected
    # Each series alone: segments that have others only are in its way.
    for labels, _, _ in store.select(matchers, *span):
        alone = [matcher(name, "=", value) for name, value in labels]
        assert content(store.select(alone, *span))[labels] == expected[labels]
    assert set(store.series([matchers], *span)) >= set(oracle.series([matchers], *span))
    store.close()


def test_series_that_only_the_head_has_are_found_beside_segments_of_others(tmp_path):
    with open_store(tmp_path) as store:
        store.append(batch_of((UP, [1, 2], [1.0, 2.0])))
        store.flush()
        store.append(batch_of((LOAD, [1, 2], [3.0, 4.0])))
        found = store.select([matcher("__name__", "=", "node_load1")], *ALL_TIME)
        assert [labels for labels, _, _ in found] == [LOAD]
        assert found.values.tolist() == [3.0, 4.0]


def test_an_appended_sample_is_there_after_reopening(tmp_path):
    batch = batch_of((UP, [1000, 2000], [1, 0]))
    open_store(tmp_path).close()
    store = open_store(tmp_path)
    store.append(batch)
    store.close()
    with open_store(tmp_path) as again:
        assert everything(again) == content(batch)


def test_duplicates_are_counted(tmp_path):
    with open_store(tmp_path) as store:
        store.append(batch_of((UP, [1000, 2000], [1, 2])))
        report = store.append(batch_of((UP, [1000, 2000, 3000], [1, 7, 3])))
        assert (report.appended, report.duplicates) == (2, 1)


def test_a_window_that_is_over_is_flushed_and_its_log_removed(tmp_path):
    with open_store(tmp_path) as store:
        store.append(batch_of((UP, [100, 900], [1, 2])))
        store.maintain(999)
        assert store.stats().head_samples == 2
        store.maintain(1100)
        stats = store.stats()
        assert (stats.head_samples, stats.segments, stats.segment_samples) == (0, 1, 2)
        assert list((tmp_path / "log").iterdir()) == []


def test_a_full_head_is_flushed_whatever_the_time(tmp_path):
    with open_store(tmp_path, flush_samples=10) as store:
        for i in range(25):
            store.append(batch_of((UP, [i], [i])))
        # The 21st found 20, twice the limit, and flushed them first.
        assert store.stats().head_samples == 5
        assert store.stats().segment_samples == 20
        assert len(store.select([], *ALL_TIME).timestamps) == 25


def test_a_block_that_is_over_becomes_one_segment(tmp_path):
    with open_store(tmp_path) as store:
        for i in range(11):
            at = i * 1000 + 1
            store.append(batch_of((UP, [at], [i]), (LOAD, [at], [-i])))
            store.maintain(at + 1100)
        kept = everything(store)
        assert store.stats().segments == 11
        store.maintain(BLOCK_MS)
        assert store.stats().segments == 1
        assert store.stats().segment_samples == 22
        assert everything(store) == kept
        assert len(list((tmp_path / "segments").iterdir())) == 1


def test_late_samples_for_a_joined_block_are_joined_when_they_are_several(tmp_path):
    with open_store(tmp_path, clock=lambda: 2 * BLOCK_MS) as store:
        for i in range(5):
            store.append(batch_of((UP, [i * 1000 + 1, 1], [i, i])))
            store.flush()
        store.maintain(2 * BLOCK_MS)
        assert store.stats().segments == 1
        assert everything(store) == content(
            batch_of((UP, [1, 1001, 2001, 3001, 4001], [4, 1, 2, 3, 4]))
        )


def test_samples_strewn_over_years_make_few_files(tmp_path):
    with open_store(tmp_path, clock=lambda: 10**12) as store:
        days = list(range(0, 5000 * 86_400_000, 86_400_000))
        store.append(batch_of((UP, days, days)))
        store.flush()
        assert store.stats().segments <= 64
        assert store.select([], *ALL_TIME).timestamps.tolist() == days


def test_series_with_the_same_timestamps_share_them(tmp_path):
    times = np.cumsum(np.random.default_rng(1).integers(900, 1100, 2000))
    alone, together = [], []
    for size, count in ((alone, 1), (together, 50)):
        with open_store(tmp_path / str(count), window_ms=10**9) as store:
            store.append(
                SampleBatch.of(
                    (labels_of("up", host=str(i)), times, np.full(2000, float(i)))
                    for i in range(count)
                )
            )
            store.flush()
            size.append(store.stats().segment_bytes)
    # 50 series of constants: 13 bytes each for values, some 70 for index and name.
    assert together[0] < alone[0] + 50 * 85


def test_segments_wholly_older_than_what_is_retained_go(tmp_path):
    with open_store(tmp_path) as store:
        store.append(batch_of((UP, [-20_000, 2500], [0, 3])))
        store.flush()
        store.retain(1500)
        assert store.stats().segments == 1
        expected = content(batch_of((UP, [2500], [3])))
        assert everything(store) == expected
    with open_store(tmp_path) as again:
        assert everything(again) == expected
        again.append(batch_of((UP, [-20_000], [7])))  # history may still be brought in
        assert everything(again) == content(batch_of((UP, [-20_000, 2500], [7, 3])))


def test_samples_behind_the_out_of_order_window_are_refused(tmp_path):
    with open_store(tmp_path, clock=lambda: 10_000, out_of_order_window_ms=8_000) as store:
        report = store.append(batch_of((UP, [1000, 3000], [9, 4]), (LOAD, [1999], [9])))
        assert report.appended == 1
        assert [r.labels for r in report.rejected] == [LOAD]
        assert "out-of-order window" in report.rejected[0].reason
        assert everything(store) == content(batch_of((UP, [3000], [4])))


def test_deletions_are_carried_out_when_segments_are_joined(tmp_path):
    with open_store(tmp_path, clock=lambda: BLOCK_MS * 2) as store:
        store.append(batch_of((UP, [0, 1000], [1, 2]), (LOAD, [0], [1])))
        store.flush()
        assert store.delete([matcher("__name__", "=", "up")], 1000, 1000) == 1
        assert store.stats().segment_samples == 3
        store.append(batch_of((UP, [1000], [5])))
        store.flush()
        store.maintain(BLOCK_MS * 2)
        assert store.stats().segment_samples == 3
        assert everything(store) == content(batch_of((UP, [0, 1000], [1, 5]), (LOAD, [0], [1])))
        store.delete([], *ALL_TIME)
        store.maintain(BLOCK_MS * 2)
        assert store.stats().segments == 0


def test_a_directory_is_open_once(tmp_path):
    with open_store(tmp_path), pytest.raises(StoreLocked, match=r"in use by process \d+"):
        open_store(tmp_path)
    open_store(tmp_path).close()


def test_a_closed_store_takes_nothing(tmp_path):
    store = open_store(tmp_path)
    store.close()
    store.close()
    with pytest.raises(SamplesUnavailable, match="closed"):
        store.append(batch_of((UP, [1], [1])))
    with pytest.raises(SamplesUnavailable, match="closed"):
        store.flush()


def test_a_place_that_cannot_be_a_store_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SamplesUnavailable, match="file: File exists"):
        open_store(tmp_path / "file")


def test_timestamps_beyond_the_calendar_are_refused(tmp_path):
    with open_store(tmp_path) as store:
        report = store.append(batch_of((UP, [2**62], [1]), (LOAD, [1], [1])))
        assert [r.labels for r in report.rejected] == [UP]
        assert "years 1 to 9999" in report.rejected[0].reason
        assert everything(store) == content(batch_of((LOAD, [1], [1])))


def test_metadata_has_a_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(metadata, "MAX_METRICS", 2)
    about = MetricMetadata("gauge", "")
    with open_store(tmp_path) as store:
        store.put_metadata({"a": about, "b": about})
        store.put_metadata({"a": about})
        with pytest.raises(InvalidInput, match="more than 2 metrics"):
            store.put_metadata({"c": about})
        assert store.metadata() == {"a": about, "b": about}


def test_the_head_is_let_grow_with_its_series(tmp_path):
    many = [labels_of("up", host=str(i)) for i in range(20)]
    options = {"flush_samples": 40, "flush_samples_a_series": 5}
    with open_store(tmp_path, **options) as store:
        for at in range(1, 5):
            store.append(batch_of(*((labels, [at], [1.0]) for labels in many)))
            store.maintain(0)
            assert store.stats().segments == 0
        # 20 series of 5 samples each.
        store.append(batch_of(*((labels, [5], [1.0]) for labels in many)))
        store.maintain(0)
        assert (store.stats().segments, store.stats().head_samples) == (1, 0)


def test_a_long_log_is_replayed_in_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(recovery, "_TOGETHER", 3)
    with open_store(tmp_path) as store:
        for i in range(10):
            store.append(batch_of((UP, [i, 0], [i, i]), (LOAD, [i], [-i])))
        kept = everything(store)
    with open_store(tmp_path) as again:
        assert everything(again) == kept
        assert again.stats().head_samples == 20


def test_upkeep_goes_on_after_a_refusal(tmp_path, monkeypatch, caplog):
    refusals = iter([True, True])
    tried = threading.Event()

    def write_head(*arguments):
        if next(refusals, False):
            raise OSError(28, "No space left on device")
        tried.set()
        return sealing.write_head(*arguments)

    monkeypatch.setattr(segment_work, "write_head", write_head)
    with open_store(tmp_path, flush_samples=1, upkeep_seconds=0.01) as store:
        store.append(batch_of((UP, [1], [1])))
        assert tried.wait(PATIENCE_SECONDS)
        assert everything(store) == content(batch_of((UP, [1], [1])))
    assert "No space left on device" in caplog.text


def test_a_batch_too_large_is_refused_whole(tmp_path):
    with open_store(tmp_path) as store:
        many = np.arange(8_000_001)
        with pytest.raises(InvalidInput, match="at most 8000000"):
            store.append(SampleBatch([UP], np.array([0, len(many)]), many, many.astype(float)))
        assert everything(store) == {}


def test_many_threads_write_and_read_at_once(tmp_path):
    with open_store(tmp_path, flush_samples=200, upkeep_seconds=0.01) as store:
        failures = []

        def write(worker):
            labels = labels_of("up", host=f"h{worker}")
            for i in range(60):
                store.append(batch_of((labels, [i * 100], [i])))
                found = store.select([matcher("host", "=", f"h{worker}")], *ALL_TIME)
                if found.timestamps.tolist() != list(range(0, i * 100 + 1, 100)):
                    failures.append((worker, i, found))

        threads = [threading.Thread(target=write, args=(n,)) for n in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert len(store.select([], *ALL_TIME).timestamps) == 360
