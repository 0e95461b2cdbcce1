"""Availability of random services agrees with counting their seconds one by one.

Days on which clocks change and leap days, recurring maintenance, structures with common causes,
late notice, unknown time, overlapping words: 520 cases. The oracle knows neither spans nor
calendars: it asks of each second what a clock in the zone shows.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pytest

from tidecast.journeys.service_availability import Availabilities, Question
from tidecast.policy.model import Place, Policy, Service
from tidecast.records import Records
from tidecast.records.availability import Classification
from tidecast_analytics.availability import AvailabilityRules, CountedAs
from tidecast_analytics.calendars import Calendar, Event, WeeklyHours
from tidecast_analytics.structure import Block, Component, Group
from tidecast_analytics.timelines import ClassificationKind, ComponentState, Observation

HOURS = 28
SECONDS = HOURS * 3600
UP, DEGRADED, DOWN, UNKNOWN = ComponentState
STATES = list(ComponentState)
TREATMENTS = (CountedAs.UP, CountedAs.DOWN, CountedAs.EXCLUDED, CountedAs.BEFORE)
Bools = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.int64]

BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")
STARTS = (
    (BERLIN, "2026-03-28T20:00"),  # clocks go forward
    (BERLIN, "2026-10-24T20:00"),  # and back
    (NEW_YORK, "2026-03-07T20:00"),
    (NEW_YORK, "2026-10-31T20:00"),
    (BERLIN, "2028-02-28T12:00"),  # a leap day
    (ZoneInfo("UTC"), "2026-06-13T00:00"),
)


@dataclass(frozen=True)
class Case:
    """A service with everything that was said of it, times in seconds after the start."""

    zone: ZoneInfo
    start: int
    service: Service
    observations: list[Observation]
    words: list[Classification]
    known_on: int | None


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Records]:
    path: Path = tmp_path_factory.mktemp("oracle") / "records.sqlite3"
    with Records.open(f"sqlite:///{path}") as opened:
        yield opened


@pytest.mark.parametrize("seed", range(26))
def test_the_second_by_second_oracle_agrees(records: Records, seed: int) -> None:
    rng = random.Random(seed)
    for number in range(20):
        case = random_case(rng, f"s{seed}-{number}")
        name = case.service.name
        with records.unit() as unit:
            unit.outages.observe(case.observations)
            for word in case.words:
                unit.outages.classify(word)
            start_ms = case.start * 1000
            known = None if case.known_on is None else (case.start + case.known_on) * 1000
            question = Question(start_ms, start_ms + SECONDS * 1000, known)
            policy = Policy(services={name: case.service})
            found = Availabilities(policy, unit, question, [name]).of(name).assessment
        chosen = found.chosen
        told = (chosen.agreed_ms // 1000, chosen.down_ms // 1000, chosen.breaks)
        assert told == counted(case, case.service.rules.unknown), (seed, number)
        for treatment, ratio in ((CountedAs.DOWN, found.lowest), (CountedAs.UP, found.highest)):
            agreed, down, _ = counted(case, treatment)
            assert ratio == (pytest.approx((agreed - down) / agreed) if agreed else None)


def random_case(rng: random.Random, name: str) -> Case:
    zone, text = rng.choice(STARTS)
    local = datetime.fromisoformat(text)
    start = round(local.replace(tzinfo=zone).timestamp())
    names = [f"{name}-{part}" for part in "abcd"]
    service = Service(
        name,
        Place("oracle.yaml", 1, 1),
        rests_on=random_block(rng, names, 3),
        agreed=random_hours(rng, zone),
        maintenance=random_maintenance(rng, zone, local),
        rules=AvailabilityRules(
            unknown=rng.choice(
                [CountedAs.UP, CountedAs.DOWN, CountedAs.EXCLUDED, CountedAs.BEFORE]
            ),
            degraded=rng.choice([CountedAs.UP, CountedAs.DOWN]),
            maintenance=rng.choice([CountedAs.EXCLUDED, CountedAs.REAL]),
        ),
    )
    observations = [
        Observation(
            part,
            rng.choice(STATES),
            1000 * (start + (at := rng.randrange(-7200, SECONDS))),
            1000 * (start + at + rng.choice([0, 0, rng.randrange(SECONDS)])),
            rng.choice(["rule", "people"]),
        )
        for part in names
        for _ in range(rng.randint(0, 8))
    ]
    words = [random_word(rng, rng.choice([name, *names]), start) for _ in range(rng.randint(0, 4))]
    known_on = rng.choice([None, None, rng.randrange(2 * SECONDS)])
    return Case(zone, start, service, observations, words, known_on)


def random_block(rng: random.Random, names: list[str], depth: int) -> Block:
    if not depth or rng.random() < 0.3:
        return Component(rng.choice(names))
    parts = [random_block(rng, names, depth - 1) for _ in range(rng.randint(1, 3))]
    weights = [rng.randint(1, 3) for _ in parts]
    return Group(parts, weights, rng.randint(1, sum(weights)))


def random_hours(rng: random.Random, zone: ZoneInfo) -> Calendar:
    """Weekly hours whose edges keep out of the hours in which clocks change."""
    if rng.random() < 0.3:
        return Calendar(zone)
    days = frozenset(rng.sample(range(7), rng.randint(2, 7)))
    opens = rng.choice([0, rng.randrange(240, 1200)])
    return Calendar(zone, (WeeklyHours(days, opens, rng.randrange(opens + 240, 1441)),))


def random_maintenance(rng: random.Random, zone: ZoneInfo, local: datetime) -> Calendar | None:
    if rng.random() < 0.4:
        return None
    first = local.replace(hour=rng.choice([22, 23, 5, 12]), minute=rng.randrange(60))
    first -= timedelta(days=rng.choice([7, 14, 28]))
    end = first + timedelta(minutes=rng.randrange(20, 400))
    rule = rng.choice(["FREQ=DAILY", "FREQ=DAILY;INTERVAL=2", "FREQ=WEEKLY;BYDAY=SA,SU"])
    return Calendar(zone, events=(Event(first, end, zone, rule),))


def random_word(rng: random.Random, component: str, start: int) -> Classification:
    kind = rng.choice(list(ClassificationKind))
    begins = rng.randrange(-3600, SECONDS)
    reclassifies = kind is ClassificationKind.RECLASSIFICATION
    return Classification(
        component,
        kind,
        1000 * (start + begins),
        1000 * (start + begins + rng.randrange(1, 20_000)),
        "why",
        "ann",
        1000 * (start + rng.randrange(2 * SECONDS)),
        rng.choice(STATES) if reclassifies else None,
    )


# --- the oracle -------------------------------------------------------------------------------


def counted(case: Case, unknown: CountedAs) -> tuple[int, int, int]:
    """AST and DT in seconds, and the number of breaks."""
    rules, name = case.service.rules, case.service.name
    state = corrected(case, name, joined(case))
    agreed = open_hours(case) & ~said(case, name, ClassificationKind.EXCLUSION)
    if rules.maintenance is CountedAs.EXCLUDED:
        agreed &= ~(maintained(case) | said(case, name, ClassificationKind.MAINTENANCE))
    down = state == STATES.index(DOWN)
    if rules.degraded is CountedAs.DOWN:
        down = down | (state == STATES.index(DEGRADED))
    blind = state == STATES.index(UNKNOWN)
    if unknown is CountedAs.DOWN:
        down = down | blind
    elif unknown is CountedAs.EXCLUDED:
        agreed = agreed & ~blind
    elif unknown is CountedAs.BEFORE:
        seen = np.maximum.accumulate(np.where(blind, -1, np.arange(SECONDS)))
        down = down | (blind & (seen >= 0) & down[np.maximum(seen, 0)])
    edges = np.flatnonzero(np.diff(np.concatenate([[False], down, [False]]).astype(np.int8)))
    breaks = sum(bool(agreed[a:b].any()) for a, b in edges.reshape(-1, 2).tolist())
    return int(agreed.sum()), int((agreed & down).sum()), breaks


def joined(case: Case) -> Codes:
    names = sorted({part for part in parts_of(case.service.rests_on)})
    lines = {part: corrected(case, part, seen_of(case, part)) for part in names}
    down = {part: line == STATES.index(DOWN) for part, line in lines.items()}
    blind = {part: line == STATES.index(UNKNOWN) for part, line in lines.items()}
    assert case.service.rests_on is not None
    best = works(case.service.rests_on, {part: ~down[part] for part in names})
    worst = works(case.service.rests_on, {part: ~(down[part] | blind[part]) for part in names})
    harmed = np.zeros(SECONDS, dtype=np.bool_)
    for part, line in lines.items():
        harmed |= down[part] | (line == STATES.index(DEGRADED))
    up_or_harmed = np.where(harmed, STATES.index(DEGRADED), STATES.index(UP))
    return np.where(
        worst, up_or_harmed, np.where(best, STATES.index(UNKNOWN), STATES.index(DOWN))
    ).astype(np.int64)


def parts_of(block: Block | None) -> list[str]:
    if block is None:
        return []
    if isinstance(block, Component):
        return [block.name]
    return [name for part in block.parts for name in parts_of(part)]


def works(block: Block, up: dict[str, Bools]) -> Bools:
    if isinstance(block, Component):
        return up[block.name]
    weighs = np.zeros(SECONDS)
    for part, weight in zip(block.parts, block.weights, strict=True):
        weighs += weight * works(part, up)
    return weighs >= block.needed


def seen_of(case: Case, part: str) -> Codes:
    """The worst that any source says, each by its newest word of each second."""
    worst = np.full(SECONDS, STATES.index(UNKNOWN))
    for source in ("rule", "people"):
        line = np.full(SECONDS, STATES.index(UNKNOWN))
        said_of = [
            (one.from_ms, one.known_at_ms, order, one.state)
            for order, one in enumerate(case.observations)
            if (one.component, one.source) == (part, source) and known(case, one.known_at_ms)
        ]
        for from_ms, _, _, state in sorted(said_of, key=lambda each: each[:3]):
            line[max(from_ms // 1000 - case.start, 0) :] = STATES.index(state)
        # Up, degraded, down are 0, 1, 2; unknown gives way to any.
        told = line != STATES.index(UNKNOWN)
        silent = worst == STATES.index(UNKNOWN)
        worst = np.where(told & (silent | (line > worst)), line, worst)
    return worst


def known(case: Case, at_ms: int) -> bool:
    return case.known_on is None or at_ms <= (case.start + case.known_on) * 1000


def corrected(case: Case, component: str, line: Codes) -> Codes:
    line = line.copy()
    words = [(w.known_at_ms, i, w) for i, w in enumerate(case.words) if w.component == component]
    for at_ms, _, word in sorted(words, key=lambda each: each[:2]):
        if word.state is not None and known(case, at_ms):
            line[within(case, word)] = STATES.index(word.state)
    return line


def said(case: Case, component: str, kind: ClassificationKind) -> Bools:
    covered = np.zeros(SECONDS, dtype=np.bool_)
    for word in case.words:
        if word.component == component and word.kind is kind and known(case, word.known_at_ms):
            covered[within(case, word)] = True
    return covered


def within(case: Case, word: Classification) -> slice:
    first, last = word.start_ms // 1000 - case.start, word.end_ms // 1000 - case.start
    return slice(max(first, 0), max(last, 0))


def open_hours(case: Case) -> Bools:
    """What a clock in the zone shows at each minute; hours begin and end with minutes."""
    calendar = case.service.agreed
    if not calendar.weekly:
        return np.ones(SECONDS, dtype=np.bool_)
    (hours,) = calendar.weekly
    shown = [datetime.fromtimestamp(case.start + 60 * i, case.zone) for i in range(SECONDS // 60)]
    minutes = [
        each.weekday() in hours.weekdays
        and hours.opens_minute <= 60 * each.hour + each.minute < hours.closes_minute
        for each in shown
    ]
    return np.repeat(np.array(minutes, dtype=np.bool_), 60)


def maintained(case: Case) -> Bools:
    """Day after day from the first on: whether the rule names it, and its exact seconds."""
    covered = np.zeros(SECONDS, dtype=np.bool_)
    if case.service.maintenance is None:
        return covered
    (event,) = case.service.maintenance.events
    began = event.start.replace(tzinfo=case.zone).timestamp()
    lasts = round(event.end.replace(tzinfo=case.zone).timestamp() - began)
    for day in range(40):
        local = event.start + timedelta(days=day)
        every = 2 if "INTERVAL=2" in event.rule else 1
        weekend = local.weekday() in (5, 6)
        if weekend if "WEEKLY" in event.rule else day % every == 0:
            first = round(local.replace(tzinfo=case.zone).timestamp()) - case.start
            covered[max(first, 0) : max(first + lasts, 0)] = True
    return covered
