"""What in a valid policy will not do what it is there for: orphans, promises that cannot hold."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date

from tidecast.journeys.lint_names import names_nowhere
from tidecast.policy.elements import Element, elements
from tidecast.policy.model import (
    Agreement,
    Contract,
    Place,
    Policy,
    Requirement,
    RequirementKind,
    RequirementState,
    Service,
)
from tidecast_analytics.structure import (
    Block,
    Component,
    Group,
    TooComplex,
    component_names,
    modelled,
)

MEASURES = ("mark", "lead time", "SLO", "SLA", "alert", "calendar", "contract", "service", "route")
"""Kinds of what can serve a requirement, so that it is measured or kept."""
NEEDING = ("mark", "lead time", "SLO", "SLA", "alert")
"""Kinds of what nobody should have without somebody having asked for it."""
LIVING = (RequirementState.QUALIFIED, RequirementState.AGREED, RequirementState.MET)


@dataclass(frozen=True, slots=True)
class Concern:
    """Something that holds no apply up, but that somebody should look at."""

    place: Place
    what: str


def lint(policy: Policy, today: date, resources: Collection[str] | None = None) -> list[Concern]:
    """Everything of this kind in the policy, in the order of files and lines.

    `resources` are those that are defined besides the policy's (None: they are not looked at).
    """
    found = [
        *(Concern(*each) for each in names_nowhere(policy, resources)),
        *_unmeasured(policy),
        *_unasked(policy),
        *_requirements(policy, today),
        *_uncarried(policy),
        *_recovery(policy),
        *_contracts(policy),
        *_services(policy),
    ]
    return sorted(found, key=lambda w: (w.place.filename, w.place.line, w.place.column, w.what))


def requirement_of(policy: Policy, one: Element) -> str:
    """The requirement that it serves: its own, else its service's, else that of a parent; or ""."""
    if one.serves:
        return one.serves
    name, seen = one.service, set[str]()
    while name in policy.services and name not in seen:
        seen.add(name)
        service = policy.services[name]
        if service.serves:
            return service.serves
        name = service.parent
    return ""


def unmeasured(policy: Policy) -> list[Requirement]:
    """Requirements that nothing measures, neither by itself nor through one derived from them."""
    served = {requirement_of(policy, one) for one in elements(policy) if one.kind in MEASURES}
    for name in list(served):
        above = policy.requirements.get(name)
        while above is not None and above.parent not in served:
            served.add(above.parent)
            above = policy.requirements.get(above.parent)
    return [
        each
        for name, each in policy.requirements.items()
        if name not in served and each.state is not RequirementState.RETIRED
    ]


def unasked(policy: Policy) -> list[Element]:
    """Marks, SLOs, SLAs, alerts and the like that serve no requirement."""
    return [
        one for one in elements(policy) if one.kind in NEEDING and not requirement_of(policy, one)
    ]


def _unmeasured(policy: Policy) -> Iterator[Concern]:
    for each in unmeasured(policy):
        yield Concern(
            each.place,
            f"nothing measures the requirement {each.name} ({each.title}): "
            f"let an SLO, a mark or a rule name it by `serves: {each.name}`",
        )


def _unasked(policy: Policy) -> Iterator[Concern]:
    for one in unasked(policy):
        yield Concern(
            one.place, f"nothing asks for the {one}: name a requirement by `serves`, or remove it"
        )


def _requirements(policy: Policy, today: date) -> Iterator[Concern]:
    for each in policy.requirements.values():
        if each.state is RequirementState.RETIRED:
            continue
        if each.review is not None and each.review < today:
            yield Concern(each.place, f"{each.name} was due for review on {each.review}")
        if each.state is not RequirementState.PROPOSED and not each.owner:
            yield Concern(each.place, f"{each.name} is {each.state} but nobody owns it")
        if each.kind is not RequirementKind.BUSINESS and not each.parent:
            yield Concern(each.place, f"{each.name} leads to no business requirement: no parent")
        parent = policy.requirements.get(each.parent)
        if parent and each.state in LIVING and parent.state not in LIVING:
            yield Concern(
                each.place, f"{each.name} is {each.state}, its parent {parent.name} {parent.state}"
            )
    for one in elements(policy):
        served = policy.requirements.get(one.serves)
        if served and served.state is RequirementState.RETIRED:
            yield Concern(one.place, f"the {one} serves {served.name}, which is retired")


