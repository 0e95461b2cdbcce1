"""How sure a mean time between failures is, from how few failures it was measured."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bounds:
    """A two-sided interval; infinite where the data sets no upper end."""

    lowest: float
    highest: float


def mtbf_bounds(up_time: float, breaks: int, confidence: float = 0.9) -> Bounds:
    """Bounds of the mean time between failures, in the unit of `up_time`.

    For a test that ends at a time, failures at a constant rate: 2T / chi2(1 - a/2; 2n + 2) to
    2T / chi2(a/2; 2n) with a = 1 - confidence. Without a break only the lower end is known, and all
    of a is spent on it: T / -ln(a), about T / 3 at 95 %.
    """
    alpha = 1 - confidence
    if not breaks:
        return Bounds(up_time / -math.log(alpha), math.inf)
    return Bounds(
        2 * up_time / chi_squared_quantile(1 - alpha / 2, breaks + 1),
        2 * up_time / chi_squared_quantile(alpha / 2, breaks),
    )


def chi_squared_quantile(probability: float, half_degrees: int) -> float:
    """The quantile of the chi-squared law with 2 x `half_degrees` degrees of freedom.

    By bisection of P(X > x) = sum over k < half_degrees of e^(-x/2) (x/2)^k / k!, which holds for
    even degrees (the Poisson law's other face). Relative error below 1e-12.
    """
    low, high = 0.0, 1.0
    while _exceeds(high, half_degrees) > 1 - probability:
        high *= 2
    while high - low > 1e-13 * high:
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if _exceeds(middle, half_degrees) > 1 - probability:
            low = middle
        else:
            high = middle
    return high


def _exceeds(x: float, half_degrees: int) -> float:
    half = x / 2
    logs = [k * math.log(half) - half - math.lgamma(k + 1) for k in range(half_degrees)]
    return math.fsum(map(math.exp, logs))
