"""Builders and strategies that the tests of this room share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from tidecast.samples.batch import STALE_NAN_BITS, SampleBatch
from tidecast.samples.embedded import EmbeddedSamples
from tidecast.samples.matchers import Matcher, MatchOp
from tidecast_collector.labels import Labels, make_labels

ALL_TIME = (-(2**62), 2**62)


def labels_of(name: str, **pairs: str) -> Labels:
    return make_labels({"__name__": name, **pairs})


def batch_of(*series: tuple[Labels, list[int], list[float]]) -> SampleBatch:
    return SampleBatch.of(
        (labels, np.array(times, dtype=np.int64), np.array(values, dtype=np.float64))
        for labels, times, values in series
    )


def content(batch: SampleBatch) -> dict[Labels, list[tuple[int, int]]]:
    """Labels to (timestamp, bits of the value): equal when the batches are, NaN included."""
    return {
        labels: list(zip(times.tolist(), values.view(np.uint64).tolist(), strict=True))
        for labels, times, values in batch
    }


def everything(store) -> dict[Labels, list[tuple[int, int]]]:
    return content(store.select([], *ALL_TIME))


def matcher(name: str, op: str, value: str) -> Matcher:
    return Matcher(name, MatchOp(op), value)


def open_store(directory: Path, **options) -> EmbeddedSamples:
    """A store without a thread of its own, at a fixed time of day."""
    options = {"upkeep_seconds": None, "clock": lambda: 0, "window_ms": 1000} | options
    return EmbeddedSamples(directory, **options)


_SPECIAL = [0, 1 << 63, STALE_NAN_BITS, 0x7FF8000000000001, 0xFFF0000000000000, 0x7FF0000000000000]
bits = st.one_of(
    st.sampled_from(_SPECIAL),
    st.integers(0, 2**64 - 1),
    st.decimals(-10_000, 10_000, places=3).map(lambda d: int(np.float64(d).view(np.uint64))),
    st.integers(-(10**6), 10**6).map(lambda i: int(np.float64(i).view(np.uint64))),
)
values = st.lists(bits, min_size=1, max_size=200).map(
    lambda some: np.array(some, dtype=np.uint64).view(np.float64)
)
series = st.builds(
    labels_of,
    st.sampled_from(["up", "node_load1", "tidecast_usage"]),
    host=st.sampled_from(["", "a", "b", "ä\n\"'"]),
    zone=st.sampled_from(["", "x"]),
)
matcher_lists = st.lists(
    st.builds(
        matcher,
        st.sampled_from(["__name__", "host", "zone", "absent"]),
        st.sampled_from(["=", "!=", "=~", "!~"]),
        st.sampled_from(["", "a", "up", "x", ".*", ".+", "a|b", "node.*", "(up)?", "[^a]"]),
    ),
    max_size=3,
)
