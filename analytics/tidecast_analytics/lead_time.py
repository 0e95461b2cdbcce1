"""The probability of reaching the mark by a day, from what an outlook states."""

from __future__ import annotations

import numpy as np

from tidecast_analytics.outlook import Outlook, OutlookState


def probability_by(outlook: Outlook, at_ms: int) -> float | None:
    """P(mark crossed by `at_ms`): linear between P10, P50, P90 and the ends of the horizon.

    1 when over now; None where the outlook gives no typed answer.
    """
    if outlook.state is OutlookState.OVER_NOW:
        return 1.0
    if outlook.probability is None or not outlook.times_ms.size:
        return None
    points = [(int(outlook.times_ms[0]) - outlook.step_ms, 0.0)]
    for reached_ms, share in (
        (outlook.p10_ms, 0.1),
        (outlook.p50_ms, 0.5),
        (outlook.p90_ms, 0.9),
    ):
        if reached_ms is not None and reached_ms > points[-1][0]:
            points.append((reached_ms, share))
    last_ms = int(outlook.times_ms[-1])
    if last_ms > points[-1][0]:
        points.append((last_ms, max(outlook.probability, points[-1][1])))
    times, shares = zip(*points, strict=True)
    return float(np.interp(at_ms, times, shares))