def _uncarried(policy: Policy) -> Iterator[Concern]:
    """Agreements that promise more than what is promised of their service's components gives.

    Availability of independent components over the structure; what nobody promised counts as
    always available, so that the figure is the best case.
    """
    promised: dict[str, Contract] = {
        each.component: each for each in policy.contracts.values() if each.target_ratio is not None
    }
    for each in policy.agreements.values():
        service = policy.services[each.service]
        block = _down_to(policy, Component(service.name), promised)
        names = list(dict.fromkeys(component_names(block)))
        carrying = {n: r for n in names if (r := _promise(promised, n)) is not None}
        if each.target_ratio is None or not carrying:
            continue
        try:
            best = modelled(block, {name: carrying.get(name, 1.0) for name in names})
        except TooComplex as error:
            yield Concern(each.place, f"whether {each.name} is carried cannot be told: {error}")
            continue
        if best < each.target_ratio - 1e-9:
            yield _too_much(each, best, carrying)


def _promise(promised: Mapping[str, Contract], name: str) -> float | None:
    return promised[name].target_ratio if name in promised else None


def _too_much(agreement: Agreement, best: float, carrying: Mapping[str, float]) -> Concern:
    parts = ", ".join(f"{name} {100 * ratio:.6g} %" for name, ratio in carrying.items())
    return Concern(
        agreement.place,
        f"{agreement.name} promises {100 * (agreement.target_ratio or 0):.6g} %, but what its "
        f"contracts promise together gives {100 * best:.6g} % at best ({parts}): promise less, "
        "agree on more, or add redundancy",
    )


def _down_to(
    policy: Policy, block: Block, stops: Mapping[str, object], within: tuple[str, ...] = ()
) -> Block:
    """The structure, services replaced by what they rest on, down to names in `stops`."""
    if isinstance(block, Group):
        return replace(block, parts=[_down_to(policy, p, stops, within) for p in block.parts])
    service = policy.services.get(block.name)
    if block.name in stops or service is None or service.rests_on is None or block.name in within:
        return block
    return _down_to(policy, service.rests_on, stops, (*within, block.name))


def _recovery(policy: Policy) -> Iterator[Concern]:
    """Services that promise to recover sooner than what they rest on does."""
    contracted = contracted_seconds(policy)
    for service in policy.services.values():
        wanted = service.recovery_time_seconds
        if wanted is None or service.rests_on is None:
            continue
        needed = recovery_seconds(policy, contracted, service.rests_on)
        if needed > wanted:
            needs = {
                name: recovery_seconds(policy, contracted, Component(name))
                for name in dict.fromkeys(component_names(service.rests_on))
            }
            slow = [f"{n} {_duration(s)}" for n, s in needs.items() if wanted < s <= needed]
            yield Concern(
                service.place,
                f"{service.name} is to recover within {_duration(wanted)}, but what it rests on "
                f"needs {_duration(needed)} ({', '.join(slow)}): its RTO cannot be kept",
            )


def contracted_seconds(policy: Policy) -> Mapping[str, float]:
    """The soonest recovery that contracts promise of each component."""
    found: dict[str, float] = {}
    for each in policy.contracts.values():
        if each.recovery_time_seconds is not None:
            before = found.get(each.component, math.inf)
            found[each.component] = min(before, each.recovery_time_seconds)
    return found


def recovery_seconds(policy: Policy, contracted: Mapping[str, float], block: Block) -> float:
    """How long after a disaster enough of the parts work again; 0 where nothing is said of them.

    What a contract or the part's own RTO promises, the sooner; parts recover side by side.
    """
    if isinstance(block, Component):
        service = policy.services.get(block.name)
        said = [contracted[block.name]] if block.name in contracted else []
        if service is not None and service.recovery_time_seconds is not None:
            said.append(float(service.recovery_time_seconds))
        if said or service is None or service.rests_on is None:
            return min(said, default=0.0)
        return recovery_seconds(policy, contracted, service.rests_on)
    parts = sorted(
        (recovery_seconds(policy, contracted, part), weight)
        for part, weight in zip(block.parts, block.weights, strict=True)
    )
    works = 0.0
    for seconds, weight in parts:
        works += weight
        if works >= block.needed - 1e-9 * sum(block.weights):
            return seconds
    return parts[-1][0]


def _contracts(policy: Policy) -> Iterator[Concern]:
    used = set(policy.services)
    for service in policy.services.values():
        used |= set(component_names(service.rests_on)) if service.rests_on else set()
    for each in policy.contracts.values():
        if each.component not in used:
            yield Concern(
                each.place,
                f"no service rests on {each.component}, of which the contract {each.name} is",
            )


def _services(policy: Policy) -> Iterator[Concern]:
    for service in policy.services.values():
        if not _owner(policy.services, service):
            yield Concern(service.place, f"nobody owns the service {service.name}")


def _owner(services: Mapping[str, Service], service: Service) -> str:
    while not service.owner and service.parent:
        service = services[service.parent]
    return service.owner


def _duration(seconds: float) -> str:
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= length and seconds % length == 0:
            return f"{seconds / length:g}{unit}"
    return f"{seconds:g}s"
