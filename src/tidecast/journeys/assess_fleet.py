"""The assessment: where we are, where it goes, what is missing, and what to do in which order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from tidecast.journeys.judge_requirements import Judgement
from tidecast.journeys.lint_policy import Concern, lint
from tidecast.journeys.service_graph import Edge, edges, neighbours_above, resting_on
from tidecast.policy.model import Policy, Requirement, RequirementState
from tidecast.policy.resources import Resources
from tidecast_reports.capacity import ResourceOutlook


@dataclass(frozen=True, slots=True)
class KnownFleet:
    """What the server knows at `now_ms`. `owners` are hosts of which a fact names the owner, and
    `judged` the policy's requirements as they count by people's word or by measurement."""

    now_ms: int
    policy: Policy
    resources: Resources
    outlooks: Sequence[ResourceOutlook]
    silent_by_host: Mapping[str, bool]
    open_incidents: int
    told: Sequence[Edge]
    owners: Collection[str]
    judged: Sequence[Judgement] = ()

    def state_of(self, requirement: Requirement) -> RequirementState:
        """What it counts as."""
        found = [each.state for each in self.judged if each.requirement.name == requirement.name]
        return found[0] if found else requirement.state


@dataclass(frozen=True, slots=True)
class Statement:
    """One line of the assessment; `by` is the day by which it is to be done or comes (None: any),
    `place` where the policy says so."""

    what: str
    by: date | None = None
    place: str = ""


@dataclass(frozen=True, slots=True)
class Assessment:
    """Its four parts, each in order of urgency."""

    here_and_now: Sequence[Statement]
    future: Sequence[Statement]
    gap: Sequence[Statement]
    roadmap: Sequence[Statement]


@dataclass(frozen=True, slots=True)
class _Findings:
    """What is found once and told twice, as a gap and as something to do."""

    concerns: Sequence[Concern]
    without_service: Sequence[str]
    without_owner: Sequence[str]


def assess_fleet(known: KnownFleet) -> Assessment:
    """The assessment of what the server knows; needs no policy."""
    found = _Findings(lint(known.policy, _today(known)), *_loose_hosts(known))
    actions = sorted(_actions(known, found), key=lambda s: (s.by or date.max, s.what))
    return Assessment([*_here(known)], _future(known), [*_gap(known, found)], actions)


def _here(known: KnownFleet) -> Iterator[Statement]:
    silent = sum(known.silent_by_host.values())
    yield Statement(f"{len(known.silent_by_host)} hosts, {silent} of them silent")
    states = Counter(each.state for each in known.outlooks)
    counted = ", ".join(f"{n} {state}" for state, n in states.most_common())
    yield Statement(f"{len(known.outlooks)} resources{f': {counted}' if counted else ''}")
    yield Statement(f"{known.open_incidents} open incidents")
    policy = known.policy
    yield Statement(
        f"{len(policy.services)} services, {len(policy.agreements)} SLAs, "
        f"{len(policy.contracts)} contracts that carry them"
    )
    asked = Counter(known.state_of(each) for each in policy.requirements.values())
    counted = ", ".join(f"{asked[state]} {state}" for state in RequirementState if asked[state])
    yield Statement(f"{len(policy.requirements)} requirements{f': {counted}' if counted else ''}")
    for each in known.outlooks:
        if each.state == "over_now":
            yield Statement(f"{_name(each)} is over its mark now")


def _future(known: KnownFleet) -> list[Statement]:
    found = [
        Statement(f"{_name(each)} reaches its mark (P50); P10 {_day(each.p10_ms)}", at)
        for each in known.outlooks
        if each.state == "in_horizon" and (at := _day(each.p50_ms)) is not None
    ]
    return sorted(found, key=lambda s: (s.by or date.max, s.what))


def _gap(known: KnownFleet, found: _Findings) -> Iterator[Statement]:
    for requirement in known.policy.requirements.values():
        if known.state_of(requirement) is RequirementState.MISSED:
            what = f"the requirement {requirement.name} ({requirement.title}) is missed"
            yield Statement(what, place=str(requirement.place))
    for judged in known.judged:
        if judged.contradicted:
            what = f"{judged.requirement.name}: people say {judged.requirement.state}, but it was "
            yield Statement(f"{what}{judged.verdict}", place=str(judged.requirement.place))
    for concern in found.concerns:
        yield Statement(concern.what, place=str(concern.place))
    yield from _lacking(known.policy)
    for host in found.without_service:
        yield Statement(f"no service rests on the host {host}, as far as is known")
    for host in found.without_owner:
        yield Statement(f"nobody is known to own the host {host}")
    for each in known.outlooks:
        if each.state in ("not_enough_data", "no_mark"):
            why = "history" if each.state == "not_enough_data" else "mark"
            yield Statement(f"{_name(each)} has no forecast yet: it lacks a {why}")


def _lacking(policy: Policy) -> Iterator[Statement]:
    """What is not said of services."""
    promised = {each.service for each in policy.agreements.values()}
    for service in policy.services.values():
        if service.rests_on is None and service.name not in _parents(policy):
            what = f"{service.name}: what it rests on is not said"
            yield Statement(what, place=str(service.place))
        if service.name in policy.catalogue and service.name not in promised:
            what = f"{service.name} is offered to customers without an SLA"
            yield Statement(what, place=str(service.place))


def _actions(known: KnownFleet, found: _Findings) -> Iterator[Statement]:
    today = _today(known)
    for each in known.outlooks:
        lead_ms = 1000 * known.resources.lead_time_seconds(each.host, each.resource, each.item)
        if each.state == "over_now":
            yield Statement(f"add to {_name(each)}, or use less of it: it is over its mark", today)
        elif each.state == "in_horizon" and each.p10_ms is not None:
            order_by = max(_day(each.p10_ms - lead_ms) or today, today)
            days = f"{lead_ms / 86_400_000:g}"
            yield Statement(f"order more of {_name(each)}: it takes {days} days", order_by)
    for requirement in known.policy.requirements.values():
        if requirement.review and requirement.state is not RequirementState.RETIRED:
            what = f"review the requirement {requirement.name} ({requirement.title})"
            yield Statement(what, requirement.review, str(requirement.place))
    if not known.policy.services:
        yield Statement("say what services there are and what they rest on: docs/services.md")
    if found.without_service:
        count = len(found.without_service)
        yield Statement(f"let services name hosts that none rests on: {count} of them")
    if found.without_owner:
        yield Statement(f"name owners of hosts: {len(found.without_owner)} lack one")
    if found.concerns:
        yield Statement(f"mend what `tidecast policy check` warns of ({len(found.concerns)})")


def _parents(policy: Policy) -> set[str]:
    return {each.parent for each in policy.services.values()}


def _loose_hosts(known: KnownFleet) -> tuple[list[str], list[str]]:
    """Hosts that no service rests on, and those of which neither a fact nor a service names an
    owner."""
    services = known.policy.services
    above_each = neighbours_above(edges(known.policy, known.told))
    without_service, without_owner = [], []
    for host in sorted(known.silent_by_host):
        above = [name for name in resting_on(above_each, host) if name in services]
        if not above:
            without_service.append(host)
        if host not in known.owners and not any(services[name].owner for name in above):
            without_owner.append(host)
    return without_service, without_owner


def _today(known: KnownFleet) -> date:
    return datetime.fromtimestamp(known.now_ms / 1000, UTC).date()


def _name(each: ResourceOutlook) -> str:
    return ":".join(filter(None, (each.resource, each.host, each.item)))


def _day(at_ms: int | None) -> date | None:
    return None if at_ms is None else datetime.fromtimestamp(at_ms / 1000, UTC).date()
