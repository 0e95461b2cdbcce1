"""What a chart in the browser needs, as JSON inside the page."""

from __future__ import annotations

import math

import orjson
from markupsafe import Markup

from tidecast_reports.capacity import Band, Float64s, ResourceOutlook
from tidecast_reports.svg import shown_span
from tidecast_reports.thinning import thin_band, thin_history

HISTORY_POINTS = 480
BAND_POINTS = 120
_UNSAFE = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}


def fan_figure(outlook: ResourceOutlook, now_ms: int) -> Markup:
    """The outlook's chart as JSON that may stand inside a `<script>` element.

    Times are Unix seconds. `history` is the columns time and usage; `forecast` is time, mean, lo80,
    hi80, lo95 and hi95, null where there is none; `anomalies` and `shifts` are times, `changes`
    have a time and a title.
    """
    first_ms, _ = shown_span(outlook, now_ms)
    shown = outlook.history_ms >= first_ms
    past_ms, past = thin_history(outlook.history_ms[shown], outlook.history[shown], HISTORY_POINTS)
    return script_json(
        {
            "unit": outlook.unit,
            "limit": outlook.limit,
            "mark": outlook.mark,
            "later_marks": [[at_ms // 1000, mark] for at_ms, mark in outlook.later_marks],
            "p10": _seconds(outlook.p10_ms),
            "p50": _seconds(outlook.p50_ms),
            "p90": _seconds(outlook.p90_ms),
            "anomalies": [at_ms // 1000 for at_ms in outlook.anomalies_ms if at_ms >= first_ms],
            "shifts": [at_ms // 1000 for at_ms in outlook.shifts_ms if at_ms >= first_ms],
            "changes": [
                {"at": each.at_ms // 1000, "title": each.title}
                for each in outlook.changes
                if each.at_ms >= first_ms
            ],
            "history": [(past_ms // 1000).tolist(), _rounded(past)],
            "forecast": None if outlook.band is None else _columns(outlook.band),
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


def _columns(band: Band) -> list[list[int] | list[float | None]]:
    thin = thin_band(band, BAND_POINTS)
    edges = (thin.mean, thin.lo80, thin.hi80, thin.lo95, thin.hi95)
    return [(thin.times_ms // 1000).tolist(), *map(_rounded, edges)]


def _rounded(column: Float64s) -> list[float | None]:
    """To five significant digits: more than a screen can show."""
    return [float(f"{value:.5g}") if math.isfinite(value) else None for value in column.tolist()]


def _seconds(at_ms: int | None) -> float | None:
    return None if at_ms is None else at_ms / 1000
