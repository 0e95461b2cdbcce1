"""Segments of points: what a tier keeps of each series in a stretch of time."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tidecast.samples.batch import Float64s
from tidecast.samples.merge import Range
from tidecast.samples.points import Field, PointBatch, bucket_end, one_series
from tidecast.samples.segment import Segment, SegmentMeta
from tidecast.samples.segment_writer import SegmentWriter
from tidecast.samples.value_codec import as_decimals, encode_values
from tidecast_collector.labels import Labels

_TIMES = 2
_TWINS = {Field.MIN: Field.FIRST, Field.MAX: Field.LAST}
"""Of a counter these are equal: nothing is stored for the left one then."""
EVERY_FIELD = tuple(Field)


@dataclass(frozen=True, slots=True)
class Piece:
    """A series in one segment of a tier, less what was deleted."""

    segment: Segment
    number: int
    hidden_ms: Sequence[Range]


class PointsWriter:
    """Writes a segment of points, series after series in `series_order`; a context manager.

    The file appears under its name, durably, with `finish`; left without it, nothing remains.
    """

    def __init__(self, path: Path, width_ms: int) -> None:
        self._segment = SegmentWriter(path, fields=len(Field), times=_TIMES)
        self._width_ms = width_ms

    def __enter__(self) -> PointsWriter:
        return self

    def __exit__(self, *failure: object) -> None:
        self._segment.__exit__(*failure)

    def add(self, labels: Labels, points: PointBatch) -> None:
        """Adds a series with its points; one without any is left out."""
        if len(points.end_ms):
            times = [self._segment.column(each) for each in (points.first_ms, points.last_ms)]
            self._segment.add_blobs(labels, times, _blobs(points.stats))

    def finish(self, meta: SegmentMeta) -> bool:
        """Makes the file whole and durable; False, and no file, where it would be empty."""
        if not self._segment.samples:
            return False
        self._segment.finish(replace(meta, width_ms=self._width_ms))
        return True


def _blobs(stats: Sequence[Float64s]) -> list[bytes]:
    blobs = []
    for field in Field:
        values = stats[field]
        twin = _TWINS.get(field)
        if twin is not None and np.array_equal(values.view(np.uint64), stats[twin].view(np.uint64)):
            blobs.append(b"")
            continue
        if field in (Field.SUM, Field.LOST):
            values = as_decimals(values, stats[Field.FIRST])
        blobs.append(encode_values(np.ascontiguousarray(values)))
    return blobs


def read_points(
    segment: Segment, number: int, fields: Collection[Field] = EVERY_FIELD
) -> PointBatch:
    """The points of a series; of other fields than these all values are 0."""
    first_ms, last_ms = (segment.timestamps(segment.column(number, time)) for time in range(_TIMES))
    nothing = np.broadcast_to(0.0, first_ms.shape)
    stats = [nothing] * len(Field)
    for field in fields:
        values = segment.values(number, field=field)
        if not len(values):
            values = segment.values(number, field=_TWINS[field])
        stats[field] = values
    return PointBatch(
        [()],
        np.array([0, len(first_ms)], dtype=np.int64),
        bucket_end(first_ms, segment.meta.width_ms),
        first_ms,
        last_ms,
        tuple(stats),
    )


def _outside(points: PointBatch, start_ms: int, end_ms: int) -> PointBatch:
    """The points of a series less those of the window."""
    ends = points.end_ms
    if not len(ends) or ends[-1] < start_ms or ends[0] >= end_ms:
        return points
    return points.only((ends < start_ms) | (ends >= end_ms))


def overlaid(pieces: Sequence[Piece], fields: Collection[Field] = EVERY_FIELD) -> PointBatch:
    """The points of one series out of these pieces, given from the oldest write to the newest.

    A piece stands for all the series has in the piece's window, whatever was there before. Points
    that any deleted time touches are gone: what is left of them could not be told.
    """
    parts: list[PointBatch] = []
    for piece in pieces:
        meta = piece.segment.meta
        parts = [_outside(part, meta.start_ms, meta.end_ms) for part in parts]
        found = read_points(piece.segment, piece.number, fields)
        for low, high in piece.hidden_ms:
            found = found.only((found.first_ms > high) | (found.last_ms < low))
        parts.append(found)
    return one_series(parts)
