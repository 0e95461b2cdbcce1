"""Which series pass a selector: postings of each label pair, and set algebra on them.

A regular expression is tried on the distinct values of its label, never on each series.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from functools import reduce
from typing import Protocol

import numpy as np

from tidecast.samples.batch import Int64s, distinct
from tidecast.samples.label_table import LabelTable
from tidecast.samples.matchers import Matcher, Matchers, MatchOp, compile_regex
from tidecast.samples.regex_parts import alternatives, prefix_of
from tidecast_collector.labels import Labels

_HIGHEST = 0x10FFFF
_LONGEST = 4096
"""Label values are shorter."""
_NONE: Int64s = np.empty(0, dtype=np.int64)


class LabelIndex(Protocol):
    """Series by number (0 to n-1), findable by their labels."""

    def __len__(self) -> int:
        """How many series there are."""
        ...

    def names(self) -> Iterable[str]:
        """The distinct label names."""
        ...

    def values(self, name: str, prefix: str = "") -> Iterable[str]:
        """The distinct values of that label that begin so."""
        ...

    def postings(self, name: str, value: str) -> Int64s:
        """The series that have this label pair, ascending."""
        ...

    def pair_counts(self) -> Iterable[tuple[str, str, int]]:
        """Each distinct label pair, and how many series have it."""
        ...


def find(index: LabelIndex, matchers: Matchers) -> Int64s:
    """The numbers of the series that pass all matchers, ascending."""
    kept: list[Int64s] = []
    dropped: list[Int64s] = []
    for matcher in matchers:
        # A series that lacks the label counts as having "": where that passes, only the series
        # with a failing value are ruled out.
        if matcher.matches(""):
            dropped.append(_with_values(index, matcher, passing=False))
        else:
            kept.append(_with_values(index, matcher, passing=True))
    found: Int64s = np.arange(len(index), dtype=np.int64)
    if kept:
        kept.sort(key=len)
        found = reduce(lambda a, b: np.intersect1d(a, b, assume_unique=True), kept)
    for series in dropped:
        found = np.setdiff1d(found, series, assume_unique=True)
    return found


def _with_values(index: LabelIndex, matcher: Matcher, *, passing: bool) -> Int64s:
    """The series whose own value of the matcher's label passes, or (not `passing`) fails."""
    if matcher.op in (MatchOp.EQUAL, MatchOp.NOT_EQUAL) and matcher.value:
        return index.postings(matcher.name, matcher.value)
    values = _values(index, matcher, passing=passing)
    postings = [index.postings(matcher.name, value) for value in values]
    return np.sort(np.concatenate(postings)) if postings else _NONE


def _values(index: LabelIndex, matcher: Matcher, *, passing: bool) -> Sequence[str]:
    """The label's values that pass, or (not `passing`) fail."""
    if matcher.op not in (MatchOp.REGEX, MatchOp.NOT_REGEX):
        return [v for v in index.values(matcher.name) if matcher.matches(v) is passing]
    matching = passing is (matcher.op is MatchOp.REGEX)
    if matching:
        only = alternatives(matcher.value)
        if only is not None:
            return list(dict.fromkeys(only))
    found = index.values(matcher.name, prefix_of(matcher.value) if matching else "")
    if matcher.value in (".*", ".+"):
        return [value for value in found if bool(value or matcher.value == ".*") is matching]
    fullmatch = compile_regex(matcher.value).fullmatch
    return [value for value in found if (fullmatch(value) is not None) is matching]


class GrowingIndex:
    """A label index to which series are added."""

    def __init__(self) -> None:
        self._count = 0
        self._postings: dict[str, dict[str, list[int]]] = {}

    def __len__(self) -> int:
        return self._count

    def add(self, labels: Labels) -> int:
        """Takes a new series and returns its number."""
        series = self._count
        self._count += 1
        for name, value in labels:
            self._postings.setdefault(name, {}).setdefault(value, []).append(series)
        return series

    def names(self) -> Iterable[str]:
        """The distinct label names."""
        return self._postings.keys()

    def values(self, name: str, prefix: str = "") -> Iterable[str]:
        """The distinct values of that label that begin so."""
        values = self._postings.get(name, {}).keys()
        return [value for value in values if value.startswith(prefix)] if prefix else values

    def postings(self, name: str, value: str) -> Int64s:
        """The series that have this label pair, ascending."""
        return np.array(self._postings.get(name, {}).get(value, ()), dtype=np.int64)

    def pair_counts(self) -> Iterable[tuple[str, str, int]]:
        """Each distinct label pair, and how many series have it."""
        for name, values in self._postings.items():
            for value, series in values.items():
                yield name, value, len(series)


class FixedIndex:
    """The label index of a table that no longer changes."""

    def __init__(self, table: LabelTable) -> None:
        self._table = table

    def __len__(self) -> int:
        return len(self._table)

    def names(self) -> Iterable[str]:
        """The distinct label names."""
        return [
            self._table.strings[i]
            for i in distinct(self._table.key_names.astype(np.int64)).tolist()
        ]

    def values(self, name: str, prefix: str = "") -> Iterable[str]:
        """The distinct values of that label that begin so."""
        table, strings = self._table, self._table.strings
        low, high = self._keys_of(name)
        values = table.key_values[low:high]
        if prefix:
            # Strings are sorted: those with the prefix are neighbours.
            first, behind = bisect_left(strings, prefix), bisect_left(strings, _behind(prefix))
            values = values[np.searchsorted(values, first) : np.searchsorted(values, behind)]
        return [strings[value] for value in values.tolist()]

    def postings(self, name: str, value: str) -> Int64s:
        """The series that have this label pair, ascending."""
        table = self._table
        low, high = self._keys_of(name)
        number = table.strings.number(value)
        if number is None or low == high:
            return _NONE
        at = low + int(np.searchsorted(table.key_values[low:high], number))
        if at == high or table.key_values[at] != number:
            return _NONE
        first, behind = table.bounds[at : at + 2].tolist()
        return table.postings[first:behind].astype(np.int64)

    def pair_counts(self) -> Iterable[tuple[str, str, int]]:
        """Each distinct label pair, and how many series have it."""
        table = self._table
        for name, value, count in zip(
            table.key_names.tolist(),
            table.key_values.tolist(),
            np.diff(table.bounds.astype(np.int64)).tolist(),
            strict=True,
        ):
            yield table.strings[name], table.strings[value], count

    def _keys_of(self, name: str) -> tuple[int, int]:
        """Where the pairs of that label stand among the distinct ones."""
        number = self._table.strings.number(name)
        if number is None:
            return 0, 0
        low, high = np.searchsorted(self._table.key_names, [number, number + 1]).tolist()
        return low, high


def _behind(prefix: str) -> str:
    """A text that sorts behind everything that begins so, and before everything else behind it."""
    last = ord(prefix[-1])
    return prefix[:-1] + chr(last + 1) if last < _HIGHEST else prefix + chr(last) * _LONGEST
