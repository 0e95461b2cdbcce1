"""Whether requirements were met in their review period, by what serves them.

Measured are SLAs (their statements), SLOs (their level at the period's end), marks (the highest
usage recorded), contracts (availability and longest outage of their component), services (their
longest outage against the recovery time), alerts (whether they fired) and lead times (whether
forecasts came closer). Calendars and routes measure nothing, which is told. A requirement of which
nothing of its own is measured is judged by those derived from it. What people say in the policy
wins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import groupby

import numpy as np

from tidecast.journeys.availability_report import answers, asked
from tidecast.journeys.lint_policy import MEASURES, requirement_of
from tidecast.journeys.sla_documents import sentence as sla_sentence
from tidecast.journeys.sla_statements import (
    Statement,
    Verdict,
    between,
    months_in,
    statements,
)
from tidecast.journeys.slo_figures import delivered
from tidecast.journeys.threshold_evidence import (
    NOT_MEASURING,
    alert_evidence,
    lead_time_evidence,
)
from tidecast.journeys.usage_records import ResourceKey, UsageHistory
from tidecast.journeys.watched_slos import Measured
from tidecast.policy.elements import Element, elements
from tidecast.policy.model import (
    Period,
    Place,
    Policy,
    Requirement,
    RequirementState,
    Service,
)
from tidecast.policy.resources import Resources
from tidecast.promql.query_engine import QueryEngine
from tidecast.records.database import Unit
from tidecast_alerts.slo.model import ServiceLevelObjective
from tidecast_collector.errors import TidecastError
from tidecast_reports.availability import downtime, percent

MONTHS = {Period.MONTH: 1, Period.QUARTER: 3, Period.YEAR: 12}
SAID = (RequirementState.MET, RequirementState.MISSED)
OVER = (RequirementState.RETIRED, RequirementState.PROPOSED)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one thing that serves a requirement says of the period; no verdict where none."""

    what: str
    place: Place
    verdict: Verdict | None
    words: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """A requirement over its review period [start, end).

    `verdict` is what was measured; None where nothing is.
    """

    requirement: Requirement
    start_ms: int
    end_ms: int
    verdict: Verdict | None
    evidence: Sequence[Evidence]

    @property
    def state(self) -> RequirementState:
        """What it counts as: what people say, and once it is agreed, what was measured."""
        said = self.requirement.state
        if said is RequirementState.AGREED and self.verdict in (Verdict.MET, Verdict.MISSED):
            return RequirementState(self.verdict.value)
        return said

    @property
    def contradicted(self) -> bool:
        """Whether people say met or missed, and measurement the other."""
        if self.verdict not in (Verdict.MET, Verdict.MISSED):
            return False
        said = self.requirement.state
        return said in SAID and said.value != self.verdict.value


@dataclass(frozen=True)
class Sources:
    """Where the figures come from. `slos` measures one SLO at a time, `usage` reads the records of
    a period."""

    unit: Unit
    engine: QueryEngine
    slos: Mapping[str, ServiceLevelObjective]
    measured: Callable[[ServiceLevelObjective, int], Sequence[Measured]]
    usage: Callable[[int, int], Mapping[ResourceKey, UsageHistory]]
    resources: Resources


def review_period(requirement: Requirement, now_ms: int) -> tuple[int, int, tuple[str, ...]]:
    """The [start, end) in ms UTC of the newest whole review period, and its months (2026-10)."""
    size = MONTHS[requirement.review_period]
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    end = (now.year * 12 + now.month - 1) // size * size
    months = tuple(f"{n // 12:04}-{n % 12 + 1:02}" for n in range(end - size, end))
    return _ms(end - size), _ms(end), months


def _ms(month: int) -> int:
    return round(datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC).timestamp() * 1000)


