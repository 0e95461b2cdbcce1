"""Values as Go's `fmt` prints them, since that is what Prometheus' annotations look like."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

_EXPONENT_FROM = 6
_VERB = re.compile(r"%([-+# 0]*)(\d{1,3})?(?:\.(\d{1,3})?)?([a-zA-Z%])")


def format_float(value: float, verb: str = "g", precision: int | None = None) -> str:
    """A float as Go's %v (`g` without precision) or another float verb writes it.

    >>> format_float(1234567.0), format_float(0.1), format_float(1.0, "f", 2)
    ('1.234567e+06', '0.1', '1.00')
    """
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if verb in "gG" and precision is None:
        return _shortest(value)
    return f"{value:.{6 if precision is None else precision}{verb}}"


def format_shortest_exponent(value: float) -> str:
    """The shortest text with an exponent that reads back as this value, as Prometheus' API has it.

    >>> format_shortest_exponent(1.0), format_shortest_exponent(0.95)
    ('1e+00', '9.5e-01')
    """
    if not math.isfinite(value) or value == 0:
        return format_float(value) if not math.isfinite(value) else f"{value:.0e}"
    digits = len(Decimal(repr(value)).normalize().as_tuple().digits)
    return f"{value:.{digits - 1}e}"


def _shortest(value: float) -> str:
    """The shortest text that reads back as this value, with an exponent where Go has one."""
    if value == 0:
        return "-0" if math.copysign(1, value) < 0 else "0"
    number = Decimal(repr(value)).normalize()
    digits, exponent = len(number.as_tuple().digits), number.adjusted()
    if exponent < -4 or exponent >= _EXPONENT_FROM:
        return f"{value:.{digits - 1}e}"
    return f"{value:.{max(digits - 1 - exponent, 0)}f}"


def to_text(value: Any) -> str:
    """What %v prints of it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "<no value>"
    if isinstance(value, float):
        return format_float(value)
    if isinstance(value, Mapping):
        return f"map[{' '.join(f'{k}:{to_text(v)}' for k, v in sorted(value.items()))}]"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{' '.join(map(to_text, value))}]"
    return str(value)


def sprintf(pattern: str, arguments: Sequence[Any]) -> str:
    """Go's fmt.Sprintf for strings, numbers and truth values; a mismatch shows as Go shows it."""
    left = list(arguments)

    def verb(match: re.Match[str]) -> str:
        if match[4] == "%":
            return "%"
        if not left:
            return f"%!{match[4]}(MISSING)"
        precision = int(match[3] or 0) if "." in match[0] else None
        return _padded(_verb(match[4], left.pop(0), precision, match[1]), match)

    text = _VERB.sub(verb, pattern)
    if left:
        extra = ", ".join(f"{_kind(value)}={to_text(value)}" for value in left)
        text += f"%!(EXTRA {extra})"
    return text


def _verb(verb: str, value: Any, precision: int | None, flags: str) -> str:
    text = _matching(verb, value, precision)
    if text is None:
        return f"%!{verb}({_kind(value)}={to_text(value)})"
    signed = "+" in flags and _kind(value) in {"int", "float64"} and not text.startswith(("-", "+"))
    return f"+{text}" if signed else text


def _matching(verb: str, value: Any, precision: int | None) -> str | None:
    """The value under this verb, or None where the verb is not for its kind."""
    text: str | None = None
    kind = _kind(value)
    if verb == "v":
        text = format_float(value, "g", precision) if kind == "float64" else to_text(value)
    elif kind == "string" and verb in "sq":
        cut = value if precision is None else value[:precision]
        text = cut if verb == "s" else json.dumps(cut, ensure_ascii=False)
    elif kind == "bool" and verb == "t":
        text = to_text(value)
    elif kind == "float64" and verb in "eEfFgG":
        text = format_float(value, "f" if verb == "F" else verb, precision)
    elif kind == "int" and verb in "dxXob":
        text = format(value, verb)
    return text


def _padded(text: str, match: re.Match[str]) -> str:
    width = int(match[2] or 0)
    if "-" in match[1]:
        return text.ljust(width)
    return text.zfill(width) if "0" in match[1] else text.rjust(width)


def _kind(value: Any) -> str:
    names = {bool: "bool", int: "int", float: "float64", str: "string"}
    return names.get(type(value), "value")
