"""Budgets of SLOs, measured by PromQL over their periods, with exclusions applied when read.

No figure is stored: a word said later of a service's time changes the figures of that time too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tidecast.journeys.kept_slices import KeptSlices
from tidecast.policy.model import Policy
from tidecast.promql.query_engine import QueryEngine
from tidecast.records.database import Unit
from tidecast_alerts.slo.burn_rules import burn_alerts, minimum_events
from tidecast_alerts.slo.model import Indicator, Objective, ServiceLevelObjective
from tidecast_alerts.slo.queries import EventQueries, event_queries
from tidecast_analytics.budget_outlooks import (
    BudgetOutlook,
    Past,
    calendar_outlook,
    rolling_outlook,
)
from tidecast_analytics.error_budgets import (
    Budget,
    BudgetingMethod,
    Slices,
    budget,
    counted,
)
from tidecast_analytics.level_intervals import level_interval, overdispersion
from tidecast_analytics.spans import NEVER, Spans, spans
from tidecast_analytics.timelines import ClassificationKind
from tidecast_collector.errors import InvalidInput

SLICE_SECONDS = 300
MAX_SLICES = 10_000
"""More slices than this are made wider; of time slices, five times as many are refused."""
DAY_MS = 86_400_000
HOUR_MS = 3_600_000


@dataclass(frozen=True)
class Figures:
    """What one objective of an SLO delivered in the period [start, end), measured until `until_ms`.

    `slices` are all slices of that time and `excluded` the time that does not count. `burn_rates`
    are by window in seconds. `queries` are those that were asked, for each slice.
    """

    slo: ServiceLevelObjective
    objective: Objective
    start_ms: int
    end_ms: int
    until_ms: int
    slices: Slices
    excluded: Spans
    budget: Budget
    queries: EventQueries
    burn_rates: Mapping[int, float | None]

    @cached_property
    def outlook(self) -> BudgetOutlook | None:
        """What is to be expected of the budget; None where too little is known."""
        if not len(self.slices.starts_ms):
            return None
        kept = self.slices.without(self.excluded)
        ahead = (self.until_ms, self.end_ms)
        return _outlook(self.slo, self.objective, kept, self.budget, ahead)

    @property
    def interval(self) -> tuple[float, float] | None:
        """The interval (90 %) that the rate of good events lies in, bad hours together.

        None where nothing was counted, or the level is none of events.
        """
        level = self.budget.ratio
        occurrences = self.slo.method is BudgetingMethod.OCCURRENCES
        if level is None or not self.queries.total or not occurrences:
            return None
        kept = self.slices.without(self.excluded)
        group = (kept.starts_ms - self.start_ms) // max(HOUR_MS, kept.width_ms)
        known = ~np.isnan(kept.good)
        good, total = (
            np.bincount(group[known], weights=each[known]).astype(np.float64)
            for each in (kept.good, kept.total)
        )
        return level_interval(level, self.budget.denominator, overdispersion(good, total))

    @property
    def too_few_events(self) -> bool:
        """Whether there were fewer events than the SLO's annotation asks for."""
        return bool(self.queries.total) and self.budget.denominator < minimum_events(self.slo)

    @cached_property
    def burn_down(self) -> Sequence[tuple[int, float]]:
        """(end of day, share of the budget left by then) for each day of the period so far.

        The budget is that of all events so far, so that it only ever goes down.
        """
        all_events = self.budget.denominator
        if not all_events:
            return ()
        kept, target = self.slices.without(self.excluded), self.objective.target_ratio
        good, total = counted(kept, target, self.slo.method, self.objective.slice_target)
        bad = np.concatenate([[0.0], np.cumsum(np.nan_to_num(total - good))])
        ends = [*range(self.start_ms + DAY_MS, self.until_ms, DAY_MS), self.until_ms]
        spent = bad[np.searchsorted(kept.starts_ms, ends)]
        left = 1 - spent / ((1 - target) * all_events)
        return list(zip(ends, left.tolist(), strict=True))


def budget_of(slo: ServiceLevelObjective, objective: Objective, slices: Slices) -> Budget:
    return budget(slices, objective.target_ratio, slo.method, slice_target=objective.slice_target)


def part_of(slices: Slices, start_ms: int, end_ms: int) -> Slices:
    """Those that begin in [start, end)."""
    kept = (slices.starts_ms >= start_ms) & (slices.starts_ms < end_ms)
    return Slices(slices.starts_ms[kept], slices.width_ms, slices.good[kept], slices.total[kept])


