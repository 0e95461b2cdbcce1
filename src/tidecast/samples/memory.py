"""Samples kept in memory: for tests of rules, and wherever a store on disk would be too much."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np

from tidecast.samples.batch import Float64s, Int64s, SampleBatch
from tidecast.samples.matchers import Matchers, matches_all
from tidecast.samples.protocol import (
    AppendReport,
    LimitExceeded,
    MetricMetadata,
    SelectLimits,
)
from tidecast_collector.labels import Labels

_DEFAULT_LIMITS = SelectLimits()


class MemorySamples:
    """The `Samples` of a process's life time; nothing is durable."""

    def __init__(self) -> None:
        self._series: dict[Labels, tuple[Int64s, Float64s]] = {}
        self._metadata: dict[str, MetricMetadata] = {}
        self._lock = threading.Lock()

    def append(self, batch: SampleBatch) -> AppendReport:
        """Adds the samples; of two at the same time the later one written stays."""
        appended = duplicates = 0
        with self._lock:
            for labels, timestamps, values in batch:
                held = self._series.get(labels)
                before = 0 if held is None else len(held[0])
                merged = _latest(timestamps, values)
                if held is not None:
                    merged = _latest(
                        np.concatenate((held[0], timestamps)), np.concatenate((held[1], values))
                    )
                appended += len(merged[0]) - before
                duplicates += before + len(timestamps) - len(merged[0])
                self._series[labels] = merged
        return AppendReport(appended, duplicates)

    def select(
        self, matchers: Matchers, start_ms: int, end_ms: int, limits: SelectLimits = _DEFAULT_LIMITS
    ) -> SampleBatch:
        """The matching series that have samples in [start, end], sorted by labels."""
        found = []
        total = 0
        for labels, timestamps, values in self._matching(matchers):
            low, high = np.searchsorted(timestamps, [start_ms, end_ms + 1]).tolist()
            if low == high:
                continue
            found.append((labels, timestamps[low:high], values[low:high]))
            total += high - low
            if len(found) > limits.series or total > limits.samples:
                raise LimitExceeded(
                    f"the selection touches more than {limits.series} series or "
                    f"{limits.samples} samples; ask for less time or fewer series"
                )
        return SampleBatch.of(found)

    def series(self, matchers: Sequence[Matchers], start_ms: int, end_ms: int) -> Sequence[Labels]:
        """Label sets that pass any of `matchers` and have samples in [start, end], sorted."""
        found: set[Labels] = set()
        for each in matchers:
            found.update(self.select(each, start_ms, end_ms).labels)
        return sorted(found)

    def label_names(
        self, matchers: Sequence[Matchers], start_ms: int, end_ms: int
    ) -> Sequence[str]:
        """Names of the labels of those series, sorted."""
        series = self.series(matchers or [()], start_ms, end_ms)
        return sorted({name for labels in series for name, _ in labels})

    def label_values(
        self, name: str, matchers: Sequence[Matchers], start_ms: int, end_ms: int
    ) -> Sequence[str]:
        """Values of that label among those series, sorted."""
        series = self.series(matchers or [()], start_ms, end_ms)
        return sorted({value for labels in series for key, value in labels if key == name})

    def delete(self, matchers: Matchers, start_ms: int, end_ms: int) -> int:
        """Forgets the matching samples in [start, end]; returns how many series it met."""
        met = 0
        for labels, timestamps, values in self._matching(matchers):
            kept = (timestamps < start_ms) | (timestamps > end_ms)
            if kept.all():
                continue
            met += 1
            with self._lock:
                if kept.any():
                    self._series[labels] = (timestamps[kept], values[kept])
                else:
                    del self._series[labels]
        return met

    def put_metadata(self, metadata: dict[str, MetricMetadata]) -> None:
        """Remembers what these metric names are."""
        with self._lock:
            self._metadata.update(metadata)

    def metadata(self) -> dict[str, MetricMetadata]:
        """What is known of each metric name."""
        with self._lock:
            return dict(self._metadata)

    def _matching(self, matchers: Matchers) -> list[tuple[Labels, Int64s, Float64s]]:
        with self._lock:
            series = sorted(self._series.items(), key=lambda item: item[0])
        return [
            (labels, timestamps, values)
            for labels, (timestamps, values) in series
            if matches_all(matchers, labels)
        ]


def _latest(timestamps: Int64s, values: Float64s) -> tuple[Int64s, Float64s]:
    """The samples in time order; of equal times the last one given."""
    order = np.argsort(timestamps, kind="stable")
    timestamps, values = timestamps[order], values[order]
    last = np.append(timestamps[1:] != timestamps[:-1], True)[: len(timestamps)]
    return timestamps[last], values[last]
