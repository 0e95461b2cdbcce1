"""Samples in memory keep the promises of the `Samples` protocol."""

from __future__ import annotations

import numpy as np
import pytest

from tidecast.samples.batch import SampleBatch
from tidecast.samples.matchers import Matcher, MatchOp
from tidecast.samples.memory import MemorySamples
from tidecast.samples.protocol import LimitExceeded, MetricMetadata, Samples, SelectLimits
from tidecast_collector.labels import make_labels

A, B = make_labels({"__name__": "m", "i": "a"}), make_labels({"__name__": "m", "i": "b"})
ALL = [Matcher("__name__", MatchOp.EQUAL, "m")]


def batch(*series: tuple[object, list[int], list[float]]) -> SampleBatch:
    return SampleBatch.of(
        (labels, np.array(times), np.array(values))  # type: ignore[misc]
        for labels, times, values in series
    )


def filled() -> Samples:
    samples = MemorySamples()
    samples.append(batch((B, [30, 10, 20], [3.0, 1.0, 2.0]), (A, [10], [9.0])))
    return samples


def read(samples: Samples, start: int, end: int) -> list[tuple[str, list[int], list[float]]]:
    found = samples.select(ALL, start, end)
    return [(labels[1][1], t.tolist(), v.tolist()) for labels, t, v in found]


def test_both_ends_count_and_series_are_sorted() -> None:
    assert read(filled(), 10, 20) == [("a", [10], [9.0]), ("b", [10, 20], [1.0, 2.0])]
    assert read(filled(), 11, 19) == []


def test_the_later_of_two_samples_at_one_time_wins() -> None:
    samples = filled()
    report = samples.append(batch((A, [10, 11, 11], [5.0, 6.0, 7.0])))
    assert (report.appended, report.duplicates) == (1, 2)
    assert read(samples, 0, 15)[0] == ("a", [10, 11], [5.0, 7.0])


def test_names_and_values() -> None:
    samples = filled()
    assert samples.series([ALL], 20, 40) == [B]
    assert samples.label_names([], 0, 99) == ["__name__", "i"]
    assert samples.label_values("i", [ALL], 0, 99) == ["a", "b"]


def test_delete_forgets_and_counts_series() -> None:
    samples = filled()
    assert samples.delete(ALL, 0, 15) == 2
    assert read(samples, 0, 99) == [("b", [20, 30], [2.0, 3.0])]
    assert samples.delete(ALL, 0, 15) == 0


def test_limits() -> None:
    with pytest.raises(LimitExceeded, match="1 series"):
        filled().select(ALL, 0, 99, SelectLimits(series=1))
    with pytest.raises(LimitExceeded, match="3 samples"):
        filled().select(ALL, 0, 99, SelectLimits(samples=3))


def test_metadata() -> None:
    samples = filled()
    samples.put_metadata({"m": MetricMetadata("gauge", "help")})
    assert samples.metadata() == {"m": MetricMetadata("gauge", "help")}
