"""How PromQL spells numbers, label names and strings."""

from __future__ import annotations

import math

from tidecast_collector.labels import LABEL_NAME


def format_label(name: str) -> str:
    """A label name, quoted where PromQL asks for it."""
    return name if LABEL_NAME.fullmatch(name) else quote(name)


def format_number(value: float) -> str:
    """The shortest text that parses back to this number."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Inf" if value > 0 else "-Inf"
    text = repr(value)
    return text.removesuffix(".0")


_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"})


def quote(text: str) -> str:
    """The text as a PromQL string in double quotes."""
    return f'"{text.translate(_ESCAPES)}"'
