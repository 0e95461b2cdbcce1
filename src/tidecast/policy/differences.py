"""What changes when one policy takes another's place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum

from tidecast.policy.elements import Element, elements
from tidecast.policy.model import Place, Policy


class Action(StrEnum):
    """What happens to one thing of the policy."""

    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is added, changed (in these `parts`) or removed.

    `place` is where it stands in the new policy; what is removed, where it stood.
    """

    action: Action
    kind: str
    name: str
    place: Place
    parts: Sequence[str] = ()


def differences(before: Policy, after: Policy) -> list[Difference]:
    """What `after` adds, changes and removes, by kind; in which file and where is no matter."""
    old, new = _by_name(before), _by_name(after)
    found = []
    for key, one in new.items():
        if key not in old:
            found.append(Difference(Action.ADDED, one.kind, one.name, one.place))
        elif parts := _changed(old[key], one):
            found.append(Difference(Action.CHANGED, one.kind, one.name, one.place, parts))
    found += [
        Difference(Action.REMOVED, one.kind, one.name, one.place)
        for key, one in old.items()
        if key not in new
    ]
    return found


def _by_name(policy: Policy) -> Mapping[tuple[str, str], Element]:
    return {(one.kind, one.name): one for one in elements(policy)}


def _changed(old: Element, new: Element) -> list[str]:
    return [
        each.name
        for each in fields(new.value)
        if getattr(old.value, each.name, None) != getattr(new.value, each.name)
    ]
