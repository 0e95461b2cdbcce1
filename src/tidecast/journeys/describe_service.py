"""What the policy says of one service or component: people, promises, prices, and who is told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

from tidecast.journeys.service_availability import expanded
from tidecast.policy.elements import slos_of
from tidecast.policy.model import (
    Agreement,
    CatalogueEntry,
    Contract,
    Cost,
    Owner,
    Policy,
    Role,
    Route,
    Service,
    Supplier,
)
from tidecast_analytics.structure import component_names
from tidecast_reports.availability import downtime, percent

MAX_LINES = 50


def describe(policy: Policy, name: str) -> dict[str, list[str]]:
    """What is said, by heading, in the order in which people ask for it; headings without an answer
    are left out."""
    service = policy.services.get(name)
    block = expanded(policy, name) if service is not None else None
    parts = [name, *dict.fromkeys(component_names(block) if block else ())]
    told: dict[str, Iterator[str]] = {
        "title": _one(service.title if service else ""),
        "parent": _one(service.parent if service else ""),
        "owner": _owners(policy, service),
        "supplier": _suppliers(policy, service),
        "serves": _one(_requirement(policy, service)),
        "recovery time": _one(_recovery(service)),
        "offered as": _offer(policy.catalogue.get(name)),
        "roles": _roles(policy, name) if service else iter(()),
        "SLAs": (_sla(each) for each in policy.agreements.values() if each.service == name),
        "SLOs": iter(slos_of(policy, name)),
        "contracts": _contracts(policy, parts),
        "costs": (
            _cost(each)
            for each in policy.costs
            if any(fnmatchcase(part, each.resource) for part in parts)
        ),
        "told of incidents": _routes(policy, name) if service else iter(()),
        "defined in": _one(str(service.place) if service else ""),
    }
    lines = {heading: list(found)[:MAX_LINES] for heading, found in told.items()}
    return {heading: found for heading, found in lines.items() if found}


def person(policy: Policy, name: str) -> str:
    """An owner or supplier by name, with the title and address that are known."""
    found: Owner | Supplier | None = policy.owners.get(name) or policy.suppliers.get(name)
    if found is None:
        return name
    address = found.email if isinstance(found, Owner) else found.contact
    title = "" if found.title == name else found.title
    known = ", ".join(filter(None, (title, address)))
    return f"{name} ({known})" if known else name


def _one(text: str) -> Iterator[str]:
    if text:
        yield text


def _owners(policy: Policy, service: Service | None) -> Iterator[str]:
    """The owner, or that of the nearest service above."""
    while service is not None:
        if service.owner:
            yield person(policy, service.owner)
            return
        service = policy.services.get(service.parent)


def _suppliers(policy: Policy, service: Service | None) -> Iterator[str]:
    if service is not None and service.supplier:
        yield person(policy, service.supplier)


def _requirement(policy: Policy, service: Service | None) -> str:
    if service is None or service.serves not in policy.requirements:
        return ""
    return f"{service.serves}: {policy.requirements[service.serves].title}"


def _recovery(service: Service | None) -> str:
    seconds = service.recovery_time_seconds if service else None
    return "" if seconds is None else downtime(seconds)


def _offer(entry: CatalogueEntry | None) -> Iterator[str]:
    if entry is None:
        return
    yield entry.description
    if entry.offered_to:
        yield f"offered to {', '.join(entry.offered_to)}"
    if entry.support:
        yield f"support: {entry.support}"
    if entry.price:
        yield f"price: {entry.price}"


def _roles(policy: Policy, name: str) -> Iterator[str]:
    for role in policy.roles:
        if role.service in ("", name):
            yield f"{role.process or 'every process'}: {_involved(policy, role)}"


def _involved(policy: Policy, role: Role) -> str:
    return "; ".join(
        f"{how} {', '.join(person(policy, who) for who in people)}"
        for how, people in role.involved.items()
        if people
    )


def _sla(agreement: Agreement) -> str:
    target = "" if agreement.target_ratio is None else f", {percent(agreement.target_ratio)}"
    return f"{agreement.name} with {agreement.customer}{target} a {agreement.period}"


def _contracts(policy: Policy, parts: Sequence[str]) -> Iterator[str]:
    for each in policy.contracts.values():
        if each.component in parts:
            yield _contract(policy, each)


def _contract(policy: Policy, contract: Contract) -> str:
    promised = [
        *([] if contract.target_ratio is None else [percent(contract.target_ratio)]),
        *(
            []
            if contract.recovery_time_seconds is None
            else [f"recovers within {downtime(contract.recovery_time_seconds)}"]
        ),
    ]
    told = f"{contract.name}: {contract.kind} on {contract.component} with "
    return f"{told}{person(policy, contract.party)}: {', '.join(promised) or 'nothing measured'}"


def _cost(cost: Cost) -> str:
    told = f"{cost.quantity:g} {cost.unit} of {cost.resource}: {cost.once:g} {cost.currency} once"
    by = f", from {cost.supplier}" if cost.supplier else ""
    return f"{told}, {cost.monthly:g} {cost.currency} a month{by}"


def _routes(policy: Policy, name: str) -> Iterator[str]:
    for route in policy.routes:
        if route.match.get("service", name) == name:
            yield _route(policy, route)


def _route(policy: Policy, route: Route) -> str:
    labels: Mapping[str, str] = route.match
    when = ", ".join(f"{key}={value}" for key, value in sorted(labels.items())) or "anything"
    return f"{when}: {', '.join(person(policy, who) for who in route.notify)}"
