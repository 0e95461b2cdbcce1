"""A clock and a PromQL on plain data, so that rules and incidents can be tried without a store."""

from __future__ import annotations

import operator
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from tidecast_alerts.ports import VectorSample
from tidecast_collector.errors import InvalidInput
from tidecast_collector.labels import NAME, Labels, make_labels

LOOKBACK_MS = 300_000
NEWEST_MS = 86_400_000
_TERM = re.compile(r"(?:(absent)\()?([a-z_]+)(\))?(?: (>|>=|<|<=|==|!=) (-?[0-9.]+))?")
_COMPARE = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
}


@dataclass
class FakeClock:
    """A clock that stands still until it is set."""

    ms: int = 0

    def now_ms(self) -> int:
        """The time it was set to."""
        return self.ms


@dataclass(frozen=True, slots=True)
class _Term:
    metric: str
    absent: bool
    comparison: str
    bound: float


@dataclass
class FakePromQL:
    """Answers `metric`, `metric > 5`, `absent(metric)` and several of these joined by ` and `."""

    samples: dict[Labels, list[tuple[int, float]]] = field(default_factory=dict)

    def add(self, name: str, labels: dict[str, str], at_ms: int, value: float) -> None:
        """A sample of the series."""
        self.samples.setdefault(make_labels({NAME: name, **labels}), []).append((at_ms, value))

    def check(self, expression: str) -> None:
        """Raises `InvalidInput` for anything else."""
        _terms(expression)

    def instant(self, expression: str, at_ms: int) -> Sequence[VectorSample]:
        """The vector; a series counts for five minutes after its last sample."""
        first, *others = [self._vector(term, at_ms) for term in _terms(expression)]
        return [
            sample
            for sample in first
            if all(any(_unnamed(sample) == _unnamed(o) for o in other) for other in others)
        ]

    def newest_samples(self, expression: str, labels: Labels, at_ms: int) -> Sequence[int | None]:
        """For each metric of the expression the time of its newest sample under these labels."""
        wanted = dict(labels)
        newest: list[int | None] = []
        for term in _terms(expression):
            times = [
                ms
                for series, samples in self.samples.items()
                if dict(series)[NAME] == term.metric
                and all(wanted.get(name, value) == value for name, value in series)
                for ms, _ in samples
                if at_ms - NEWEST_MS <= ms <= at_ms
            ]
            newest.append(max(times, default=None))
        return newest

    def _vector(self, term: _Term, at_ms: int) -> list[VectorSample]:
        found = []
        for series, samples in sorted(self.samples.items()):
            recent = [(ms, v) for ms, v in samples if at_ms - LOOKBACK_MS < ms <= at_ms]
            if dict(series)[NAME] == term.metric and recent:
                found.append(VectorSample(series, max(recent)[1]))
        if term.absent:
            return [] if found else [VectorSample((), 1.0)]
        if not term.comparison:
            return found
        return [s for s in found if _COMPARE[term.comparison](s.value, term.bound)]


def _terms(expression: str) -> list[_Term]:
    terms = []
    for text in expression.split(" and "):
        match = _TERM.fullmatch(text.strip())
        if match is None or (match[1] is None) != (match[3] is None):
            raise InvalidInput(f"1:1: cannot read {text!r}")
        terms.append(_Term(match[2], match[1] is not None, match[4] or "", float(match[5] or 0)))
    return terms


def _unnamed(sample: VectorSample) -> Labels:
    return tuple((name, value) for name, value in sample.labels if name != NAME)
