"""Which series pass a selector: postings of each label pair, and set algebra on them.

A regular expression is tried on the distinct values of its label, never on each series.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from functools import reduce
from typing import Protocol

import numpy as np

from tidecast.samples.batch import Int64s
from tidecast.samples.codec import LabelTable
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
    """The label index of a table that no longer changes: its pairs sorted by name and value."""

    def __init__(self, table: LabelTable) -> None:
        self._count = len(table)
        self._strings: Sequence[str] = table.strings
        keys = table.name * len(table.strings) + table.value
        order = np.argsort(keys, kind="stable")
        self._series = table.owner[order]
        self._keys, starts = np.unique(keys[order], return_index=True)
        self._bounds: Int64s = np.append(starts, len(keys)).astype(np.int64)

    def __len__(self) -> int:
        return self._count

    def names(self) -> Iterable[str]:
        """The distinct label names."""
        if not len(self._keys):
            return []
        return [self._strings[i] for i in np.unique(self._keys // len(self._strings)).tolist()]

    def values(self, name: str, prefix: str = "") -> Iterable[str]:
        """The distinct values of that label that begin so."""
        number = self._number(name)
        if number is None:
            return []
        size = len(self._strings)
        # Strings are sorted: those with the prefix are neighbours.
        first = bisect_left(self._strings, prefix)
        behind = bisect_left(self._strings, _behind(prefix)) if prefix else size
        wanted = [number * size + first, number * size + behind]
        low, high = np.searchsorted(self._keys, wanted)
        return [self._strings[key] for key in (self._keys[low:high] - number * size).tolist()]

    def postings(self, name: str, value: str) -> Int64s:
        """The series that have this label pair, ascending."""
        name_number, value_number = self._number(name), self._number(value)
        if name_number is None or value_number is None:
            return _NONE
        key = name_number * len(self._strings) + value_number
        at = int(np.searchsorted(self._keys, key))
        if at == len(self._keys) or self._keys[at] != key:
            return _NONE
        return self._series[self._bounds[at] : self._bounds[at + 1]]

    def pair_counts(self) -> Iterable[tuple[str, str, int]]:
        """Each distinct label pair, and how many series have it."""
        names, values = np.divmod(self._keys, max(len(self._strings), 1))
        for name, value, count in zip(
            names.tolist(), values.tolist(), np.diff(self._bounds).tolist(), strict=True
        ):
            yield self._strings[name], self._strings[value], count

    def _number(self, text: str) -> int | None:
        at = bisect_left(self._strings, text)
        return at if at < len(self._strings) and self._strings[at] == text else None


def _behind(prefix: str) -> str:
    """A text that sorts behind everything that begins so, and before everything else behind it."""
    last = ord(prefix[-1])
    return prefix[:-1] + chr(last + 1) if last < _HIGHEST else prefix + chr(last) * _LONGEST
