"""The availability plan: what cost most availability, and what another part would bring.

Minutes lost are observed and attributed; gains are modelled, as if parts failed independently. The
common-cause index says how far that holds: the observed joint downtime of redundant parts beside
what independence predicts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from tidecast.journeys.explain_forecast import Document
from tidecast.journeys.service_availability import ServiceAvailability, expanded
from tidecast.policy.model import Policy
from tidecast_analytics.availability import Assessment, CountedAs
from tidecast_analytics.spans import Spans, in_at_least
from tidecast_analytics.structure import (
    Block,
    Component,
    Group,
    TooComplex,
    cut_sets,
    modelled,
    parallel,
)

LARGEST_CUT_SET = 3
MAX_OPTIONS = 200
"""So many parts of one service are considered for a second one."""
_SECOND = " (a second one)"


@dataclass(frozen=True, slots=True)
class PlannedPart:
    """One component of a service.

    `lost_ms` is its share of the service's downtime: a moment in which several parts were down is
    shared equally among them. `gain_ms` is the downtime that a second one like it would take from
    the period by the model (None: nothing is known of a part, or degraded counts as down). `costs`
    are in the policy's words.
    """

    service: str
    component: str
    lost_ms: float
    gain_ms: float | None
    doubled_ratio: float | None
    costs: Sequence[str]


@dataclass(frozen=True, slots=True)
class CommonCause:
    """Redundant parts whose failing together takes the service down.

    `index` is observed over predicted joint downtime: 1 where they fail independently, far above it
    where something they share takes them down; None where nothing is predicted.
    """

    service: str
    components: Sequence[str]
    joint_ms: int
    predicted_ms: float

    @property
    def index(self) -> float | None:
        """How many times as long as predicted they were down together."""
        return self.joint_ms / self.predicted_ms if self.predicted_ms else None


def planned_parts(policy: Policy, found: ServiceAvailability) -> list[PlannedPart]:
    """Every part of the service, what cost most first, then what would bring most."""
    block = expanded(policy, found.service.name)
    if block is None or len(found.components) > MAX_OPTIONS:
        return []
    lost = minutes_lost(found.assessment.chosen.down, found.components)
    ratios = {
        name: ratio
        for name, part in found.components.items()
        if (ratio := part.chosen.ratio) is not None
    }
    known = len(ratios) == len(found.components) and found.modelled_ratio is not None
    # Where degraded counts as down, a second part saves nothing: the first one failing is enough.
    known &= found.service.rules.degraded is not CountedAs.DOWN
    parts = []
    for name in found.components:
        second = _with_second(block, name, ratios) if known else None
        gain = None
        if second is not None and found.modelled_ratio is not None:
            gain = (second - found.modelled_ratio) * found.assessment.chosen.agreed_ms
        costs = _costs(policy, name)
        parts.append(PlannedPart(found.service.name, name, lost[name], gain, second, costs))
    return sorted(parts, key=lambda part: (-part.lost_ms, -(part.gain_ms or 0), part.component))


def minutes_lost(down: Spans, parts: Mapping[str, Assessment]) -> dict[str, float]:
    """Each part's share in milliseconds of this downtime, shared equally among those down."""
    during = {name: part.chosen.down & down for name, part in parts.items()}
    lost = dict.fromkeys(parts, 0.0)
    most = len(parts)
    at_least = in_at_least(during.values(), 1) if parts else down
    for count in range(1, most + 1):
        if not len(at_least):
            break
        more = in_at_least(during.values(), count + 1)
        exactly = at_least - more
        for name, when in during.items():
            lost[name] += (when & exactly).total_ms() / count
        at_least = more
    return lost


def common_causes(policy: Policy, found: ServiceAvailability) -> list[CommonCause]:
    """Redundant parts of the service that were down together, the longest first."""
    block = expanded(policy, found.service.name)
    if block is None:
        return []
    try:
        cuts = [cut for cut in cut_sets(block, LARGEST_CUT_SET) if len(cut) > 1]
    except TooComplex:
        return []
    causes = []
    for cut in cuts:
        parts = [found.components[name].chosen for name in cut]
        agreed_ms = min(part.agreed_ms for part in parts)
        if not agreed_ms:
            continue
        joint = in_at_least([part.down for part in parts], len(parts)).total_ms()
        predicted = agreed_ms * math.prod(part.down_ms / part.agreed_ms for part in parts)
        if joint or predicted:
            causes.append(CommonCause(found.service.name, sorted(cut), joint, predicted))
    return sorted(causes, key=lambda each: (-each.joint_ms, -each.predicted_ms, each.components))


def part_document(part: PlannedPart) -> Document:
    """A part as the API tells it."""
    return {
        "service": part.service,
        "component": part.component,
        "lost_seconds": part.lost_ms / 1000,
        "option": f"a second {part.component} beside it",
        "gain_seconds": None if part.gain_ms is None else part.gain_ms / 1000,
        "availability_with_option": part.doubled_ratio,
        "costs": list(part.costs),
    }


def cause_document(cause: CommonCause) -> Document:
    """A common cause as the API tells it."""
    return {
        "service": cause.service,
        "components": list(cause.components),
        "joint_seconds": cause.joint_ms / 1000,
        "predicted_seconds": cause.predicted_ms / 1000,
        "index": cause.index,
    }


def _with_second(block: Block, name: str, ratios: Mapping[str, float]) -> float | None:
    second = name + _SECOND
    try:
        return modelled(_doubled(block, name, second), {**ratios, second: ratios[name]})
    except TooComplex:
        return None


def _doubled(block: Block, name: str, second: str) -> Block:
    if isinstance(block, Group):
        return replace(block, parts=[_doubled(part, name, second) for part in block.parts])
    return parallel(block, Component(second)) if block.name == name else block


def _costs(policy: Policy, component: str) -> list[str]:
    return [
        f"{cost.once:g} {cost.currency} once, {cost.monthly:g} {cost.currency} each month"
        for cost in policy.costs
        if fnmatchcase(component, cost.resource)
    ]
