"""The rows of a CSV file as usage records, one series behind the other."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tidecast.journeys.imports.csv_rows import CsvValues
from tidecast.journeys.imports.usage import (
    UsageSeries,
    definition_of,
    last_of_hours,
    reduce_to_hours,
)


def csv_usage(
    rows: CsvValues, unit: str | None = None, mark: float | None = None
) -> Iterator[UsageSeries]:
    """The usage records of each series, sorted by name.

    The file's `limit` is the mark, carried forward from the row that states it; `mark` replaces it.
    `unit` is the unit of every series; None: that of the resource.
    """
    order = np.argsort(rows.series, kind="stable")
    bounds = np.searchsorted(rows.series[order], np.arange(len(rows.names) + 1))
    for i in sorted(range(len(rows.names)), key=lambda i: rows.names[i]):
        part = order[bounds[i] : bounds[i + 1]]
        times, values, limits = rows.timestamps_ms[part], rows.values[part], rows.limits[part]
        there = ~np.isnan(values)
        usage = reduce_to_hours(times[there], values[there])
        if len(usage.hours_ms) == 0:
            continue
        marks = None
        if mark is not None:
            marks = np.full(len(usage.hours_ms), mark)
        elif not np.isnan(limits).all():
            marks = last_of_hours(times, limits, usage.hours_ms)
        name = rows.names[i]
        yield UsageSeries(
            name.instance,
            name.resource,
            name.item,
            definition_of(name.resource).unit if unit is None else unit,
            usage,
            mark=marks,
        )
