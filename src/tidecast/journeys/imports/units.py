"""In which unit the values of a file are: as somebody says, or as header, names and values tell.

A resource has a base unit of its own (`resources.yaml`), but files often hold percent or gigabytes.
What is inferred is told in a sentence, which goes with the resource into its sanity panel.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from tidecast.journeys.imports.csv_rows import SeriesName
from tidecast.journeys.imports.usage import CUSTOM, definition_of
from tidecast.policy.resources import ResourceDefinition
from tidecast.samples.batch import Float64s

PERCENT = 0.01
"""What percent are multiplied by to become a ratio."""
UNKNOWN = "count"
"""What is shown as plain numbers."""

# A share may exceed the whole a little; a percentage of less than this is taken for a ratio.
_MOST_RATIO, _MOST_PERCENT = 1.5, 110.0
# Filesystems and memories are no smaller.
_LEAST_BYTES = 1 << 20
_WORDS = {
    **dict.fromkeys(("percent", "percentage", "pct", "perc", "%"), ("ratio", PERCENT)),
    **dict.fromkeys(("ratio", "fraction"), ("ratio", 1.0)),
    **dict.fromkeys(("b", "byte", "bytes"), ("bytes", 1.0)),
    **{f"{prefix}b": ("bytes", 1000.0**power) for power, prefix in enumerate("kmgt", 1)},
    **{f"{prefix}ib": ("bytes", 1024.0**power) for power, prefix in enumerate("kmgt", 1)},
}
# A single b may mean anything where nobody was asked for a unit.
_TELLING = _WORDS.keys() - {"b"}


@dataclass(frozen=True, slots=True)
class Reading:
    """Values times `factor` are in `unit`; `inferred` tells why, "" where nothing was inferred."""

    unit: str
    factor: float = 1.0
    inferred: str = ""

    def of_limits(self, limits: Float64s) -> Float64s:
        """Limits or marks in `unit`; beside percent a limit such as 0.9 is a ratio already."""
        already = limits <= _MOST_RATIO if self.factor == PERCENT else np.zeros_like(limits, bool)
        return np.where(already, limits, limits * self.factor)


@dataclass(frozen=True, slots=True)
class Bounds:
    """The least and the largest value of a series, and its largest limit (None: it has none)."""

    least: float
    largest: float
    limit: float | None = None

    @property
    def top(self) -> float:
        """The largest of values and limits."""
        return max(self.largest, self.limit or 0.0)


def stated_unit(text: str) -> Reading:
    """How values in that unit are read: percent become ratios, kB to TiB bytes; others stay.

    >>> stated_unit("GB").factor, stated_unit("percent").unit, stated_unit("orders").unit
    (1000000000.0, 'ratio', 'orders')
    """
    return Reading(*_WORDS.get(text.strip().lower(), (text, 1.0)))


def readings(column: str, series: Iterable[tuple[SeriesName, Bounds]]) -> list[Reading]:
    """How each series of a file is read whose value column is called so, in the order given.

    Shares of one kind of resource are read alike: of two filesystems in percent the one that is
    nearly empty is too.
    """
    series = list(series)
    tops: dict[str, float] = {}
    for name, bounds in series:
        tops[name.resource] = max(tops.get(name.resource, 0.0), bounds.top)
    return [_read(column, name, bounds, tops[name.resource]) for name, bounds in series]


def _read(column: str, name: SeriesName, bounds: Bounds, top_alike: float) -> Reading:
    definition = definition_of(name.resource)
    for text, what in ((column, "the column"), (_telling_name(name), "the name")):
        word = _unit_word(text)
        if word is not None:
            unit, factor = _WORDS[word]
            told = f"Taken for {_called(unit, factor)} since {what} {text!r} says {word}."
            return Reading(unit, factor, "" if (unit, factor) == (definition.unit, 1.0) else told)
    return _by_values(definition, bounds, top_alike)


def _telling_name(name: SeriesName) -> str:
    """The part of a series' name that may tell a unit: what an import itself called it."""
    return name.instance if name.resource == CUSTOM and not name.item else name.resource


def _unit_word(text: str) -> str | None:
    words = re.findall(r"[a-z]+|%", text.lower())
    return next((word for word in reversed(words) if word in _TELLING), None)


def _by_values(definition: ResourceDefinition, bounds: Bounds, top_alike: float) -> Reading:
    """By how large values and limits are; as usual where that tells nothing."""
    usual = definition.unit
    top = top_alike if top_alike <= _MOST_PERCENT else bounds.top
    if bounds.least < 0 or top <= 0:
        return Reading(usual)
    told = f"values of at most {bounds.largest:.4g}"
    if bounds.limit is not None:
        told += f", and limits of at most {bounds.limit:.4g},"
    if top <= _MOST_PERCENT and _is_share(definition, top, limited=bounds.limit is not None):
        factor = PERCENT if top > _MOST_RATIO else 1.0
        called, no = _called("ratio", factor), usual.replace("_", " ")
        return Reading("ratio", factor, f"Taken for {called}: {told} are no {no}.")
    if usual == "bytes" and top < _LEAST_BYTES:
        return Reading(UNKNOWN, 1.0, f"Its unit is unknown: {told} are hardly bytes.")
    return Reading(usual)


def _is_share(definition: ResourceDefinition, top: float, *, limited: bool) -> bool:
    """Whether values and limits of no more than `top`, at most 110, can only be shares."""
    if definition.unit == "ratio":
        return top > _MOST_RATIO
    if definition.unit == "bytes":
        return True
    # Handles and inodes come by the thousand, as do the bytes of a link; idle ones may be few.
    many = definition.unit == "bytes_per_second" or definition.fast_path
    return many and limited


def _called(unit: str, factor: float) -> str:
    if unit == "ratio":
        return "percent" if factor == PERCENT else "a ratio"
    return unit if factor == 1.0 else f"{unit} times {factor:.0f}"
