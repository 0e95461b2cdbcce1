"""Label matchers, as in a PromQL selector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any

import re2

from tidecast_collector.errors import InvalidInput
from tidecast_collector.labels import Labels


class MatchOp(Enum):
    """How a matcher compares; the values are PromQL's spelling."""

    EQUAL = "="
    NOT_EQUAL = "!="
    REGEX = "=~"
    NOT_REGEX = "!~"


class InvalidRegex(InvalidInput):
    """A regular expression that RE2 refuses."""


@lru_cache(maxsize=4096)
def compile_regex(pattern: str) -> Any:
    """The RE2 pattern, to be used with `fullmatch`; a dot also matches a newline."""
    options = re2.Options()
    options.log_errors = False
    options.dot_nl = True
    options.max_mem = 8 << 20
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        (reason,) = error.args
        told = reason.decode(errors="replace") if isinstance(reason, bytes) else reason
        raise InvalidRegex(f"invalid regular expression {pattern!r}: {told}") from error


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on one label; a label that a series lacks has the value ""."""

    name: str
    op: MatchOp
    value: str

    def matches(self, value: str) -> bool:
        """Whether a label of this value passes."""
        if self.op is MatchOp.EQUAL:
            return value == self.value
        if self.op is MatchOp.NOT_EQUAL:
            return value != self.value
        found = compile_regex(self.value).fullmatch(value) is not None
        return found if self.op is MatchOp.REGEX else not found

    def __str__(self) -> str:
        escaped = self.value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'{self.name}{self.op.value}"{escaped}"'


Matchers = Sequence[Matcher]
"""All must pass."""


def matches_all(matchers: Matchers, labels: Labels) -> bool:
    """Whether a series of these labels passes every matcher."""
    values = dict(labels)
    return all(matcher.matches(values.get(matcher.name, "")) for matcher in matchers)
