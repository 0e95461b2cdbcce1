"""Past forecasts against what came, as SVG: the history with what was said of it before."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from tidecast_reports.capacity import Band, PastForecast, ResourceOutlook
from tidecast_reports.svg import (
    HISTORY_LOOK,
    POINTS,
    WIDTH,
    Frame,
    curve,
    path_data,
    px,
    time_axis,
    value_axis,
    value_labels,
)
from tidecast_reports.thinning import thin_band, thin_history
from tidecast_reports.units import full_date

DAY_MS = 86_400_000
MOST = 4
"""So many past forecasts are drawn: more could not be told apart."""
LEAST_MS = DAY_MS
BAND_POINTS = 60

_MEAN = Markup('stroke="#0a6c8f" stroke-width="1.4" stroke-dasharray="4 3"')


def past_chart(
    outlook: ResourceOutlook, ledger: Sequence[PastForecast], *, identifier: str, height: int = 220
) -> Markup:
    """The chart as one `<svg>` element; empty where no past forecast has anything to compare.

    Drawn are up to four forecasts with their 80 % bands, spread over the ledger's time, each until
    the newest value.
    """
    drawn = _drawn(outlook, ledger)
    if not drawn or np.isfinite(outlook.history).sum() < 2:
        return Markup("")
    first_ms = int(drawn[0].times_ms[0])
    last_ms = int(outlook.history_ms[-1])
    first_ms -= (last_ms - first_ms) // 4
    shown = outlook.history_ms >= first_ms
    times_ms, values = thin_history(outlook.history_ms[shown], outlook.history[shown], POINTS)
    frame = Frame(first_ms, last_ms, _top(outlook, drawn, values), height)
    shapes = [_forecast(band, frame) for band in drawn]
    shapes.append(curve(frame, times_ms, values, "history", HISTORY_LOOK))
    return Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" class="fan past" width="100%" height="{height}"'
        ' overflow="visible" role="img" aria-labelledby="{id}-t"><title id="{id}-t">{title}</title>'
        "{axes}"
        '<svg x="0" y="0" width="100%" height="{height}" viewBox="0 0 {width} {height}"'
        ' preserveAspectRatio="none">{shapes}</svg>{labels}{mark}</svg>'
    ).format(
        id=identifier,
        height=height,
        width=WIDTH,
        title=_title(drawn),
        axes=time_axis(frame) + value_axis(outlook, frame),
        shapes=Markup("").join(shapes),
        labels=value_labels(outlook, frame),
        mark=_mark(outlook, frame),
    )


def _drawn(outlook: ResourceOutlook, ledger: Sequence[PastForecast]) -> list[Band]:
    """The steps, until the newest value, of forecasts evenly spread over the ledger."""
    if not outlook.history_ms.size:
        return []
    last_ms = int(outlook.history_ms[-1])
    bands = []
    for past in sorted(ledger, key=lambda each: each.published_ms):
        if past.band is not None and past.band.times_ms.size:
            come = past.band.times_ms <= last_ms
            if come.any() and last_ms - int(past.band.times_ms[0]) >= LEAST_MS:
                bands.append(_cut(past.band, int(come.sum())))
    if len(bands) <= MOST:
        return bands
    wanted = np.linspace(bands[0].times_ms[0], bands[-1].times_ms[0], MOST)
    starts = np.array([band.times_ms[0] for band in bands])
    nearest = {int(np.abs(starts - at).argmin()) for at in wanted}
    return [bands[place] for place in sorted(nearest)]


def _cut(band: Band, count: int) -> Band:
    return Band(
        band.times_ms[:count],
        band.mean[:count],
        band.lo80[:count],
        band.hi80[:count],
        band.lo95[:count],
        band.hi95[:count],
    )


def _top(outlook: ResourceOutlook, drawn: Sequence[Band], values: np.ndarray) -> float:
    highest = max(float(np.nanmax(band.mean)) for band in drawn)
    widest = max(float(np.nanmax(band.hi80)) for band in drawn)
    highest = max(highest, float(np.nanmax(values)) if values.size else 0.0, outlook.mark or 0.0)
    top = min(max(highest, widest), highest * 1.2) * 1.02
    return top if top > 0 else 1.0


def _forecast(band: Band, frame: Frame) -> Markup:
    thin = thin_band(band, BAND_POINTS)
    around_ms = np.append(thin.times_ms, thin.times_ms[::-1])
    fan = Markup('<path class="band80" d="{d}Z" fill="#0a6c8f" fill-opacity="0.14"/>').format(
        d=path_data(frame, around_ms, np.append(thin.hi80, thin.lo80[::-1]))
    )
    return fan + curve(frame, thin.times_ms, thin.mean, "mean", _MEAN)


def _title(drawn: Sequence[Band]) -> str:
    dates = ", ".join(full_date(int(band.times_ms[0])) for band in drawn)
    return f"What came, and what was forecast on {dates} with its 80 % bands."


def _mark(outlook: ResourceOutlook, frame: Frame) -> Markup:
    if outlook.mark is None:
        return Markup("")
    y = px(frame.y_of(outlook.mark))
    return Markup(
        '<line class="mark" x1="0" x2="100%" y1="{y}" y2="{y}" stroke="#b3261e"'
        ' stroke-width="1.2" stroke-dasharray="5 4"/>'
    ).format(y=y)
