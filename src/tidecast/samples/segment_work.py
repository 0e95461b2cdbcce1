"""Writing segments: in another process where there is one, here where there is none."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from tidecast.samples.apart import (
    MOST_SEGMENTS,
    CannotRunApart,
    FlushJob,
    Place,
    Runner,
    flush_head,
)
from tidecast.samples.head import Head
from tidecast.samples.sealing import write_head
from tidecast.samples.segment import Segment
from tidecast.samples.segment_files import SegmentFiles
from tidecast.samples.shared_rows import NotShared
from tidecast_collector.errors import TidecastError

_Job = TypeVar("_Job")
_Done = TypeVar("_Done")
FilesOfJob = Mapping[SegmentFiles, Sequence[int]]
"""Under which numbers a job writes files, by where."""

_log = logging.getLogger(__name__)


FEW_SAMPLES = 100_000
"""So few are written sooner than another process is started."""


class NotWorthIt(CannotRunApart):
    """There is no other process, or so little to do that this one is as good."""


class SegmentWork:
    """Writes the segments of one store; its caller lets in one thread at a time."""

    def __init__(self, window_ms: int, apart: Runner | None) -> None:
        self._window_ms, self._apart = window_ms, apart

    def write_head(self, files: SegmentFiles, head: Head, now_ms: int) -> list[Segment]:
        """Segments with all samples of a sealed head.

        On any error none remains.
        """
        try:
            self._check_worth(head.samples)
            place = Place(files.directory, files.reserve(MOST_SEGMENTS))
            job = FlushJob(head.elsewhere(), self._window_ms, now_ms, place)
            paths = self._run_apart(flush_head, job, {files: place.numbers})
            return [Segment(path) for path in paths]
        except (CannotRunApart, NotShared) as error:
            self._tell(error)
            return write_head(head, self._window_ms, now_ms, files.new_path)

    def carry_out(
        self, work: Callable[[_Job], _Done], job: _Job, samples: int, files: FilesOfJob
    ) -> _Done:
        """What the work gives for the job, which reads so many samples.

        Where the other process fails, nothing remains of the files it wrote.
        """
        try:
            self._check_worth(samples)
            return self._run_apart(work, job, files)
        except CannotRunApart as error:
            self._tell(error)
            return work(job)

    def _check_worth(self, samples: int) -> None:
        if self._apart is None or samples < FEW_SAMPLES:
            raise NotWorthIt

    def _run_apart(self, work: Callable[[_Job], _Done], job: _Job, files: FilesOfJob) -> _Done:
        assert self._apart is not None
        try:
            return self._apart(work, job)
        except BaseException:
            for directory, numbers in files.items():
                directory.discard(numbers)
            raise

    def _tell(self, reason: TidecastError) -> None:
        if not isinstance(reason, NotWorthIt):
            _log.warning("segments are written by the server itself: %s", reason)
