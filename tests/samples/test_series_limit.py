"""The limit of active series: known series go on, new ones are refused by name."""

from __future__ import annotations

import pytest

from tidecast.samples.batch import SampleBatch
from tidecast.samples.catalogue import Catalogue, CataloguedLabels

from .support import batch_of, everything, labels_of, open_store

A, B, C, D = (labels_of("up", host=host) for host in "abcd")


def at(ms, *series):
    return batch_of(*((labels, [ms], [1.0]) for labels in series))


@pytest.fixture
def store(tmp_path):
    with open_store(tmp_path, max_series=2) as opened:
        yield opened


def test_known_series_go_on_and_new_ones_are_refused(store):
    store.append(at(1, A, B))
    report = store.append(at(2, A, C, B, D))
    assert (report.appended, report.over_limit) == (2, 2)
    assert [each.labels for each in report.rejected] == [C, D]
    assert "2 series are active, which is the limit" in report.rejected[0].reason
    assert {labels: len(samples) for labels, samples in everything(store).items()} == {A: 2, B: 2}


def test_of_a_batch_the_first_are_taken(store):
    report = store.append(at(1, A, A, B, C, A))
    assert [each.labels for each in report.rejected] == [C]
    assert set(everything(store)) == {A, B}


def test_a_batch_of_which_nothing_is_kept_writes_nothing(store, tmp_path):
    store.append(at(1, A, B))
    (log,) = tmp_path.glob("log/*.log")
    before = log.stat().st_size
    assert store.append(at(2, C)).appended == 0
    assert log.stat().st_size == before


def test_a_flush_lets_known_series_go_on_before_new_ones(store):
    store.append(at(1, A, B))
    store.flush()
    assert store.append(at(2, C)).over_limit == 1
    assert store.append(at(2, B)).over_limit == 0
    store.flush()
    # A was silent for the whole life of a head: its place is free.
    assert store.append(at(3, C)).over_limit == 0
    assert store.append(at(3, D)).over_limit == 1


def test_the_limit_counts_what_came_back_from_the_log(tmp_path):
    with open_store(tmp_path) as opened:
        opened.append(at(1, A, B))
    with open_store(tmp_path, max_series=2) as opened:
        assert opened.append(at(2, C)).over_limit == 1
        assert opened.append(at(2, A)).over_limit == 0


def test_series_known_by_number_are_limited_alike(store):
    catalogue = Catalogue()
    for labels in (A, B, C):
        catalogue.add(labels)
    plain = at(1, A, B, C)
    labels = CataloguedLabels(catalogue, plain.offsets[:-1])
    numbered = SampleBatch(labels, plain.offsets, plain.timestamps, plain.values)
    for _ in range(2):
        assert [each.labels for each in store.append(numbered).rejected] == [C]
