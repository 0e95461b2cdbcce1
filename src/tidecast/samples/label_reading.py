"""Label names and values, out of the indexes alone wherever these say enough."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from tidecast.samples.batch import Int64s
from tidecast.samples.deletions import covers
from tidecast.samples.head import Head
from tidecast.samples.index import LabelIndex, find
from tidecast.samples.locating import View, locate
from tidecast.samples.matchers import Matchers
from tidecast.samples.merge import Range
from tidecast.samples.segment import Segment
from tidecast.samples.stats import HeadSpan
from tidecast.samples.tier_reading import labels_in_tiers
from tidecast_collector.labels import Labels


@dataclass(frozen=True, slots=True)
class Wanted:
    """The label names (`name` None), or the values of one label, of series with samples in time."""

    name: str | None
    start_ms: int
    end_ms: int

    def holds(self, first_ms: int, last_ms: int) -> bool:
        """Whether all of that time is wanted."""
        return self.start_ms <= first_ms and last_ms <= self.end_ms


def labels_of_heads(heads: Sequence[Head], matchers: Matchers, wanted: Wanted) -> set[Labels]:
    """The heads' series that pass and have samples in the time."""
    return {labels for head in heads for labels in _labels_of(head, matchers, wanted)}


def _labels_of(head: Head, matchers: Matchers, wanted: Wanted) -> Iterable[Labels]:
    span = head.span()
    if span is None or span[0] > wanted.end_ms or span[1] < wanted.start_ms:
        return []
    passing = find(head.index, matchers)
    if wanted.holds(*span):
        return head.labels(passing)
    return [one.labels for one in head.recent(passing, wanted.start_ms, wanted.end_ms)]


def texts_of_heads(heads: Sequence[Head], matchers: Matchers, wanted: Wanted) -> set[str]:
    """What is wanted, among the heads' series that pass."""
    found: set[str] = set()
    for head in heads:
        span = head.span()
        if span is not None and wanted.holds(*span) and not matchers:
            found.update(_of_index(head.index, wanted.name))
        else:
            found |= _of_labels(_labels_of(head, matchers, wanted), wanted.name)
    return found


def labels_of_files(view: View, matchers: Matchers, wanted: Wanted) -> set[Labels]:
    """The series in segments and tiers that pass and have samples in the time."""
    located = locate(view, (), matchers, wanted.start_ms, wanted.end_ms)
    return labels_in_tiers(view, matchers, wanted.start_ms, wanted.end_ms).union(located.labels)


def newest_pairs(
    heads: Sequence[Head], newest: Sequence[Segment]
) -> tuple[list[tuple[str, str, int]], HeadSpan]:
    """The label pairs of the heads (or of the segment that has more series), and what they span."""
    indexes = [head.index for head in heads] + [segment.index for segment in newest]
    spans = [span for head in heads if (span := head.span())]
    spans = spans or [(segment.meta.first_ms, segment.meta.last_ms) for segment in newest]
    largest = max(indexes, key=len)
    about = HeadSpan(
        len(largest),
        sum(head.chunks for head in heads),
        min((first for first, _ in spans), default=0),
        max((last for _, last in spans), default=0),
    )
    return list(largest.pair_counts()), about


def texts_of_files(view: View, matchers: Matchers, wanted: Wanted) -> set[str]:
    """What is wanted, among the series in segments and tiers that pass."""
    found: set[str] = set()
    for segment in view.segments:
        found |= _of_segment(view, segment, matchers, wanted, view.kept.hidden(segment.meta))
    up_to_ms = min(wanted.end_ms, view.kept.raw_after_ms)
    for tier, pieces in zip(view.kept.tiers, view.tiers, strict=True):
        start_ms = max(wanted.start_ms, view.kept.tier_after(tier) + 1)
        for piece in pieces:
            part = Wanted(wanted.name, start_ms, up_to_ms)
            found |= _of_segment(view, piece, matchers, part, [])
    return found


def _of_segment(
    view: View, segment: Segment, matchers: Matchers, wanted: Wanted, past_keeping: list[Range]
) -> set[str]:
    meta = segment.meta
    if meta.first_ms > wanted.end_ms or meta.last_ms < wanted.start_ms:
        return set()
    if covers(past_keeping, meta.first_ms, meta.last_ms):
        return set()
    hidden = view.forgotten.hidden(segment)
    whole = wanted.holds(meta.first_ms, meta.last_ms) and not hidden and not past_keeping
    if whole and not matchers:
        return set(_of_index(segment.index, wanted.name))
    numbers = find(segment.index, matchers)
    if not whole:
        numbers = segment.overlapping(numbers, wanted.start_ms, wanted.end_ms)
        numbers = _visible(segment, numbers, wanted, hidden, past_keeping)
    return segment.texts(numbers, wanted.name)


def _visible(
    segment: Segment,
    numbers: Int64s,
    wanted: Wanted,
    hidden: dict[int, list[Range]],
    past_keeping: list[Range],
) -> Int64s:
    """The series less those of which nothing in the time is left."""
    if not hidden and not past_keeping:
        return numbers

    def is_left(number: int) -> bool:
        first_ms, last_ms = segment.span(number)
        time = max(first_ms, wanted.start_ms), min(last_ms, wanted.end_ms)
        return not covers([*past_keeping, *hidden.get(number, ())], *time)

    return np.array([number for number in numbers.tolist() if is_left(number)], dtype=np.int64)


def _of_index(index: LabelIndex, name: str | None) -> Iterable[str]:
    return index.names() if name is None else index.values(name)


def _of_labels(every: Iterable[Labels], name: str | None) -> set[str]:
    if name is None:
        return {key for labels in every for key, _ in labels}
    return {value for labels in every for key, value in labels if key == name}
