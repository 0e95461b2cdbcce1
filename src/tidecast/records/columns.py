"""Column types that hold the same values on SQLite and on PostgreSQL, and refuse the rest.

SQLite would keep a NumPy integer as bytes and a NaN as NULL; PostgreSQL refuses NUL in a text. So
each value is checked and made plain on its way in.
"""

from __future__ import annotations

import hashlib
import json
import math
import operator
from collections.abc import Callable
from enum import StrEnum
from typing import Any, SupportsFloat, TypeAlias

import sqlalchemy as sa

from tidecast.records.errors import RecordsDamaged, UnstorableValue

JsonValue: TypeAlias = "str | int | float | bool | list[JsonValue] | dict[str, JsonValue] | None"

MAX_TEXT_BYTES = 1 << 20
INT64_MIN, INT64_MAX = -(1 << 63), (1 << 63) - 1


def storable_text(value: str, max_bytes: int = MAX_TEXT_BYTES) -> bytes:
    """The text in UTF-8.

    Raises `UnstorableValue` for NUL, for half a surrogate pair, and for more than `max_bytes`.
    """
    if not isinstance(value, str):
        raise UnstorableValue(f"a text is needed here, not {type(value).__name__}")
    if "\0" in value:
        raise UnstorableValue(f"a NUL character cannot be recorded: {value[:80]!r}; remove it")
    try:
        encoded = value.encode()
    except UnicodeEncodeError as error:
        raise UnstorableValue(
            f"not valid Unicode at character {error.start + 1}: {value[:80]!r}"
        ) from error
    if len(encoded) > max_bytes:
        raise UnstorableValue(
            f"a text of {len(encoded)} bytes is too long to record here (limit {max_bytes}): "
            f"{value[:80]!r}..."
        )
    return encoded


def storable_integer(value: int) -> int:
    """The whole number as a plain int; raises `UnstorableValue` outside of int64."""
    try:
        number = operator.index(value)
    except TypeError as error:
        raise UnstorableValue(f"a whole number is needed here, not {value!r}") from error
    if not INT64_MIN <= number <= INT64_MAX:
        raise UnstorableValue(f"{number} does not fit in 64 bits")
    return number


def storable_real(value: float) -> float:
    """The number as a plain float, NaN and infinities included."""
    if not isinstance(value, SupportsFloat):
        raise UnstorableValue(f"a number is needed here, not {value!r}")
    return float(value)


def digest(*texts: str) -> bytes:
    """A key for this sequence of texts, however long: SHA-256 over each with its length.

    PostgreSQL cannot index a text beyond some 2,700 bytes, and labels have no such bound.
    """
    hashed = hashlib.sha256()
    for text in texts:
        encoded = storable_text(text)
        hashed.update(len(encoded).to_bytes(4, "big") + encoded)
    return hashed.digest()


def json_text(value: object) -> str:
    """The value as JSON; raises `UnstorableValue` where it, or a text inside it, is refused."""
    _refuse_unstorable(value)
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise UnstorableValue(f"this value has no JSON form: {error}") from error


def _refuse_unstorable(value: object) -> None:
    waiting, seen = [value], 0
    while waiting:
        part = waiting.pop()
        seen += 1
        if seen > MAX_TEXT_BYTES:
            raise UnstorableValue("a value of more than a million parts is too large to record")
        if isinstance(part, str):
            storable_text(part)
        elif isinstance(part, dict):
            waiting += [*part, *part.values()]
        elif isinstance(part, list | tuple):
            waiting += part


class Text(sa.types.TypeDecorator[str]):
    """A text of at most `max_bytes` in UTF-8."""

    impl = sa.Text
    cache_ok = True

    def __init__(self, max_bytes: int = MAX_TEXT_BYTES) -> None:
        super().__init__()
        self.max_bytes = max_bytes

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:
        return None if value is None else storable_text(value, self.max_bytes).decode()


class Choice(sa.types.TypeDecorator[StrEnum]):
    """One word of an enumeration, kept as that word."""

    impl = sa.Text
    cache_ok = True

    def __init__(self, words: type[StrEnum]) -> None:
        super().__init__()
        self.words = words

    def process_bind_param(self, value: StrEnum | None, dialect: sa.Dialect) -> str | None:
        if value is None:
            return None
        try:
            return str(self.words(value))
        except ValueError as error:
            words = ", ".join(self.words)
            raise UnstorableValue(f"{value!r} is none of {words}") from error

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> StrEnum | None:
        if value is None:
            return None
        try:
            return self.words(value)
        except ValueError as error:
            raise RecordsDamaged(
                f"{value!r} is recorded where {self.words.__name__} is expected"
            ) from error


class Int64(sa.types.TypeDecorator[int]):
    """A signed 64-bit integer; times are milliseconds UTC."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: sa.Dialect) -> int | None:
        return None if value is None else storable_integer(value)


class Real(sa.types.TypeDecorator[float]):
    """A double; an absent one is None, and NaN is refused."""

    impl = sa.Double
    cache_ok = True

    def process_bind_param(self, value: float | None, dialect: sa.Dialect) -> float | None:
        number = None if value is None else storable_real(value)
        if number is not None and math.isnan(number):
            raise UnstorableValue("NaN cannot be recorded here; leave the value out (None)")
        return number


class RealOrNaN(sa.types.TypeDecorator[float]):
    """A double that is never absent; NULL stands for NaN, which SQLite cannot hold."""

    impl = sa.Double
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> float | None:
        number = storable_real(value)
        return None if math.isnan(number) else number

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> float:
        return math.nan if value is None else float(value)


class Json(sa.types.TypeDecorator[Any]):
    """A value kept as JSON text; `frozen` gives it back in the shape that our dataclasses have."""

    impl = sa.Text
    cache_ok = True

    def __init__(self, frozen: Callable[[Any], Any]) -> None:
        super().__init__()
        self.frozen = frozen

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> str | None:
        return None if value is None else storable_text(json_text(value)).decode()

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Any:
        return None if value is None else self.frozen(json.loads(value))


def as_labels(pairs: list[list[str]]) -> tuple[tuple[str, str], ...]:
    """Labels from their JSON form."""
    return tuple((name, value) for name, value in pairs)
