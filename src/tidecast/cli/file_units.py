"""The units of the series of a file that is forecast as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from tidecast.cli.planned_csv import Planned
from tidecast.journeys.imports.csv_rows import SeriesName
from tidecast.journeys.imports.units import PERCENT, Bounds, Reading, readings
from tidecast.journeys.plans import key_of_series
from tidecast_analytics.outlook import History

COLUMN = "value"


class FileUnit(NamedTuple):
    """The unit that values are shown in as they stand in the file ("" for plain numbers), and how
    it was inferred."""

    unit: str
    inferred: str


def file_units(planned: Mapping[str, Planned]) -> list[FileUnit]:
    """The unit of each series, in order: percent stay percent, since nothing is converted."""
    bounds = [(SeriesName(*key_of_series(n)), _bounds(p.history)) for n, p in planned.items()]
    return [_as_it_stands(each) for each in readings(COLUMN, bounds)]


def _as_it_stands(reading: Reading) -> FileUnit:
    if reading.factor == PERCENT:
        return FileUnit("percent", reading.inferred)
    if reading.factor != 1.0 or reading.unit == "count":
        return FileUnit("", reading.inferred)
    return FileUnit(reading.unit, reading.inferred)


def _bounds(history: History) -> Bounds:
    seen = history.values[np.isfinite(history.values)]
    mark = history.mark if history.mark is not None and np.isfinite(history.mark) else None
    return Bounds(float(seen.min(initial=0.0)), float(seen.max(initial=0.0)), mark)
