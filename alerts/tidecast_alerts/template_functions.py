"""The functions that alert templates may call, as Prometheus and Go define them.

Source: Prometheus' "Template reference"; Go's text/template for comparison and logic.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import re2

from tidecast_alerts.go_format import format_float, sprintf, to_text
from tidecast_alerts.ports import VectorSample
from tidecast_collector.errors import TidecastError
from tidecast_collector.labels import label_value

MAX_TEXT_CHARACTERS = 32 * 1024

Query = Callable[[str], Sequence[VectorSample]]


class ExpansionFailed(TidecastError):
    """A template that could be read but not be carried out on this data."""


@dataclass(frozen=True, slots=True)
class Call:
    """A function of the templates: how many arguments it takes (most None: any number)."""

    least: int
    most: int | None
    run: Callable[..., Any]


def to_number(value: Any) -> float:
    """The number that a function was given, also as text; raises `ExpansionFailed`."""
    try:
        if isinstance(value, str | int | float):
            return float(value)
    except ValueError as error:
        raise ExpansionFailed(f"{value!r} is not a number") from error
    raise ExpansionFailed(f"can't convert {to_text(value)} to float")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ExpansionFailed(f"expected a string, got {to_text(value)}")
    return value


def _g4(value: float) -> str:
    return format_float(value, "g", 4)


def _scaled_down(value: float, suffix: str) -> str:
    prefixes = iter("munpfazy")
    prefix = ""
    while abs(value) < 1 and (smaller := next(prefixes, "")):
        prefix, value = smaller, value * 1000
    return f"{_g4(value)}{prefix}{suffix}"


def _scaled_up(value: float, prefixes: Sequence[str], base: float) -> str:
    prefix = ""
    for larger in prefixes:
        if abs(value) < base:
            break
        prefix, value = larger, value / base
    return f"{_g4(value)}{prefix}"


def humanize(given: Any) -> str:
    """With a metric prefix, 4 significant digits.

    >>> humanize(1234567.0), humanize("0.0123")
    ('1.235M', '12.3m')
    """
    value = to_number(given)
    if value == 0 or not math.isfinite(value):
        return _g4(value)
    if abs(value) >= 1:
        return _scaled_up(value, "kMGTPEZY", 1000)
    return _scaled_down(value, "")


def humanize1024(given: Any) -> str:
    """With a binary prefix.

    >>> humanize1024(2.0**31)
    '2Gi'
    """
    value = to_number(given)
    if abs(value) <= 1 or not math.isfinite(value):
        return _g4(value)
    return _scaled_up(value, [f"{p}i" for p in "kMGTPEZY"], 1024)


def humanize_duration(given: Any) -> str:
    """Seconds as days, hours, minutes and seconds.

    >>> humanize_duration(93784.0), humanize_duration(0.02)
    ('1d 2h 3m 4s', '20ms')
    """
    value = to_number(given)
    if not math.isfinite(value):
        return _g4(value)
    if value == 0:
        return "0s"
    if abs(value) < 1:
        return _scaled_down(value, "s")
    sign = "-" if value < 0 else ""
    if abs(value) < 60:
        return f"{sign}{_g4(abs(value))}s"
    minutes, seconds = divmod(int(abs(value)), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "m"), (seconds, "s")]
    leading = next(i for i, (amount, _) in enumerate(parts) if amount)
    return sign + " ".join(f"{amount}{unit}" for amount, unit in parts[leading:])


def humanize_percentage(given: Any) -> str:
    """A ratio as a percentage.

    >>> humanize_percentage(0.9312)
    '93.12%'
    """
    return f"{_g4(to_number(given) * 100)}%"


def humanize_timestamp(given: Any) -> str:
    """Seconds since 1970 as a date in UTC.

    >>> humanize_timestamp(1234567890.5)
    '2009-02-13 23:31:30.5 +0000 UTC'
    """
    value = to_number(given)
    if not math.isfinite(value):
        return _g4(value)
    try:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=math.floor(value * 1000))
    except OverflowError as error:
        raise ExpansionFailed(f"{_g4(value)} is beyond what a date can be") from error
    fraction = f".{moment.microsecond // 1000:03d}".rstrip("0").rstrip(".")
    return f"{moment:%Y-%m-%d %H:%M:%S}{fraction} +0000 UTC"


def _title(given: Any) -> str:
    return re.sub(r"(?<!\w)\w", lambda match: match[0].upper(), _text(given))


def _replace_all(pattern: Any, replacement: Any, given: Any) -> str:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 8 << 20
    try:
        compiled = re2.compile(_text(pattern), options)
    except re2.error as error:
        raise ExpansionFailed(f"invalid regular expression {pattern!r}: {error}") from error
    template = _text(replacement)
    replaced: str = compiled.sub(lambda match: _go_expanded(template, match), _text(given))
    return replaced


def _go_expanded(template: str, match: Any) -> str:
    """Go's replacement text: $1, ${1}, $name; a group that is not there is empty."""

    def group(reference: re.Match[str]) -> str:
        if reference[0] == "$$":
            return "$"
        name = reference[1] or reference[2]
        groups = match.groupdict()
        if name.isdigit():
            return (match.group(int(name)) or "") if int(name) <= len(match.groups()) else ""
        return groups.get(name) or ""

    return re.sub(r"\$\$|\$\{(\w+)\}|\$(\w+)", group, template)


