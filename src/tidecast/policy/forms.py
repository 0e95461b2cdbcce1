"""Reading one mapping of a policy file: typed values by key, every fault noted where it stands."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from datetime import date
from enum import StrEnum
from typing import TypeVar

import yaml

from tidecast.policy.model import Place
from tidecast_alerts.yaml_nodes import Field
from tidecast_collector.durations import parse_duration_ms

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)


class Form:
    """The values of a mapping that may have these keys and must have the `required` ones."""

    def __init__(self, body: Field, known: Collection[str], required: Sequence[str] = ()) -> None:
        self.body = body
        self.place = place_of(body)
        self._fields = body.mapping(known)
        missing = [key for key in required if key not in self._fields]
        if missing and isinstance(body.node, yaml.MappingNode):
            body.wrong(f"{body.key or 'this'} lacks {', '.join(missing)}")

    def __contains__(self, key: str) -> bool:
        return key in self._fields

    def field(self, key: str) -> Field | None:
        """The node under the key."""
        return self._fields.get(key)

    def read(self, key: str, reader: Callable[[str], T], otherwise: T) -> T:
        """What the reader makes of the text there; `otherwise` where there is none."""
        field = self._fields.get(key)
        return otherwise if field is None else field.read(reader, otherwise)

    def text(self, key: str, otherwise: str = "") -> str:
        """The text there."""
        return self.read(key, str, otherwise)

    def texts(self, key: str) -> tuple[str, ...]:
        """The texts there: a list of them, or a single one."""
        field = self._fields.get(key)
        if field is None:
            return ()
        if isinstance(field.node, yaml.ScalarNode):
            return (field.text(),)
        return tuple(item.text() for item in field.items())

    def items(self, key: str) -> Sequence[Field]:
        """The elements of the list there."""
        field = self._fields.get(key)
        return () if field is None else field.items()

    def number(self, key: str, otherwise: float = 0.0) -> float:
        """The number there, at least 0."""
        return self.read(key, number, otherwise)

    def ratio(self, key: str) -> float | None:
        """The share there: 0.999, or 99.9 %."""
        found = self.read(key, ratio, math.nan)
        return None if math.isnan(found) else found

    def seconds(self, key: str) -> int | None:
        """The duration there, in seconds."""
        found = self.read(key, parse_duration_ms, -1)
        return None if found < 0 else found // 1000

    def choice(self, key: str, words: type[E], otherwise: E) -> E:
        """One word of the enumeration."""
        return self.read(key, one_of(words), otherwise)

    def day(self, key: str) -> date | None:
        """The date there, as in 2026-12-31."""
        found = self.read(key, date.fromisoformat, date.min)
        return None if found == date.min else found


def place_of(field: Field) -> Place:
    """Where it stands."""
    return Place(field.problems.filename, field.line, field.column)


def number(text: str) -> float:
    """A finite number that is not negative; raises `ValueError`."""
    found = float(text)
    if not 0 <= found < math.inf:
        raise ValueError(f"{text} is not a number of at least 0")
    return found


def whole(text: str) -> int:
    """A whole number that is not negative; raises `ValueError`."""
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise ValueError(f"{text!r} is not a whole number")
    return int(text)


def ratio(text: str) -> float:
    """A share from 0 to 1, written 0.999 or 99.9 %; raises `ValueError`."""
    share = text.strip()
    # Through decimal digits: 99.9 / 100 is not 0.999 in binary.
    found = float(f"{share[:-1].strip()}e-2") if share.endswith("%") else float(share)
    if not 0 <= found <= 1:
        raise ValueError(f"{text!r} is no share from 0 to 1; write it as in 0.999 or 99.9 %")
    return found


def one_of(words: type[E]) -> Callable[[str], E]:
    """Reads one word of the enumeration; raises `ValueError` that names them all."""

    def read(text: str) -> E:
        try:
            return words(text)
        except ValueError as error:
            raise ValueError(f"{text!r} is not one of {', '.join(words)}") from error

    return read
