"""A budget's burn-down as SVG: what is left of it by the day, over its whole period."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from tidecast_reports.svg import HISTORY_LOOK, WIDTH, Frame, path_data, px, time_axis

HEIGHT = 120
_SAME = Markup('vector-effect="non-scaling-stroke"')


def burn_down_chart(
    points: Sequence[tuple[int, float]], start_ms: int, end_ms: int, *, identifier: str
) -> Markup:
    """The chart as one `<svg>` element; empty without points.

    `points` are (time, share of the budget left); what is below 0 is drawn at the foot. The line
    from all to nothing is that of a budget that is spent evenly.
    """
    if not points:
        return Markup("")
    frame = Frame(start_ms, end_ms, 1.0, HEIGHT)
    times = np.array([start_ms, *(at for at, _ in points)], dtype=np.int64)
    left = np.array([1.0, *(max(share, 0.0) for _, share in points)])
    return Markup(
        '<svg class="fan" width="100%" height="{height}" role="img" aria-labelledby="{id}-t">'
        '<title id="{id}-t">{left:.1%} of the error budget is left</title>'
        '<svg viewBox="0 0 {width} {height}" preserveAspectRatio="none" width="100%" '
        'height="{height}"><path class="grid" d="M0 {top}L{width} {foot}" fill="none" '
        'stroke="#e2e6ea" {same}/><path class="grid" d="M0 {foot}L{width} {foot}" fill="none" '
        'stroke="#e2e6ea" {same}/><path class="history" d="{path}" fill="none" {look} {same}/>'
        "</svg>{axis}</svg>"
    ).format(
        id=identifier,
        left=points[-1][1],
        width=WIDTH,
        height=HEIGHT,
        top=px(frame.y_of(1.0)),
        foot=px(frame.y_of(0.0)),
        path=path_data(frame, times, left),
        look=HISTORY_LOOK,
        same=_SAME,
        axis=time_axis(frame),
    )
