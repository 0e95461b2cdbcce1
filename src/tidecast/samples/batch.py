"""Series with their samples, as arrays: the one shape in which samples are written and read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tidecast_collector.labels import Labels

Int64s = npt.NDArray[np.int64]
Float64s = npt.NDArray[np.float64]

STALE_NAN_BITS = 0x7FF0000000000002
"""Prometheus' staleness marker; compare it by its bits, since an ordinary NaN is a value."""
STALE_NAN = np.array([STALE_NAN_BITS], dtype=np.uint64).view(np.float64)[0]


def is_stale(values: Float64s) -> npt.NDArray[np.bool_]:
    """Which values are staleness markers, by their exact bits."""
    stale: npt.NDArray[np.bool_] = values.view(np.uint64) == STALE_NAN_BITS
    return stale


def distinct(numbers: Int64s) -> Int64s:
    """Each of the numbers once, ascending. (`np.unique` loads masked arrays, which takes long.)"""
    ascending = np.sort(numbers)
    first = np.ones(len(ascending), dtype=np.bool_)
    np.not_equal(ascending[1:], ascending[:-1], out=first[1:])
    found: Int64s = ascending[first]
    return found


@dataclass(frozen=True, slots=True)
class SampleBatch:
    """Samples of several series, one series behind the other.

    Series `i` owns `timestamps[offsets[i]:offsets[i + 1]]` (milliseconds UTC, int64) and the values
    beside them (float64, staleness markers bit-exact). A batch read from a store has each label set
    once and its timestamps strictly ascending within a series; a batch being written may have
    neither. Where it is known which series were taken together, `columns` [series] has a number for
    each: series of equal numbers have the same timestamps, in every part of one selection.
    """

    labels: Sequence[Labels]
    offsets: Int64s
    timestamps: Int64s
    values: Float64s
    columns: Int64s | None = None

    @staticmethod
    def of(series: Iterable[tuple[Labels, Int64s, Float64s]]) -> SampleBatch:
        """The batch of these (labels, timestamps, values)."""
        parts = list(series)
        if not parts:
            return EMPTY_BATCH
        lengths = [len(timestamps) for _, timestamps, _ in parts]
        offsets = np.zeros(len(parts) + 1, dtype=np.int64)
        np.cumsum(lengths, out=offsets[1:])
        return SampleBatch(
            [labels for labels, _, _ in parts],
            offsets,
            np.concatenate([timestamps for _, timestamps, _ in parts]).astype(np.int64, copy=False),
            np.concatenate([values for _, _, values in parts]).astype(np.float64, copy=False),
        )

    def __len__(self) -> int:
        return len(self.labels)

    def __iter__(self) -> Iterator[tuple[Labels, Int64s, Float64s]]:
        for i, labels in enumerate(self.labels):
            part = slice(self.offsets[i], self.offsets[i + 1])
            yield labels, self.timestamps[part], self.values[part]


EMPTY_BATCH = SampleBatch(
    [], np.zeros(1, dtype=np.int64), np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float64)
)
