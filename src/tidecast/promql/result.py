"""What a query is answered with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tidecast.promql.tree import ValueType
from tidecast_collector.labels import Labels

Int64s = npt.NDArray[np.int64]
Float64s = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scalar:
    """One number at one time."""

    at_ms: int
    value: float

    type = ValueType.SCALAR


@dataclass(frozen=True, slots=True)
class String:
    """One string at one time."""

    at_ms: int
    value: str

    type = ValueType.STRING


@dataclass(frozen=True, slots=True)
class Vector:
    """Series with one value each, all at one time; the order is that of the query."""

    at_ms: int
    labels: Sequence[Labels]
    values: Float64s

    type = ValueType.VECTOR

    def __len__(self) -> int:
        return len(self.labels)

    def __iter__(self) -> Iterator[tuple[Labels, float]]:
        return zip(self.labels, self.values.tolist(), strict=True)


@dataclass(frozen=True, slots=True)
class Matrix:
    """Series with their samples, sorted by labels, one series behind the other.

    Series `i` owns `timestamps[offsets[i]:offsets[i + 1]]` (milliseconds UTC) and the values beside
    them.
    """

    labels: Sequence[Labels]
    offsets: Int64s
    timestamps: Int64s
    values: Float64s

    type = ValueType.MATRIX

    def __len__(self) -> int:
        return len(self.labels)

    def __iter__(self) -> Iterator[tuple[Labels, Int64s, Float64s]]:
        for i, labels in enumerate(self.labels):
            part = slice(self.offsets[i], self.offsets[i + 1])
            yield labels, self.timestamps[part], self.values[part]


@dataclass(frozen=True, slots=True)
class QueryResult:
    """The answer, with what the asker should know about it, as Prometheus words it.

    `samples` were read for it.
    """

    value: Scalar | String | Vector | Matrix
    warnings: tuple[str, ...] = ()
    infos: tuple[str, ...] = ()
    samples: int = 0
