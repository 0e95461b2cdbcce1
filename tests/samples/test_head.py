"""Samples in memory: whatever comes in whatever order, the head holds what a dictionary holds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidecast.samples.catalogue import Catalogue, CataloguedLabels
from tidecast.samples.head import CHUNK_SLOTS, Head

from .support import batch_of, labels_of, open_store

SERIES = [labels_of("up", host=str(i)) for i in range(4)]
ALL = (-(2**62), 2**62)

parts = st.tuples(
    st.sampled_from(SERIES),
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 2)), max_size=40),
)
rising = st.tuples(
    st.sampled_from(SERIES),
    st.builds(
        lambda start, length: [(start + i, i % 3) for i in range(length)],
        st.integers(0, 200),
        st.integers(0, 3 * CHUNK_SLOTS),
    ),
)
batches = st.lists(st.lists(parts | rising, max_size=5), max_size=6)


def every(head):
    return head.recent(np.arange(len(head)), *ALL)


def runs(found):
    return {
        one.labels: list(zip(one.run[0].tolist(), one.run[1].tolist(), strict=True))
        for one in found
    }


@given(batches)
def test_the_last_write_of_each_time_stays(given_batches):
    head = Head()
    expected = {}
    for parts in given_batches:
        batch = batch_of(
            *((labels, [t for t, _ in some], [v for _, v in some]) for labels, some in parts)
        )
        head.add(batch)
        for labels, some in parts:
            expected.setdefault(labels, {}).update(some)
    expected = {labels: sorted(some.items()) for labels, some in expected.items() if some}
    assert runs(every(head)) == expected
    assert head.samples == sum(map(len, expected.values()))
    for labels, some in expected.items():
        middle = some[len(some) // 2][0]
        (found,) = head.recent(head.numbers([labels]), middle, ALL[1])
        assert runs([found])[labels] == [(t, v) for t, v in some if t >= middle]


@given(st.lists(st.lists(st.integers(0, 3), max_size=6), min_size=1, max_size=8))
def test_catalogued_labels_are_the_same_series(rounds):
    plain, catalogued = Head(), Head()
    catalogue = Catalogue()
    numbers = [catalogue.add(SERIES[i]) for i in (2, 0, 3, 1)]
    for at, chosen in enumerate(rounds):
        picked = CataloguedLabels(catalogue, np.array(chosen, dtype=np.int64))
        batch = batch_of(*((labels, [at], [i]) for i, labels in enumerate(picked)))
        plain.add(batch)
        catalogued.add(type(batch)(picked, batch.offsets, batch.timestamps, batch.values))
    assert numbers == [0, 1, 2, 3]
    assert runs(every(plain)) == runs(every(catalogued))


def test_what_was_handed_out_stays_as_it_was():
    head = Head()
    head.add(batch_of((SERIES[0], [1000], [1.0])))
    before = head.recent(head.numbers(SERIES[:1]), *ALL)
    head.add(batch_of((SERIES[0], [2000], [2.0])))
    head.add(batch_of((SERIES[0], [1000], [7.0])))
    assert runs(before) == {SERIES[0]: [(1000, 1.0)]}
    assert runs(every(head)) == {SERIES[0]: [(1000, 7.0), (2000, 2.0)]}


@pytest.mark.parametrize("times", [[5, 6, 7], [5, 5, 5], [7, 6, 5]])
def test_sent_again_they_are_duplicates(times):
    head = Head()
    batch = batch_of((SERIES[0], times, [1.0] * 3), (SERIES[1], [1], [1.0]))
    head.add(batch)
    assert head.add(batch) == 4
    assert head.samples == len(set(times)) + 1


def test_a_series_may_stand_in_a_batch_without_samples(tmp_path):
    with open_store(tmp_path) as store:
        report = store.append(batch_of((SERIES[0], [], []), (SERIES[1], [1], [1.0])))
        assert (report.appended, report.duplicates) == (1, 0)
