"""The nodes of duration expressions and of the modifiers that shift a selector in time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from tidecast.promql.durations import format_duration
from tidecast.promql.spelling import format_number


@dataclass(frozen=True, slots=True)
class DurationLiteral:
    """A fixed duration; a bare number counts seconds."""

    milliseconds: int

    def __str__(self) -> str:
        return format_duration(self.milliseconds)


@dataclass(frozen=True, slots=True)
class DurationNumber:
    """A number inside a duration expression: a factor, or seconds where a duration is due."""

    value: float

    def __str__(self) -> str:
        return format_number(self.value)


@dataclass(frozen=True, slots=True)
class DurationCall:
    """`step()`, `range()`, `min_of(a, b)` or `max_of(a, b)`, also `min` and `max`."""

    function: str
    arguments: tuple[Duration, ...]

    def __str__(self) -> str:
        return f"{self.function}({', '.join(map(str, self.arguments))})"


@dataclass(frozen=True, slots=True)
class DurationOperation:
    """Arithmetic on durations; `left` is None for a sign. `position` is that of the operator."""

    op: str
    left: Duration | None
    right: Duration
    position: int = field(default=0, compare=False)

    def __str__(self) -> str:
        if self.left is None:
            return f"{self.op}{self.right}"
        return f"{self.left} {self.op} {self.right}"


@dataclass(frozen=True, slots=True)
class DurationParen:
    """A duration expression in parentheses."""

    inner: Duration

    def __str__(self) -> str:
        return f"({self.inner})"


Duration: TypeAlias = (
    DurationLiteral | DurationNumber | DurationCall | DurationOperation | DurationParen
)


@dataclass(frozen=True, slots=True)
class At:
    """The `@` modifier: `kind` is "time", "start" or "end"; `ms` is set for "time"."""

    kind: str
    ms: int | None = None

    def __str__(self) -> str:
        if self.ms is None:
            return f"@ {self.kind}()"
        sign, (seconds, rest) = "-" if self.ms < 0 else "", divmod(abs(self.ms), 1000)
        return f"@ {sign}{seconds}.{rest:03d}"


def format_modifiers(offset: Duration | None, at: At | None) -> str:
    """The text of the modifiers behind a selector, each with a space before it."""
    text = "" if at is None else f" {at}"
    return text if offset is None else f"{text} offset {offset}"
