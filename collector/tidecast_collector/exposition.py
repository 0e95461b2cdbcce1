"""Metric families as Prometheus text, version 0.0.4."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf, isnan

from tidecast_collector.model import Family, Tags

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MAX_CACHED_LINES = 100_000


def escape_help(text: str) -> str:
    """The text as it stands behind `# HELP name`."""
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def escape_value(value: str) -> str:
    """The label value as it stands between its quotes."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def format_value(value: float) -> str:
    """The number as Prometheus reads it back to the same bits.

    >>> format_value(12.0), format_value(0.1), format_value(float("inf"))
    ('12', '0.1', '+Inf')
    """
    if isnan(value):
        return "NaN"
    if value in (inf, -inf):
        return "+Inf" if value > 0 else "-Inf"
    text = repr(float(value))
    return text[:-2] if text.endswith(".0") else text


class TextWriter:
    """Writes families as text; what does not change between scrapes is kept."""

    def __init__(self) -> None:
        self._heads: dict[tuple[str, str, str], str] = {}
        self._starts: dict[tuple[str, Tags], str] = {}

    def write(self, families: Iterable[Family]) -> bytes:
        """The exposition of these families, in their order, as UTF-8."""
        if len(self._starts) > MAX_CACHED_LINES:
            self._starts.clear()
        parts: list[str] = []
        for name, kind, help_text, samples in families:
            if not samples:
                continue
            head = self._heads.get((name, kind, help_text))
            if head is None:
                head = f"# HELP {name} {escape_help(help_text)}\n# TYPE {name} {kind}\n"
                self._heads[name, kind, help_text] = head
            parts.append(head)
            for tags, value in samples:
                start = self._starts.get((name, tags))
                if start is None:
                    start = self._starts[name, tags] = _line_start(name, tags)
                parts.append(f"{start}{format_value(value)}\n")
        return "".join(parts).encode("utf-8", "replace")


def _line_start(name: str, tags: Tags) -> str:
    if not tags:
        return f"{name} "
    return "{}{{{}}} ".format(name, ",".join(f'{key}="{escape_value(val)}"' for key, val in tags))
