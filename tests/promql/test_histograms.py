"""Quantiles of buckets whose counts are no counts, beside a step-by-step search."""

from __future__ import annotations

import math
from bisect import bisect_left

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tidecast.promql.engine import Engine
from tidecast.promql.histograms import bucket_quantile
from tidecast.promql.result import Vector
from tidecast.samples.batch import SampleBatch
from tidecast.samples.memory import MemorySamples
from tidecast_collector.labels import make_labels

BOUNDS = [1.0, 2.0, 4.0, math.inf]
COUNTS = st.sampled_from([0.0, 1.0, 2.5, 7.0, math.inf, math.nan])


def searched(counts: list[float], quantile: float) -> float:
    """The definition, one bucket after the other; bisect_left halves as Go's sort.Search does."""
    if counts[-1] == 0:
        return math.nan
    rank = quantile * counts[-1]
    found = bisect_left(range(3), True, key=lambda bucket: counts[bucket] >= rank)
    if found == 3:
        return BOUNDS[2]
    start, before = (BOUNDS[found - 1], counts[found - 1]) if found else (0.0, 0.0)
    with np.errstate(all="ignore"):
        share = np.float64(rank - before) / np.float64(counts[found] - before)
    return float(start + (BOUNDS[found] - start) * share)


@given(st.lists(st.tuples(COUNTS, COUNTS, COUNTS, COUNTS), min_size=1), st.floats(0, 1))
def test_any_counts_are_searched_by_halving(steps: list[tuple[float, ...]], q: float) -> None:
    with np.errstate(all="ignore"):
        found = bucket_quantile(np.array(BOUNDS), np.array(steps).T, np.full(len(steps), q))
    expected = [searched(list(counts), q) for counts in steps]
    np.testing.assert_array_equal(found, expected)


def test_an_infinite_bucket_is_not_rounded_away() -> None:
    """Counts 1, 2, Inf: half of infinity lies above the last finite bound, 2."""
    samples = MemorySamples()
    for le, count in (("1", 1.0), ("2", 2.0), ("+Inf", math.inf)):
        labels = make_labels({"__name__": "b_bucket", "le": le})
        samples.append(SampleBatch.of([(labels, np.array([1000]), np.array([count]))]))
    value = Engine(samples).instant("histogram_quantile(0.5, b_bucket)", 1000).value
    assert isinstance(value, Vector)
    assert value.values.tolist() == [2.0]
