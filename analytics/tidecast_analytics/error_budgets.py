"""Error budgets: how much may go wrong in a period, how much did, and what is to be expected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from tidecast_analytics.spans import NEVER, Int64s, Spans

Float64s = npt.NDArray[np.float64]


class BudgetingMethod(StrEnum):
    """What is counted, as OpenSLO names it."""

    OCCURRENCES = "Occurrences"
    """Events: good of all."""
    TIMESLICES = "Timeslices"
    """Slices of time, each good or bad by its own ratio against `slice_target`."""
    RATIO_TIMESLICES = "RatioTimeslices"
    """The mean of the slices' ratios, whatever their traffic."""


@dataclass(frozen=True, slots=True)
class Slices:
    """Good and all events in each slice of time [start, start + width), one after the other.

    `starts_ms` ascend; `good` and `total` are counts (or a ratio beside 1), NaN where nothing is
    known of the slice.
    """

    starts_ms: Int64s
    width_ms: int
    good: Float64s
    total: Float64s

    def without(self, excluded: Spans) -> Slices:
        """The slices that do not begin in excluded time."""
        kept = ~excluded.covers(self.starts_ms)
        return Slices(self.starts_ms[kept], self.width_ms, self.good[kept], self.total[kept])


@dataclass(frozen=True, slots=True)
class Budget:
    """What a service level is made of: `numerator` of `denominator` against the objective.

    Occurrences: good events of all. Timeslices: good slices of all with traffic. RatioTimeslices:
    the sum of the slices' ratios of their number. Slices of which nothing is known are `unknown`
    and count as neither.
    """

    objective_ratio: float
    numerator: float
    denominator: float
    unknown_slices: int
    excluded_slices: int

    @property
    def ratio(self) -> float | None:
        """The service level; None where nothing was counted."""
        return self.numerator / self.denominator if self.denominator else None

    @property
    def consumed_ratio(self) -> float | None:
        """How much of the budget is spent: (1 - level) / (1 - objective); above 1 it is broken."""
        level = self.ratio
        return None if level is None else (1 - level) / (1 - self.objective_ratio)

    @property
    def remaining_ratio(self) -> float | None:
        """How much of the budget is left; negative where it is overspent."""
        consumed = self.consumed_ratio
        return None if consumed is None else 1 - consumed


def budget(
    slices: Slices,
    objective_ratio: float,
    method: BudgetingMethod = BudgetingMethod.OCCURRENCES,
    *,
    slice_target: float | None = None,
    excluded: Spans = NEVER,
) -> Budget:
    """The budget over these slices less those that are excluded.

    `objective_ratio` lies in [0, 1). A time slice is good where its ratio reaches `slice_target`
    (the objective where None); one without events is good (OpenSLO: nothing failed in it).
    """
    kept = slices.without(excluded)
    left_out = len(slices.starts_ms) - len(kept.starts_ms)
    known = ~(np.isnan(kept.good) | np.isnan(kept.total))
    good, total = kept.good[known], kept.total[known]
    unknown = int(np.count_nonzero(~known))
    if method is BudgetingMethod.OCCURRENCES:
        return Budget(objective_ratio, float(good.sum()), float(total.sum()), unknown, left_out)
    ratios = np.divide(good, total, out=np.ones_like(good), where=total > 0)
    if method is BudgetingMethod.TIMESLICES:
        target = objective_ratio if slice_target is None else slice_target
        ratios = (ratios >= target).astype(np.float64)
    return Budget(objective_ratio, float(ratios.sum()), float(len(ratios)), unknown, left_out)


@dataclass(frozen=True, slots=True)
class BudgetOutlook:
    """What is to be expected of a budget: when it ends, and the chance to meet the period.

    `ends_ms` are the P10, P50 and P90 of the time at which it is spent, None where that lies beyond
    the period.
    """

    met_probability: float
    ends_ms: tuple[int | None, int | None, int | None]


def budget_outlook(
    days_bad: Sequence[float],
    days_total: Sequence[float],
    objective_ratio: float,
    spent: tuple[float, float],
    *,
    now_ms: int,
    end_ms: int,
    paths: int = 2_000,
    seed: int = 0,
) -> BudgetOutlook:
    """What is to be expected until `end_ms` if days go on as those of the past did.

    `days_bad` of `days_total` are the past days' events, newest last; `spent` are (bad, total) of
    the period so far. Remaining days are drawn from them in pairs of neighbours (a moving-block
    bootstrap, as bad days come together), the same for the same seed. The budget of the whole
    period is (1 - objective) x the events of the whole path.
    """
    day_ms = 86_400_000
    days = max(-(-(end_ms - now_ms) // day_ms), 0)
    bad, total = np.asarray(days_bad, dtype=np.float64), np.asarray(days_total, dtype=np.float64)
    if not days or not len(bad):
        met = spent[0] <= (1 - objective_ratio) * spent[1]
        return BudgetOutlook(float(met), (None,) * 3 if met else (now_ms,) * 3)
    draw = np.random.default_rng(seed)
    block = min(2, len(bad))
    first = draw.integers(0, len(bad) - block + 1, size=(paths, -(-days // block)))
    drawn = (first[:, :, None] + np.arange(block)).reshape(paths, -1)[:, :days]
    last_share = 1 - (days * day_ms - (end_ms - now_ms)) / day_ms
    shares = np.ones(days)
    shares[-1] = last_share
    bad_so_far = spent[0] + np.cumsum(bad[drawn] * shares, axis=1)
    allowed = (1 - objective_ratio) * (spent[1] + (total[drawn] * shares).sum(axis=1))
    over = bad_so_far > allowed[:, None]
    broken = over[:, -1]
    day = np.where(broken, over.argmax(axis=1) + 1, np.iinfo(np.int64).max // day_ms // 4)
    quantiles = np.quantile(day, (0.1, 0.5, 0.9), method="inverted_cdf").tolist()
    p10, p50, p90 = (
        min(now_ms + int(q) * day_ms, end_ms) if q <= days else None for q in quantiles
    )
    return BudgetOutlook(1 - float(broken.mean()), (p10, p50, p90))
