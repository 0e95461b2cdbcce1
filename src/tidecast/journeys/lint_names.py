"""Names in a valid policy that lead nowhere: of services in documents, and of resources."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from tidecast.policy.elements import elements
from tidecast.policy.model import LeadTime, Mark, Place, Policy

Concern = tuple[Place, str]


def names_nowhere(policy: Policy, resources: Collection[str] | None) -> Iterator[Concern]:
    """SLOs of services, and marks and lead times of `resources`, that there are not."""
    if policy.services:
        for one in elements(policy):
            if one.kind == "SLO" and one.service and one.service not in policy.services:
                yield (
                    one.place,
                    f"the {one} is of {one.service!r}, which is no service of the policy: neither "
                    "hours nor maintenance nor exclusions are taken out of it",
                )
    if resources is None:
        return
    known = {*resources, *(one.name for one in elements(policy) if one.kind == "resource")}
    chosen: list[Mark | LeadTime] = [*policy.marks, *policy.lead_times]
    for each in chosen:
        if each.resource not in known:
            yield (
                each.place,
                f"no resource {each.resource!r} is defined, so that this holds only for imported "
                f"ones of that name; defined are {', '.join(sorted(known))}",
            )
