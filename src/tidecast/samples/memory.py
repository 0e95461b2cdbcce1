"""A store that forgets: plain dictionaries behind the `Samples` protocol.

For tests of everything above this room, and the oracle of this room's own: it loops where the
embedded store does not, so that it can be seen to be right.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tidecast.samples.batch import SampleBatch
from tidecast.samples.matchers import Matchers, matches_all
from tidecast.samples.protocol import (
    AppendReport,
    LimitExceeded,
    MetricMetadata,
    RejectedSeries,
    Samples,
    SelectLimits,
)
from tidecast.samples.validation import why_refused
from tidecast_collector.labels import Labels


class MemorySamples(Samples):
    """Samples by labels and time. Not for several threads, and not for many samples."""

    def __init__(self) -> None:
        self._bits: dict[Labels, dict[int, int]] = {}
        self._metadata: dict[str, MetricMetadata] = {}

    def append(self, batch: SampleBatch) -> AppendReport:
        """Takes the batch; series that break the rules of `validation` are left out and named."""
        appended = duplicates = 0
        rejected = []
        for labels, timestamps, values in batch:
            reason = why_refused(labels)
            if reason:
                rejected.append(RejectedSeries(labels, reason))
                continue
            own = self._bits.setdefault(labels, {})
            for at, bits in zip(timestamps.tolist(), values.view(np.uint64).tolist(), strict=True):
                if own.get(at) == bits:
                    duplicates += 1
                else:
                    appended += 1
                own[at] = bits
        return AppendReport(appended, duplicates, tuple(rejected))

    def select(
        self,
        matchers: Matchers,
        start_ms: int,
        end_ms: int,
        limits: SelectLimits = SelectLimits(),  # noqa: B008 (frozen)
    ) -> SampleBatch:
        """The matching series that have samples in [start, end], sorted by labels."""
        found = []
        samples = 0
        for labels in self.series([matchers], start_ms, end_ms):
            own = self._bits[labels]
            times = sorted(at for at in own if start_ms <= at <= end_ms)
            samples += len(times)
            bits = np.array([own[at] for at in times], dtype=np.uint64)
            found.append((labels, np.array(times, dtype=np.int64), bits.view(np.float64)))
        if len(found) > limits.series or samples > limits.samples:
            raise LimitExceeded(f"the selection touches {len(found)} series, {samples} samples")
        return SampleBatch.of(found)

    def series(self, matchers: Sequence[Matchers], start_ms: int, end_ms: int) -> Sequence[Labels]:
        """Label sets that pass any of `matchers` and have samples in [start, end], sorted."""
        return sorted(
            labels
            for labels, own in self._bits.items()
            if any(matches_all(one, labels) for one in matchers)
            and any(start_ms <= at <= end_ms for at in own)
        )

    def label_names(
        self, matchers: Sequence[Matchers], start_ms: int, end_ms: int
    ) -> Sequence[str]:
        """Names of the labels of those series (of all, where `matchers` is empty), sorted."""
        found = self.series(matchers or [()], start_ms, end_ms)
        return sorted({name for labels in found for name, _ in labels})

    def label_values(
        self, name: str, matchers: Sequence[Matchers], start_ms: int, end_ms: int
    ) -> Sequence[str]:
        """Values of that label among those series, sorted."""
        found = self.series(matchers or [()], start_ms, end_ms)
        return sorted({value for labels in found for key, value in labels if key == name})

    def delete(self, matchers: Matchers, start_ms: int, end_ms: int) -> int:
        """Forgets the matching samples in [start, end]; returns how many series it met."""
        met = self.series([matchers], start_ms, end_ms)
        for labels in met:
            own = self._bits[labels]
            self._bits[labels] = {
                at: bits for at, bits in own.items() if not start_ms <= at <= end_ms
            }
        return len(met)

    def put_metadata(self, metadata: dict[str, MetricMetadata]) -> None:
        """Remembers what these metric names are."""
        self._metadata |= metadata

    def metadata(self) -> dict[str, MetricMetadata]:
        """What is known of each metric name."""
        return dict(self._metadata)
