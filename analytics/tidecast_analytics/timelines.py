"""State timelines of components, made from observations that may be late, doubled or missing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from tidecast_analytics.spans import NEVER, Int64s, Spans, spans


class ComponentState(StrEnum):
    """What a component does, from best to worst; unknown where nobody has said or seen it."""

    UP = "up"
    DEGRADED = "degraded"
    DOWN = "down"
    UNKNOWN = "unknown"


class ClassificationKind(StrEnum):
    """What people say of a stretch of time afterwards; it never edits what was observed."""

    MAINTENANCE = "maintenance"
    EXCLUSION = "exclusion"
    ANNOTATION = "annotation"
    RECLASSIFICATION = "reclassification"


_WORST_FIRST = (ComponentState.DOWN, ComponentState.DEGRADED, ComponentState.UP)


@dataclass(frozen=True, slots=True)
class Observation:
    """`source` says that the component is in this state from `from_ms` on, until it says otherwise.

    It was known at `known_at_ms`: a report as known on an earlier day does not have it.
    """

    component: str
    state: ComponentState
    from_ms: int
    known_at_ms: int
    source: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """The state of one component at each time in [start, end): each moment has exactly one."""

    start_ms: int
    end_ms: int
    states: Mapping[ComponentState, Spans]

    def of(self, state: ComponentState) -> Spans:
        """When it is in this state."""
        return self.states.get(state, NEVER)

    def phases(self) -> list[tuple[int, int, ComponentState]]:
        """(start, end, state) in the order of time."""
        return sorted((s, e, state) for state, held in self.states.items() for s, e in held)


def timeline(phases: Iterable[tuple[int, int, ComponentState]]) -> Timeline:
    """The timeline of these phases, which follow one another without a gap."""
    each = list(phases)
    by_state: dict[ComponentState, list[tuple[int, int]]] = {}
    for start, end, state in each:
        by_state.setdefault(state, []).append((start, end))
    return Timeline(each[0][0], each[-1][1], {k: spans(v) for k, v in by_state.items()})


def observed(
    observations: Iterable[Observation],
    start_ms: int,
    end_ms: int,
    *,
    known_on_ms: int | None = None,
) -> Timeline:
    """The timeline of one component over [start, end), as known on that time (None: by now).

    Each source is a step function of `from_ms` (of two of the same moment the one known later
    holds). Sources are joined by the worst of what they say; the state is unknown only where none
    says one. `end_ms` must be after `start_ms`.
    """
    by_source: dict[str, list[Observation]] = {}
    for one in observations:
        if known_on_ms is None or one.known_at_ms <= known_on_ms:
            by_source.setdefault(one.source, []).append(one)
    held = {state: NEVER for state in ComponentState}
    for said in by_source.values():
        for state, when in _steps(said, start_ms, end_ms).items():
            held[state] |= when
    return _partition(held, start_ms, end_ms)


def reclassified(line: Timeline, words: Iterable[tuple[Spans, ComponentState]]) -> Timeline:
    """The timeline by what was said later of the state it really was; the last word holds."""
    states = dict(line.states)
    for when, state in words:
        inside = when.within(line.start_ms, line.end_ms)
        states = {each: held - inside for each, held in states.items()}
        states[state] = states.get(state, NEVER) | inside
    states = {state: held for state, held in states.items() if len(held)}
    return Timeline(line.start_ms, line.end_ms, states)


def filled(line: Timeline, other: Timeline) -> Timeline:
    """The timeline, and where it is unknown what the other one of the same time says."""
    unknown = line.of(ComponentState.UNKNOWN)
    held = {each: line.of(each) | other.of(each) & unknown for each in ComponentState}
    held[ComponentState.UNKNOWN] = unknown & other.of(ComponentState.UNKNOWN)
    states = {state: when for state, when in held.items() if len(when)}
    return Timeline(line.start_ms, line.end_ms, states)


def absorbed(line: Timeline, shortest_ms: int) -> Timeline:
    """The timeline without blips: phases shorter than that between two of one same state.

    From left to right, so that a run of blips becomes the state it began in.
    """
    phases = line.phases()
    kept = phases[:1]
    for i, (start, end, state) in enumerate(phases[1:], start=1):
        before = kept[-1][2]
        inner = i + 1 < len(phases) and phases[i + 1][2] is before
        short = inner and end - start < shortest_ms
        kept.append((start, end, before if short else state))
    return timeline(kept)


def flapping(line: Timeline, changes: int, window_ms: int) -> Spans:
    """When at least so many changes of state lie in the last `window_ms`: (t - window, t]."""
    at: Int64s = np.array([start for start, _, _ in line.phases()[1:]], dtype=np.int64)
    first, last = at[: len(at) - changes + 1], at[changes - 1 :]
    return Spans.of(last, first + window_ms).within(line.start_ms, line.end_ms)


def _steps(
    said: Sequence[Observation], start_ms: int, end_ms: int
) -> Mapping[ComponentState, Spans]:
    latest = {
        one.from_ms: one.state for one in sorted(said, key=lambda o: (o.from_ms, o.known_at_ms))
    }
    moments = np.array(list(latest), dtype=np.int64)
    upto = np.append(moments[1:], max(end_ms, int(moments[-1])))
    said_states = list(latest.values())
    found = {}
    for state in set(said_states):
        mine = np.array([each is state for each in said_states])
        found[state] = Spans.of(moments[mine], upto[mine]).within(start_ms, end_ms)
    return found


def _partition(held: Mapping[ComponentState, Spans], start_ms: int, end_ms: int) -> Timeline:
    left = spans([(start_ms, end_ms)])
    states = {}
    for state in _WORST_FIRST:
        states[state] = held[state] & left
        left -= states[state]
    states[ComponentState.UNKNOWN] = left
    return Timeline(start_ms, end_ms, {state: when for state, when in states.items() if len(when)})
