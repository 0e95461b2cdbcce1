"""The service graph: what a service rests on, what rests on it, and what takes it down alone."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tidecast.journeys.service_availability import expanded
from tidecast.policy.model import Policy
from tidecast_analytics.structure import (
    Block,
    Component,
    Group,
    component_names,
    cut_sets,
    series,
)

CARRYING = ("runs_on", "rests_on")
"""Kinds of relations by which one thing takes another down."""
DECLARED = "policy"
MAX_DEPTH = 20


@dataclass(frozen=True, slots=True)
class Edge:
    """`above` rests on `below`: declared by the policy, or told by a source, and how surely."""

    above: str
    below: str
    kind: str
    source: str
    confidence_ratio: float = 1.0


def edges(policy: Policy, told: Sequence[Edge]) -> list[Edge]:
    """Declared ones, then those that others told."""
    declared = [
        Edge(name, below, "rests_on", DECLARED)
        for name, service in policy.services.items()
        if service.rests_on is not None
        for below in dict.fromkeys(component_names(service.rests_on))
    ]
    return [*declared, *(edge for edge in told if edge.kind in CARRYING)]


def neighbours_above(all_edges: Sequence[Edge]) -> Mapping[str, Sequence[str]]:
    """What rests on each thing directly."""
    found: dict[str, list[str]] = {}
    for edge in all_edges:
        found.setdefault(edge.below, []).append(edge.above)
    return found


def resting_on(above: Mapping[str, Sequence[str]], name: str) -> list[str]:
    """Everything above that would feel it if this failed, nearest first."""
    found: dict[str, None] = {}
    waiting = deque([name])
    while waiting:
        for each in above.get(waiting.popleft(), ()):
            if each not in found and each != name:
                found[each] = None
                waiting.append(each)
    return [*found]


def failure_sets(
    policy: Policy, all_edges: Sequence[Edge], name: str, largest: int = 2
) -> list[frozenset[str]]:
    """Minimal sets of components that take the service down; of one: a single point of failure.

    What components run on is among them, so that a shared host counts. Raises `InvalidInput` for
    an unknown service, and `TooComplex` where there are too many.
    """
    block = expanded(policy, name)
    below: dict[str, list[str]] = {}
    for edge in all_edges:
        if edge.source != DECLARED:
            below.setdefault(edge.above, []).append(edge.below)
    return [] if block is None else cut_sets(_with_hosts(block, below, ()), largest)


def _with_hosts(block: Block, below: Mapping[str, Sequence[str]], within: tuple[str, ...]) -> Block:
    if isinstance(block, Group):
        parts = [_with_hosts(part, below, within) for part in block.parts]
        return Group(parts, block.weights, block.needed)
    under = [
        _with_hosts(Component(each), below, (*within, block.name))
        for each in below.get(block.name, ())
        if each not in within and each != block.name and len(within) < MAX_DEPTH
    ]
    return series(block, *under) if under else block


def drawn(policy: Policy, all_edges: Sequence[Edge], name: str) -> list[str]:
    """The service's tree as lines of text, down to what is no service and what that runs on."""
    service = policy.services[name]
    lines = [_titled(name, service.title)]
    if service.rests_on is not None:
        lines += _drawn(policy, all_edges, service.rests_on, 1, (name,))
    return lines


def _drawn(
    policy: Policy,
    all_edges: Sequence[Edge],
    block: Block,
    depth: int,
    within: tuple[str, ...],
) -> Iterator[str]:
    indent = "  " * depth
    if isinstance(block, Group):
        yield f"{indent}{_word(block)}"
        for part, weight in zip(block.parts, block.weights, strict=True):
            lines = [*_drawn(policy, all_edges, part, depth + 1, within)]
            yield lines[0] + (f"  (weighs {weight:g})" if weight != 1 else "")
            yield from lines[1:]
        return
    service = policy.services.get(block.name)
    yield indent + _titled(block.name, service.title if service else "")
    if block.name in within or depth > MAX_DEPTH:
        return
    if service is not None and service.rests_on is not None:
        yield from _drawn(policy, all_edges, service.rests_on, depth + 1, (*within, block.name))
    for edge in all_edges:
        if edge.above == block.name and edge.source != DECLARED:
            sure = f"{edge.source}, {edge.confidence_ratio:.0%} sure"
            yield f"{indent}  {edge.kind} {edge.below}  ({sure})"


def _titled(name: str, title: str) -> str:
    return f"{name}  {title}" if title and title != name else name


def _word(group: Group) -> str:
    count = len(group.parts)
    if any(weight != 1 for weight in group.weights):
        return f"weighted: {group.needed:g} of {sum(group.weights):g} needed"
    if group.needed == count:
        return "all of"
    return "any of" if group.needed == 1 else f"{group.needed:g} of {count}"
