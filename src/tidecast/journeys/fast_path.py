"""What kills within hours: full in h:mm, from the last six hours of raw samples."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tidecast.journeys.measure_usage import STEP_MS, measure
from tidecast.journeys.usage_records import HOUR_MS, ResourceKey
from tidecast.policy.resources import ResourceDefinition
from tidecast.promql.query_engine import QueryEngine
from tidecast_analytics.fastpath import full_in

WINDOW_MS = 6 * HOUR_MS

FullIn = tuple[float, float, float]
"""Seconds until full at P10, P50 and P90."""


def watch_fast_path(
    engine: QueryEngine, definitions: Mapping[str, ResourceDefinition], now_ms: int
) -> dict[ResourceKey, FullIn | None]:
    """For each resource that kills fast: when it is full if its last hours go on; None: not."""
    watched = [each for each in definitions.values() if each.fast_path]
    found: dict[ResourceKey, FullIn | None] = {}
    for measured in measure(engine, watched, now_ms - WINDOW_MS, now_ms, STEP_MS):
        there = ~np.isnan(measured.usage)
        limits = measured.limit[~np.isnan(measured.limit)]
        # Silence is no evidence: a resource without recent samples is not told of at all.
        if not limits.size or not there[-1]:
            continue
        found[measured.key] = full_in(
            measured.times_ms[there], measured.usage[there], float(limits[-1])
        )
    return found
