"""Availability of a component or service: agreed service time, downtime, and what they give.

Definitions of ITIL: availability = (AST - DT) / AST, MTBF = (AST - DT) / n, MTRS = DT / n and
MTBSI = AST / n = MTBF + MTRS, for n breaks. Unknown time U makes availability an interval:
[(AST - DT - U) / AST, (AST - DT) / AST].
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from tidecast_analytics.reliability import Bounds, mtbf_bounds
from tidecast_analytics.spans import NEVER, Spans, spans
from tidecast_analytics.timelines import ComponentState, Timeline, absorbed, flapping


class Category(StrEnum):
    """What a moment is shown as; where several hold, the first in the policy's order is shown."""

    UNMONITORED = "unmonitored"
    OUTSIDE_SERVICE_TIME = "outside_service_time"
    MAINTENANCE = "maintenance"
    PARENT_DOWN = "parent_down"
    FLAPPING = "flapping"
    UP = "up"
    DEGRADED = "degraded"
    DOWN = "down"


class CountedAs(StrEnum):
    """How time of a category counts."""

    UP = "up"
    DOWN = "down"
    REAL = "real"
    """As the state that was observed."""
    EXCLUDED = "excluded"
    """Not at all: it is taken out of the agreed service time."""
    BEFORE = "before"
    """As the last state known before (unknown time only)."""


PRIORITY = (
    Category.UNMONITORED,
    Category.OUTSIDE_SERVICE_TIME,
    Category.MAINTENANCE,
    Category.PARENT_DOWN,
    Category.FLAPPING,
)
"""The default order; the observed state comes after all of them."""


