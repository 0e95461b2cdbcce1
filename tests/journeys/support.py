"""Plain data for the journeys: a store that forgets, records in a file, series in one line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from tidecast.policy.resources import ResourceDefinition
from tidecast.samples.batch import SampleBatch
from tidecast.samples.memory import MemorySamples
from tidecast_collector.labels import Labels, make_labels

HOUR_MS = 3_600_000
MINUTE_MS = 60_000
H0 = 500_000 * HOUR_MS
"""A full hour: the end of the first hour in these tests."""


def series(
    name: str, points: Iterable[tuple[int, float]], **labels: str
) -> tuple[Labels, np.ndarray, np.ndarray]:
    """A series with (ms, value) points; of the host web-1 unless told otherwise."""
    times, values = zip(*points, strict=True)
    return (
        make_labels({"instance": "web-1", **labels, "__name__": name}),
        np.array(times, dtype=np.int64),
        np.array(values, dtype=np.float64),
    )


def batch(*parts: tuple[Labels, np.ndarray, np.ndarray]) -> SampleBatch:
    """These series as one batch."""
    return SampleBatch.of(parts)


def store(*parts: tuple[Labels, np.ndarray, np.ndarray]) -> MemorySamples:
    """A store that holds these series."""
    samples = MemorySamples()
    samples.append(batch(*parts))
    return samples


def minutes(hour_end_ms: int, values: Sequence[float]) -> list[tuple[int, float]]:
    """These values at the last minutes of the hour that ends there, one a minute."""
    first = hour_end_ms - (len(values) - 1) * MINUTE_MS
    return [(first + i * MINUTE_MS, value) for i, value in enumerate(values)]


def defined(usage: str = "used", limit: str | float = "size", **more: object) -> ResourceDefinition:
    """A resource called `thing`."""
    given = {"name": "thing", "title": "Thing", "unit": "bytes", **more}
    return ResourceDefinition(usage=usage, limit=limit, **given)  # type: ignore[arg-type]
