"""What history suggests as the target of an SLO: the highest one that was nearly always met.

Judged by whole months where three are known, else by weeks, and then only as a first guess. A month
or week of which less than four fifths is known is not judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tidecast.journeys.availability_report import answers, asked
from tidecast.journeys.explain_forecast import Document, iso
from tidecast.journeys.measure_slos import budget_of, measured_slices, slice_width_ms
from tidecast.policy.model import Policy
from tidecast.promql.query_engine import QueryEngine
from tidecast.records.database import Unit
from tidecast_alerts.slo.model import Objective, RatioIndicator, ServiceLevelObjective
from tidecast_analytics.error_budgets import BudgetingMethod
from tidecast_analytics.spans import Spans
from tidecast_reports.availability import percent

TARGETS = (0.9999, 0.9995, 0.999, 0.998, 0.995, 0.99, 0.98, 0.95, 0.9)
ENOUGH = 11 / 13
"""Such a share of the periods must have met a target."""
KNOWN_RATIO = 0.8
ENOUGH_MONTHS, ENOUGH_WEEKS = 3, 2
WEEKS = 13
DAY_MS = 86_400_000
MONTH_SECONDS = 30 * 86_400


@dataclass(frozen=True, slots=True)
class PastPeriod:
    """A month or week: its level, how many events it had, and how much of it is known."""

    start_ms: int
    level: float
    events: float
    known_ratio: float

    @property
    def whole(self) -> bool:
        """Whether enough of it is known to be judged."""
        return self.known_ratio >= KNOWN_RATIO


@dataclass(frozen=True, slots=True)
class Candidate:
    """A usual target: how many periods met it, and what it allows within 30 days (bad events, or
    bad seconds where time is counted)."""

    target_ratio: float
    met: int
    allowed_events: float | None
    allowed_seconds: float | None


@dataclass(frozen=True, slots=True)
class Proposal:
    """What history suggests. `basis` is what `periods` are: "months", "weeks", or "" (too few)."""

    basis: str
    periods: Sequence[PastPeriod]
    candidates: Sequence[Candidate]

    @property
    def target_ratio(self) -> float | None:
        """The highest usual target that was met in at least 11 of 13 of the periods."""
        needed = ENOUGH * len(self.periods)
        met = (each.target_ratio for each in self.candidates if each.met >= needed)
        return next(met, None) if self.periods else None

    @property
    def sentence(self) -> str:
        """The proposal in words."""
        if not self.basis:
            return (
                f"under {ENOUGH_WEEKS} whole weeks are known, too few to propose anything: agree "
                "on what customers need, and look again then"
            )
        worst = min(each.level for each in self.periods)
        count = f"{len(self.periods)} {self.basis}"
        chosen = self.target_ratio
        if chosen is None:
            return f"no usual target was met in most of {count}; the worst had {percent(worst)}"
        met = next(each.met for each in self.candidates if each.target_ratio == chosen)
        told = f"delivered at least {chosen * 100:g} % in {met} of {count}"
        told += f"; the worst had {percent(worst)}"
        if self.basis == "weeks":
            told += f": a first guess, propose again when {ENOUGH_MONTHS} whole months are known"
        return told


def proposal(
    months: Sequence[PastPeriod],
    weeks: Sequence[PastPeriod],
    by_events: bool,
    month_seconds: float = MONTH_SECONDS,
) -> Proposal:
    """What these whole months suggest, or these weeks where the months are too few.

    `month_seconds` is how much time counts within 30 days, where time is counted.
    """
    basis = ""
    periods: Sequence[PastPeriod] = ()
    for name, enough, known in (
        ("weeks", ENOUGH_WEEKS, [each for each in weeks if each.whole]),
        ("months", ENOUGH_MONTHS, [each for each in months if each.whole]),
    ):
        if len(known) >= enough:
            basis, periods = name, known
    days = 7 if basis == "weeks" else 365 / 12
    a_month = sum(each.events for each in periods) / max(len(periods), 1) * 30 / days
    candidates = [
        Candidate(
            target,
            sum(each.level >= target for each in periods),
            (1 - target) * a_month if by_events else None,
            None if by_events else (1 - target) * month_seconds,
        )
        for target in TARGETS
    ]
    return Proposal(basis, periods, candidates if periods else ())


def past_periods(
    engine: QueryEngine,
    slo: ServiceLevelObjective,
    objective: Objective,
    excluded: Spans,
    boundaries: Sequence[int],
) -> list[PastPeriod]:
    """The periods between the boundaries (ms) that have anything counted."""
    found: list[PastPeriod] = []
    if objective.indicator is None:
        return found
    for start_ms, end_ms in pairwise(boundaries):
        width_ms = slice_width_ms(slo, objective, end_ms - start_ms)
        count = (end_ms - start_ms) // width_ms
        slices = measured_slices(
            engine, objective, objective.indicator, (start_ms, count), width_ms
        )
        kept = slices.without(excluded)
        budget = budget_of(slo, objective, kept)
        if budget.ratio is not None:
            known = 1 - np.count_nonzero(np.isnan(kept.good)) / len(kept.good)
            found.append(PastPeriod(start_ms, budget.ratio, budget.denominator, float(known)))
    return found


def week_boundaries(now_ms: int) -> list[int]:
    """The starts of the last 13 weeks of seven whole days (UTC), and the end of the newest."""
    today = now_ms // DAY_MS * DAY_MS
    return [today - 7 * DAY_MS * weeks for weeks in range(WEEKS, -1, -1)]


def proposal_document(
    slo: ServiceLevelObjective,
    objective: Objective,
    months: Sequence[PastPeriod],
    weeks: Sequence[PastPeriod],
) -> Document:
    """The proposal for one objective, with all that it rests on."""
    counted = isinstance(objective.indicator, RatioIndicator)
    by_events = counted and slo.method is BudgetingMethod.OCCURRENCES
    found = proposal(months, weeks, by_events)
    return _document(objective.name, objective.target_ratio, found, months)


def availability_proposal(
    policy: Policy, unit: Unit, service: str, now_ms: int, months: Sequence[int]
) -> Document:
    """The proposal for a service's availability, from its outages. `months` are boundaries (ms).

    Raises `InvalidInput` where its availability cannot be worked out.
    """
    by_month, by_week = (
        _past_availability(policy, unit, service, now_ms, each)
        for each in (months, week_boundaries(now_ms))
    )
    counted = sum(each.events for each in by_week if each.whole)
    days = 7 * sum(each.whole for each in by_week)
    month_seconds = counted / days * 30 if days else MONTH_SECONDS
    targets = [each.target_ratio for each in policy.agreements.values() if each.service == service]
    target = max((each for each in targets if each is not None), default=None)
    found = proposal(by_month, by_week, False, month_seconds)
    return _document("availability", target, found, by_month)


def _past_availability(
    policy: Policy, unit: Unit, service: str, now_ms: int, boundaries: Sequence[int]
) -> list[PastPeriod]:
    """As `past_periods`; `events` are the seconds of agreed service time."""
    found = []
    for start_ms, end_ms in pairwise(boundaries):
        (each,) = answers(policy, unit, asked(start_ms, end_ms, None, now_ms), [service])
        chosen = each.assessment.chosen
        if chosen.ratio is not None:
            all_ms = chosen.agreed_ms + chosen.unknown_ms
            known = chosen.agreed_ms / all_ms
            found.append(PastPeriod(start_ms, chosen.ratio, chosen.agreed_ms / 1000, known))
    return found


def _document(
    name: str, target: float | None, found: Proposal, months: Sequence[PastPeriod]
) -> Document:
    met = sum(target is not None and each.level >= target for each in found.periods)
    return {
        "objective": name,
        "target": target,
        "target_met": met,
        "proposed": found.target_ratio,
        "basis": found.basis,
        "provisional": found.basis != "months",
        "periods": [_period(each) for each in found.periods],
        "candidates": [
            {
                "target": each.target_ratio,
                "met": each.met,
                "allowed_events_in_30_days": each.allowed_events,
                "allowed_seconds_in_30_days": each.allowed_seconds,
            }
            for each in found.candidates
        ],
        "months": [_period(each) for each in months],
        "sentence": found.sentence,
    }


def _period(each: PastPeriod) -> Document:
    return {
        "start": iso(each.start_ms),
        "level": each.level,
        "events": each.events,
        "known": each.known_ratio,
    }
