"""The probability of reaching the mark by a day, from the paths of an outlook."""

from __future__ import annotations

import numpy as np

from tidecast_analytics.outlook import Outlook, OutlookState
from tidecast_analytics.series import DAY_MS


def probability_by(outlook: Outlook, at_ms: int, widened: float = 1.0) -> float | None:
    """P(mark crossed by `at_ms`): the share of the paths that have, linear within a day.

    Where the outlook's dates were `widened`, it is taken so much nearer to P50. 1 when over now;
    None where the outlook gives no typed answer.
    """
    if outlook.state is OutlookState.OVER_NOW:
        return 1.0
    if outlook.crossed_by_day is None or not outlook.times_ms.size:
        return None
    if outlook.p50_ms is not None:
        at_ms = outlook.p50_ms + round((at_ms - outlook.p50_ms) / widened)
    start_ms, last_ms = int(outlook.times_ms[0]) - outlook.step_ms, int(outlook.times_ms[-1])
    days = np.arange(1, outlook.crossed_by_day.size + 1)
    ends = np.minimum(start_ms + DAY_MS * days, last_ms)
    return float(np.interp(at_ms, [start_ms, *ends], [0.0, *outlook.crossed_by_day]))