@dataclass(frozen=True, slots=True)
class AvailabilityRules:
    """How time is judged.

    Phases shorter than `absorb_below_ms` between two of one state are blips (0: none is). From
    `flapping_changes` changes of state within `flapping_window_ms` on it flaps (0: never).
    `unknown` is UP, DOWN, EXCLUDED or BEFORE; `degraded` UP or DOWN; `maintenance` EXCLUDED or
    REAL; `parent_down` and `flapping` REAL, UP, DOWN or (the parent's) EXCLUDED.
    """

    priority: tuple[Category, ...] = PRIORITY
    absorb_below_ms: int = 0
    flapping_changes: int = 0
    flapping_window_ms: int = 0
    unknown: CountedAs = CountedAs.EXCLUDED
    degraded: CountedAs = CountedAs.UP
    maintenance: CountedAs = CountedAs.EXCLUDED
    parent_down: CountedAs = CountedAs.REAL
    flapping: CountedAs = CountedAs.REAL


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What else is known of the time: sets in milliseconds UTC.

    `agreed` is the service time; `maintenance` and `exclusions` leave it by agreement.
    """

    agreed: Spans
    maintenance: Spans = NEVER
    exclusions: Spans = NEVER
    parent_down: Spans = NEVER


@dataclass(frozen=True, slots=True)
class Outage:
    """One break: from when to when it was down, and how much of that was agreed service time."""

    start_ms: int
    end_ms: int
    counted_ms: int


@dataclass(frozen=True, slots=True)
class Availability:
    """The figures of one component over one period.

    `categories` shows each moment once. `agreed_ms` is AST, `down_ms` DT and `unknown_ms` U, each
    within the agreed service time; unknown time counts in AST unless it is excluded.
    """

    categories: Mapping[Category, Spans]
    counted: Spans
    down: Spans
    unknown_ms: int
    outages: Sequence[Outage]

    @property
    def agreed_ms(self) -> int:
        """AST: agreed service time less what is excluded from it."""
        return self.counted.total_ms()

    @property
    def down_ms(self) -> int:
        """DT: downtime within it."""
        return self.down.total_ms()

    @property
    def breaks(self) -> int:
        """n: how often it broke."""
        return len(self.outages)

    @property
    def ratio(self) -> float | None:
        """Availability from 0 to 1; None where no service time was agreed."""
        return _share(self.agreed_ms - self.down_ms, self.agreed_ms)

    @property
    def mtbf_ms(self) -> float | None:
        """Mean time between failures, from restored to broken again; None without a break."""
        return _share(self.agreed_ms - self.down_ms, self.breaks)

    @property
    def mtrs_ms(self) -> float | None:
        """Mean time to restore service; None without a break."""
        return _share(self.down_ms, self.breaks)

    @property
    def mtbsi_ms(self) -> float | None:
        """Mean time between service incidents, from break to break; None without a break."""
        return _share(self.agreed_ms, self.breaks)

    @property
    def longest_outage_ms(self) -> int:
        """The longest single break, in agreed service time."""
        return max((outage.counted_ms for outage in self.outages), default=0)

    def mtbf_bounds(self, confidence: float = 0.9) -> Bounds:
        """Two-sided bounds of MTBF in milliseconds, as `reliability.mtbf_bounds`."""
        return mtbf_bounds(self.agreed_ms - self.down_ms, self.breaks, confidence)


@dataclass(frozen=True, slots=True)
class Assessment:
    """Availability by the chosen treatment of unknown time, and from worst case to best.

    In the `worst` all unknown time was downtime, in the `best` none was.
    """

    chosen: Availability
    worst: Availability
    best: Availability

    @property
    def lowest(self) -> float | None:
        """Availability in the worst case; None without agreed service time."""
        return self.worst.ratio

    @property
    def highest(self) -> float | None:
        """Availability in the best case."""
        return self.best.ratio

    def outages_longer(self, than_ms: int) -> tuple[int, float]:
        """The fewest and the most outages longer than that which there may have been.

        Unknown time may join outages to one, or hide as many more as have room in it; without any
        length (0 ms) that is infinitely many.
        """
        known = [each for each in self.best.outages if each.counted_ms > than_ms]
        surely = {(each.start_ms, each.end_ms) for each in known}
        fewest, most = 0, 0.0
        for one in self.worst.outages:
            if one.counted_ms <= than_ms:
                continue
            if (one.start_ms, one.end_ms) in surely:
                fewest, most = fewest + 1, most + 1
                continue
            inside = sum(one.start_ms <= each.start_ms < one.end_ms for each in known)
            room = math.ceil(one.counted_ms / than_ms) - 1 if than_ms else math.inf
            fewest, most = fewest + (inside > 0), most + max(room, inside, 1)
        return fewest, most


def assess(line: Timeline, around: Surroundings, rules: AvailabilityRules) -> Assessment:
    """Availability over the timeline's period.

    Worst and best case have one agreed service time; the chosen figure lies between them unless
    unknown time is excluded.
    """
    if rules.absorb_below_ms:
        line = absorbed(line, rules.absorb_below_ms)
    judged = _Judged(line, around, rules)
    worst, best = (judged.count(each) for each in (CountedAs.DOWN, CountedAs.UP))
    return Assessment(judged.count(rules.unknown), worst, best)


class _Judged:
    """One timeline with everything around it, ready to be counted in several ways."""

    def __init__(self, line: Timeline, around: Surroundings, rules: AvailabilityRules) -> None:
        self._line, self._rules = line, rules
        period = spans([(line.start_ms, line.end_ms)])
        self._unknown = line.of(ComponentState.UNKNOWN)
        flaps = (
            flapping(line, rules.flapping_changes, rules.flapping_window_ms)
            if rules.flapping_changes
            else NEVER
        )
        self._agreed = (around.agreed & period) - around.exclusions
        if rules.maintenance is CountedAs.EXCLUDED:
            self._agreed -= around.maintenance
        claims = {
            Category.UNMONITORED: self._unknown,
            Category.OUTSIDE_SERVICE_TIME: period - around.agreed | around.exclusions & period,
            Category.MAINTENANCE: around.maintenance & period,
            Category.PARENT_DOWN: around.parent_down & period,
            Category.FLAPPING: flaps,
            Category.DOWN: line.of(ComponentState.DOWN),
            Category.DEGRADED: line.of(ComponentState.DEGRADED),
            Category.UP: line.of(ComponentState.UP),
        }
        observed = (Category.DOWN, Category.DEGRADED, Category.UP, Category.UNMONITORED)
        self._categories: dict[Category, Spans] = {}
        left = period
        for category in dict.fromkeys((*rules.priority, *observed)):
            self._categories[category] = claims[category] & left
            left -= claims[category]

    def count(self, unknown: CountedAs) -> Availability:
        rules = self._rules
        down = self._line.of(ComponentState.DOWN)
        if rules.degraded is CountedAs.DOWN:
            down |= self._line.of(ComponentState.DEGRADED)
        agreed, down = self._unknown_as(unknown, self._agreed, down)
        for category, counted_as in (
            (Category.PARENT_DOWN, rules.parent_down),
            (Category.FLAPPING, rules.flapping),
        ):
            held = self._categories.get(category, NEVER)
            if counted_as is CountedAs.EXCLUDED:
                agreed -= held
            elif counted_as is CountedAs.DOWN:
                down |= held
            elif counted_as is CountedAs.UP:
                down -= held
        return Availability(
            {category: when for category, when in self._categories.items() if len(when)},
            agreed,
            down & agreed,
            (self._unknown & self._agreed).total_ms(),
            _outages(down, agreed),
        )

    def _unknown_as(self, unknown: CountedAs, agreed: Spans, down: Spans) -> tuple[Spans, Spans]:
        if unknown is CountedAs.DOWN:
            return agreed, down | self._unknown
        if unknown is CountedAs.EXCLUDED:
            return agreed - self._unknown, down
        if unknown is CountedAs.BEFORE:
            # A break goes on where the state was last seen down; before the first word it is up.
            ends = set(down.ends.tolist())
            after = spans((start, end) for start, end in self._unknown if start in ends)
            return agreed, down | after
        return agreed, down


def _outages(down: Spans, agreed: Spans) -> list[Outage]:
    """Breaks that cost agreed service time; one that lasts through a night is one."""
    found = []
    for start, end in down:
        counted = agreed.within(start, end).total_ms()
        if counted:
            found.append(Outage(start, end, counted))
    return found


def _share(part_ms: int, whole: int) -> float | None:
    return part_ms / whole if whole else None
