"""What a store says of itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StoreStats:
    """What the store holds now; `problems` tells of all damage found since it was opened.

    `removed_bytes` went since then because there was not enough room.
    """

    head_series: int
    head_samples: int
    segments: int
    segment_samples: int
    segment_bytes: int
    set_aside: int
    problems: tuple[str, ...]
    tier_points: int = 0
    tier_bytes: int = 0
    removed_bytes: int = 0
