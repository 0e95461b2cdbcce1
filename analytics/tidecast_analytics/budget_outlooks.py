"""What is to be expected of an error budget: when it ends, and the chance to meet the period.

Time ahead is drawn from time of the past in blocks of neighbours (a moving-block bootstrap; Künsch,
Annals of Statistics 17, 1989), since bad days come together. The same draws come of the same seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tidecast_analytics.error_budgets import Float64s

PATHS = 2_000
QUANTILES = (0.1, 0.5, 0.9)
# Sums of counts that are even but for their rounding.
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class BudgetOutlook:
    """What is to be expected of a budget: when it ends, and the chance to meet the period.

    `ends_ms` are the P10, P50 and P90 of the time at which it is spent, None where that lies beyond
    the period.
    """

    met_probability: float
    ends_ms: tuple[int | None, int | None, int | None]


@dataclass(frozen=True, slots=True)
class Past:
    """(bad, of all) events of each step of the past, newest last; (0, 0) where nothing is known."""

    bad: Sequence[float]
    total: Sequence[float]
    step_ms: int = 86_400_000
    block: int = 2
    """How many neighbouring steps are drawn together."""

    def drawn(self, steps: int, paths: int, seed: int) -> tuple[Float64s, Float64s]:
        """(bad, of all) of so many steps for each path (paths x steps), from the known steps."""
        bad, total = np.asarray(self.bad, np.float64), np.asarray(self.total, np.float64)
        known = total > 0
        bad, total = bad[known], total[known]
        block = min(self.block, len(bad))
        first = np.random.default_rng(seed).integers(
            0, len(bad) - block + 1, size=(paths, -(-steps // block))
        )
        chosen = (first[:, :, None] + np.arange(block)).reshape(paths, -1)[:, :steps]
        return bad[chosen], total[chosen]

    @property
    def known_steps(self) -> int:
        """How many steps there are to draw from."""
        return int(np.count_nonzero(np.asarray(self.total, np.float64) > 0))


def calendar_outlook(
    past: Past,
    objective_ratio: float,
    spent: tuple[float, float],
    *,
    now_ms: int,
    end_ms: int,
    paths: int = PATHS,
    seed: int = 0,
) -> BudgetOutlook:
    """What is to be expected until `end_ms`, the period's end, if time goes on as in the past.

    `spent` are (bad, total) of the period so far. The budget of the whole period is
    (1 - objective) x the events of the whole path; a period is met that ends within it.
    """
    steps = max(-(-(end_ms - now_ms) // past.step_ms), 0)
    if not steps or not past.known_steps:
        met = spent[0] <= (1 - objective_ratio) * spent[1]
        return BudgetOutlook(float(met), (None,) * 3 if met else (now_ms,) * 3)
    bad, total = past.drawn(steps, paths, seed)
    shares = np.ones(steps)
    shares[-1] = 1 - (steps * past.step_ms - (end_ms - now_ms)) / past.step_ms
    bad_so_far = spent[0] + np.cumsum(bad * shares, axis=1)
    allowed = (1 - objective_ratio) * (spent[1] + (total * shares).sum(axis=1))
    over = bad_so_far > allowed[:, None] * (1 + ROUNDING)
    return _outlook(over, past.step_ms, now_ms, end_ms)


def rolling_outlook(
    window: Past, objective_ratio: float, *, now_ms: int, paths: int = PATHS, seed: int = 0
) -> BudgetOutlook:
    """What is to be expected within one more period of a rolling budget, if time goes on as in it.

    `window` are all steps of the period that ends now. At each step ahead the oldest one leaves and
    takes its bad events along. It is met where the budget is not spent at any step.
    """
    steps = len(window.bad)
    end_ms = now_ms + steps * window.step_ms
    old_bad, old_total = (
        np.asarray(each, np.float64)[::-1].cumsum()[::-1] for each in (window.bad, window.total)
    )
    if old_bad[0] > (1 - objective_ratio) * old_total[0] * (1 + ROUNDING):
        return BudgetOutlook(0.0, (now_ms,) * 3)
    bad, total = window.drawn(steps, paths, seed)
    kept_bad, kept_total = (np.append(each[1:], 0.0) for each in (old_bad, old_total))
    bad_then, total_then = kept_bad + bad.cumsum(axis=1), kept_total + total.cumsum(axis=1)
    over = bad_then > (1 - objective_ratio) * total_then * (1 + ROUNDING)
    return _outlook(over, window.step_ms, now_ms, end_ms)


def _outlook(over: npt.NDArray[np.bool_], step_ms: int, now_ms: int, end_ms: int) -> BudgetOutlook:
    """From whether each path (paths x steps) is over its budget at each step."""
    steps = over.shape[1]
    broken = over.any(axis=1)
    first = np.where(broken, over.argmax(axis=1) + 1, 2 * steps)
    quantiles = np.quantile(first, QUANTILES, method="inverted_cdf").tolist()
    p10, p50, p90 = (
        min(now_ms + int(q) * step_ms, end_ms) if q <= steps else None for q in quantiles
    )
    return BudgetOutlook(1 - float(broken.mean()), (p10, p50, p90))
