"""The fleet of `fleet.py` at its worst: series that come and go, odd values, late writes.

What 2.42 and 3.x answer differently is not asked (see `version_differences.py`): `rate` behind gaps
and resets, comparisons that match several, what depends on infinite values (deviations, calendars,
buckets); nor what depends on the order of equal values (topk).
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from tidecast.promql.engine import Engine
from tidecast.samples.batch import STALE_NAN, Float64s, Int64s, SampleBatch
from tidecast.samples.embedded import EmbeddedSamples
from tidecast_collector.labels import Labels, make_labels

from .fleet import LENGTH_MS, START_MS, STEP_MS
from .random_expressions import expressions

ODD = (np.nan, np.inf, -np.inf, -0.0, 0.0, 5e-324, 1e9)
ODD_COUNTS = (np.nan, 1e9)
BOUNDS = ("0.1", "0.25", "0.5", "1", "+Inf", "2.5e0", "abc")
WRITES = 7
_UNLIKE = re.compile(
    r"\b(rate|increase)\(|(top|bottom)k|histogram_quantile|(==|!=|[<>]=?) (on|ignoring)"
    r"|std(dev|var)|day|hour|minute|month|year"
)

Series = tuple[Labels, Int64s, Float64s]


def ugly_expressions(seed: int, count: int) -> list[str]:
    """At most so many random expressions that both versions answer alike."""
    return [each for each in expressions(seed, count) if not _UNLIKE.search(each)]


def ugly_fleet(seed: int) -> SampleBatch:
    """Two hours of seven hosts. Every timestamp ends in the digit 3."""
    random = np.random.default_rng(seed)
    series: list[Series] = []
    for host in range(7):
        at = {"instance": f"web-{host}:9100", "job": "node" if host < 6 else 'jö"b\\\n'}
        at |= {"zone": zone} if (zone := ("a", "b", "")[host % 3]) else {}
        for cpu in ("0", "1"):
            series.append(_counter(random, {"__name__": "cpu_seconds_total", "cpu": cpu, **at}))
        for bound in BOUNDS:
            series.append(
                _counter(random, {"__name__": "latency_seconds_bucket", "le": bound, **at})
            )
        series.append(_counter(random, {"__name__": "latency_seconds_count", **at}))
        for name in ("free_bytes", "temperature", "size"):
            times = _times(random)
            values = random.normal(host, 5, len(times))
            values = _odd(random, values if name != "size" else np.full(len(times), host), ODD)
            series.append((make_labels({"__name__": name, **at}), times, values))
    for zone, owner, share in (("a", "x", 0.25), ("b", "y", 0.75), ("a", "z", 0.5)):
        times = _times(random)
        labels = make_labels({"__name__": "share", "zone": zone, "owner": owner})
        series.append((labels, times, np.full(len(times), share)))
    return SampleBatch.of(sorted(_living(random, each) for each in series))


def engine_of_late_writes(seed: int, directory: Path) -> Engine:
    """The engine over a store that got the fleet in shuffled stretches, some of them twice."""
    random = np.random.default_rng(seed)
    fleet = ugly_fleet(seed)
    low, high = int(fleet.timestamps.min()), int(fleet.timestamps.max()) + 1
    cuts = np.sort(random.integers(low, high, WRITES - 1))
    stretches = list(zip([low, *cuts], [*cuts, high], strict=True))
    random.shuffle(stretches)
    store = EmbeddedSamples(directory, window_ms=LENGTH_MS // 4)
    for number, (start, end) in enumerate([*stretches, *stretches[:2]]):
        store.append(
            SampleBatch.of(
                (labels, times[part], values[part])
                for labels, times, values in fleet
                if (part := (times >= start) & (times < end)).any()
            )
        )
        if number == WRITES // 2:
            store.flush()
    return Engine(store)


def _times(random: np.random.Generator) -> Int64s:
    count = LENGTH_MS // STEP_MS
    times = START_MS + np.arange(0, LENGTH_MS, STEP_MS) + random.integers(0, 300, count) * 10 + 3
    kept: Int64s = times[random.random(count) < random.choice([0.5, 0.9, 0.99])]
    return kept


def _counter(random: np.random.Generator, labels: dict[str, str]) -> Series:
    times = _times(random)
    steps = random.exponential(7.5, len(times)).round(2)
    values = np.cumsum(steps)
    for reset in random.choice(len(times), random.integers(0, 8), replace=False):
        values[reset:] -= values[reset] - steps[reset]
    return make_labels(labels), times, _odd(random, values + 5_000, ODD_COUNTS)


def _odd(random: np.random.Generator, values: Float64s, kinds: tuple[float, ...]) -> Float64s:
    odd = values.astype(np.float64)
    chosen = random.random(len(odd)) < 0.02
    odd[chosen] = random.choice(kinds, int(chosen.sum()))
    odd[random.random(len(odd)) < 0.02] = STALE_NAN
    return odd


def _living(random: np.random.Generator, series: Series) -> Series:
    """The series as it may come later, go earlier, or be away between."""
    labels, times, values = series
    place = np.arange(len(times)) / len(times)
    lives = (place >= 0, place > 0.33, place < 0.66, (place < 0.25) | (place > 0.75))
    kept = random.choice(len(lives), p=[0.5, 0.2, 0.2, 0.1])
    return labels, times[lives[kept]], values[lives[kept]]
