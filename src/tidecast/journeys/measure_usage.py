"""From raw samples to hourly usage records, on the hour and again where late samples arrived."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from tidecast.journeys.usage_records import HOUR_MS, ResourceKey, UsageRecords
from tidecast.policy.resources import ResourceDefinition, Resources
from tidecast.promql.query_engine import QueryEngine
from tidecast.promql.result import Matrix
from tidecast.promql.settings import DEFAULT_OPTIONS, QueryOptions
from tidecast.samples.batch import Float64s, Int64s
from tidecast_collector.labels import host_of_instance, label_value

STEP_MS = 60_000
HOURS_AT_ONCE = 24


@dataclass(frozen=True, slots=True)
class MeasuredUsage:
    """A resource's usage and limit at regular times, NaN where absent, in its base unit."""

    key: ResourceKey
    definition: ResourceDefinition
    times_ms: Int64s
    usage: Float64s
    limit: Float64s


def measure(
    engine: QueryEngine,
    definitions: Iterable[ResourceDefinition],
    start_ms: int,
    end_ms: int,
    step_ms: int = STEP_MS,
    options: QueryOptions = DEFAULT_OPTIONS,
) -> Iterator[MeasuredUsage]:
    """The usage of every defined resource at start, start + step, ..., end."""
    times = np.arange(start_ms, end_ms + 1, step_ms, dtype=np.int64)
    for definition in definitions:
        usages = _by_key(engine, definition, definition.usage, times, options)
        limits = (
            _by_key(engine, definition, definition.limit, times, options)
            if usages and isinstance(definition.limit, str)
            else {}
        )
        otherwise = np.nan if isinstance(definition.limit, str) else definition.limit
        constant = np.full(len(times), otherwise)
        for key, usage in usages.items():
            yield MeasuredUsage(key, definition, times, usage, limits.get(key, constant))


def _by_key(
    engine: QueryEngine,
    definition: ResourceDefinition,
    query: str,
    times: Int64s,
    options: QueryOptions,
) -> dict[ResourceKey, Float64s]:
    step = int(times[1] - times[0]) if len(times) > 1 else STEP_MS
    matrix = engine.range(query, int(times[0]), int(times[-1]), step, options).value
    assert isinstance(matrix, Matrix)
    found: dict[ResourceKey, Float64s] = {}
    for labels, stamps, present in matrix:
        values = np.full(len(times), np.nan)
        values[(stamps - times[0]) // step] = present
        host = host_of_instance(label_value(labels, "instance"))
        item = label_value(labels, definition.item) if definition.item else ""
        if not host or (definition.item and not item):
            continue
        key = ResourceKey(host, definition.name, item)
        # One host may be seen twice (scraped and pushed): the fuller reading is the careful one.
        found[key] = np.fmax(found[key], values) if key in found else values
    return found


def usage_records(
    engine: QueryEngine, definitions: Resources, hours_ms: Iterable[int]
) -> Iterator[list[UsageRecords]]:
    """The records of these hours (their ends), in lists that each cover a day at the most."""
    for run in _runs(sorted(set(hours_ms))):
        first, last = run[0] - HOUR_MS + STEP_MS, run[-1]
        yield [
            _reduced(measured, np.array(run, dtype=np.int64), definitions)
            for measured in measure(engine, definitions.values(), first, last)
        ]


def _runs(hours: Sequence[int]) -> Iterator[list[int]]:
    for _, run in groupby(enumerate(hours), key=lambda pair: pair[1] - pair[0] * HOUR_MS):
        consecutive = [hour for _, hour in run]
        for i in range(0, len(consecutive), HOURS_AT_ONCE):
            yield consecutive[i : i + HOURS_AT_ONCE]


def _reduced(measured: MeasuredUsage, hours: Int64s, definitions: Resources) -> UsageRecords:
    usage = measured.usage.reshape(len(hours), -1)
    there = ~np.isnan(usage)
    some = there.any(axis=1)
    mean, p95, high, limit = (np.full(len(hours), np.nan) for _ in range(4))
    mean[some] = np.nanmean(usage[some], axis=1)
    p95[some] = np.nanquantile(usage[some], 0.95, axis=1)
    high[some] = np.nanmax(usage[some], axis=1)
    limits = measured.limit.reshape(len(hours), -1)
    known = ~np.isnan(limits)
    newest = limits.shape[1] - 1 - np.argmax(known[:, ::-1], axis=1)
    rows = known.any(axis=1) & some
    limit[rows] = limits[rows, newest[rows]]
    mark = limit * definitions.fitting(*measured.key).mark_ratio
    return UsageRecords(measured.key, hours, mean, p95, high, limit, mark)