def measure(
    engine: QueryEngine,
    slo: ServiceLevelObjective,
    objective: Objective,
    excluded: Spans,
    now_ms: int,
    known: KeptSlices | None = None,
) -> Figures | None:
    """The figures of the period at that time; None where nothing measures the objective.

    Slices that are `known` are not measured again. Raises what the engine does.
    """
    indicator = objective.indicator
    if indicator is None:
        return None
    start_ms, end_ms = slo.window.period(now_ms)
    width_ms = slice_width_ms(slo, objective, end_ms - start_ms)
    count = max((min(now_ms, end_ms) - start_ms) // width_ms, 0)
    if slo.window.rolling:
        # Slices end at whole multiples of their width: the same ones whenever it is asked.
        until_ms = now_ms // width_ms * width_ms
        start_ms = until_ms - count * width_ms
    until_ms = start_ms + count * width_ms
    queries = event_queries(objective, indicator, width_ms // 1000)
    slices = (known or KeptSlices()).slices(engine, queries, (start_ms, count), width_ms)
    whole = budget(
        slices,
        objective.target_ratio,
        slo.method,
        slice_target=objective.slice_target,
        excluded=excluded,
    )
    kept = slices.without(excluded)
    windows = {each for alert in burn_alerts(slo, objective) for each in alert.windows_seconds}
    rates = {
        seconds: budget_of(
            slo, objective, part_of(kept, until_ms - max(seconds * 1000, width_ms), until_ms)
        ).consumed_ratio
        for seconds in sorted(windows)
    }
    return Figures(
        slo,
        objective,
        start_ms,
        end_ms,
        until_ms,
        slices,
        excluded.within(start_ms, max(until_ms, start_ms + 1)),
        whole,
        queries,
        rates,
    )


def slice_width_ms(slo: ServiceLevelObjective, objective: Objective, span_ms: int) -> int:
    """How long slices are: as the SLO says, else five minutes or as many as the span needs.

    Raises `InvalidInput` for time slices that are too many.
    """
    if slo.method is not BudgetingMethod.OCCURRENCES and objective.slice_seconds:
        if span_ms // (objective.slice_seconds * 1000) > 5 * MAX_SLICES:
            raise InvalidInput(
                f"{slo.name}: over {5 * MAX_SLICES} time slices in its period; take wider ones"
            )
        return objective.slice_seconds * 1000
    narrow = SLICE_SECONDS * 1000
    return narrow * max(-(-span_ms // (narrow * MAX_SLICES)), 1)


def measured_slices(
    engine: QueryEngine,
    objective: Objective,
    indicator: Indicator,
    slices: tuple[int, int],
    width_ms: int,
) -> Slices:
    """So many slices from that start on, as the engine's samples tell them."""
    queries = event_queries(objective, indicator, width_ms // 1000)
    return KeptSlices().slices(engine, queries, slices, width_ms)


def _outlook(
    slo: ServiceLevelObjective,
    objective: Objective,
    kept: Slices,
    whole: Budget,
    ahead: tuple[int, int],
) -> BudgetOutlook | None:
    """What is to be expected from `ahead` = (now, end of the period) on.

    None where less is known than a week of days, or a day of hours for periods below two weeks.
    """
    now_ms, end_ms = ahead
    start_ms, _ = slo.window.period(now_ms)
    period_ms = (now_ms if slo.window.rolling else end_ms) - start_ms
    step_ms, enough, block = HOUR_MS, 24, 12
    if period_ms >= 14 * DAY_MS:
        step_ms, enough, block = DAY_MS, 7, 2
    count = (now_ms - start_ms) // step_ms
    # Whole steps that end now: of them the oldest begins a little after the period may have.
    first_ms = now_ms - count * step_ms
    good, total = counted(kept, objective.target_ratio, slo.method, objective.slice_target)
    known = (kept.starts_ms >= first_ms) & (kept.starts_ms < now_ms) & ~np.isnan(good)
    step = (kept.starts_ms[known] - first_ms) // step_ms
    bad, all_ = (
        np.bincount(step, weights=each[known], minlength=count) for each in (total - good, total)
    )
    past = Past(bad.tolist(), all_.tolist(), step_ms, block)
    if past.known_steps < enough:
        return None
    if slo.window.rolling:
        return rolling_outlook(past, objective.target_ratio, now_ms=now_ms)
    spent = (whole.denominator - whole.numerator, whole.denominator)
    return calendar_outlook(past, objective.target_ratio, spent, now_ms=now_ms, end_ms=end_ms)


def exclusions(
    policy: Policy, unit: Unit, service: str, span: tuple[int, int], known_on_ms: int | None = None
) -> Spans:
    """Time of the service that does not count: exclusions, maintenance and outside its hours.

    As it was known on that time (None: by now).
    """
    words = unit.outages.classifications([service], *span, known_on_ms)
    left_out = {ClassificationKind.EXCLUSION, ClassificationKind.MAINTENANCE}
    found = spans((word.start_ms, word.end_ms) for word in words if word.kind in left_out)
    known = policy.services.get(service)
    if known is not None:
        maintenance = known.maintenance.spans(*span) if known.maintenance else NEVER
        found = found | maintenance | known.agreed.spans(*span).gaps(*span)
    return found
