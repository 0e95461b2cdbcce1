"""What the parts of a policy say of one another: names that lead nowhere, and circles."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from tidecast.policy.elements import elements
from tidecast.policy.model import Place, Policy, RequirementKind
from tidecast_analytics.calendars import time_zone
from tidecast_analytics.structure import component_names

Fault = tuple[Place, str]

_LEVELS = list(RequirementKind)


def wrong_references(policy: Policy) -> list[Fault]:
    """Every name that names nothing, every circle, every parent of a lower level; located."""
    checks: Sequence[Callable[[Policy], Iterator[Fault]]] = (
        _owners,
        _services,
        _requirements,
        _served,
        _agreements,
    )
    return [fault for check in checks for fault in check(policy)]


def _owners(policy: Policy) -> Iterator[Fault]:
    people = policy.owners.keys()
    for owner in policy.owners.values():
        yield from _unknown(owner.place, "member", owner.members, people, "owner")
    for service in policy.services.values():
        yield from _unknown(service.place, "owner", [service.owner], people, "owner")
    for requirement in policy.requirements.values():
        yield from _unknown(requirement.place, "owner", [requirement.owner], people, "owner")
    for role in policy.roles:
        yield from _unknown(role.place, "service", [role.service], policy.services, "service")
        for how, names in role.involved.items():
            yield from _unknown(role.place, how, names, people, "owner")
    for route in policy.routes:
        yield from _unknown(route.place, "notify", route.notify, people, "owner")
    for cost in policy.costs:
        yield from _unknown(cost.place, "supplier", [cost.supplier], policy.suppliers, "supplier")


def _services(policy: Policy) -> Iterator[Fault]:
    services = policy.services
    for service in services.values():
        yield from _unknown(service.place, "parent", [service.parent], services, "service")
        yield from _unknown(
            service.place, "supplier", [service.supplier], policy.suppliers, "supplier"
        )
    parents = {name: [service.parent] for name, service in services.items()}
    beneath = {
        name: component_names(service.rests_on) if service.rests_on else []
        for name, service in services.items()
    }
    for steps, why in ((parents, "is its own parent"), (beneath, "rests on itself")):
        circle = _circle(steps)
        if circle:
            yield services[circle[0]].place, f"{' -> '.join(circle)}: {circle[0]} {why}"
    for entry in policy.catalogue.values():
        yield from _unknown(entry.place, "catalogue", [entry.service], services, "service")


def _requirements(policy: Policy) -> Iterator[Fault]:
    known = policy.requirements
    for requirement in known.values():
        yield from _unknown(requirement.place, "parent", [requirement.parent], known, "requirement")
        parent = known.get(requirement.parent)
        if parent and _LEVELS.index(parent.kind) > _LEVELS.index(requirement.kind):
            yield (
                requirement.place,
                f"{requirement.name} is a {requirement.kind} requirement and cannot derive from "
                f"{parent.name}, a {parent.kind} one: it goes {' -> '.join(_LEVELS)}",
            )
    circle = _circle({name: [one.parent] for name, one in known.items()})
    if circle:
        yield known[circle[0]].place, f"{' -> '.join(circle)}: {circle[0]} derives from itself"


def _served(policy: Policy) -> Iterator[Fault]:
    for one in elements(policy):
        yield from _unknown(one.place, "serves", [one.serves], policy.requirements, "requirement")


def _agreements(policy: Policy) -> Iterator[Fault]:
    for agreement in policy.agreements.values():
        yield from _unknown(
            agreement.place, "service", [agreement.service], policy.services, "service"
        )
        try:
            time_zone(agreement.time_zone)
        except ValueError as error:
            yield agreement.place, f"time_zone: {error}"
    parties = {**policy.owners, **policy.suppliers}
    for contract in policy.contracts.values():
        yield from _unknown(contract.place, "party", [contract.party], parties, "owner or supplier")


def _unknown(
    place: Place, key: str, names: Sequence[str], known: Container[str], kind: str
) -> Iterator[Fault]:
    for name in names:
        if name and name not in known:
            yield place, f"{key}: there is no {kind} {name!r}"


def _circle(steps: Mapping[str, Sequence[str]]) -> list[str]:
    """A way that leads back to where it began; none where there is none."""
    try:
        TopologicalSorter(steps).prepare()
    except CycleError as error:
        circle: list[str] = error.args[1]
        return circle[::-1]
    return []