def _kind(value: Any) -> type:
    if not isinstance(value, bool | int | float | str):
        raise ExpansionFailed("invalid type for comparison")
    return type(value)


def _equal(first: Any, *others: Any) -> bool:
    for other in others:
        if _kind(first) is not _kind(other):
            raise ExpansionFailed("incompatible types for comparison")
    return any(first == other for other in others)


def _less(first: Any, second: Any) -> bool:
    if _kind(first) is not _kind(second):
        raise ExpansionFailed("incompatible types for comparison")
    if isinstance(first, bool):
        raise ExpansionFailed("invalid type for comparison")
    less: bool = first < second
    return less


def _greater(first: Any, second: Any) -> bool:
    return not _less(first, second) and not _equal(first, second)


def truth(value: Any) -> bool:
    """Go's truth of a value: zero, empty and nil are false."""
    return bool(value)


def _length(value: Any) -> int:
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, Sequence | Mapping):
        return len(value)
    raise ExpansionFailed(f"len of {to_text(value)}")


def _index(value: Any, *keys: Any) -> Any:
    for key in keys:
        if isinstance(value, Mapping) and isinstance(key, str):
            value = value.get(key, "")
        elif isinstance(value, Sequence) and type(key) is int and 0 <= key < len(value):
            value = value[key]
        else:
            raise ExpansionFailed(f"cannot index {to_text(value)} with {to_text(key)}")
    return value


def _first(samples: Any) -> VectorSample:
    if not isinstance(samples, Sequence) or isinstance(samples, str):
        raise ExpansionFailed("first() wants the result of a query")
    if not samples:
        raise ExpansionFailed("first() called on vector with no elements")
    first: VectorSample = samples[0]
    return first


def _sample(value: Any) -> VectorSample:
    if not isinstance(value, VectorSample):
        raise ExpansionFailed(f"expected a sample, got {to_text(value)}")
    return value


def _sort_by_label(name: Any, samples: Any) -> list[VectorSample]:
    label = _text(name)
    return sorted(map(_sample, samples), key=lambda sample: label_value(sample.labels, label))


def _printf(pattern: Any, *arguments: Any) -> str:
    text = sprintf(_text(pattern), arguments)
    if len(text) > MAX_TEXT_CHARACTERS:
        raise ExpansionFailed("printf gives too much text")
    return text


FUNCTIONS: Mapping[str, Call] = {
    "humanize": Call(1, 1, humanize),
    "humanize1024": Call(1, 1, humanize1024),
    "humanizeDuration": Call(1, 1, humanize_duration),
    "humanizePercentage": Call(1, 1, humanize_percentage),
    "humanizeTimestamp": Call(1, 1, humanize_timestamp),
    "printf": Call(1, None, _printf),
    "print": Call(0, None, lambda *values: "".join(map(to_text, values))),
    "title": Call(1, 1, _title),
    "toUpper": Call(1, 1, lambda value: _text(value).upper()),
    "toLower": Call(1, 1, lambda value: _text(value).lower()),
    "reReplaceAll": Call(3, 3, _replace_all),
    "eq": Call(2, None, _equal),
    "ne": Call(2, 2, lambda first, second: not _equal(first, second)),
    "lt": Call(2, 2, _less),
    "le": Call(2, 2, lambda first, second: _less(first, second) or _equal(first, second)),
    "gt": Call(2, 2, _greater),
    "ge": Call(2, 2, lambda first, second: not _less(first, second)),
    "not": Call(1, 1, lambda value: not truth(value)),
    "len": Call(1, 1, _length),
    "index": Call(1, None, _index),
    "first": Call(1, 1, _first),
    "value": Call(1, 1, lambda sample: _sample(sample).value),
    "label": Call(2, 2, lambda name, sample: label_value(_sample(sample).labels, _text(name))),
    "sortByLabel": Call(2, 2, _sort_by_label),
}
"""What needs nothing but its arguments."""

SPECIAL = frozenset({"and", "or", "query"})
"""`and` and `or` stop early; `query` asks PromQL. The expander carries these out itself."""
