"""Whether what tiers hold can have come from what was acknowledged, and lacks nothing of it.

Of a bucket that a deletion reaches into, nothing is said: tiers forget whole buckets.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from tests.soak.ledger import Ledger

from tidecast.samples.batch import STALE_NAN_BITS
from tidecast.samples.embedded import EmbeddedSamples
from tidecast.samples.kept import Tier
from tidecast.samples.matchers import matches_all
from tidecast.samples.points import Field, PointBatch
from tidecast.samples.protocol import SelectHint
from tidecast_collector.labels import Labels

_FAR_MS = 2**53
_SHOWN = 3


@dataclass(frozen=True)
class _Point:
    """How many samples a point is of; its oldest, newest, least and greatest value."""

    count: int
    values: set[float]

    @staticmethod
    def of(points: PointBatch, i: int) -> _Point:
        told = [points.stats[f][i] for f in (Field.MIN, Field.MAX, Field.FIRST, Field.LAST)]
        count = int(points.stats[Field.COUNT][i])
        return _Point(count, {_comparable(float(value)) for value in told} if count else set())

    def with_(self, other: _Point) -> _Point:
        return _Point(self.count + other.count, self.values | other.values)


_NO_POINT = _Point(0, set())


@dataclass
class _Bucket:
    """How many samples there must be, how many there can be, and the values they can have."""

    least: int = 0
    most: int = 0
    values: set[float] = field(default_factory=set)


def point_faults(
    store: EmbeddedSamples, ledger: Ledger, tier: Tier, *, may_miss: bool = False
) -> list[str]:
    """What is wrong with the points of this tier; where files were damaged some may be missing."""
    width = tier.width_ms
    hint = SelectHint(0, _FAR_MS, width, width, width, tuple(Field))
    found = store.select_points([], hint)
    if found is None:
        return []
    layers = [layer for layer in found.layers if layer.width_ms == width]
    points: dict[tuple[Labels, int], _Point] = {}
    for labels, own in found.points:
        for i, end in enumerate(own.end_ms.tolist()):
            # Late samples stand beside the point of their bucket.
            place = labels, -(-end // width) * width
            points[place] = points.get(place, _NO_POINT).with_(_Point.of(own, i))
    faults = []
    for (labels, end), bucket in _buckets(ledger, ledger.revision, width).items():
        answers = any(layer.after_ms + width <= end <= layer.up_to_ms for layer in layers)
        if not answers or _deleted(ledger, labels, end, width):
            continue
        point = points.get((labels, end), _NO_POINT)
        least = 0 if may_miss else bucket.least
        if not least <= point.count <= bucket.most:
            faults.append(
                f"{dict(labels)} until {end}: {point.count} samples instead of {bucket.least} "
                f"to {bucket.most}"
            )
        elif not point.values <= bucket.values:
            faults.append(f"{dict(labels)} until {end}: a value that was never acknowledged")
    if len(faults) > _SHOWN:
        faults[_SHOWN:] = [f"and {len(faults) - _SHOWN} more"]
    return [f"tier {tier.name}: {fault}" for fault in faults]


@lru_cache(maxsize=4)
def _buckets(ledger: Ledger, _revision: int, width: int) -> dict[tuple[Labels, int], _Bucket]:
    buckets: dict[tuple[Labels, int], _Bucket] = defaultdict(_Bucket)
    for key, every in ledger.ever.items():
        labels, at = key
        bucket = buckets[labels, -(-at // width) * width]
        numbers = every - {STALE_NAN_BITS}
        if numbers:
            bucket.most += ledger.sent[key]
            bucket.values |= {_number(bits) for bits in numbers}
        # Of a value that was replaced by a marker, or the other way round, either may be there.
        bucket.least += key in ledger.acknowledged and every == numbers
    return buckets


def _number(bits: int) -> float:
    return _comparable(float(np.array([bits], dtype=np.uint64).view(np.float64)[0]))


def _comparable(value: float) -> float:
    """The value; a half for NaN, which equals nothing (no workload has a half)."""
    return 0.5 if math.isnan(value) else value


def _deleted(ledger: Ledger, labels: Labels, end: int, width: int) -> bool:
    return any(
        start <= end and end - width < until and matches_all(matchers, labels)
        for matchers, start, until in ledger.deletions
    )
