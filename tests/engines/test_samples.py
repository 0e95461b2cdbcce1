"""The `Samples` protocol over the engines that people have already."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.engines.conftest import Engine
from tests.scenario.driver import eventually, free_port

from tidecast.samples.batch import STALE_NAN, SampleBatch, is_stale
from tidecast.samples.matchers import Matcher, MatchOp
from tidecast.samples.prometheus import DeletionRefused, EngineAddress, PrometheusSamples
from tidecast.samples.protocol import (
    LimitExceeded,
    MetricMetadata,
    SamplesUnavailable,
    SelectLimits,
)
from tidecast_collector.labels import make_labels

pytestmark = pytest.mark.servers

LOAD = make_labels({"__name__": "load", "instance": "web-1", "text": 'a"b\\c\nü'})
OTHER = make_labels({"__name__": "load", "instance": "web-2"})
DISK = make_labels({"__name__": "disk_bytes", "instance": "web-1"})
ALL_TIME = (-(2**53), 2**53)
MATCH_LOAD = [Matcher("__name__", MatchOp.EQUAL, "load")]


@pytest.fixture
def samples(engine: Engine, tmp_path: Path) -> Iterator[PrometheusSamples]:
    address = EngineAddress(engine.url, f"{engine.url}/api/v1/write")
    store = PrometheusSamples(address, tmp_path / "metadata.json")
    yield store
    store.close()


@pytest.fixture
def filled(engine: Engine, samples: PrometheusSamples) -> tuple[PrometheusSamples, SampleBatch]:
    """Ten minutes of three series; the second has ended."""
    now = time.time_ns() // 1_000_000
    times = now - 600_000 + np.arange(40, dtype=np.int64) * 15_000
    ended = times / 1e12
    ended[-1] = STALE_NAN
    batch = SampleBatch.of(
        [(DISK, times, times / 1e6), (LOAD, times, np.arange(40.0)), (OTHER, times, ended)]
    )
    report = samples.append(batch)
    assert (report.appended, report.rejected) == (120, ())
    engine.show()
    return samples, batch


def test_what_was_written_is_read_sample_by_sample(filled):
    samples, batch = filled
    read = samples.select([], *ALL_TIME)
    assert list(read.labels) == sorted(batch.labels)
    for labels, times, values in read:
        ((_, wanted_times, wanted),) = [part for part in batch if part[0] == labels]
        assert times.tolist() == wanted_times.tolist()
        assert is_stale(values).tolist() == is_stale(wanted).tolist()
        np.testing.assert_allclose(values[:-1], wanted[:-1], rtol=1e-12)

    at = int(batch.timestamps[20])
    (only,) = samples.select([*MATCH_LOAD, Matcher("instance", MatchOp.EQUAL, "web-1")], at, at)
    assert (only[0], only[1].tolist(), only[2].tolist()) == (LOAD, [at], [20.0])


def test_series_and_labels_are_told(filled):
    samples, _ = filled
    assert samples.series([MATCH_LOAD], *ALL_TIME) == sorted([LOAD, OTHER])
    assert samples.series([], *ALL_TIME) == []
    assert samples.label_names([], *ALL_TIME) == ["__name__", "instance", "text"]
    assert samples.label_names([[Matcher("__name__", MatchOp.EQUAL, "disk_bytes")]], *ALL_TIME) == [
        "__name__",
        "instance",
    ]
    assert samples.label_values("instance", [], *ALL_TIME) == ["web-1", "web-2"]
    assert samples.label_values("__name__", [MATCH_LOAD, []], *ALL_TIME) == ["disk_bytes", "load"]


def test_limits_hold_for_what_the_engine_gives(filled):
    samples, _ = filled
    with pytest.raises(LimitExceeded, match="3 series with 120 samples"):
        samples.select([], *ALL_TIME, SelectLimits(series=2))


def test_metadata_that_comes_in_is_kept(samples):
    about = MetricMetadata("gauge", "Load.", "")
    samples.put_metadata({"load": about})
    assert samples.metadata()["load"] == about


def test_what_the_engine_refuses_is_named_and_the_rest_is_kept(engine, filled):
    samples, batch = filled
    newest = int(batch.timestamps.max())
    old = np.array([newest - 400_000, newest + 1000], dtype=np.int64)
    fresh = make_labels({"__name__": "fresh"})
    report = samples.append(
        SampleBatch.of(
            [
                (LOAD, old, np.array([7.0, 8.0])),
                (fresh, old[1:], np.array([1.0])),
                (make_labels({"instance": "nameless"}), old[1:], np.array([1.0])),
            ]
        )
    )
    engine.show()
    reasons = {each.labels: each.reason for each in report.rejected}
    assert reasons.pop(make_labels({"instance": "nameless"})) == "it has no metric name"
    if engine.name == "victoria":  # takes samples of any age
        assert (report.appended, reasons) == (3, {})
    else:
        assert report.appended == 2
        assert list(reasons) == [LOAD]
        assert "out of order" in reasons[LOAD]
    just_fresh = [Matcher("__name__", MatchOp.EQUAL, "fresh")]
    assert samples.select(just_fresh, *ALL_TIME).labels == [fresh]
    read = dict((labels, values) for labels, _, values in samples.select(MATCH_LOAD, *ALL_TIME))
    assert read[LOAD][-1] == 8.0


def test_deleting(engine, filled):
    samples, batch = filled
    half = int(batch.timestamps[20])
    if engine.name == "victoria":
        with pytest.raises(DeletionRefused, match="whole series only"):
            samples.delete(MATCH_LOAD, 0, half)
        assert samples.delete(MATCH_LOAD, *ALL_TIME) == 2
        assert eventually(lambda: len(samples.select([], *ALL_TIME)) == 1)
    else:
        assert samples.delete(MATCH_LOAD, 0, half) == 2
        assert len(samples.select(MATCH_LOAD, *ALL_TIME).timestamps) == 2 * 19


def test_an_engine_that_is_not_there_is_told_as_unavailable(tmp_path):
    url = f"http://127.0.0.1:{free_port()}"
    store = PrometheusSamples(EngineAddress(url, f"{url}/api/v1/write"), tmp_path / "m.json")
    batch = SampleBatch.of([(LOAD, np.array([1000]), np.array([1.0]))])
    for ask in (
        lambda: store.append(batch),
        lambda: store.select([], 0, 1),
        lambda: store.series([[]], 0, 1),
        lambda: store.label_values("job", [], 0, 1),
        store.metadata,
    ):
        with pytest.raises(SamplesUnavailable, match="no server at"):
            ask()
