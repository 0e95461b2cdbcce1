"""Availability of services: what was observed of their components, judged by the policy.

Nothing is stored: each figure is made from raw observations and the words said of them, so that a
later word changes an earlier report, and a report as known on a day stays what it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from tidecast.policy.model import Policy, Service
from tidecast.records.availability import Classification
from tidecast.records.database import Unit
from tidecast_analytics.availability import Assessment, CountedAs, Surroundings, assess
from tidecast_analytics.calendars import Calendar
from tidecast_analytics.spans import NEVER, Spans, spans
from tidecast_analytics.structure import (
    Block,
    Component,
    Group,
    TooComplex,
    component_names,
    joined,
    modelled,
    series,
)
from tidecast_analytics.timelines import (
    ClassificationKind,
    ComponentState,
    Observation,
    Timeline,
    filled,
    observed,
    reclassified,
)
from tidecast_collector.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Question:
    """Availability over [start, end), as known on that time (None: by now)."""

    start_ms: int
    end_ms: int
    known_on_ms: int | None = None


@dataclass(frozen=True, slots=True)
class ServiceAvailability:
    """The answer for one service.

    `line` is what it did: what was observed of it, else what its components give.
    `modelled_ratio` is what independent components of these availabilities would give (None: it
    rests on none, nothing is known of one, or it is too complex). `words` are what people said of
    the time.
    """

    service: Service
    line: Timeline
    assessment: Assessment
    modelled_ratio: float | None
    components: Mapping[str, Assessment]
    words: Sequence[Classification]
    services: Mapping[str, Assessment] = field(default_factory=dict)
    """The services that it rests on, judged within its own time."""


class Availabilities:
    """Answers for any number of services from one reading of the ledger."""

    def __init__(
        self, policy: Policy, unit: Unit, question: Question, names: Iterable[str]
    ) -> None:
        self._policy, self._question = policy, question
        self._blocks = {name: expanded(policy, name) for name in names}
        wanted = {each for name in self._blocks for each in (name, *below(policy, name))}
        relations = unit.configuration.relations(question.end_ms - 1)
        self._parents = {r.subject: r.object for r in relations if r.kind == "runs_on"}
        wanted |= {self._parents[name] for name in wanted if name in self._parents}
        span = (question.start_ms, question.end_ms)
        self._observations = unit.outages.observations(wanted, *span, question.known_on_ms)
        self._words: dict[str, list[Classification]] = {}
        for word in unit.outages.classifications(wanted, *span, question.known_on_ms):
            self._words.setdefault(word.component, []).append(word)
        self._lines: dict[str, Timeline] = {}
        self._wholes: dict[str, Timeline] = {}
        self._calendars: dict[int, tuple[Calendar, Spans]] = {}

    def of(self, name: str) -> ServiceAvailability:
        """The answer for one of the services."""
        service, block = self._policy.services[name], self._blocks[name]
        names = dict.fromkeys(component_names(block)) if block else {}
        line = self._whole_line(name)
        agreed = self._hours(service.agreed)
        maintenance = self._hours(service.maintenance) if service.maintenance else NEVER
        around = self._around(name, agreed, maintenance)
        whole = assess(line, around, service.rules)

        def judged(part: str, line: Timeline) -> Assessment:
            """Within the service's own time, so that it can be held beside the whole."""
            own = _within(self._around(part, agreed, maintenance), around)
            return assess(line, own, service.rules)

        parts = {each: judged(each, self._line(each)) for each in names}
        ratios = {each: part.chosen.ratio for each, part in parts.items()}
        known = {each: ratio for each, ratio in ratios.items() if ratio is not None}
        model = None
        if block and len(known) == len(ratios):
            # Where degraded counts as down, one part that is down is enough.
            strict = service.rules.degraded is CountedAs.DOWN
            model = _model(series(*map(Component, names)) if strict else block, known)
        others = [each for each in below(self._policy, name) if each not in parts]
        services = {each: judged(each, self._whole_line(each)) for each in others}
        return ServiceAvailability(service, line, whole, model, parts, self.words(name), services)

    def words(self, name: str) -> Sequence[Classification]:
        """What people said of the service's time, and of its components'."""
        names = (name, *below(self._policy, name))
        return [word for each in names for word in self._words.get(each, ())]

    def within(
        self, name: str, agreed: Calendar | None, excluded: Calendar | None
    ) -> tuple[Timeline, Surroundings, Assessment]:
        """The service judged by an agreement: its hours (None: the service's), less exclusions."""
        service, line = self._policy.services[name], self._whole_line(name)
        maintenance = self._hours(service.maintenance) if service.maintenance else NEVER
        around = self._around(name, self._hours(agreed or service.agreed), maintenance)
        if excluded is not None:
            around = replace(around, exclusions=around.exclusions | self._hours(excluded))
        return line, around, assess(line, around, service.rules)

    def _whole_line(self, name: str) -> Timeline:
        """What was observed of a service itself; where nothing was, what it rests on tells."""
        service = self._policy.services.get(name)
        block = service.rests_on if service else None
        if block is None:
            return self._line(name)
        if name not in self._wholes:
            lines = {each: self._whole_line(each) for each in dict.fromkeys(component_names(block))}
            line = joined(block, lines, self._question.start_ms, self._question.end_ms)
            if self._observations[name]:
                line = filled(self._observed(name), line)
            self._wholes[name] = reclassified(line, corrections(self._words.get(name, ())))
        return self._wholes[name]

    def _line(self, component: str) -> Timeline:
        if component not in self._lines:
            line = self._observed(component)
            self._lines[component] = reclassified(line, corrections(self._words.get(component, ())))
        return self._lines[component]

    def _observed(self, component: str) -> Timeline:
        said: Sequence[Observation] = self._observations[component]
        span = (self._question.start_ms, self._question.end_ms)
        return observed(said, *span, known_on_ms=self._question.known_on_ms)

    def _around(self, component: str, agreed: Spans, maintenance: Spans) -> Surroundings:
        words = self._words.get(component, ())
        parent = self._parents.get(component)
        return Surroundings(
            agreed,
            maintenance | said(words, ClassificationKind.MAINTENANCE),
            said(words, ClassificationKind.EXCLUSION),
            self._line(parent).of(ComponentState.DOWN) if parent else NEVER,
        )

    def _hours(self, calendar: Calendar) -> Spans:
        # Most services share a calendar: by identity, since one is large to hash.
        if id(calendar) not in self._calendars:
            found = calendar.spans(self._question.start_ms, self._question.end_ms)
            self._calendars[id(calendar)] = (calendar, found)
        return self._calendars[id(calendar)][1]


