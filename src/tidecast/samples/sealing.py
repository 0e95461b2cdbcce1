"""How samples in memory are cut into segments, and small segments joined into larger ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tidecast.samples.deletions import Forgotten
from tidecast.samples.head import Head
from tidecast.samples.merge import Run, merge_runs, without
from tidecast.samples.segment import (
    Segment,
    SegmentMeta,
    SegmentWriter,
    order_of,
    series_order,
)
from tidecast_collector.labels import Labels

BLOCK_WINDOWS = 12
"""So many windows make a block (12 of 2 h: a day), into which they are joined once it is over."""
_JOIN_AT = 4
"""So many overlapping segments are worth being written anew."""
_WIDEN = 30
_SERIES_AT_ONCE = 2000
_MOST_PARTS = 64

Window = tuple[int, int]
"""Start (included) and end (excluded), milliseconds."""
NewPath = Callable[[int, int], tuple[Path, int]]
"""Gives the path of a new segment of that window, and its number."""


def write_head(head: Head, window_ms: int, now_ms: int, new_path: NewPath) -> list[Segment]:
    """Segments with all samples of the head, which must not change meanwhile.

    Samples of blocks that are over go into block-wide segments, later ones into windows. On any
    error no segment remains.
    """
    order = head.ordered(series_order)
    windows = _windows(head, window_ms, now_ms)
    written: list[Segment] = []
    try:
        for start, end in windows:
            path, number = new_path(start, end)
            with SegmentWriter(path) as writer:
                for at in range(0, len(order), _SERIES_AT_ONCE):
                    for one in head.recent(order[at : at + _SERIES_AT_ONCE], start, end - 1):
                        writer.add(one.labels, one.run)
                writer.finish(SegmentMeta(start, end, priority=number))
            written.append(Segment(path))
    finally:
        if len(written) < len(windows):
            for segment in written:
                segment.path.unlink(missing_ok=True)
    return written


def _windows(head: Head, window_ms: int, now_ms: int) -> list[Window]:
    """The windows that the head's samples fall into.

    Blocks are wider where samples strewn over years would make very many files.
    """
    width = window_ms * BLOCK_WINDOWS
    blocks = head.periods(width)
    while len(blocks) > _MOST_PARTS:
        width *= _WIDEN
        blocks = np.unique(blocks // _WIDEN)
    open_from = now_ms // width * width
    starts = [(start, width) for start in (blocks * width).tolist() if start < open_from]
    fresh = (head.periods(window_ms) * window_ms).tolist()
    starts += [(start, window_ms) for start in fresh if start >= open_from]
    return [(start, start + length) for start, length in starts]


@dataclass(frozen=True, slots=True)
class Join:
    """Segments to be written anew as one."""

    window: Window
    segments: Sequence[Segment]


def plan_joins(
    segments: Sequence[Segment], forgotten: Forgotten, window_ms: int, now_ms: int
) -> list[Join]:
    """What is worth joining: blocks that are over, windows with many pieces, deleted samples."""
    block_ms = window_ms * BLOCK_WINDOWS
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
    start = meta.start_ms // block_ms * block_ms
    over = start + block_ms <= now_ms
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


def write_join(join: Join, forgotten: Forgotten, new_path: NewPath) -> Segment | None:
    """The joined segment, deletions carried out; None where nothing is left of it."""
    rows: dict[Labels, list[tuple[Segment, int]]] = {}
    for segment in join.segments:
        every = segment.labels(np.arange(len(segment), dtype=np.int64))
        for number, labels in enumerate(every):
            rows.setdefault(labels, []).append((segment, number))
    hidden = {segment.path: forgotten.hidden(segment) for segment in join.segments}
    path, _ = new_path(*join.window)
    with SegmentWriter(path) as writer:
        for labels in sorted(rows, key=series_order):
            run = merge_runs(
                [
                    without(_run(segment, number), hidden[segment.path].get(number, ()))
                    for segment, number in rows[labels]
                ]
            )
            if len(run[0]):
                writer.add(labels, run)
        if not writer.samples:
            return None
        writer.finish(
            SegmentMeta(
                *join.window,
                priority=max(s.meta.priority for s in join.segments),
                deletions=forgotten.issued,
                replaces=tuple(s.path.name for s in join.segments),
            )
        )
    return Segment(path)


def _run(segment: Segment, number: int) -> Run:
    return segment.timestamps(segment.column(number)), segment.values(number)
