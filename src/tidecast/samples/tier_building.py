"""How raw segments become points of tiers, and the pieces of tiers are joined."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tidecast.samples.batch import Float64s, Int64s, SampleBatch
from tidecast.samples.deletions import Forgotten
from tidecast.samples.merge import Range, merge_runs, within, without
from tidecast.samples.points import PointBatch, coarser, single_points, with_late
from tidecast.samples.sealing import JoinJob, Row, merged_rows
from tidecast.samples.segment import Segment, SegmentMeta
from tidecast.samples.tier_files import Piece, PointsWriter, overlaid
from tidecast_collector.labels import Labels

_SAMPLES_AT_ONCE = 100_000
"""Arrays of so many samples stay in the processor's cache."""


@dataclass(frozen=True, slots=True)
class TierTarget:
    """The file to write for one tier.

    `existing` are the files of the tier that have points of the stretch, where these cannot be
    made again from raw samples alone; oldest write first.
    """

    path: Path
    width_ms: int
    priority: int
    existing: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class TierJob:
    """One stretch (after, up to] to be built, as plain data.

    `sources` are the raw segments that reach into it, oldest write first. Only series that a
    segment of a priority above `above` has are written: the tiers have the others already.
    """

    after_ms: int
    up_to_ms: int
    sources: tuple[Path, ...]
    above: int
    forgotten: Forgotten
    targets: tuple[TierTarget, ...]


def build_tiers(job: TierJob) -> list[Path]:
    """The paths of the targets that are now there; none is where there was nothing to tell.

    Raises `DamagedFile`.
    """
    segments = [Segment(path) for path in job.sources]
    written: list[Path] = []
    with ExitStack() as stack:
        writers = [
            stack.enter_context(PointsWriter(target.path, target.width_ms))
            for target in job.targets
        ]
        known = [_Existing(target, job.forgotten) for target in job.targets]
        for batch in _raw_batches(job, segments):
            points = single_points(batch)
            for target, writer, existing in zip(job.targets, writers, known, strict=True):
                points = coarser(points, target.width_ms)
                for labels, each in points:
                    stretch = job.after_ms, job.up_to_ms
                    writer.add(labels, existing.joined(labels, each, stretch))
        for target, writer in zip(job.targets, writers, strict=True):
            meta = SegmentMeta(
                job.after_ms + 1,
                job.up_to_ms + 1,
                priority=target.priority,
                deletions=job.forgotten.issued,
            )
            if writer.finish(meta):
                written.append(target.path)
    return written


def _raw_batches(job: TierJob, segments: Sequence[Segment]) -> Iterator[SampleBatch]:
    """The samples of the series to be written, some series at a time, in `series_order`."""
    hidden = {segment.path: job.forgotten.hidden(segment) for segment in segments}
    batch: list[tuple[Labels, Int64s, Float64s]] = []
    size = 0
    for labels, row in merged_rows(segments):
        if all(segment.meta.priority <= job.above for segment, _ in row):
            continue
        runs = [without(segment.run(i), hidden[segment.path].get(i, ())) for segment, i in row]
        timestamps, values = within(merge_runs(runs), job.after_ms + 1, job.up_to_ms)
        if not len(timestamps):
            continue
        batch.append((labels, timestamps, values))
        size += len(timestamps)
        if size >= _SAMPLES_AT_ONCE:
            yield SampleBatch.of(batch)
            batch, size = [], 0
    yield SampleBatch.of(batch)


class _Existing:
    """What a tier has of each series already."""

    def __init__(self, target: TierTarget, forgotten: Forgotten) -> None:
        segments = [Segment(path) for path in target.existing]
        self._rows = dict(merged_rows(segments))
        self._hidden = hidden_points(segments, forgotten)

    def joined(self, labels: Labels, late: PointBatch, stretch: Range) -> PointBatch:
        """The points of the series within the stretch, with those of its late samples."""
        row = self._rows.get(labels)
        if row is None:
            return late
        points = overlaid(pieces(row, self._hidden))
        low, high = stretch
        return with_late(points.only((points.end_ms > low) & (points.end_ms <= high)), late)


Hidden = dict[Path, dict[int, list[Range]]]


def hidden_points(segments: Sequence[Segment], forgotten: Forgotten) -> Hidden:
    """What was deleted, by file and by number of series."""
    return {segment.path: forgotten.hidden(segment) for segment in segments}


def pieces(row: Row, hidden: Hidden) -> list[Piece]:
    """Where the points of a series are."""
    return [Piece(segment, number, hidden[segment.path].get(number, ())) for segment, number in row]


def join_tier(job: JoinJob) -> Path | None:
    """The job's path, where the joined segment of points now is, deletions carried out.

    None where nothing is left of it. Raises `DamagedFile`.
    """
    segments = [Segment(path) for path in job.sources]
    hidden = hidden_points(segments, job.forgotten)
    with PointsWriter(job.path, segments[0].meta.width_ms) as writer:
        for labels, row in merged_rows(segments):
            writer.add(labels, overlaid(pieces(row, hidden)))
        return job.path if writer.finish(job.meta(segments)) else None
