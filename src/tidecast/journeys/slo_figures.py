"""Figures of SLOs as documents and as series: every one with what it is made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tidecast.journeys.explain_forecast import Document, iso
from tidecast.journeys.measure_slos import Figures
from tidecast.journeys.own_series import Point
from tidecast_alerts.slo.budget_policies import budget_policy
from tidecast_alerts.slo.burn_rules import alert_doubts, series_labels
from tidecast_alerts.slo.model import Objective, ServiceLevelObjective
from tidecast_alerts.slo.windows import promql_duration
from tidecast_analytics.error_budgets import BudgetingMethod
from tidecast_reports.availability import percent

MAX_SHOWN = 1_000
COUNTED = {
    BudgetingMethod.OCCURRENCES: "good events of all events",
    BudgetingMethod.TIMESLICES: "good time slices of all known time slices",
    BudgetingMethod.RATIO_TIMESLICES: "the sum of the time slices' ratios of their number",
}


def slo_document(slo: ServiceLevelObjective) -> Document:
    """What an SLO says."""
    return {
        "name": slo.name,
        "title": slo.title,
        "service": slo.service,
        "description": slo.description,
        "method": slo.method.value,
        "period": str(slo.window.duration),
        "rolling": slo.window.rolling,
        "time_zone": str(slo.window.zone),
        "composite": slo.composite,
        "labels": dict(slo.labels),
        "annotations": dict(slo.annotations),
        "place": slo.where,
        "budget_policy": [
            {"consumed": share, "consequence": what} for share, what in budget_policy(slo)
        ],
    }


def unmeasured_document(objective: Objective, why: str) -> Document:
    """An objective without figures, and why it has none."""
    return {
        "objective": objective.name,
        "target": objective.target_ratio,
        "measured": False,
        "why_not": why,
        "sentence": why,
    }


def figures_document(figures: Figures) -> Document:
    """One objective's figures with numerator, denominator, window, exclusions and PromQL."""
    budget, outlook, interval = figures.budget, figures.outlook, figures.interval
    consumed = budget.consumed_ratio
    reached = [what for share, what in budget_policy(figures.slo) if (consumed or 0) >= share]
    return {
        "objective": figures.objective.name,
        "target": figures.objective.target_ratio,
        "measured": budget.ratio is not None,
        "why_not": "" if budget.ratio is not None else "no samples in the period",
        "start": iso(figures.start_ms),
        "end": iso(figures.end_ms),
        "until": iso(figures.until_ms),
        "numerator": budget.numerator,
        "denominator": budget.denominator,
        "counted": COUNTED[figures.slo.method],
        "level": budget.ratio,
        "level_lowest": interval[0] if interval else None,
        "level_highest": interval[1] if interval else None,
        "too_few_events": figures.too_few_events,
        "doubts": alert_doubts(figures.slo, figures.objective, "", _events_per_second(figures)),
        "budget_consumed": consumed,
        "budget_remaining": budget.remaining_ratio,
        "consequences": reached,
        "slice_seconds": figures.slices.width_ms // 1000,
        "slices": len(figures.slices.starts_ms),
        "unknown_slices": budget.unknown_slices,
        "excluded_slices": budget.excluded_slices,
        "exclusions": [{"start": iso(a), "end": iso(b)} for a, b in figures.excluded][:MAX_SHOWN],
        "good_query": figures.queries.good,
        "total_query": figures.queries.total,
        "burn_rates": {promql_duration(key): rate for key, rate in figures.burn_rates.items()},
        "met_probability": outlook.met_probability if outlook else None,
        "budget_ends": [iso(each) for each in budget_ends(figures)],
        "burn_down": [{"at": iso(at), "remaining": left} for at, left in figures.burn_down],
        "sentence": sentence(figures),
    }


def _events_per_second(figures: Figures) -> float | None:
    """How many events there were; None where it is time that is counted, or nothing was."""
    events = figures.slo.method is BudgetingMethod.OCCURRENCES and bool(figures.queries.total)
    if not events or not figures.budget.denominator:
        return None
    counted = len(figures.slices.starts_ms) - figures.budget.unknown_slices
    counted -= figures.budget.excluded_slices
    return figures.budget.denominator / (counted * figures.slices.width_ms / 1000)


def budget_ends(figures: Figures) -> Sequence[int | None]:
    """When the budget is spent: P10, P50 and P90 of it, None beyond the period.

    One that is spent already ended on the day it was. Where too little is known to draw time ahead
    from, nothing is told.
    """
    left = figures.budget.remaining_ratio
    if left is None:
        return ()
    if left <= 0:
        day = next((at for at, share in figures.burn_down if share <= 0), figures.until_ms)
        return (day, day, day)
    return figures.outlook.ends_ms if figures.outlook else ()


def sentence(figures: Figures) -> str:
    """The figures in one sentence, with what is to be expected."""
    told, outlook = delivered(figures), figures.outlook
    if outlook is None or figures.too_few_events or (figures.budget.remaining_ratio or -1) < 0:
        return told
    return f"{told}; it will be met with {_chance(outlook.met_probability)}"


def _chance(probability: float) -> str:
    # As many paths as are drawn do not tell of less than that.
    if probability > 0.99:
        return "over 99 %"
    return "under 1 %" if probability < 0.01 else f"{probability * 100:.0f} %"


def delivered(figures: Figures) -> str:
    """What was delivered of what is asked, in one sentence."""
    budget = figures.budget
    if budget.ratio is None:
        return "nothing is known of it: there are no samples in the period"
    left = budget.remaining_ratio or 0.0
    told = f"{percent(budget.ratio)} delivered, {percent(figures.objective.target_ratio)} asked: "
    told += f"{percent(left)} of the budget is left" if left >= 0 else "the budget is overspent"
    if figures.too_few_events:
        told += " (too few events to tell)"
    return told


def slo_points(found: Sequence[Figures]) -> Iterator[Point]:
    """The series `tidecast_slo_*` of these figures."""
    for each in found:
        labels = series_labels(each.slo, each.objective)
        yield "tidecast_slo_objective_ratio", labels, each.objective.target_ratio
        for name, value in (
            ("tidecast_slo_level_ratio", each.budget.ratio),
            ("tidecast_slo_error_budget_remaining_ratio", each.budget.remaining_ratio),
        ):
            if value is not None:
                yield name, labels, value
        for seconds, rate in each.burn_rates.items():
            if rate is not None:
                window = {**labels, "window": promql_duration(seconds)}
                yield "tidecast_slo_burn_rate", window, rate
