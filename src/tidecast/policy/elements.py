"""Everything a policy holds, one by one: what two versions are compared by, and `why` looks up."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TypeAlias

import yaml

from tidecast.policy.forms import place_of
from tidecast.policy.model import (
    Agreement,
    CatalogueEntry,
    Contract,
    Cost,
    Document,
    Hours,
    LeadTime,
    Mark,
    Owner,
    Place,
    Policy,
    Requirement,
    Role,
    Route,
    Service,
    Supplier,
)
from tidecast_alerts.yaml_nodes import Field, Problems, read_yaml

Value: TypeAlias = (
    Owner
    | Role
    | Supplier
    | Hours
    | Service
    | CatalogueEntry
    | Requirement
    | Mark
    | LeadTime
    | Agreement
    | Contract
    | Cost
    | Route
    | Document
)
NOWHERE = Place("", 0, 0)
_KEPT_POLICIES = 4
"""The documents of so many policies are kept as they were read."""


@dataclass(frozen=True, slots=True)
class Element:
    """One thing of a policy: `value` has no place, so that it may be compared.

    `serves` names the requirement that it is there for ("": it does not say), `service` the
    service that it belongs to; an alert has its `expression`.
    """

    kind: str
    name: str
    place: Place
    value: Value
    serves: str = ""
    service: str = ""
    expression: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


def elements(policy: Policy) -> list[Element]:
    """Everything in the policy, by kind; of two alike in a list the second is called `... #2`."""
    found: list[Element] = []
    seen: dict[tuple[str, str], int] = {}
    for one in (*_named(policy), *_listed(policy), *_in_documents(tuple(policy.documents))):
        count = seen[one.kind, one.name] = seen.get((one.kind, one.name), 0) + 1
        found.append(one if count == 1 else replace(one, name=f"{one.name} #{count}"))
    return found


def slos_of(policy: Policy, service: str) -> Sequence[str]:
    """The names of a service's SLOs; quick to ask for one service after the other."""
    return _slos(tuple(policy.documents)).get(service, ())


@lru_cache(maxsize=_KEPT_POLICIES)
def _slos(documents: tuple[Document, ...]) -> Mapping[str, Sequence[str]]:
    found: dict[str, list[str]] = {}
    for one in _in_documents(documents):
        if one.kind == "SLO":
            found.setdefault(one.service, []).append(one.name)
    return found


def _named(policy: Policy) -> Iterator[Element]:
    kinds: Mapping[str, Mapping[str, Value]] = {
        "owner": policy.owners,
        "supplier": policy.suppliers,
        "calendar": policy.calendars,
        "requirement": policy.requirements,
        "service": policy.services,
        "catalogue entry": policy.catalogue,
        "SLA": policy.agreements,
        "contract": policy.contracts,
    }
    for kind, named in kinds.items():
        for name, value in named.items():
            service = value.service if isinstance(value, Agreement | CatalogueEntry) else ""
            if isinstance(value, Service):
                service = value.name
            yield _element(kind, name, value, service)


def _listed(policy: Policy) -> Iterator[Element]:
    for mark in policy.marks:
        yield _element("mark", f"{mark.resource} {mark.host}:{mark.item}", mark)
    for lead in policy.lead_times:
        yield _element("lead time", f"{lead.resource} {lead.host}:{lead.item}", lead)
    for cost in policy.costs:
        yield _element("cost", f"{cost.resource} {cost.unit}", cost)
    for role in policy.roles:
        name = f"{role.process or 'every process'} of {role.service or 'every service'}"
        yield _element("role", name, role, role.service)
    for route in policy.routes:
        match = ",".join(f"{key}={value}" for key, value in sorted(route.match.items()))
        yield _element("route", f"{{{match}}} to {', '.join(route.notify)}", route)


def _element(kind: str, name: str, value: Value, service: str = "") -> Element:
    serves = value.serves if hasattr(value, "serves") else ""
    return Element(kind, name, value.place, replace(value, place=NOWHERE), serves, service)


@lru_cache(maxsize=_KEPT_POLICIES)
def _in_documents(documents: tuple[Document, ...]) -> Sequence[Element]:
    return tuple(_defined(documents))


def _defined(documents: Sequence[Document]) -> Iterator[Element]:
    for document in documents:
        problems = Problems(document.place.filename)
        root = read_yaml(document.text, problems)
        if root is None:
            continue
        for kind, name, body, service in _parts(document.format, root):
            text = document.text[body.node.start_mark.index : body.node.end_mark.index]
            # A line's indent tells nothing once the whole stands by itself.
            value = Document(NOWHERE, document.format, re.sub(r"\n\s+", "\n ", text.strip()))
            serves = _of(body, "metadata", "annotations", "serves") or (
                _of(body, "annotations", "serves") or _of(body, "labels", "serves")
            )
            asked = _of(body, "expr") if kind == "alert" else ""
            yield Element(kind, name, place_of(body), value, serves, service, asked)


def _parts(form: str, root: Field) -> Iterator[tuple[str, str, Field, str]]:
    """The kind, name and service of each thing that a document in another format defines."""
    if form == "openslo":
        kind, name = _of(root, "kind") or "openslo", _of(root, "metadata", "name")
        yield kind, name, root, _of(root, "spec", "service")
    elif form == "sloth":
        body = _under(root, "spec") or root
        slos, service = _under(body, "slos"), _of(body, "service")
        for slo in slos.items() if slos else ():
            yield "SLO", f"{service}-{_of(slo, 'name')}", slo, service
    elif form == "resources":
        bodies = _under(root, "resources")
        for name, body in bodies.mapping(None).items() if bodies else ():
            yield "resource", name, body, ""
    else:
        groups = _under(root, "groups")
        for group in groups.items() if groups else ():
            rules = _under(group, "rules")
            for rule in rules.items() if rules else ():
                name = _of(rule, "alert") or _of(rule, "record")
                kind = "alert" if _of(rule, "alert") else "recording rule"
                yield kind, name, rule, _of(rule, "labels", "service")


def _under(field: Field, *path: str) -> Field | None:
    """What stands under these keys, one below the other; None where there is nothing."""
    found: Field | None = field
    for key in path:
        if found is None or not isinstance(found.node, yaml.MappingNode):
            return None
        found = found.mapping(None).get(key)
    return found


def _of(field: Field, *path: str) -> str:
    found = _under(field, *path)
    return found.text() if found is not None and isinstance(found.node, yaml.ScalarNode) else ""
