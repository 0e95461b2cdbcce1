"""Availability: figures by hand, ITIL's identities, and a second-by-second oracle."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from tidecast_analytics.availability import (
    PRIORITY,
    AvailabilityRules,
    Category,
    CountedAs,
    Surroundings,
    assess,
)
from tidecast_analytics.reliability import chi_squared_quantile, mtbf_bounds
from tidecast_analytics.spans import NEVER, Spans, spans
from tidecast_analytics.timelines import (
    ComponentState,
    Observation,
    Timeline,
    absorbed,
    flapping,
    observed,
    reclassified,
)

HOUR = 3_600_000
UP, DEGRADED, DOWN, UNKNOWN = ComponentState


def seen(
    at: int, state: ComponentState, known: int | None = None, source: str = "rule"
) -> Observation:
    return Observation("db", state, at, at if known is None else known, source)


def test_a_month_by_hand() -> None:
    # 720 h agreed; down 10-12 h and 100-101 h: DT 3 h, two breaks.
    line = observed(
        [
            seen(0, UP),
            seen(10 * HOUR, DOWN),
            seen(12 * HOUR, UP),
            seen(100 * HOUR, DOWN),
            seen(101 * HOUR, UP),
        ],
        0,
        720 * HOUR,
    )
    found = assess(line, Surroundings(spans([(0, 720 * HOUR)])), AvailabilityRules()).chosen
    assert found.ratio == pytest.approx(717 / 720)
    assert found.mtbf_ms == pytest.approx(717 / 2 * HOUR)
    assert found.mtrs_ms == pytest.approx(1.5 * HOUR)
    assert found.mtbsi_ms == pytest.approx(360 * HOUR)
    assert found.longest_outage_ms == 2 * HOUR
    # Steady state: MTBF / (MTBF + MTRS) is the availability.
    assert found.mtbf_ms is not None
    assert found.mtrs_ms is not None
    assert found.mtbf_ms / (found.mtbf_ms + found.mtrs_ms) == pytest.approx(found.ratio)


def test_an_outage_through_the_night_is_one_break_and_counts_by_day_only() -> None:
    # Agreed 8-18 h on two days; down from 16 h to 10 h on the next: 2 h + 2 h.
    agreed = spans([(8 * HOUR, 18 * HOUR), (32 * HOUR, 42 * HOUR)])
    line = observed([seen(0, UP), seen(16 * HOUR, DOWN), seen(34 * HOUR, UP)], 0, 48 * HOUR)
    found = assess(line, Surroundings(agreed), AvailabilityRules()).chosen
    assert (found.agreed_ms, found.down_ms, found.breaks) == (20 * HOUR, 4 * HOUR, 1)
    assert [outage.counted_ms for outage in found.outages] == [4 * HOUR]


def test_unknown_time_is_an_interval_and_four_treatments() -> None:
    # 10 h agreed: 1 h down, then 2 h unknown right after it.
    line = Timeline(
        0,
        10 * HOUR,
        {
            UP: spans([(0, 4 * HOUR), (7 * HOUR, 10 * HOUR)]),
            DOWN: spans([(4 * HOUR, 5 * HOUR)]),
            UNKNOWN: spans([(5 * HOUR, 7 * HOUR)]),
        },
    )
    around = Surroundings(spans([(0, 10 * HOUR)]))

    def with_unknown(treatment: CountedAs) -> float | None:
        found = assess(line, around, AvailabilityRules(unknown=treatment))
        assert (found.lowest, found.highest) == (pytest.approx(0.7), pytest.approx(0.9))
        assert found.chosen.unknown_ms == 2 * HOUR
        return found.chosen.ratio

    assert with_unknown(CountedAs.UP) == pytest.approx(0.9)
    assert with_unknown(CountedAs.DOWN) == pytest.approx(0.7)
    assert with_unknown(CountedAs.EXCLUDED) == pytest.approx(7 / 8)
    assert with_unknown(CountedAs.BEFORE) == pytest.approx(0.7)


def test_unknown_time_may_hide_or_join_outages() -> None:
    # Down 0:10-0:25 and 0:26-0:41, nothing known between; unknown 1:00-1:45; down 2:00-2:05.
    minutes = [(10, DOWN), (25, UNKNOWN), (26, DOWN), (41, UP), (60, UNKNOWN), (105, UP),
               (120, DOWN), (125, UP)]  # fmt: skip
    said = [seen(0, UP), *(seen(at * 60_000, state) for at, state in minutes)]
    line = observed(said, 0, 3 * HOUR)
    found = assess(line, Surroundings(spans([(0, 3 * HOUR)])), AvailabilityRules())
    # Longer than ten minutes: two that may be one of 31 (room for three, since 3 x 10 < 31), and
    # up to four in 45 minutes of which nothing is known (4 x 10 < 45).
    assert found.outages_longer(600_000) == (1, 3 + 4)
    # Longer than half an hour: perhaps the two as one, and perhaps one in the 45 minutes.
    assert found.outages_longer(1_800_000) == (0, 2)
    assert found.outages_longer(3_600_000) == (0, 0)
    # Any outage at all: three are known, two of them perhaps one; no end to what may hide.
    assert found.outages_longer(0) == (2, math.inf)
    assert (found.best.longest_outage_ms, found.worst.longest_outage_ms) == (900_000, 2_700_000)


def test_what_is_known_later_does_not_change_what_was_known() -> None:
    late = [seen(0, UP), seen(5, DOWN, known=100), seen(8, UP, known=101)]
    assert observed(late, 0, 10, known_on_ms=50).of(DOWN) == NEVER
    assert list(observed(late, 0, 10, known_on_ms=100).of(DOWN)) == [(5, 10)]
    assert list(observed(late, 0, 10).of(DOWN)) == [(5, 8)]
    corrected = [seen(0, DOWN), seen(0, UP, known=7)]
    assert list(observed(corrected, 0, 10).of(UP)) == [(0, 10)]


def test_sources_are_joined_by_the_worst_of_what_they_say() -> None:
    line = observed(
        [
            seen(2, UP),
            seen(6, UNKNOWN),
            seen(4, DOWN, source="people"),
            seen(5, UP, source="people"),
        ],
        0,
        10,
    )
    assert line.phases() == [(0, 2, UNKNOWN), (2, 4, UP), (4, 5, DOWN), (5, 10, UP)]


def test_blips_are_absorbed_from_left_to_right() -> None:
    states = [
        (0, 10, UP),
        (10, 11, DOWN),
        (11, 12, UP),
        (12, 13, DOWN),
        (13, 30, UP),
        (30, 40, DOWN),
    ]
    line = Timeline(0, 40, {s: spans((a, b) for a, b, x in states if x is s) for s in (UP, DOWN)})
    assert absorbed(line, 2).phases() == [(0, 30, UP), (30, 40, DOWN)]
    assert absorbed(line, 1) == line


def test_flapping_begins_with_the_last_of_so_many_changes() -> None:
    edges = [0, 10, 12, 14, 50]
    line = observed([seen(at, DOWN if i % 2 else UP) for i, at in enumerate(edges)], 0, 100)
    # Changes at 10, 12, 14, 50: three within 5 are complete at 14; (t - 5, t] holds 10 until 15.
    assert list(flapping(line, 3, 5)) == [(14, 15)]
    # Two within 5: 10 and 12 until 15, 12 and 14 until 17.
    assert list(flapping(line, 2, 5)) == [(12, 17)]
    assert flapping(line, 9, 5) == NEVER


def test_chi_squared_quantiles_are_those_of_the_tables() -> None:
    # Published tables: chi2(0.95; 2) = 5.991, chi2(0.05; 10) = 3.940, chi2(0.975; 20) = 34.170.
    assert chi_squared_quantile(0.95, 1) == pytest.approx(5.991, abs=5e-4)
    assert chi_squared_quantile(0.05, 5) == pytest.approx(3.940, abs=5e-4)
    assert chi_squared_quantile(0.975, 10) == pytest.approx(34.170, abs=5e-4)


def test_bounds_of_few_failures_are_wide() -> None:
    # One failure in 1000 h at 90 %: chi2(.95; 4) = 9.488 and chi2(.05; 2) = 0.1026.
    found = mtbf_bounds(1000, 1, 0.9)
    assert found.lowest == pytest.approx(2000 / 9.488, rel=1e-3)
    assert found.highest == pytest.approx(2000 / 0.10259, rel=1e-3)
    # None at 95 %: T / -ln 0.05 = T / 2.996
    none = mtbf_bounds(1000, 0, 0.95)
    assert none.lowest == pytest.approx(1000 / 2.9957, rel=1e-4)
    assert none.highest == math.inf


def test_no_agreed_time_has_no_availability() -> None:
    line = observed([seen(0, DOWN)], 0, 100)
    found = assess(line, Surroundings(NEVER), AvailabilityRules())
    assert (found.chosen.ratio, found.lowest, found.chosen.mtbf_ms) == (None, None, None)
    assert found.chosen.mtbf_bounds().highest == math.inf


# --- the oracle: every rule again, moment by moment, without a set of time ---------------------


def _random_spans(rng: random.Random, length: int, most: int) -> Spans:
    return spans(
        sorted(
            (rng.randrange(length), rng.randrange(length + 1)) for _ in range(rng.randint(0, most))
        )
    )


def _random_observations(rng: random.Random, length: int) -> list[Observation]:
    sources = rng.sample(["rule", "silence", "people"], rng.randint(1, 3))
    return [
        Observation(
            "db",
            rng.choice(list(ComponentState)),
            at := rng.randrange(-20, length),
            at + rng.choice([0, 0, 0, rng.randrange(200)]),
            rng.choice(sources),
        )
        for _ in range(rng.randint(0, 14))
    ]


def _state_at(observations: Sequence[Observation], t: int, known_on: int) -> ComponentState:
    latest: dict[str, Observation] = {}
    for one in observations:
        if one.known_at_ms <= known_on and one.from_ms <= t:
            before = latest.get(one.source)
            if before is None or (one.from_ms, one.known_at_ms) >= (
                before.from_ms,
                before.known_at_ms,
            ):
                latest[one.source] = one
    said = {one.state for one in latest.values()}
    return next((s for s in (DOWN, DEGRADED, UP) if s in said), UNKNOWN)


def _without_blips(states: list[ComponentState], shortest: int) -> list[ComponentState]:
    runs: list[tuple[ComponentState, int]] = []
    for state in states:
        if runs and runs[-1][0] is state:
            runs[-1] = (state, runs[-1][1] + 1)
        else:
            runs.append((state, 1))
    result: list[ComponentState] = []
    for i, (state, count) in enumerate(runs):
        before = result[-1] if result else None
        blip = 0 < i < len(runs) - 1 and count < shortest and runs[i + 1][0] is before
        result += [before if blip and before else state] * count
    return result


def _oracle(
    states: list[ComponentState], around: Surroundings, rules: AvailabilityRules, unknown: CountedAs
) -> tuple[int, int, int]:
    """AST, DT and the number of breaks, counted moment by moment."""
    changes = [t for t in range(1, len(states)) if states[t] is not states[t - 1]]
    agreed, down = [], []
    before_down = False
    for t, state in enumerate(states):
        holds: dict[Category, Callable[[], bool]] = {
            Category.UNMONITORED: lambda s=state: s is UNKNOWN,  # type: ignore[misc]
            Category.OUTSIDE_SERVICE_TIME: lambda t=t: (
                not around.agreed.contains(t)  # type: ignore[misc]
                or around.exclusions.contains(t)
            ),
            Category.MAINTENANCE: lambda t=t: around.maintenance.contains(t),  # type: ignore[misc]
            Category.PARENT_DOWN: lambda t=t: around.parent_down.contains(t),  # type: ignore[misc]
            Category.FLAPPING: lambda t=t: (
                bool(rules.flapping_changes)  # type: ignore[misc]
                and sum(t - rules.flapping_window_ms < c <= t for c in changes)
                >= rules.flapping_changes
            ),
        }
        category = next((c for c in rules.priority if holds[c]()), None)
        is_down = state is DOWN or (state is DEGRADED and rules.degraded is CountedAs.DOWN)
        counts = around.agreed.contains(t) and not around.exclusions.contains(t)
        if rules.maintenance is CountedAs.EXCLUDED:
            counts = counts and not around.maintenance.contains(t)
        if state is UNKNOWN:
            if unknown is CountedAs.EXCLUDED:
                counts = False
            is_down = unknown is CountedAs.DOWN or (unknown is CountedAs.BEFORE and before_down)
        else:
            before_down = is_down
        for held, counted_as in (
            (Category.PARENT_DOWN, rules.parent_down),
            (Category.FLAPPING, rules.flapping),
        ):
            if category is held and counted_as is CountedAs.EXCLUDED:
                counts = False
            elif category is held and counted_as is not CountedAs.REAL:
                is_down = counted_as is CountedAs.DOWN
        agreed.append(counts)
        down.append(is_down)
    breaks, hit = 0, False
    for t in range(len(states)):
        hit = down[t] and (hit or agreed[t])
        if hit and (t + 1 == len(states) or not down[t + 1]):
            breaks += 1
    return sum(agreed), sum(a and d for a, d in zip(agreed, down, strict=True)), breaks


@pytest.mark.parametrize("seed", range(20))
def test_agrees_with_the_oracle_on_random_timelines(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(30):
        length = rng.randint(1, 120)
        observations = _random_observations(rng, length)
        known_on = rng.choice([10**9, rng.randrange(300)])
        around = Surroundings(*(_random_spans(rng, length, 4) for _ in range(4)))
        words = [
            (_random_spans(rng, length, 1), rng.choice(list(ComponentState)))
            for _ in range(rng.randint(0, 2))
        ]
        sided = [CountedAs.REAL, CountedAs.UP, CountedAs.DOWN, CountedAs.EXCLUDED]
        rules = AvailabilityRules(
            priority=tuple(rng.sample(PRIORITY, len(PRIORITY))),
            absorb_below_ms=rng.choice([0, 3]),
            flapping_changes=rng.choice([0, 3]),
            flapping_window_ms=8,
            unknown=rng.choice(
                [CountedAs.UP, CountedAs.DOWN, CountedAs.EXCLUDED, CountedAs.BEFORE]
            ),
            degraded=rng.choice([CountedAs.UP, CountedAs.DOWN]),
            maintenance=rng.choice([CountedAs.EXCLUDED, CountedAs.REAL]),
            parent_down=rng.choice(sided),
            flapping=rng.choice(sided),
        )
        states = [_state_at(observations, t, known_on) for t in range(length)]
        for when, state in words:
            states = [state if when.contains(t) else s for t, s in enumerate(states)]
        if rules.absorb_below_ms:
            states = _without_blips(states, rules.absorb_below_ms)
        line = reclassified(observed(observations, 0, length, known_on_ms=known_on), words)
        found = assess(line, around, rules)
        expected = _oracle(states, around, rules, rules.unknown)
        chosen = found.chosen
        assert (chosen.agreed_ms, chosen.down_ms, chosen.breaks) == expected
        assert sum(each.total_ms() for each in chosen.categories.values()) == length
        for treatment, ratio in ((CountedAs.DOWN, found.lowest), (CountedAs.UP, found.highest)):
            agreed, lost, _ = _oracle(states, around, replace(rules, unknown=treatment), treatment)
            assert ratio == (pytest.approx((agreed - lost) / agreed) if agreed else None)
        if chosen.breaks:
            assert chosen.mtbsi_ms == pytest.approx((chosen.mtbf_ms or 0) + (chosen.mtrs_ms or 0))
