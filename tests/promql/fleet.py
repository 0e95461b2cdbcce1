"""A seeded fleet for the comparison with a real Prometheus: two hours of every kind of trouble."""

from __future__ import annotations

import numpy as np

from tidecast.samples.batch import STALE_NAN, SampleBatch
from tidecast_collector.labels import Labels, make_labels

START_MS = 1_700_000_000_000
LENGTH_MS = 7_200_000
STEP_MS = 15_000


def fleet(seed: int = 7) -> SampleBatch:
    """Gauges, counters with resets, classic histograms and a constant; jitter, gaps and staleness.

    Every timestamp ends in the digit 3, so that a query at a time that ends in 7, with ranges and
    steps in whole seconds, never meets a sample at a border of its window.
    """
    random = np.random.default_rng(seed)
    series: list[tuple[Labels, np.ndarray, np.ndarray]] = []
    for host in range(6):
        at = {"instance": f"web-{host}:9100", "zone": "ab"[host % 2], "job": "node"}
        for cpu in range(2):
            times = _times(random)
            steps = random.exponential(7.5, len(times)).round(2)
            values = 5_000 + np.cumsum(steps)
            for reset in random.choice(len(times), 2, replace=False):
                values[reset:] -= values[reset] - steps[reset]
            labels = make_labels({"__name__": "cpu_seconds_total", "cpu": str(cpu), **at})
            series.append((labels, times, values))
        times = _times(random)
        values = 1e9 + np.cumsum(random.normal(0, 1e6, len(times)))
        series.append((make_labels({"__name__": "free_bytes", **at}), *_troubled(times, values)))
        times = _times(random)
        series.append(
            (make_labels({"__name__": "temperature", **at}), times, random.normal(0, 5, len(times)))
        )
        times = _times(random)
        series.append((make_labels({"__name__": "size", **at}), times, np.full(len(times), host)))
        series.extend(_histogram(random, at))
    times = _times(random)
    odd = random.choice([1.0, -2.0, np.nan, np.inf], len(times))
    series.append((make_labels({"__name__": "odd", "kind": "mixed"}), times, odd))
    for zone, share in (("a", 0.25), ("b", 0.75)):
        times = _times(random)
        labels = make_labels({"__name__": "share", "zone": zone, "owner": f"team-{zone}"})
        series.append((labels, times, np.full(len(times), share)))
    return SampleBatch.of(sorted(series, key=lambda each: each[0]))


def _times(random: np.random.Generator) -> np.ndarray:
    times = START_MS + np.arange(0, LENGTH_MS, STEP_MS) + random.integers(0, 300, 480) * 10 + 3
    return times[random.random(len(times)) > 0.02]


def _troubled(times: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Five minutes without samples, and a time that a staleness marker begins."""
    values = values.copy()
    values[100] = STALE_NAN
    kept = np.ones(len(times), bool)
    kept[101:125] = False
    kept[300:330] = False
    return times[kept], values[kept]


def _histogram(
    random: np.random.Generator, at: dict[str, str]
) -> list[tuple[Labels, np.ndarray, np.ndarray]]:
    times = _times(random)
    seen = random.poisson([3, 5, 4, 2, 1], (len(times), 5))
    buckets = 1000 + np.cumsum(np.cumsum(seen, axis=1), axis=0)
    found = [
        (
            make_labels({"__name__": "latency_seconds_bucket", "le": bound, **at}),
            times,
            buckets[:, column].astype(float),
        )
        for column, bound in enumerate(("0.1", "0.25", "0.5", "1", "+Inf"))
    ]
    total = buckets[:, -1].astype(float)
    found.append((make_labels({"__name__": "latency_seconds_count", **at}), times, total))
    return found
