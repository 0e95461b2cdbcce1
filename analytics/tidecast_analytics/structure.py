"""What a service rests on: components in series, in parallel, k of n, or by weight.

The same structure is read in three ways: over timelines (what did happen, with every common cause
in it), over availabilities (what independent parts would give), and as cut sets (what takes it
down).
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from tidecast_analytics.spans import NEVER, Spans
from tidecast_analytics.timelines import ComponentState, Timeline

MAX_REPEATED = 16
"""Components that stand in several places are decided one by one: 2^16 cases at most."""
MAX_CUT_SETS = 10_000
MAX_WAYS = 200_000


class TooComplex(ValueError):
    """A structure with more shared components or cut sets than can be worked out."""


@dataclass(frozen=True, slots=True)
class Component:
    """One part, by name. The same name in two places is the same part."""

    name: str


@dataclass(frozen=True, slots=True)
class Group:
    """Parts of which some must work: those that do must weigh at least `needed` together.

    Series: each weighs 1 and all are needed. Parallel: one is. k of n: k are.
    """

    parts: Sequence[Block]
    weights: Sequence[float]
    needed: float


Block: TypeAlias = Component | Group


def series(*parts: Block) -> Group:
    """Works while all of them work."""
    return Group(parts, (1,) * len(parts), len(parts))


def parallel(*parts: Block) -> Group:
    """Works while any of them works."""
    return Group(parts, (1,) * len(parts), 1)


def k_of_n(k: int, *parts: Block) -> Group:
    """Works while at least k of them work."""
    return Group(parts, (1,) * len(parts), k)


def weighted(needed: float, parts: Iterable[tuple[Block, float]]) -> Group:
    """Works while those of the (part, weight) that work weigh enough together."""
    each = list(parts)
    return Group([part for part, _ in each], [weight for _, weight in each], needed)


def component_names(block: Block) -> list[str]:
    """The names in it, in order, as often as each stands there."""
    if isinstance(block, Component):
        return [block.name]
    return [name for part in block.parts for name in component_names(part)]


def joined(block: Block, lines: Mapping[str, Timeline], start_ms: int, end_ms: int) -> Timeline:
    """The timeline of the whole, from those of its components; a missing one is unknown.

    Down where it would be even if all unknown parts were up; up where it would be even if they
    were down; degraded where it is up but some part is down or degraded; otherwise unknown.
    """
    names = set(component_names(block))
    whole = Spans.of(np.array([start_ms]), np.array([end_ms]))
    down = {n: lines[n].of(ComponentState.DOWN) if n in lines else NEVER for n in names}
    unknown = {n: lines[n].of(ComponentState.UNKNOWN) if n in lines else whole for n in names}
    surely = _down(block, down)
    perhaps = _down(block, {name: down[name] | unknown[name] for name in names})
    harmed = NEVER
    for name in names:
        degraded = lines[name].of(ComponentState.DEGRADED) if name in lines else NEVER
        harmed |= down[name] | degraded
    states = {
        ComponentState.DOWN: surely & whole,
        ComponentState.UNKNOWN: (perhaps - surely) & whole,
        ComponentState.DEGRADED: (harmed - perhaps) & whole,
        ComponentState.UP: whole - perhaps - harmed,
    }
    return Timeline(start_ms, end_ms, {state: held for state, held in states.items() if len(held)})


def modelled(block: Block, availabilities: Mapping[str, float]) -> float:
    """The availability of the whole if its components fail independently of one another.

    Exact, also where a component stands in several places: those are decided one by one (factoring,
    P(up) = a P(up | part up) + (1 - a) P(up | part down)); of the rest, the weights of what works
    are added up by dynamic programming. Raises `TooComplex`, and `KeyError` for a missing figure.
    """
    shared = [name for name, count in Counter(component_names(block)).items() if count > 1]
    if len(shared) > MAX_REPEATED:
        raise TooComplex(
            f"{len(shared)} components stand in several places; at most {MAX_REPEATED} may"
        )
    total = 0.0
    for case in itertools.product((0.0, 1.0), repeat=len(shared)):
        decided = dict(zip(shared, case, strict=True))
        chance = 1.0
        for name, up in decided.items():
            chance *= availabilities[name] if up else 1 - availabilities[name]
        total += chance * _independent(block, {**availabilities, **decided})
    return total


def cut_sets(block: Block, largest: int = 3) -> list[frozenset[str]]:
    """The minimal sets of components whose failure takes the whole down, of up to that size.

    Smallest first, then by name. One of size one is a single point of failure. Raises
    `TooComplex` where there are more than `MAX_CUT_SETS` on the way.
    """
    return sorted(_cuts(block, largest), key=lambda cut: (len(cut), sorted(cut)))


def _down(block: Block, down: Mapping[str, Spans]) -> Spans:
    if isinstance(block, Component):
        return down[block.name]
    parts = [_down(part, down) for part in block.parts]
    spare = sum(block.weights) - block.needed
    starts = np.concatenate([part.starts for part in parts])
    ends = np.concatenate([part.ends for part in parts])
    lost = np.repeat(np.asarray(block.weights, dtype=np.float64), [len(part) for part in parts])
    if not len(starts):
        return NEVER
    times, place = np.unique(np.concatenate([starts, ends]), return_inverse=True)
    missing = np.cumsum(np.bincount(place, weights=np.concatenate([lost, -lost])))
    # Weights are added and taken away again: what is left of rounding is not a missing part.
    failed = missing[:-1] > spare + 1e-9 * sum(block.weights)
    return Spans.of(times[:-1][failed], times[1:][failed])


def _independent(block: Block, availabilities: Mapping[str, float]) -> float:
    if isinstance(block, Component):
        return availabilities[block.name]
    working: dict[float, float] = {0.0: 1.0}
    for part, weight in zip(block.parts, block.weights, strict=True):
        up = _independent(part, availabilities)
        following: dict[float, float] = {}
        for weighs, chance in working.items():
            for total, share in ((weighs + weight, chance * up), (weighs, chance * (1 - up))):
                key = round(total, 9)
                following[key] = following.get(key, 0.0) + share
        working = following
    tolerance = 1e-9 * sum(block.weights)
    return sum(chance for total, chance in working.items() if total >= block.needed - tolerance)


def _cuts(block: Block, largest: int) -> set[frozenset[str]]:
    if isinstance(block, Component):
        return {frozenset({block.name})} if largest >= 1 else set()
    found: set[frozenset[str]] = set()
    of_parts = [_cuts(part, largest) for part in block.parts]
    for failing in _failing_parts(block, largest):
        products = {frozenset[str]()}
        for i in failing:
            products = {
                joint
                for cut in products
                for other in of_parts[i]
                if len(joint := cut | other) <= largest
            }
            if len(products) + len(found) > MAX_CUT_SETS:
                raise TooComplex(f"over {MAX_CUT_SETS} cut sets of up to {largest} components")
        found |= products
    return _minimal(found)


def _failing_parts(group: Group, largest: int) -> Iterator[tuple[int, ...]]:
    """Minimal sets of parts whose failure is too much.

    A set of many parts may still be few components, where parts share them.
    """
    names = component_names(group)
    most = min(len(group.parts), largest + len(names) - len(set(names)))
    spare = sum(group.weights) - group.needed + 1e-9 * sum(group.weights)
    tried = 0
    for size in range(1, most + 1):
        for failing in itertools.combinations(range(len(group.parts)), size):
            tried += 1
            if tried > MAX_WAYS:
                raise TooComplex(f"over {MAX_WAYS} ways to fail in one group")
            weights = [group.weights[i] for i in failing]
            if sum(weights) - min(weights) <= spare < sum(weights):
                yield failing


def _minimal(cuts: Iterable[frozenset[str]]) -> set[frozenset[str]]:
    kept: set[frozenset[str]] = set()
    for cut in sorted(cuts, key=len):
        parts = (
            frozenset(part)
            for size in range(1, len(cut))
            for part in itertools.combinations(cut, size)
        )
        if not any(part in kept for part in parts):
            kept.add(cut)
    return kept
