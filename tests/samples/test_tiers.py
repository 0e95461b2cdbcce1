"""Tiers: what is kept of samples that are gone, built, built again, read, deleted and damaged."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tidecast.samples.batch import STALE_NAN, SampleBatch
from tidecast.samples.keeping import Room
from tidecast.samples.kept import Tier
from tidecast.samples.points import Field, coarser, one_series, single_points
from tidecast.samples.protocol import SelectHint
from tidecast.samples.verify import verify

from .support import batch_of, everything, labels_of, matcher, open_store

UP = labels_of("up", host="a")
HITS = labels_of("hits_total", host="a")
STRETCH_MS = 12_000
TIERS = (Tier("fine", 100, 40 * STRETCH_MS), Tier("coarse", 1000, 100 * STRETCH_MS))
FOR_EVER = 10**12


def open_tiered(directory, **options):
    return open_store(directory, tiers=TIERS, **options)


def points_of(*samples):
    times, values = zip(*samples, strict=True)
    return single_points(batch_of((UP, list(times), list(values))))


def read(store, after_ms, end_ms, *, step_ms=1000, window_ms=1000, exact=False):
    """(end, count, sum, lost) of each point of each series; None where raw samples answer."""
    hint = SelectHint(after_ms, end_ms, step_ms, window_ms, 1000, tuple(Field), exact)
    found = store.select_points([], hint)
    if found is None:
        return None
    fields = Field.COUNT, Field.SUM, Field.LOST
    return {
        labels: [
            point
            for point in zip(
                points.end_ms.tolist(), *(points.stats[f].tolist() for f in fields), strict=True
            )
            if point[0] > after_ms
        ]
        for labels, points in found.points
    }


def filled(directory, **options):
    """A store with three stretches of a counter that falls once, in tiers, raw samples kept."""
    store = open_tiered(directory, clock=lambda: 4 * STRETCH_MS, **options)
    times = np.arange(50, 3 * STRETCH_MS, 50)
    store.append(SampleBatch.of([(HITS, times, (times // 50 % 300).astype(float))]))
    store.flush()
    store.keep(4 * STRETCH_MS, FOR_EVER)
    return store


def test_a_point_tells_what_its_samples_did():
    samples = points_of((110, 5.0), (120, 8.0), (130, 2.0), (200, 3.0), (201, 1.0))
    points = coarser(samples, 100)
    assert points.end_ms.tolist() == [200, 300]  # a bucket has its end, not its beginning
    told = {field.name: points.stats[field].tolist() for field in Field}
    assert told == {
        "COUNT": [4, 1],
        "SUM": [18, 1],
        "MIN": [2, 1],
        "MAX": [8, 1],
        "FIRST": [5, 1],
        "LAST": [3, 1],
        "LOST": [8, 0],  # 8 -> 2: the counter had got to 8
        "RESETS": [1, 0],
        "STALE": [0, 0],
    }
    assert (points.first_ms.tolist(), points.last_ms.tolist()) == ([110, 201], [200, 201])
    whole = coarser(points, 1000)
    assert whole.stats[Field.LOST].tolist() == [8 + 3]  # and 3 -> 1, between two buckets
    assert whole.stats[Field.RESETS].tolist() == [2]


def test_staleness_markers_are_no_samples_but_are_told():
    points = coarser(points_of((110, 5.0), (120, STALE_NAN), (210, STALE_NAN)), 100)
    assert points.stats[Field.COUNT].tolist() == [1, 0]
    assert points.stats[Field.STALE].tolist() == [1, 1]
    assert points.stats[Field.LAST][0] == 5.0


bucketed = st.lists(
    st.tuples(st.integers(1, 4000), st.integers(-50, 50)), unique_by=lambda s: s[0], min_size=1
)


@given(bucketed)
def test_a_tier_of_a_tier_is_the_tier_of_its_samples(samples):
    points = points_of(*sorted((at, float(value)) for at, value in samples))
    direct, stepwise = coarser(points, 1000), coarser(coarser(points, 100), 1000)
    for field in Field:
        assert np.array_equal(direct.stats[field], stepwise.stats[field], equal_nan=True), field
    assert np.array_equal(direct.first_ms, stepwise.first_ms)
    assert np.array_equal(direct.last_ms, stepwise.last_ms)


def test_beyond_what_raw_samples_are_kept_tiers_answer(tmp_path):
    with filled(tmp_path) as store:
        expected = everything(store)
        assert read(store, 0, 3 * STRETCH_MS) is None  # raw samples answer
        store.keep(4 * STRETCH_MS, 2 * STRETCH_MS)
        # Samples older than that are not shown as samples any more.
        kept = [at for at, _ in everything(store)[HITS]]
        assert kept == [at for at, _ in expected[HITS] if at > 2 * STRETCH_MS]
        found = read(store, 0, 2 * STRETCH_MS)[HITS]
        assert [end for end, *_ in found] == list(range(1000, 2 * STRETCH_MS + 1, 1000))
        assert sum(count for _, count, *_ in found) == 2 * STRETCH_MS / 50
        # 0, 1, ... 299, 0, ...: of 480 samples one fall, from 299.
        assert sum(lost for *_, lost in found) == 299
        fine = read(store, 0, 2 * STRETCH_MS, step_ms=100, window_ms=100)[HITS]
        assert len(fine) == 2 * STRETCH_MS / 100
        assert store.series([[]], 0, STRETCH_MS) == [HITS]
        stats = store.stats()
        assert stats.segments == 1
        assert stats.tier_points == 3 * STRETCH_MS / 100 + 3 * STRETCH_MS / 1000
    with open_tiered(tmp_path) as again:
        assert read(again, 0, 2 * STRETCH_MS)[HITS] == found
        mixed = read(again, STRETCH_MS, 3 * STRETCH_MS)[HITS]
        assert sum(count for _, count, *_ in mixed) == 2 * STRETCH_MS / 50 - 1
        assert verify(tmp_path).damage == ()


def test_a_tier_goes_before_raw_samples_only_where_it_answers_the_same(tmp_path):
    with filled(tmp_path) as store:
        span = 0, 3 * STRETCH_MS
        found = read(store, *span, exact=True)[HITS]
        assert len(found) == 3 * STRETCH_MS / 1000
        assert read(store, *span, exact=True, window_ms=50) is None
        store.append(batch_of((HITS, [777], [1])))
        assert read(store, *span, exact=True) is None  # the head has what no tier has
        store.flush()
        assert read(store, *span, exact=True) is None
        store.keep(4 * STRETCH_MS, FOR_EVER)
        again = read(store, *span, exact=True)[HITS]
        assert again[0][1] == found[0][1] + 1
        assert again[1:] == found[1:]


def test_late_samples_have_a_tier_built_again_for_their_series_alone(tmp_path):
    with filled(tmp_path) as store:
        store.append(batch_of((UP, [150], [7]), (HITS, [110], [1])))
        store.flush()
        store.keep(4 * STRETCH_MS, 2 * STRETCH_MS)
        found = read(store, 0, STRETCH_MS, step_ms=100, window_ms=100)
        assert found[UP] == [(200, 1, 7, 0)]
        assert found[HITS][1] == (200, 3, 1 + 3 + 4, 0)


def test_late_samples_are_added_to_points_whose_samples_are_gone(tmp_path):
    with filled(tmp_path) as store:
        store.keep(4 * STRETCH_MS, 2 * STRETCH_MS)
        before = read(store, 0, STRETCH_MS)[HITS]
        late = batch_of((UP, [150, 160], [7, 8]), (HITS, [20], [9]))
        # Seen at once, sample by sample; then as part of the tier; sent again it is known there.
        for expected in ([(150, 1, 7, 0), (160, 1, 8, 0)], [(1000, 2, 15, 0)]):
            store.append(late)
            assert read(store, 0, STRETCH_MS)[UP] == expected
            store.flush()
            store.keep(4 * STRETCH_MS, 2 * STRETCH_MS)
            found = read(store, 0, STRETCH_MS)
            assert found[UP] == [(1000, 2, 15, 0)]
            # 9 came before 1: a fall more, from 9.
            assert found[HITS][0] == (1000, 21, before[0][2] + 9, 9)
            assert found[HITS][1:] == before[1:]


def test_pieces_of_a_tier_are_joined_when_their_time_is_over(tmp_path):
    with filled(tmp_path) as store:
        store.append(batch_of((UP, [150], [7])))
        store.flush()
        store.keep(4 * STRETCH_MS, 2 * STRETCH_MS)
        before = read(store, 0, 2 * STRETCH_MS)
        pieces = len(list((tmp_path / "tiers" / "fine").iterdir()))
        store.maintain(31 * STRETCH_MS)
        assert len(list((tmp_path / "tiers" / "fine").iterdir())) == 1 < pieces
        assert read(store, 0, 2 * STRETCH_MS) == before


def test_tiers_are_kept_as_long_as_they_say(tmp_path):
    with filled(tmp_path) as store:
        store.keep(42 * STRETCH_MS, STRETCH_MS)
        fine = read(store, 0, 3 * STRETCH_MS, step_ms=100, window_ms=100)[HITS]
        # Two stretches of the fine tier are gone: there the coarse one answers.
        assert len(fine) == 2 * STRETCH_MS / 1000 + STRETCH_MS / 100
        store.keep(200 * STRETCH_MS, STRETCH_MS)
        assert read(store, 0, 3 * STRETCH_MS) == {}
        assert store.series([[]], 0, 3 * STRETCH_MS) == []
        assert store.stats().tier_bytes == 0


def test_what_is_deleted_is_gone_from_tiers(tmp_path):
    with filled(tmp_path) as store:
        store.append(batch_of((UP, [150, STRETCH_MS + 150], [7, 8])))
        store.flush()
        store.keep(4 * STRETCH_MS, 2 * STRETCH_MS)
        assert store.delete([matcher("__name__", "=", "up")], 100, 200) == 1
        for _ in range(2):
            found = read(store, 0, 2 * STRETCH_MS)
            assert found[UP] == [(STRETCH_MS + 1000, 1, 8, 0)]
            assert len(found[HITS]) == 2 * STRETCH_MS / 1000
            assert store.series([[]], 0, STRETCH_MS - 1) == [HITS]
            store.maintain(4 * STRETCH_MS)
            store.keep(4 * STRETCH_MS, 2 * STRETCH_MS)


def test_a_deletion_has_tiers_built_again_where_samples_are_kept(tmp_path):
    with filled(tmp_path) as store:
        store.delete([matcher("__name__", "=", "hits_total")], 100, 140)
        store.maintain(4 * STRETCH_MS)
        store.keep(4 * STRETCH_MS, 2 * STRETCH_MS)
        found = read(store, 0, STRETCH_MS, step_ms=100, window_ms=100)[HITS]
        assert found[:3] == [(100, 1, 1, 0), (200, 2, 3 + 4, 0), (300, 2, 5 + 6, 0)]


@pytest.mark.parametrize("tier", ["fine", "coarse"])
def test_a_damaged_tier_is_set_aside_and_built_again_from_samples(tmp_path, tier):
    with filled(tmp_path) as store:
        expected = read(store, 0, 3 * STRETCH_MS, exact=True)
    path = sorted((tmp_path / "tiers" / tier).iterdir())[0]
    data = bytearray(path.read_bytes())
    data[40] ^= 4
    path.write_bytes(data)
    (damage,) = verify(tmp_path).damage
    assert damage.path == path
    with open_tiered(tmp_path) as store:
        hint = SelectHint(0, 3 * STRETCH_MS, 100, 100, 100, tuple(Field), exact=True)
        store.select_points([], hint)
        read(store, 0, 3 * STRETCH_MS, exact=True)
        assert store.stats().set_aside == 1
        store.keep(4 * STRETCH_MS, FOR_EVER)
        assert read(store, 0, 3 * STRETCH_MS, exact=True) == expected


def test_too_little_room_takes_raw_samples_first_and_never_stops_writing(tmp_path, caplog):
    with filled(tmp_path) as store:
        full = store.stats()
        store.make_room(Room(full.segment_bytes + full.tier_bytes - 1))
        assert store.stats().segments == full.segments - 1
        assert store.stats().tier_bytes == full.tier_bytes
        assert "more than --max-disk allows" in caplog.text
        found = read(store, 0, STRETCH_MS)[HITS]
        assert len(found) == STRETCH_MS / 1000
        coarse = sum(p.stat().st_size for p in (tmp_path / "tiers" / "coarse").iterdir())
        store.make_room(Room(coarse))
        assert (store.stats().segments, store.stats().tier_bytes) == (0, coarse)
        assert read(store, 0, STRETCH_MS, step_ms=100, window_ms=100)[HITS] == found
        store.make_room(Room(1))
        assert store.stats().tier_bytes == 0
        assert store.append(batch_of((HITS, [4 * STRETCH_MS], [1]))).appended == 1
        assert everything(store)[HITS][0][0] == 4 * STRETCH_MS


def test_a_copy_has_the_tiers(tmp_path):
    with filled(tmp_path / "store") as store:
        store.keep(4 * STRETCH_MS, 2 * STRETCH_MS)
        expected = read(store, 0, 2 * STRETCH_MS)
        (tmp_path / "copy").mkdir()
        store.copy_to(tmp_path / "copy")
    with open_tiered(tmp_path / "copy") as copy:
        assert read(copy, 0, 2 * STRETCH_MS) == expected


spread = st.lists(st.integers(1, 4 * STRETCH_MS), min_size=1, max_size=20)
histories = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.sampled_from([UP, HITS]), spread),
        st.tuples(st.sampled_from(["flush", "maintain", "keep", "reopen"])),
        st.tuples(st.just("delete"), st.sampled_from(["up", "hits_total"]), spread),
    ),
    max_size=12,
)


@settings(deadline=None, max_examples=40)
@example(
    [
        ("append", UP, [1]),
        ("delete", "up", [1]),
        ("keep",),
        ("append", UP, [1, 12001]),
        ("maintain",),
        ("reopen",),
    ]
)
@given(histories)
def test_after_any_history_tiers_tell_what_the_samples_do(new_directory, steps):
    directory, now_ms = new_directory(), 6 * STRETCH_MS
    store = open_tiered(directory, clock=lambda: now_ms)
    for step, *arguments in steps:
        if step == "append":
            labels, times = arguments
            store.append(batch_of((labels, times, [at % 7 for at in times])))
        elif step == "delete":
            name, times = arguments
            store.delete([matcher("__name__", "=", name)], min(times), max(times))
        elif step == "reopen":
            store.close()
            store = open_tiered(directory, clock=lambda: now_ms)
        elif step == "keep":
            store.keep(now_ms, FOR_EVER)
        else:
            store.flush() if step == "flush" else store.maintain(now_ms)
    store.flush()
    store.maintain(now_ms)
    store.keep(now_ms, FOR_EVER)
    samples = store.select([], 1, 4 * STRETCH_MS)
    expected = coarser(single_points(samples), 1000)
    found = store.select_points(
        [], SelectHint(0, 4 * STRETCH_MS, 1000, 1000, 1000, tuple(Field), exact=True)
    )
    if found is not None:
        assert list(found.points.labels) == list(expected.labels)
        for field in Field:
            assert np.array_equal(found.points.stats[field], expected.stats[field]), field
    store.close()


def test_points_of_several_pieces_are_one_ascending_run():
    late, early = points_of((300, 3.0)), points_of((100, 1.0), (200, 2.0))
    assert one_series([late, early]).stats[Field.LAST].tolist() == [1, 2, 3]
