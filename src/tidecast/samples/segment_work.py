"""Writing segments: in another process where there is one, here where there is none."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from tidecast.samples.apart import (
    MOST_SEGMENTS,
    CannotRunApart,
    FlushJob,
    JoinJob,
    LogDisagrees,
    Place,
    Runner,
    flush_logs,
    join_segments,
)
from tidecast.samples.deletions import Forgotten
from tidecast.samples.head import Head
from tidecast.samples.sealing import Join, write_head, write_join
from tidecast.samples.segment import Segment
from tidecast.samples.segment_files import SegmentFiles
from tidecast_collector.errors import TidecastError

_Job = TypeVar("_Job")
_Done = TypeVar("_Done")

_log = logging.getLogger(__name__)


FEW_SAMPLES = 100_000
"""So few are written sooner than another process is started."""


class NotWorthIt(CannotRunApart):
    """There is no other process, or so little to do that this one is as good."""


class SegmentWork:
    """Writes the segments of one store; its caller lets in one thread at a time."""

    def __init__(self, files: SegmentFiles, window_ms: int, apart: Runner | None) -> None:
        self._files, self._window_ms, self._apart = files, window_ms, apart

    def write_head(self, head: Head, logs: Sequence[Path], now_ms: int) -> list[Segment]:
        """Segments with all samples of a sealed head, which are in these log files as well.

        On any error none remains.
        """

        def job(place: Place) -> FlushJob:
            return FlushJob(logs, head.samples, self._window_ms, now_ms, place)

        try:
            return [Segment(path) for path in self._run(head.samples, flush_logs, job)]
        except (CannotRunApart, LogDisagrees) as error:
            self._tell(error)
            return write_head(head, self._window_ms, now_ms, self._files.new_path)

    def write_join(self, join: Join, forgotten: Forgotten) -> Segment | None:
        """The joined segment, deletions carried out; None where nothing is left of it."""

        samples = sum(segment.meta.samples for segment in join.segments)

        def job(place: Place) -> JoinJob:
            return JoinJob(join.window, [each.path for each in join.segments], forgotten, place)

        try:
            path = self._run(samples, join_segments, job)
        except CannotRunApart as error:
            self._tell(error)
            return write_join(join, forgotten, self._files.new_path)
        return None if path is None else Segment(path)

    def _run(
        self, samples: int, work: Callable[[_Job], _Done], job: Callable[[Place], _Job]
    ) -> _Done:
        """What the work gives in the other process; where it fails nothing of it remains."""
        if self._apart is None or samples < FEW_SAMPLES:
            raise NotWorthIt
        place = Place(self._files.directory, self._files.reserve(MOST_SEGMENTS))
        try:
            return self._apart(work, job(place))
        except BaseException:
            self._files.discard(place.numbers)
            raise

    def _tell(self, reason: TidecastError) -> None:
        if not isinstance(reason, NotWorthIt):
            _log.warning("segments are written by the server itself: %s", reason)