def judge(policy: Policy, sources: Sources, now_ms: int) -> list[Judgement]:
    """Every requirement that is not retired, in the policy's order."""
    serving: dict[str, list[Element]] = {}
    for one in elements(policy):
        if one.kind in MEASURES:
            serving.setdefault(requirement_of(policy, one), []).append(one)
    own: dict[str, Judgement] = {}
    ordered = sorted(policy.requirements.values(), key=lambda each: each.review_period)
    for _, alike in groupby(ordered, key=lambda each: each.review_period):
        requirements = [each for each in alike if each.state is not RequirementState.RETIRED]
        if not requirements:
            continue
        start_ms, end_ms, months = review_period(requirements[0], now_ms)
        judged = _Period(policy, sources, start_ms, end_ms, months, now_ms)
        served = [one for each in requirements for one in serving.get(each.name, ())]
        judged.read(served)
        for each in requirements:
            evidence = [e for one in serving.get(each.name, ()) for e in judged.of(one)]
            own[each.name] = Judgement(each, start_ms, end_ms, _together(evidence), evidence)
    return [_derived(policy, own, name) for name in policy.requirements if name in own]


def _derived(policy: Policy, own: Mapping[str, Judgement], name: str) -> Judgement:
    """The judgement, by those derived from it where nothing of its own is measured."""
    found = own[name]
    if found.verdict is not None:
        return found
    evidence = []
    for child in policy.requirements.values():
        if child.parent == name and child.name in own and child.state not in OVER:
            below = _derived(policy, own, child.name)
            if below.verdict is not None:
                words = f"{child.title}: {below.state.value}"
                verdict = below.verdict
                if below.state in SAID:
                    verdict = Verdict(below.state.value)
                what = f"requirement {child.name}"
                evidence.append(Evidence(what, child.place, verdict, words))
    return replace(found, verdict=_together(evidence), evidence=[*found.evidence, *evidence])


def _together(evidence: Iterable[Evidence]) -> Verdict | None:
    verdicts = {each.verdict for each in evidence}
    for verdict in (Verdict.MISSED, Verdict.OPEN, Verdict.MET):
        if verdict in verdicts:
            return verdict
    return None