def expanded(policy: Policy, name: str) -> Block | None:
    """What the service rests on, down to what is no service; None where it rests on nothing.

    Raises `InvalidInput` for a service that is not there, or that rests on itself.
    """
    if name not in policy.services:
        raise InvalidInput(f"there is no service {name!r} in the applied policy")
    block = policy.services[name].rests_on
    return None if block is None else _expand(policy, block, (name,))


def below(policy: Policy, name: str) -> list[str]:
    """Every service and component that it rests on, at whatever depth, each once."""
    found: dict[str, None] = {}
    waiting = [name]
    while waiting:
        service = policy.services.get(waiting.pop())
        names = component_names(service.rests_on) if service and service.rests_on else []
        waiting += [each for each in dict.fromkeys(names) if each not in found]
        found |= dict.fromkeys(names)
    return list(found)


def _expand(policy: Policy, block: Block, within: tuple[str, ...]) -> Block:
    if isinstance(block, Group):
        return replace(block, parts=[_expand(policy, part, within) for part in block.parts])
    if block.name in within:
        raise InvalidInput(f"{' rests on '.join((*within, block.name))}: a circle; break it")
    service = policy.services.get(block.name)
    if service is None or service.rests_on is None:
        return Component(block.name)
    return _expand(policy, service.rests_on, (*within, block.name))


def _model(block: Block, ratios: Mapping[str, float]) -> float | None:
    try:
        return modelled(block, ratios)
    except TooComplex:
        # What was observed stands all the same; the service's own page says why it has no model.
        return None


def _within(part: Surroundings, whole: Surroundings) -> Surroundings:
    """What surrounds a part, less the time that does not count for the whole."""
    return replace(
        part,
        maintenance=part.maintenance | whole.maintenance,
        exclusions=part.exclusions | whole.exclusions,
    )


def said(words: Sequence[Classification], kind: ClassificationKind) -> Spans:
    """The time of which somebody said this."""
    return spans((word.start_ms, word.end_ms) for word in words if word.kind is kind)


def corrections(words: Sequence[Classification]) -> list[tuple[Spans, ComponentState]]:
    """What they say that states really were."""
    return [
        (spans([(word.start_ms, word.end_ms)]), word.state)
        for word in words
        if word.state is not None
    ]
