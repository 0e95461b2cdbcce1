"""Why something of the policy is as it is: the chain from it up to the business requirement."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from tidecast.journeys.lint_policy import requirement_of
from tidecast.policy.elements import Element, elements
from tidecast.policy.model import Policy, RequirementKind, RequirementState
from tidecast.policy.resources import ResourceDefinition, Resources
from tidecast_collector.errors import InvalidInput

DEFAULTS = "Tidecast's defaults"


@dataclass(frozen=True, slots=True)
class Step:
    """One link of a chain: what it is, where it stands and, for a requirement, its owner and
    state."""

    what: str
    place: str
    owner: str = ""
    state: str = ""


@dataclass(frozen=True, slots=True)
class Chain:
    """What was asked about, then what it is there for, up to the top.

    `lacking` says what is missing on the way ("" where it leads to a business requirement).
    """

    steps: tuple[Step, ...]
    lacking: str


def with_states(policy: Policy, states: Mapping[str, str]) -> Policy:
    """The policy with its requirements in these states; those not named keep theirs."""
    return replace(
        policy,
        requirements={
            name: replace(each, state=RequirementState(states.get(name, each.state)))
            for name, each in policy.requirements.items()
        },
    )


def why(policy: Policy, definitions: Mapping[str, ResourceDefinition], asked: str) -> list[Chain]:
    """The chain of each thing that is meant: `resource:host:item`, or the name of an SLO, SLA,
    alert, calendar, service, contract or requirement (`SLA gold` where the name is not enough).

    Raises `InvalidInput` where there is none of that name.
    """
    found = [one for one in elements(policy) if asked in (one.name, str(one))]
    if found:
        return [_chain(policy, _step(policy, one), one) for one in found]
    if asked.count(":") >= 1:
        return [
            *_thresholds(policy, Resources(definitions, policy.marks, policy.lead_times), asked)
        ]
    raise InvalidInput(
        f"nothing in the policy is called {asked!r}; name an SLO, SLA, alert, calendar, service or "
        "requirement, or a resource as in filesystem:web-3:/var"
    )


def _thresholds(policy: Policy, resources: Resources, asked: str) -> Iterator[Chain]:
    first, second, item = (*asked.split(":", 2), "")[:3]
    host, resource = (first, second) if second in resources else (second, first)
    if resource not in resources and not any(m.resource == resource for m in policy.marks):
        known = ", ".join(resources)
        raise InvalidInput(f"{asked!r} names no resource; known: {known}, as in filesystem:web-3:/")
    fitting = resources.fitting(host, resource, item)
    mark = resources.mark_of(host, resource, item)
    lead = resources.lead_time_of(host, resource, item)
    days = f"{fitting.lead_time_seconds / 86_400:g} days"
    for one, what in (
        (mark, f"{asked}: its mark is {100 * fitting.mark_ratio:g} % of the limit"),
        (lead, f"{asked}: it takes {days} to add more"),
    ):
        if one is None:
            yield Chain((Step(what, DEFAULTS),), "nothing asks for it: it is a default")
            continue
        element = next(each for each in elements(policy) if each.place == one.place)
        yield _chain(policy, Step(f"{what}, by the {element}", str(one.place)), element)


def _step(policy: Policy, one: Element) -> Step:
    requirement = policy.requirements.get(one.name) if one.kind == "requirement" else None
    if requirement is not None:
        return _requirement_step(policy, one.name)
    return Step(str(one), str(one.place), getattr(one.value, "owner", ""))


def _requirement_step(policy: Policy, name: str) -> Step:
    each = policy.requirements[name]
    what = f"{each.kind} requirement {name}: {each.title}"
    return Step(what, str(each.place), each.owner, str(each.state))


def _chain(policy: Policy, first: Step, one: Element) -> Chain:
    steps = [first]
    if one.kind == "requirement":
        name = policy.requirements[one.name].parent
        top = policy.requirements[one.name].kind
    else:
        name, top = requirement_of(policy, one), RequirementKind.TECHNOLOGY
        if name and not one.serves:
            service = policy.services.get(one.service)
            if service is not None and one.kind != "service":
                steps.append(Step(f"service {service.name}", str(service.place), service.owner))
        if not name:
            return Chain(tuple(steps), "nothing asks for it: it names no requirement by `serves`")
    while name:
        steps.append(_requirement_step(policy, name))
        top, name = policy.requirements[name].kind, policy.requirements[name].parent
    lacking = "" if top is RequirementKind.BUSINESS else "the chain ends below the business"
    return Chain(tuple(steps), lacking)
