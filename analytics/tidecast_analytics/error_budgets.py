"""Error budgets: how much may go wrong in a period, and how much did."""

from __future__ import annotations

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
    good, total = counted(kept, objective_ratio, method, slice_target)
    unknown = int(np.count_nonzero(np.isnan(good)))
    sums = (float(np.nansum(good)), float(np.nansum(total)))
    return Budget(objective_ratio, *sums, unknown, left_out)


def counted(
    slices: Slices,
    objective_ratio: float,
    method: BudgetingMethod = BudgetingMethod.OCCURRENCES,
    slice_target: float | None = None,
) -> tuple[Float64s, Float64s]:
    """(good, of all) that each slice adds to a budget; NaN where nothing is known of it."""
    unknown = np.isnan(slices.good) | np.isnan(slices.total)
    good, total = (np.where(unknown, np.nan, each) for each in (slices.good, slices.total))
    if method is BudgetingMethod.OCCURRENCES:
        return good, total
    ratios = np.divide(good, total, out=np.ones_like(good), where=~(total <= 0))
    if method is BudgetingMethod.TIMESLICES:
        target = objective_ratio if slice_target is None else slice_target
        ratios = np.where(unknown, np.nan, ratios >= target)
    return ratios, np.where(unknown, np.nan, 1.0)
