"""The directory of segment files: opening them, naming new ones, setting damaged ones aside."""

from __future__ import annotations

import itertools
import logging
from pathlib import Path

from tidecast.samples.deletions import Forgotten
from tidecast.samples.durable import DamagedFile, remove_durably, sync_directory
from tidecast.samples.segment import Segment, order_of, parse_segment_name, segment_name

_log = logging.getLogger(__name__)


class SegmentFiles:
    """Segment files of one directory; `problems` tells of the damage met since it was opened."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._numbers = itertools.count(1)
        self.set_aside = 0
        self.problems: list[str] = []

    def open(self, forgotten: Forgotten) -> tuple[Segment, ...]:
        """The segments, oldest write first; what an interrupted write or join left is removed."""
        segments: dict[str, Segment] = {}
        for path in self.directory.glob("*.tmp"):
            path.unlink()
        for path in self.directory.glob("*.seg"):
            try:
                segments[path.name] = Segment(path)
            except DamagedFile as error:
                self.put_aside(error)
        replaced = {name for segment in segments.values() for name in segment.meta.replaces}
        remove_durably([segments.pop(name).path for name in replaced & segments.keys()])
        # No number is given twice: deletions tell by it which segments they are older than.
        numbers = [parse_segment_name(path.name)[2] for path in self.directory.iterdir()]
        numbers += [segment.meta.priority for segment in segments.values()]
        numbers += [deletion.priority for deletion in forgotten.deletions]
        self._numbers = itertools.count(max(numbers, default=0) + 1)
        return tuple(order_of(list(segments.values())))

    def new_path(self, start_ms: int, end_ms: int) -> tuple[Path, int]:
        """The path of a new segment of that window, and its number."""
        number = next(self._numbers)
        return self.directory / segment_name(start_ms, end_ms, number), number

    def reserve(self, count: int) -> range:
        """Numbers for segments that another process will write."""
        first = next(self._numbers)
        self._numbers = itertools.count(first + count)
        return range(first, first + count)

    def discard(self, numbers: range) -> None:
        """Removes what a job that failed wrote under these numbers."""
        found = [p for p in self.directory.iterdir() if parse_segment_name(p.name)[2] in numbers]
        remove_durably(found)

    def put_aside(self, error: DamagedFile) -> None:
        """Takes a damaged file out of service; it stays, under another name."""
        path = error.path
        if path.exists():
            path.replace(path.with_name(path.name + ".bad"))
            sync_directory(path.parent)
            self.set_aside += 1
            self.problems.append(f"{error}; set aside as {path.name}.bad")
            _log.error("%s", self.problems[-1])
