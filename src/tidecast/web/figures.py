"""What a chart in the browser needs, as JSON inside the page."""

from __future__ import annotations

import math

import numpy as np
import orjson
from markupsafe import Markup

from tidecast_reports.capacity import Float64s, ResourceOutlook
from tidecast_reports.svg import shown_span
from tidecast_reports.thinning import thin_band, thin_history

HISTORY_POINTS = 480
BAND_POINTS = 120
_UNSAFE = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}


def fan_figure(outlook: ResourceOutlook, now_ms: int) -> Markup:
    """The outlook's chart as JSON that may stand inside a `<script>` element.

    Times are Unix seconds; `columns` holds time, history, mean, lo80, hi80, lo95, hi95 in one table
    of rows with nulls where a column has nothing to say.
    """
    first_ms, _ = shown_span(outlook, now_ms)
    shown = outlook.history_ms >= first_ms
    past_ms, past = thin_history(outlook.history_ms[shown], outlook.history[shown], HISTORY_POINTS)
    columns = [past_ms / 1000, past]
    none = np.full(past_ms.size, np.nan)
    if outlook.band is not None:
        band = thin_band(outlook.band, BAND_POINTS)
        columns[0] = np.append(columns[0], band.times_ms / 1000)
        columns[1] = np.append(columns[1], np.full(band.times_ms.size, np.nan))
        edges = (band.mean, band.lo80, band.hi80, band.lo95, band.hi95)
        columns += [np.append(none, edge) for edge in edges]
    return script_json(
        {
            "unit": outlook.unit,
            "limit": outlook.limit,
            "mark": outlook.mark,
            "p10": _seconds(outlook.p10_ms),
            "p50": _seconds(outlook.p50_ms),
            "p90": _seconds(outlook.p90_ms),
            "columns": [_rounded(column) for column in columns],
        }
    )


def script_json(document: object) -> Markup:
    """JSON that cannot end the script element it stands in.

    >>> print(script_json({"a": "</script>&"}))
    {"a":"\\u003c/script\\u003e\\u0026"}
    """
    text = orjson.dumps(document).decode()
    for character, escape in _UNSAFE.items():
        text = text.replace(character, escape)
    return Markup(text)  # noqa: S704 - escaped above


def _rounded(column: Float64s) -> list[float | None]:
    """To seven significant digits: more than a screen can show."""
    return [float(f"{value:.7g}") if math.isfinite(value) else None for value in column.tolist()]


def _seconds(at_ms: int | None) -> float | None:
    return None if at_ms is None else at_ms / 1000
