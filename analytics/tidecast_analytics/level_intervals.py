"""How sure a level is that was counted from events: an interval that allows for bad hours together.

Events do not fail independently: they come in bad hours. Their variance is then a multiple of the
binomial one (as in a beta-binomial), the overdispersion phi; so many events tell no more than
events / phi independent ones would, and Wilson's interval is taken of that number.
"""

from __future__ import annotations

import math

from tidecast_analytics.error_budgets import Float64s

CONFIDENCE_Z = 1.6448536269514722
"""The normal quantile of an interval that holds 90 % of the time."""


def overdispersion(good: Float64s, total: Float64s) -> float:
    """By how much groups of events vary more than chance would have them, at least 1.

    Pearson's chi-squared of good of all in each group, by its degrees of freedom (McCullagh and
    Nelder, Generalized Linear Models, 4.5). Groups without events, or with NaN, tell nothing.
    """
    known = total > 0
    good, total = good[known], total[known]
    if len(total) < 2:
        return 1.0
    ratio = good.sum() / total.sum()
    if not 0 < ratio < 1:
        return 1.0
    squares = (good - total * ratio) ** 2 / (total * ratio * (1 - ratio))
    return max(float(squares.sum()) / (len(total) - 1), 1.0)


def level_interval(ratio: float, events: float, phi: float = 1.0) -> tuple[float, float]:
    """Wilson's score interval (90 %) of a level that was counted from so many events.

    >>> low, high = level_interval(0.9, 100)
    >>> round(low, 4), round(high, 4)
    (0.8396, 0.9393)
    """
    n, z2 = events / phi, CONFIDENCE_Z**2
    middle = (ratio + z2 / (2 * n)) / (1 + z2 / n)
    half = CONFIDENCE_Z * math.sqrt(ratio * (1 - ratio) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return max(middle - half, 0.0), min(middle + half, 1.0)
