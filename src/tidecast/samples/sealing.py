"""How samples in memory are cut into segments, and small segments joined into larger ones.

Windows are left-open, as PromQL's are: they begin behind a multiple of their width and end with the
next one. So a bucket of a tier never has samples of two of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import groupby, pairwise
from pathlib import Path

import numpy as np

from tidecast.samples.batch import Float64s, distinct
from tidecast.samples.deletions import Forgotten
from tidecast.samples.head import SAMPLES_AT_ONCE, HeadSamples
from tidecast.samples.merge import merge_runs, without
from tidecast.samples.segment import (
    Segment,
    SegmentMeta,
    order_of,
    series_order,
)
from tidecast.samples.segment_writer import SegmentWriter
from tidecast_collector.labels import Labels

BLOCK_WINDOWS = 12
"""So many windows make a block (12 of 2 h: a day), into which they are joined once it is over."""
_PARTS = (10_800, 2160, 360, 72, 12, 3, 1)
"""So many windows each: history that arrives at once is cut no finer than it must be before now."""
_FAR_MS = 2**62
_JOIN_AT = 4
"""So many overlapping segments are worth being written anew."""
_WIDEN = 30
_SERIES_AT_ONCE = 2000
_MOST_PARTS = 64

Window = tuple[int, int]
"""Start (included) and end (excluded), milliseconds."""
NewPath = Callable[[int, int], tuple[Path, int]]
"""Gives the path of a new segment of that window, and its number."""


def write_head(head: HeadSamples, window_ms: int, now_ms: int, new_path: NewPath) -> list[Segment]:
    """Segments with all samples of the head, which must not change meanwhile.

    Samples of blocks that are over go into block-wide segments, later ones into parts of a block
    and then into windows. On any error no segment remains.
    """
    order = head.ordered(series_order)
    windows = _windows(head, window_ms, now_ms)
    written: list[Segment] = []
    try:
        for start, end in windows:
            path, number = new_path(start, end)
            with SegmentWriter(path) as writer:
                for batch in head.batches(order, start, end - 1):
                    writer.add_batch(batch)
                writer.finish(SegmentMeta(start, end, priority=number))
            written.append(Segment(path))
    finally:
        if len(written) < len(windows):
            for segment in written:
                segment.path.unlink(missing_ok=True)
    return written


def _windows(head: HeadSamples, window_ms: int, now_ms: int) -> list[Window]:
    """The windows that the head's samples fall into.

    Blocks are wider where samples strewn over years would make very many files.
    """
    width = window_ms * BLOCK_WINDOWS
    blocks = head.periods(width, 1)
    while len(blocks) > _MOST_PARTS:
        width *= _WIDEN
        blocks = distinct(blocks // _WIDEN)
    open_from = now_ms // width * width
    starts = [(start, width) for start in (blocks * width).tolist() if start < open_from]
    for length in (window_ms * part for part in _PARTS):
        if length >= width:
            continue
        fresh = (head.periods(length, 1) * length).tolist()
        until = now_ms // length * length if length > window_ms else _FAR_MS
        starts += [(start, length) for start in fresh if open_from <= start < until]
        open_from = max(open_from, until)
    return [(start + 1, start + 1 + length) for start, length in starts]


@dataclass(frozen=True, slots=True)
class Join:
    """Segments to be written anew as one."""

    window: Window
    segments: Sequence[Segment]


def plan_joins(
    segments: Sequence[Segment], forgotten: Forgotten, block_ms: int, now_ms: int
) -> list[Join]:
    """What is worth joining: blocks that are over, windows with many pieces, deleted samples."""
    groups: dict[Window, list[Segment]] = {}
    for segment in segments:
        window = _home(segment.meta, block_ms, now_ms)
        groups.setdefault(window, []).append(segment)
    return [
        Join(window, order_of(group))
        for window, group in sorted(groups.items())
        if _worth_joining(window, group, forgotten) and _may_join(group, segments)
    ]


def _home(meta: SegmentMeta, block_ms: int, now_ms: int) -> Window:
    start = (meta.start_ms - 1) // block_ms * block_ms + 1
    over = start - 1 + block_ms <= now_ms
    if over and meta.end_ms <= start + block_ms:
        return start, start + block_ms
    return meta.start_ms, meta.end_ms


def _worth_joining(window: Window, group: Sequence[Segment], forgotten: Forgotten) -> bool:
    if any(deletion.concerns(segment) for deletion in forgotten.deletions for segment in group):
        return True
    joined_before = any((s.meta.start_ms, s.meta.end_ms) == window for s in group)
    return len(group) >= (_JOIN_AT if joined_before else 2)


def _may_join(group: Sequence[Segment], segments: Sequence[Segment]) -> bool:
    """Whether no other segment over the same time was written between these.

    One priority stands for the whole result, so an overlapping segment must come before all of
    them or after all of them.
    """
    low = min(s.meta.priority for s in group)
    high = max(s.meta.priority for s in group)
    first = min(s.meta.first_ms for s in group)
    last = max(s.meta.last_ms for s in group)
    return not any(
        low < other.meta.priority < high
        and other.meta.first_ms <= last
        and other.meta.last_ms >= first
        for other in segments
        if other not in group
    )


@dataclass(frozen=True, slots=True)
class JoinJob:
    """A join as plain data: the file to write, and the files it is made of, oldest write first."""

    path: Path
    window: Window
    sources: Sequence[Path]
    forgotten: Forgotten

    def meta(self, segments: Sequence[Segment]) -> SegmentMeta:
        """What the joined segment is."""
        return SegmentMeta(
            *self.window,
            priority=max(segment.meta.priority for segment in segments),
            deletions=self.forgotten.issued,
            replaces=tuple(path.name for path in self.sources),
            width_ms=segments[0].meta.width_ms,
        )


def write_join(job: JoinJob) -> Path | None:
    """The job's path, where the joined segment now is, deletions carried out.

    None where nothing is left of it. Raises `DamagedFile`.
    """
    segments = [Segment(path) for path in job.sources]
    with SegmentWriter(job.path) as writer:
        joined = _Joined(writer, segments, job.forgotten)
        for labels, row in merged_rows(segments):
            joined.add(labels, row)
        joined.write()
        if not writer.samples:
            return None
        writer.finish(job.meta(segments))
    return job.path


class _Joined:
    """Joined series on their way into a segment, many at once.

    Where the pieces of a series follow each other in time, as they mostly do, its columns tell its
    timestamps: those of many series are joined once for all of them.
    """

    def __init__(
        self, writer: SegmentWriter, segments: Sequence[Segment], forgotten: Forgotten
    ) -> None:
        self._writer = writer
        self._hidden = {segment.path: forgotten.hidden(segment) for segment in segments}
        self._known: dict[tuple[tuple[Path, int], ...], tuple[int, list[int]] | None] = {}
        self._labels: list[Labels] = []
        self._columns: list[int] = []
        self._ends = [0]
        self._values: list[Float64s] = []

    def add(self, labels: Labels, row: Row) -> None:
        """Takes a series from where it is."""
        hidden = [self._hidden[segment.path].get(i, ()) for segment, i in row]
        disjoint = None if any(hidden) else self._disjoint(row)
        if disjoint is not None:
            column, order = disjoint
            values = [row[place][0].values(row[place][1]) for place in order]
        else:
            runs = [
                without(segment.run(i), gone)
                for (segment, i), gone in zip(row, hidden, strict=True)
            ]
            timestamps, merged = merge_runs(runs)
            if not len(timestamps):
                return
            column, values = self._writer.column(timestamps), [merged]
        self._labels.append(labels)
        self._columns.append(column)
        self._values += values
        self._ends.append(self._ends[-1] + sum(map(len, values)))
        if self._ends[-1] >= SAMPLES_AT_ONCE:
            self.write()

    def write(self) -> None:
        """Writes what was taken."""
        if self._labels:
            values, offsets = np.concatenate(self._values), np.array(self._ends, dtype=np.int64)
            self._writer.add_values(self._labels, self._columns, values, offsets)
        self._labels, self._columns, self._values, self._ends = [], [], [], [0]

    def _disjoint(self, row: Row) -> tuple[int, list[int]] | None:
        """The joined column, and the order of the pieces in it; None where they overlap."""
        key = tuple([(segment.path, segment.column(number)) for segment, number in row])
        if key not in self._known:
            self._known[key] = self._join_columns(row)
        return self._known[key]

    def _join_columns(self, row: Row) -> tuple[int, list[int]] | None:
        times = [segment.timestamps(segment.column(number)) for segment, number in row]
        order = sorted(range(len(times)), key=lambda place: int(times[place][0]))
        if any(times[a][-1] >= times[b][0] for a, b in pairwise(order)):
            return None
        return self._writer.column(np.concatenate([times[place] for place in order])), order


Row = list[tuple[Segment, int]]
"""Where one series is: segments, and its number in each, in the order given."""


def merged_rows(segments: Sequence[Segment]) -> Iterator[tuple[Labels, Row]]:
    """Every series of the segments once, in `series_order`; labels are never all in memory."""

    def one(place: int, segment: Segment) -> Iterator[tuple[tuple[str, Labels], int, int]]:
        for at in range(0, len(segment), _SERIES_AT_ONCE):
            numbers = np.arange(at, min(at + _SERIES_AT_ONCE, len(segment)), dtype=np.int64)
            for number, labels in enumerate(segment.labels(numbers), at):
                yield series_order(labels), place, number

    # Of equal series the order of the segments decides: the tuples compare by their place.
    found = merge(*(one(place, segment) for place, segment in enumerate(segments)))
    for (_, labels), group in groupby(found, key=lambda each: each[0]):
        yield labels, [(segments[place], number) for _, place, number in group]
