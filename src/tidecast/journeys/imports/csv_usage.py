"""The rows of a CSV file as usage records, one series behind the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tidecast.journeys.imports.csv_rows import CsvValues, SeriesName
from tidecast.journeys.imports.units import Bounds, Reading, readings, stated_unit
from tidecast.journeys.imports.usage import UsageSeries, last_of_hours, reduce_to_hours
from tidecast.samples.batch import Float64s, Int64s


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows of one series that have a value, and the limits of all its rows."""

    name: SeriesName
    times_ms: Int64s
    values: Float64s
    limit_times_ms: Int64s
    limits: Float64s


def csv_usage(
    rows: CsvValues, unit: str | None = None, mark: float | None = None, column: str = ""
) -> Iterator[UsageSeries]:
    """The usage records of each series, sorted by name.

    The file's `limit` is the mark, carried forward from the row that states it; `mark` replaces it.
    `unit` is the unit of every series; None: what the values' `column` and the values tell, or that
    of the resource. Percent become ratios, with a limit of 1 where only the values tell so.
    """
    series = list(_by_name(rows))
    if unit is None:
        bounds = [(each.name, _bounds(each, mark)) for each in series]
        read = readings(column, bounds)
    else:
        read = [stated_unit(unit)] * len(series)
    for each, reading in zip(series, read, strict=True):
        yield _usage(each, reading, mark)


def _by_name(rows: CsvValues) -> Iterator[_Rows]:
    order = np.argsort(rows.series, kind="stable")
    bounds = np.searchsorted(rows.series[order], np.arange(len(rows.names) + 1))
    for i in sorted(range(len(rows.names)), key=lambda i: rows.names[i]):
        part = order[bounds[i] : bounds[i + 1]]
        times, values = rows.timestamps_ms[part], rows.values[part]
        there = ~np.isnan(values)
        if there.any():
            yield _Rows(rows.names[i], times[there], values[there], times, rows.limits[part])


def _bounds(rows: _Rows, mark: float | None) -> Bounds:
    limits = rows.limits[np.isfinite(rows.limits)]
    limit = mark if mark is not None else float(limits.max()) if limits.size else None
    return Bounds(float(rows.values.min()), float(rows.values.max()), limit)


def _usage(rows: _Rows, reading: Reading, mark: float | None) -> UsageSeries:
    usage = reduce_to_hours(rows.times_ms, rows.values * reading.factor)
    marks = None
    if mark is not None:
        marks = np.full(len(usage.hours_ms), mark)
    elif not np.isnan(rows.limits).all():
        marks = last_of_hours(rows.limit_times_ms, rows.limits, usage.hours_ms)
    if marks is not None:
        marks = reading.of_limits(marks)
    whole = reading.inferred and reading.unit == "ratio" and float(usage.max.max()) <= 1.0
    return UsageSeries(
        rows.name.instance,
        rows.name.resource,
        rows.name.item,
        reading.unit,
        usage,
        limit=np.ones(len(usage.hours_ms)) if whole else None,
        mark=marks,
        unit_inferred=reading.inferred,
    )
