"""Finding and joining what the segments and the head hold of the selected series."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from operator import itemgetter
from typing import Any

import numpy as np

from tidecast.samples.batch import Int64s, SampleBatch
from tidecast.samples.deletions import Forgotten, covers
from tidecast.samples.head import Head, HeadSeries
from tidecast.samples.index import find
from tidecast.samples.kept import Kept
from tidecast.samples.matchers import Matchers
from tidecast.samples.merge import Run, merge_runs, without
from tidecast.samples.protocol import LimitExceeded, SelectLimits
from tidecast.samples.segment import Segment
from tidecast_collector.labels import Labels


@dataclass(frozen=True, slots=True)
class View:
    """The durable part of the store at one moment: segments, oldest write first.

    `tiers` are those of each of `kept.tiers`.
    """

    segments: tuple[Segment, ...] = ()
    forgotten: Forgotten = field(default_factory=Forgotten)
    kept: Kept = field(default_factory=Kept)
    tiers: tuple[tuple[Segment, ...], ...] = ()

    def within(self, start_ms: int, end_ms: int) -> View:
        """The same, less the segments that have nothing in [start, end].

        Of a tier the bucket before belongs to it too.
        """
        kept = tuple(s for s in self.segments if s.meta.overlaps(start_ms, end_ms))
        tiers = tuple(
            tuple(
                segment
                for segment in held
                if segment.meta.overlaps(start_ms - 2 * tier.width_ms, end_ms + tier.width_ms)
            )
            for tier, held in zip(self.kept.tiers, self.tiers, strict=True)
        )
        return replace(self, segments=kept, tiers=tiers)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that one selection concerns, at one moment, on its way to another process.

    The segments go by their paths: unpickling opens them there, and raises `FileNotFoundError` for
    one that was joined into another since, `DamagedFile` for a damaged one. A series is in
    `recent` once for each of the `heads`, oldest first.
    """

    view: View
    recent: Sequence[HeadSeries]
    heads: int

    def __reduce__(self) -> tuple[Callable[[View, SampleBatch, int], Snapshot], tuple[Any, ...]]:
        # A few large arrays instead of very many small ones.
        recent = SampleBatch.of((s.labels, *s.run) for s in self.recent)
        return _unpacked, (self.view, recent, self.heads)

    def select(
        self, matchers: Matchers, start_ms: int, end_ms: int, limits: SelectLimits
    ) -> SampleBatch:
        """The matching series that have samples in [start, end], sorted by labels."""
        if self._is_simple(start_ms, end_ms):
            # The newest samples are asked for all the time, by every rule: nothing is to be merged.
            found = sorted(((s.labels, *s.run) for s in self.recent), key=itemgetter(0))
            batch = SampleBatch.of(found)
            _check(len(batch), len(batch.timestamps), limits)
            return batch
        located = locate(self.view, self.recent, matchers, start_ms, end_ms)
        return read(located, start_ms, end_ms, limits)

    def _is_simple(self, start_ms: int, end_ms: int) -> bool:
        """Whether one head alone has all."""
        return self.heads == 1 and not any(
            segment.meta.overlaps(start_ms, end_ms) for segment in self.view.segments
        )


def _check(series: int, samples: int, limits: SelectLimits) -> None:
    if series > limits.series:
        raise LimitExceeded(
            f"the selection touches {series} series, at most {limits.series} are allowed: "
            "narrow its matchers"
        )
    if samples > limits.samples:
        raise LimitExceeded(
            f"the selection touches more than {limits.samples} samples: "
            "narrow its matchers or its time range"
        )


def _unpacked(view: View, recent: SampleBatch, heads: int) -> Snapshot:
    series = [HeadSeries(labels, (at, values)) for labels, at, values in recent]
    return Snapshot(view, series, heads)


_NOTHING: Run = (np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float64))


class _Columns:
    """The timestamp columns of one segment that a selection has read already."""

    def __init__(self, segment: Segment) -> None:
        self._segment = segment
        self._read: dict[int, tuple[Int64s, int, int]] = {}

    def within(self, column: int, start_ms: int, end_ms: int) -> tuple[Int64s, int, int]:
        """Its timestamps in [start, end], and which of all (from, up to) these are.

        A selection asks for one range only.
        """
        found = self._read.get(column)
        if found is None:
            low, timestamps = self._segment.times_within(column, start_ms, end_ms)
            found = self._read[column] = (timestamps, low, low + len(timestamps))
        return found


@dataclass(frozen=True, slots=True)
class _Stored:
    """A series in a segment, less what was deleted."""

    segment: Segment
    number: int
    hidden_ms: Sequence[tuple[int, int]]
    columns: _Columns

    def most(self, start_ms: int, end_ms: int) -> int:
        _, low, high = self.columns.within(self.segment.column(self.number), start_ms, end_ms)
        return high - low

    def run(self, start_ms: int, end_ms: int) -> Run:
        column = self.segment.column(self.number)
        timestamps, low, high = self.columns.within(column, start_ms, end_ms)
        if low == high:
            return _NOTHING
        values = self.segment.values(self.number, slice(low, high))
        return without((timestamps, values), self.hidden_ms)


@dataclass(frozen=True, slots=True)
class _Recent:
    """A series in the head, as far as it is in the range."""

    samples: Run

    def most(self, _start_ms: int, _end_ms: int) -> int:
        return len(self.samples[0])

    def run(self, _start_ms: int, _end_ms: int) -> Run:
        return self.samples


Located = dict[Labels, list[_Stored | _Recent]]
"""Where the samples of each series are, from the oldest write to the newest."""


def recent_series(head: Head, matchers: Matchers, start_ms: int, end_ms: int) -> list[HeadSeries]:
    """The series of the head that pass and have samples in [start, end], with these."""
    return head.recent(find(head.index, matchers), start_ms, end_ms)


def locate(
    view: View, recent: Sequence[HeadSeries], matchers: Matchers, start_ms: int, end_ms: int
) -> Located:
    """Where matching samples in [start, end] may be."""
    located: Located = {}
    if start_ms > end_ms:
        return located
    for segment in view.segments:
        if not segment.meta.overlaps(start_ms, end_ms):
            continue
        hidden = view.forgotten.hidden(segment)
        past_keeping = view.kept.hidden(segment.meta)
        columns = _Columns(segment)
        found = segment.overlapping(find(segment.index, matchers), start_ms, end_ms)
        for number, labels in zip(found.tolist(), segment.labels(found), strict=True):
            ranges = [*past_keeping, *hidden.get(number, ())]
            if ranges:
                first_ms, last_ms = segment.span(number)
                if covers(ranges, max(first_ms, start_ms), min(last_ms, end_ms)):
                    continue
            located.setdefault(labels, []).append(_Stored(segment, number, ranges, columns))
    for series in recent:
        located.setdefault(series.labels, []).append(_Recent(series.run))
    return located


def read(located: Located, start_ms: int, end_ms: int, limits: SelectLimits) -> SampleBatch:
    """The located samples in [start, end], by series, sorted by labels."""
    _check(len(located), 0, limits)
    # Times, which many series share, tell what would be read before any value is decoded.
    samples = 0
    for pieces in located.values():
        samples += sum([piece.most(start_ms, end_ms) for piece in pieces])
        _check(0, samples, limits)
    series = []
    for labels in sorted(located):
        timestamps, values = merge_runs([piece.run(start_ms, end_ms) for piece in located[labels]])
        if len(timestamps):
            series.append((labels, timestamps, values))
    return SampleBatch.of(series)
