"""What a store says of itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from tidecast_collector.labels import NAME


@dataclass(frozen=True, slots=True)
class StoreStats:
    """What the store holds now; `problems` tells of all damage found since it was opened.

    `removed_bytes` went since then because there was not enough room.
    """

    segments: int
    segment_samples: int
    segment_bytes: int
    set_aside: int
    problems: tuple[str, ...]
    tier_points: int
    tier_bytes: int
    head_series: int = 0
    head_samples: int = 0
    removed_bytes: int = 0


Ranked = tuple[tuple[str, int], ...]
"""Names with their figures, the highest first."""


@dataclass(frozen=True, slots=True)
class HeadSpan:
    """The series written to last: how many they are, the times of their samples, and in how many
    chunks these are in memory."""

    series: int
    chunks: int
    first_ms: int
    last_ms: int


@dataclass(frozen=True, slots=True)
class LabelStats:
    """How many series there are of what; `top` of each ranking.

    `label_bytes` counts the text of each label's values once for each series that has it.
    """

    pairs: int
    series_by_metric: Ranked
    values_by_label: Ranked
    label_bytes: Ranked
    series_by_pair: Ranked


def label_stats(pair_counts: Iterable[tuple[str, str, int]], top: int) -> LabelStats:
    """The rankings of these label pairs, each with how many series have it."""
    pairs, metrics, values, sizes = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    for name, value, count in pair_counts:
        values[name] += 1
        sizes[name] += count * len(value.encode())
        pairs[f"{name}={value}"] += count
        if name == NAME:
            metrics[value] += count

    def ranked(figures: Counter[str]) -> Ranked:
        return tuple(sorted(figures.items(), key=lambda each: (-each[1], each[0]))[:top])

    return LabelStats(len(pairs), ranked(metrics), ranked(values), ranked(sizes), ranked(pairs))
