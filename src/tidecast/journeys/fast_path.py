"""What kills within hours: full in h:mm, from the last six hours of raw samples."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import numpy as np

from tidecast.journeys.measure_usage import STEP_MS, measure
from tidecast.journeys.usage_histories import read_histories
from tidecast.journeys.usage_records import HOUR_MS, ResourceKey, hour_end
from tidecast.policy.resources import ResourceDefinition
from tidecast.promql.query_engine import QueryEngine
from tidecast.samples.protocol import Samples
from tidecast_analytics.fastpath import Familiar, familiar, full_in

WINDOW_MS = 6 * HOUR_MS
KNOWN_MS = 7 * 24 * HOUR_MS
"""What a resource did in so long before the window is familiar: saw-teeth, backup nights, days."""

FullIn = tuple[float, float, float]
"""Seconds until full at P10, P50 and P90."""


def watch_fast_path(
    engine: QueryEngine,
    definitions: Mapping[str, ResourceDefinition],
    now_ms: int,
    known_of: Callable[[Collection[ResourceKey]], Mapping[ResourceKey, Familiar]] = lambda keys: {},
) -> dict[ResourceKey, FullIn | None]:
    """For each resource that kills fast: when it is full if its last hours go on; None: not.

    `known_of` tells what is familiar of resources: rises like those before are no evidence.
    """
    watched = [each for each in definitions.values() if each.fast_path]
    found: dict[ResourceKey, FullIn | None] = {}
    recent = list(measure(engine, watched, now_ms - WINDOW_MS, now_ms, STEP_MS))
    known = known_of([each.key for each in recent])
    for measured in recent:
        there = ~np.isnan(measured.usage)
        limits = measured.limit[~np.isnan(measured.limit)]
        # Silence is no evidence: a resource without recent samples is not told of at all.
        if not limits.size or not there[-1]:
            continue
        found[measured.key] = full_in(
            measured.times_ms[there],
            measured.usage[there],
            float(limits[-1]),
            known.get(measured.key),
        )
    return found


class FamiliarRises:
    """What is familiar of resources by their usage records, looked up once an hour."""

    def __init__(self, samples: Samples) -> None:
        self._samples = samples
        self._hour_ms = 0
        self._known: dict[ResourceKey, Familiar | None] = {}

    def of(self, keys: Collection[ResourceKey], now_ms: int) -> Mapping[ResourceKey, Familiar]:
        """Of those of these resources that were recorded before the hours that are watched."""
        if hour_end(now_ms) != self._hour_ms:
            self._hour_ms, self._known = hour_end(now_ms), {}
        unknown = [key for key in keys if key not in self._known]
        if unknown:
            until_ms = self._hour_ms - HOUR_MS - WINDOW_MS
            histories = read_histories(
                self._samples, unknown, _peak, until_ms - KNOWN_MS, until_ms, bounds=False
            )
            self._known |= dict.fromkeys(unknown)
            self._known |= {key: familiar(*each.of("max")) for key, each in histories.items()}
        return {key: known for key in keys if (known := self._known[key]) is not None}


def _peak(kind: str) -> str:
    return "max"
