"""What a remote-write request holds, of whichever version."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from tidecast.samples.batch import SampleBatch
from tidecast.samples.known_labels import KnownLabels
from tidecast.samples.protocol import MetricMetadata

KNOWN_LABELS = KnownLabels()
"""One for all requests of the process, so that the same series has the same number in each."""

_METRIC_TYPES = (
    "unknown",
    "counter",
    "gauge",
    "histogram",
    "gaugehistogram",
    "summary",
    "info",
    "stateset",
)


@dataclass(frozen=True, slots=True)
class WriteRequest:
    """What a body holds: samples, metadata by metric name, and how much of other kinds was skipped.

    Series without samples (of exemplars or native histograms only) are not in the batch.
    """

    batch: SampleBatch
    metadata: dict[str, MetricMetadata]
    exemplars: int = 0
    histograms: int = 0


def metric_type(number: int) -> str:
    """The metric type of this number, the same in both versions."""
    return _METRIC_TYPES[number] if number < len(_METRIC_TYPES) else "unknown"


@dataclass(slots=True)
class Collector:
    """Takes what a decoder meets, series after series."""

    _chunks: list[bytes] = field(default_factory=list)
    _places: list[int] = field(default_factory=list)
    _ends: list[int] = field(default_factory=lambda: [0])
    _timestamps: list[int] = field(default_factory=list)
    _value_bits: list[int] = field(default_factory=list)
    metadata: dict[str, MetricMetadata] = field(default_factory=dict)
    exemplars: int = 0
    histograms: int = 0

    def take_sample(self, sample: tuple[int, int]) -> None:
        """Takes timestamp and value bits of a sample of the series at hand."""
        timestamp, bits = sample
        self._timestamps.append(timestamp)
        self._value_bits.append(bits)

    def end_series(self, chunk: bytes, place: int) -> None:
        """The series at hand is over; its label fields stood at this place of the request."""
        if len(self._timestamps) > self._ends[-1]:
            self._ends.append(len(self._timestamps))
            self._chunks.append(chunk)
            self._places.append(place)

    def request(self) -> WriteRequest:
        """All that was taken. Raises `InvalidInput` where label fields are something else."""
        batch = SampleBatch(
            KNOWN_LABELS.of(self._chunks, self._places.__getitem__),
            np.array(self._ends, dtype=np.int64),
            np.array(self._timestamps, dtype=np.int64),
            np.array(self._value_bits, dtype=np.uint64).view(np.float64),
        )
        return WriteRequest(batch, self.metadata, self.exemplars, self.histograms)
