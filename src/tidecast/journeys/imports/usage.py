"""Values of any sampling reduced to hourly usage records, and the requests that carry them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import orjson

from tidecast.journeys.usage_records import HOUR_MS
from tidecast.policy.resources import ResourceDefinition, custom_resource, load_resources
from tidecast.samples.batch import Float64s, Int64s

MAX_VALUES_A_REQUEST = 50_000
CUSTOM = "custom"


@cache
def definition_of(resource: str) -> ResourceDefinition:
    """How that resource is judged by default: its unit and its mark as a share of the limit."""
    definitions = load_resources(lambda expression: None)
    return definitions.get(resource) or custom_resource(resource)


@dataclass(frozen=True, slots=True)
class HourlyUsage:
    """What each hour (h-1h, h] of some values was, stamped with the hour's end."""

    hours_ms: Int64s
    mean: Float64s
    p95: Float64s
    max: Float64s


@dataclass(frozen=True, slots=True)
class UsageSeries:
    """The usage records of one resource in its base unit; NaN where an hour lacks a value.

    `unit_inferred` tells how the unit was inferred, where nobody said it.
    """

    instance: str
    resource: str
    item: str
    unit: str
    usage: HourlyUsage
    limit: Float64s | None = None
    mark: Float64s | None = None
    unit_inferred: str = ""


def hour_ends(timestamps_ms: Int64s) -> Int64s:
    """The end of the hour (h-1h, h] that covers each moment."""
    ends: Int64s = -(-timestamps_ms // HOUR_MS) * HOUR_MS
    return ends


def reduce_to_hours(timestamps_ms: Int64s, values: Float64s) -> HourlyUsage:
    """Mean, 95th percentile and maximum of each hour that has values.

    The percentile is interpolated linearly between the two nearest ranks, as PromQL's
    `quantile_over_time` does. An hour with one value has it three times, so hourly and daily values
    stay what they are.

    >>> times = np.array([1_800_000, 3_600_000, 3_600_001])
    >>> hourly = reduce_to_hours(times, np.array([1.0, 3.0, 9.0]))
    >>> hourly.hours_ms.tolist(), hourly.mean.tolist(), hourly.max.tolist()
    ([3600000, 7200000], [2.0, 9.0], [3.0, 9.0])
    """
    hours = hour_ends(timestamps_ms)
    if len(hours) == 0:
        return HourlyUsage(hours, values, values, values)
    order = np.lexsort((values, hours))
    hours, ordered = hours[order], values[order]
    starts = np.flatnonzero(np.concatenate(([True], hours[1:] != hours[:-1])))
    counts = np.diff(np.append(starts, len(hours)))
    rank = 0.95 * (counts - 1)
    below = np.floor(rank).astype(np.int64)
    above = np.minimum(below + 1, counts - 1)
    low, high = ordered[starts + below], ordered[starts + above]
    return HourlyUsage(
        hours_ms=hours[starts],
        mean=np.add.reduceat(ordered, starts) / counts,
        p95=low + (high - low) * (rank - below),
        max=ordered[starts + counts - 1],
    )


def last_of_hours(timestamps_ms: Int64s, values: Float64s, hours_ms: Int64s) -> Float64s:
    """At each hour end, the newest of these values that is not NaN, NaN before the first."""
    there = ~np.isnan(values)
    times, known = timestamps_ms[there], values[there]
    order = np.argsort(times, kind="stable")
    times, known = times[order], known[order]
    index = np.searchsorted(times, hours_ms, side="right") - 1
    return np.where(index >= 0, known[index] if len(known) else np.nan, np.nan)


@dataclass(frozen=True, slots=True)
class UsageRequest:
    """The JSON body of one `POST /api/tidecast/v1/usage`, and how many records it carries."""

    body: bytes
    records: int


def usage_requests(source: str, series: Iterable[UsageSeries]) -> Iterator[UsageRequest]:
    """The requests that carry the series, each of at most `MAX_VALUES_A_REQUEST` values."""
    pending: list[dict[str, object]] = []
    room, records = MAX_VALUES_A_REQUEST, 0
    for each in series:
        columns = 4 + (each.limit is not None) + (each.mark is not None)
        start, hours = 0, len(each.usage.hours_ms)
        while start < hours:
            if room < columns:
                yield _request(source, pending, records)
                pending, room, records = [], MAX_VALUES_A_REQUEST, 0
            stop = min(hours, start + room // columns)
            pending.append(_entry(each, slice(start, stop)))
            room -= (stop - start) * columns
            records += stop - start
            start = stop
    if pending:
        yield _request(source, pending, records)


def _entry(series: UsageSeries, part: slice) -> dict[str, object]:
    usage = series.usage
    return {
        "instance": series.instance,
        "resource": series.resource,
        "item": series.item,
        "unit": series.unit,
        "unit_inferred": series.unit_inferred,
        "timestamps_ms": usage.hours_ms[part],
        "mean": usage.mean[part],
        "p95": usage.p95[part],
        "max": usage.max[part],
        "limit": None if series.limit is None else series.limit[part],
        "mark": None if series.mark is None else series.mark[part],
    }


def _request(source: str, entries: list[dict[str, object]], records: int) -> UsageRequest:
    # orjson writes numpy arrays as they are, and NaN as null.
    value = {"source": source, "series": entries}
    return UsageRequest(orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY), records)


def before(series: UsageSeries, end_ms: int) -> UsageSeries:
    """The records of those hours that are over at `end_ms`."""
    over = series.usage.hours_ms <= end_ms
    usage = series.usage
    return replace(
        series,
        usage=HourlyUsage(usage.hours_ms[over], usage.mean[over], usage.p95[over], usage.max[over]),
        limit=None if series.limit is None else series.limit[over],
        mark=None if series.mark is None else series.mark[over],
    )