class _Period:
    """What was measured in one review period, read once for all that serves a requirement."""

    def __init__(
        self,
        policy: Policy,
        sources: Sources,
        start_ms: int,
        end_ms: int,
        months: Sequence[str],
        now_ms: int,
    ) -> None:
        self._policy, self._sources = policy, sources
        self._start_ms, self._end_ms = start_ms, end_ms
        self._months, self._now_ms = months, now_ms
        self._statements: dict[str, list[Statement]] = {}
        self._usage: Mapping[ResourceKey, UsageHistory] = {}

    def read(self, serving: Sequence[Element]) -> None:
        """Reads what all of them need."""
        names = [one.name for one in serving if one.kind == "SLA"]
        by_month: dict[str, list[str]] = {}
        for name in names:
            for month in months_in(self._policy.agreements[name], self._months):
                by_month.setdefault(month, []).append(name)
        for month, wanted in by_month.items():
            for each in statements(self._policy, self._sources.unit, wanted, month, self._now_ms):
                self._statements.setdefault(each.agreement.name, []).append(each)
        if any(one.kind == "mark" for one in serving):
            self._usage = self._sources.usage(self._start_ms, self._end_ms)

    def of(self, one: Element) -> Iterator[Evidence]:
        """What it says; without a verdict where it is of a kind that measures nothing."""
        judges: Mapping[str, Callable[[Element], Iterator[tuple[Verdict, str]]]] = {
            "SLA": self._agreement,
            "SLO": self._slo,
            "mark": self._mark,
            "contract": self._contract,
            "service": self._service,
            "alert": self._alert,
            "lead time": self._lead_time,
        }
        if one.kind not in judges:
            yield Evidence(str(one), one.place, None, NOT_MEASURING[one.kind])
            return
        try:
            for verdict, words in judges[one.kind](one):
                yield Evidence(str(one), one.place, verdict, words)
        except TidecastError as error:
            yield Evidence(str(one), one.place, Verdict.OPEN, f"cannot be told: {error}")

    def _agreement(self, one: Element) -> Iterator[tuple[Verdict, str]]:
        found = self._statements.get(one.name, ())
        if not found:
            yield Verdict.OPEN, "none of its periods ended in the review period"
        for each in found:
            known = each.ratio is not None and each.measured_end_ms == each.end_ms
            yield each.verdict if known else Verdict.OPEN, sla_sentence(each)

    def _slo(self, one: Element) -> Iterator[tuple[Verdict, str]]:
        slo = self._sources.slos.get(one.name)
        if slo is None:
            return
        at_ms = self._end_ms if slo.window.rolling else self._end_ms - 1
        for each in self._sources.measured(slo, at_ms):
            figures = each.figures
            if figures is None or figures.budget.ratio is None:
                yield Verdict.OPEN, each.why_not or "there are no samples of the period"
            elif figures.too_few_events:
                yield Verdict.OPEN, delivered(figures)
            else:
                met = figures.budget.ratio >= each.objective.target_ratio
                yield Verdict.MET if met else Verdict.MISSED, delivered(figures)

    def _mark(self, one: Element) -> Iterator[tuple[Verdict, str]]:
        judged = 0
        for key, history in self._usage.items():
            mark = self._sources.resources.mark_of(*key)
            if mark is None or mark.place != one.place:
                continue
            statistic = self._sources.resources.fitting(*key).statistic
            times, values = history.of(statistic)
            limit = self._sources.resources.mark(*key, limit=history.limit, recorded=history.mark)
            if limit is None or not len(values):
                continue
            judged += 1
            over = np.flatnonzero(values >= limit)
            if len(over):
                when = datetime.fromtimestamp(int(times[over[0]]) / 1000, UTC)
                yield Verdict.MISSED, f"{key} reached its mark on {when:%Y-%m-%d %H:%M} UTC"
        if judged:
            yield Verdict.MET, f"{judged} resources were measured against it"
        else:
            yield Verdict.OPEN, "no resource that it is for has usage records of the period"

    def _alert(self, one: Element) -> Iterator[tuple[Verdict, str]]:
        return alert_evidence(self._sources.engine, one, self._start_ms, self._end_ms)

    def _lead_time(self, one: Element) -> Iterator[tuple[Verdict, str]]:
        ledger, resources = self._sources.unit.forecasts, self._sources.resources
        return lead_time_evidence(ledger, resources, one, self._start_ms, self._end_ms)

    def _contract(self, one: Element) -> Iterator[tuple[Verdict, str]]:
        contract, policy = self._policy.contracts[one.name], self._policy
        name = contract.component
        if contract.agreed is not None:
            part = policy.services.get(name) or Service(name, one.place, title=name)
            agreed = replace(part, agreed=contract.agreed)
            policy = replace(policy, services={**policy.services, name: agreed})
        yield from self._kept(policy, name, contract.target_ratio, contract.recovery_time_seconds)

    def _service(self, one: Element) -> Iterator[tuple[Verdict, str]]:
        recovery = self._policy.services[one.name].recovery_time_seconds
        if recovery is not None:
            yield from self._kept(self._policy, one.name, None, recovery)

    def _kept(
        self, policy: Policy, component: str, target: float | None, recovery: int | None
    ) -> Iterator[tuple[Verdict, str]]:
        time = asked(self._start_ms, self._end_ms, None, self._now_ms)
        (found,) = answers(policy, self._sources.unit, time, [component])
        low, high = found.assessment.lowest, found.assessment.highest
        if low is None or high is None:
            yield Verdict.OPEN, f"nothing is known of {component} in the period"
            return
        if target is not None:
            verdict = Verdict.MET if low >= target else Verdict.OPEN
            words = f"{component} was available {percent(found.assessment.chosen.ratio)}"
            yield (
                Verdict.MISSED if high < target else verdict,
                f"{words} ({percent(low)} to {percent(high)}), promised are {percent(target)}",
            )
        if recovery is not None:
            best, worst = found.assessment.best, found.assessment.worst
            verdict = between(best.longest_outage_ms, worst.longest_outage_ms, recovery * 1000)
            longest = worst if verdict is Verdict.MET else best
            told = f"{component} was down for {downtime(longest.longest_outage_ms / 1000)} at most"
            if verdict is Verdict.OPEN:
                told += f" ({downtime(worst.longest_outage_ms / 1000)} with time that is not known)"
            words = f"{told} within its service time, it is to recover within {downtime(recovery)}"
            yield verdict, words
