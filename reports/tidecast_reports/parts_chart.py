"""A history taken apart, as SVG: trend, seasons and rest, each on a scale of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from tidecast_reports.svg import HISTORY_LOOK, WIDTH, Frame, px, time_axis
from tidecast_reports.units import quantity

PANEL_PX = 84
_FOOT_PX = 24
_TITLE_PX = 16
_PANELS = ("trend", "season", "rest")


def parts_chart(parts: Mapping[str, Any], unit: str, *, identifier: str) -> Markup:
    """The chart as one `<svg>` element; `parts` holds times_ms and the three parts in `unit`."""
    times = np.asarray(parts["times_ms"], dtype=np.int64)
    height = PANEL_PX * len(_PANELS) + _FOOT_PX
    frame = Frame(int(times[0]), int(times[-1]), 1.0, height)
    return Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" class="fan parts" width="100%" height="{height}"'
        ' overflow="visible" role="img" aria-labelledby="{id}-t"><title id="{id}-t">{title}</title>'
        "{axis}{panels}</svg>"
    ).format(
        id=identifier,
        height=height,
        title="Trend, seasons and rest of the newest history.",
        axis=time_axis(frame),
        panels=Markup("").join(
            _panel(name, parts[name], unit, frame, place * PANEL_PX)
            for place, name in enumerate(_PANELS)
        ),
    )


def _panel(name: str, told: Sequence[float], unit: str, frame: Frame, top_px: int) -> Markup:
    values = np.asarray(told, dtype=np.float64)
    lowest, highest = float(values.min()), float(values.max())
    room = PANEL_PX - _TITLE_PX - 8
    share = (values - lowest) / (highest - lowest) if highest > lowest else np.full(len(told), 0.5)
    y = top_px + _TITLE_PX + room * (1 - share)
    x = np.linspace(0, WIDTH, values.size)
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x.tolist(), y.tolist(), strict=True))
    return Markup(
        '<text class="axis" x="0" y="{title_y}" font-size="11" fill="#5a6673"'
        ' font-family="system-ui, sans-serif">{title}</text>'
        '<svg x="0" y="0" width="100%" height="{height}" viewBox="0 0 {width} {height}"'
        ' preserveAspectRatio="none"><polyline class="history" points="{points}" fill="none" {look}'
        ' vector-effect="non-scaling-stroke"/></svg>'
    ).format(
        title_y=px(top_px + 11),
        title=f"{name}: {quantity(lowest, unit)} to {quantity(highest, unit)}",
        height=frame.height,
        width=WIDTH,
        points=points,
        look=HISTORY_LOOK,
    )
