"""The directory of segment files: opening them, naming new ones, setting damaged ones aside."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

from tidecast.samples.deletions import Forgotten
from tidecast.samples.durable import DamagedFile, remove_durably, sync_directory
from tidecast.samples.segment import Segment, order_of, parse_segment_name, segment_name

_log = logging.getLogger(__name__)


class Numbers:
    """Numbers of files and of what they were written after; none is given twice."""

    def __init__(self) -> None:
        self._next = 1

    def pass_by(self, used: Iterable[int]) -> None:
        """Gives only higher ones from now on."""
        self._next = max(self._next, max(used, default=0) + 1)

    def take(self) -> int:
        """A number higher than all before."""
        return self.take_many(1)[0]

    def take_many(self, count: int) -> range:
        """So many numbers, each higher than all before."""
        taken = range(self._next, self._next + count)
        self._next = taken.stop
        return taken


class SegmentFiles:
    """Segment files of one directory; `problems` tells of the damage met since it was opened.

    `lost` are the windows (start included, end excluded) of the files that were set aside.
    """

    def __init__(self, directory: Path, numbers: Numbers) -> None:
        self.directory = directory
        self._numbers = numbers
        self.set_aside = 0
        self.problems: list[str] = []
        self.lost: list[tuple[int, int]] = []

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
        self._numbers.pass_by(numbers)
        return tuple(order_of(list(segments.values())))

    def new_path(self, start_ms: int, end_ms: int) -> tuple[Path, int]:
        """The path of a new segment of that window, and its number."""
        number = self._numbers.take()
        return self.directory / segment_name(start_ms, end_ms, number), number

    def reserve(self, count: int) -> range:
        """Numbers for segments that another process will write."""
        return self._numbers.take_many(count)

    def discard(self, numbers: Sequence[int]) -> None:
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
            self.lost.append(parse_segment_name(path.name)[:2])
            self.problems.append(f"{error}; set aside as {path.name}.bad")
            _log.error("%s", self.problems[-1])
