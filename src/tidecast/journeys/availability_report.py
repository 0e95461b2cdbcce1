"""Availability of services and components over a period, as people and programs are told it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from tidecast.journeys.describe_service import describe
from tidecast.journeys.explain_forecast import Document, iso
from tidecast.journeys.observe import classification_document
from tidecast.journeys.service_availability import (
    Availabilities,
    Question,
    ServiceAvailability,
    expanded,
)
from tidecast.policy.model import Place, Policy, Service
from tidecast.records.database import Unit
from tidecast_analytics.availability import Assessment
from tidecast_analytics.calendars import utc_ms
from tidecast_analytics.recurrences import TooManyOccurrences
from tidecast_analytics.structure import Block, Group, TooComplex, cut_sets
from tidecast_collector.errors import InvalidInput
from tidecast_reports.availability import downtime, percent

MAX_SPAN_MS = 1_100 * 86_400_000
"""Three years."""
MAX_PHASES = 5_000
LARGEST_CUT_SET = 3
CONFIDENCE = 0.9
CONVENTIONS = (
    "availability = (AST - DT) / AST, with AST the agreed service time less maintenance and "
    "exclusions, and DT the downtime within it",
    "MTBF = (AST - DT) / n from restored to broken again, MTRS = DT / n, MTBSI = AST / n = "
    "MTBF + MTRS, for n breaks that cost agreed service time",
    f"the bounds of MTBF hold {CONFIDENCE:.0%} of the time for breaks at a constant rate "
    "(chi-squared, test ended by time)",
    "the interval takes unknown time as down at worst and as up at best",
)
_MONTH = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")


@dataclass(frozen=True, slots=True)
class Asked:
    """Which time is asked for, as known on which day (None: now). All in milliseconds UTC.

    `until_ms` is where what can be known ends: the end, or the present, or the day of knowing.
    """

    start_ms: int
    end_ms: int
    known_on_ms: int | None
    until_ms: int

    @property
    def question(self) -> Question:
        """What is put to the ledger."""
        return Question(self.start_ms, self.until_ms, self.known_on_ms)


def asked(start_ms: int, end_ms: int, known_on_ms: int | None, now_ms: int) -> Asked:
    """The time that is asked for; raises `InvalidInput` where nothing of it can be known."""
    if not 0 < end_ms - start_ms <= MAX_SPAN_MS:
        raise InvalidInput("the period must end after it starts, and last at most three years")
    until_ms = min(end_ms, now_ms, end_ms if known_on_ms is None else known_on_ms)
    if until_ms <= start_ms:
        raise InvalidInput("the period had not begun by then: ask for an earlier one")
    return Asked(start_ms, end_ms, known_on_ms, until_ms)


def month_span(month: str, zone: ZoneInfo) -> tuple[int, int]:
    """The start and end of a month such as 2026-10 in that zone; raises `ValueError`."""
    found = _MONTH.fullmatch(month)
    if found is None or not 1970 <= int(found[1]) <= 2100:
        raise ValueError(f"{month[:60]!r} is no month; write it as in 2026-10")
    year, number = int(found[1]), int(found[2])
    later = (year + 1, 1) if number == 12 else (year, number + 1)
    first, last = datetime(year, number, 1), datetime(*later, 1)  # noqa: DTZ001
    return utc_ms(first, zone), utc_ms(last, zone)


def answers(
    policy: Policy, unit: Unit, time: Asked, names: Iterable[str]
) -> list[ServiceAvailability]:
    """The availability of each service or component of these names, from one reading.

    What is no service is judged round the clock by the default rules. Raises `InvalidInput` for
    what cannot be worked out.
    """
    wanted = list(dict.fromkeys(names))
    nowhere = Place("", 0, 0)
    alone = {n: Service(n, nowhere, title=n) for n in wanted if n not in policy.services}
    judged = replace(policy, services={**policy.services, **alone}) if alone else policy
    try:
        found = Availabilities(judged, unit, time.question, wanted)
        return [found.of(name) for name in wanted]
    except (TooManyOccurrences, TooComplex) as error:
        raise InvalidInput(f"availability cannot be worked out: {error}") from error


def availability_document(policy: Policy, time: Asked, found: ServiceAvailability) -> Document:
    """Everything about one service or component, as the API tells it."""
    name = found.service.name
    whole = found.assessment.chosen
    bounds = whole.mtbf_bounds(CONFIDENCE)
    return {
        **summary_document(policy, found),
        "start": iso(time.start_ms),
        "end": iso(time.end_ms),
        "until": iso(time.until_ms),
        "complete": time.until_ms == time.end_ms,
        "known_on": iso(time.known_on_ms),
        "unknown_counts_as": found.service.rules.unknown,
        "mtbf_seconds": _seconds(whole.mtbf_ms),
        "mtrs_seconds": _seconds(whole.mtrs_ms),
        "mtbsi_seconds": _seconds(whole.mtbsi_ms),
        "mtbf_lowest_seconds": _seconds(bounds.lowest),
        "mtbf_highest_seconds": _seconds(bounds.highest),
        "mtbf_confidence": CONFIDENCE,
        "longest_outage_seconds": whole.longest_outage_ms / 1000,
        "outages": [
            {
                "start": iso(outage.start_ms),
                "end": iso(outage.end_ms),
                "counted_seconds": outage.counted_ms / 1000,
                "goes_on": outage.end_ms == time.until_ms,
            }
            for outage in whole.outages[-MAX_PHASES:]
        ],
        "category_seconds": {
            str(category): when.total_ms() / 1000 for category, when in whole.categories.items()
        },
        "timeline": timeline_document(found.assessment),
        "components": [
            {"name": part, **_figures(assessment)} for part, assessment in found.components.items()
        ],
        "tree": tree_document(policy, name, {**found.components, **found.services}),
        **_structure(policy, name),
        "policy": describe(policy, name),
        "words": [classification_document(word) for word in found.words],
        "conventions": list(CONVENTIONS),
    }


def summary_document(policy: Policy, found: ServiceAvailability) -> Document:
    """The figures of one service or component in short."""
    name = found.service.name
    return {
        "name": name,
        "title": found.service.title,
        "kind": "service" if name in policy.services else "component",
        **_figures(found.assessment),
        "modelled_availability": found.modelled_ratio,
        "sentence": sentence(found.assessment),
    }


def timeline_document(assessment: Assessment) -> list[Document]:
    """What each moment is shown as, in order: the first `MAX_PHASES` phases."""
    phases = sorted(
        (start, end, category)
        for category, when in assessment.chosen.categories.items()
        for start, end in when
    )
    return [
        {"start": iso(start), "end": iso(end), "start_ms": start, "end_ms": end, "category": each}
        for start, end, each in phases[:MAX_PHASES]
    ]


def sentence(assessment: Assessment) -> str:
    """The answer in one sentence."""
    chosen = assessment.chosen
    blind = (
        f"monitoring was blind {downtime(chosen.unknown_ms / 1000)}" if chosen.unknown_ms else ""
    )
    if chosen.ratio is None:
        return f"no agreed service time was observed{'; ' + blind if blind else ''}"
    told = f"{percent(chosen.ratio)} of {downtime(chosen.agreed_ms / 1000)} agreed service time"
    if chosen.breaks:
        times = "once" if chosen.breaks == 1 else f"{chosen.breaks} times"
        told += f": down {times}, {downtime(chosen.down_ms / 1000)} together"
    if blind and assessment.lowest is not None and assessment.highest is not None:
        range_ = f"{percent(assessment.lowest)} to {percent(assessment.highest)}"
        told += f"; {blind}, so it lies within {range_}"
    return told


def tree_document(policy: Policy, name: str, parts: Mapping[str, Assessment]) -> Document | None:
    """What the service rests on, as a tree of groups, services and components; None: on nothing."""
    service = policy.services.get(name)
    return _branch(policy, service.rests_on, parts) if service and service.rests_on else None


def _branch(policy: Policy, block: Block, parts: Mapping[str, Assessment]) -> Document:
    if isinstance(block, Group):
        below = [_branch(policy, part, parts) for part in block.parts]
        return {"kind": _kind(block), "name": None, "availability": None, "parts": below}
    inner = tree_document(policy, block.name, parts)
    known = parts[block.name].chosen.ratio if block.name in parts else None
    return {
        "kind": "service" if block.name in policy.services else "component",
        "name": block.name,
        "availability": known,
        "parts": [inner] if inner else [],
    }


def _kind(group: Group) -> str:
    count = len(group.parts)
    if any(weight != 1 for weight in group.weights):
        return f"parts that weigh {group.needed:g} of {sum(group.weights):g}"
    if group.needed == count:
        return "all of"
    return "any of" if group.needed == 1 else f"{group.needed:g} of {count}"


def _figures(assessment: Assessment) -> Document:
    chosen = assessment.chosen
    return {
        "availability": chosen.ratio,
        "availability_lowest": assessment.lowest,
        "availability_highest": assessment.highest,
        "agreed_seconds": chosen.agreed_ms / 1000,
        "down_seconds": chosen.down_ms / 1000,
        "unknown_seconds": chosen.unknown_ms / 1000,
        "breaks": chosen.breaks,
    }


def _structure(policy: Policy, name: str) -> Document:
    block = expanded(policy, name) if name in policy.services else None
    if block is None:
        return {"single_points_of_failure": [], "cut_sets": [], "too_complex": None}
    try:
        cuts: Sequence[frozenset[str]] = cut_sets(block, LARGEST_CUT_SET)
    except TooComplex as error:
        return {"single_points_of_failure": [], "cut_sets": [], "too_complex": str(error)}
    return {
        "single_points_of_failure": [next(iter(cut)) for cut in cuts if len(cut) == 1],
        "cut_sets": [sorted(cut) for cut in cuts],
        "too_complex": None,
    }


def _seconds(ms: float | None) -> float | None:
    return None if ms is None or math.isinf(ms) else ms / 1000
