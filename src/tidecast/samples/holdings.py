"""The files of a store beside its log: segments, tiers, and what was told to be forgotten."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tidecast.samples.deletions import Forgotten
from tidecast.samples.durable import (
    CheckedJson,
    DamagedFile,
    remove_durably,
    sync_directory,
    writing_in,
)
from tidecast.samples.kept import Kept, Tier
from tidecast.samples.locating import View
from tidecast.samples.matchers import Matchers
from tidecast.samples.sealing import Join, JoinJob
from tidecast.samples.segment import Segment, order_of
from tidecast.samples.segment_files import Numbers, SegmentFiles
from tidecast.samples.segment_work import SegmentWork
from tidecast.samples.stats import StoreStats

WriteJoin = Callable[[JoinJob], Path | None]


class Holdings:
    """Holds the `view` of these files, which changes only as a whole, under the lock given.

    One thread at a time may change anything. Opening raises `DamagedFile` where it is no longer
    known what was deleted.
    """

    def __init__(
        self, directory: Path, tiers: Sequence[Tier], work: SegmentWork, lock: threading.RLock
    ) -> None:
        self.directory = directory
        self.work = work
        self._lock = lock
        numbers = Numbers()
        self.raw = SegmentFiles(_made(directory / "segments"), numbers)
        self.tiers = [
            SegmentFiles(_made(directory / "tiers" / tier.name), numbers) for tier in tiers
        ]
        self._forgotten = CheckedJson(directory / "forgotten.json")
        self._kept = CheckedJson(directory / "kept.json")
        body, self.problems = self._forgotten.load()
        forgotten = Forgotten.from_json(body) if body else Forgotten()
        self.view = View(
            self.raw.open(forgotten),
            forgotten,
            self._load_kept(tiers),
            tuple(files.open(forgotten) for files in self.tiers),
        )
        # By these it is told which segments are in tiers, also where no file has them any more.
        kept = self.view.kept
        numbers.pass_by([kept.judged, *(stretch.seen for stretch in kept.stretches)])
        self._build_again()

    def _load_kept(self, tiers: Sequence[Tier]) -> Kept:
        try:
            body, problems = self._kept.load()
        except DamagedFile as error:
            # Nothing is lost: the tiers are built again from the raw samples that there are.
            body, problems = None, [f"{error}; it is made anew"]
        self.problems += problems
        return Kept.from_json(body, tiers)

    @property
    def files(self) -> list[SegmentFiles]:
        """Those of raw samples, then those of each tier."""
        return [self.raw, *self.tiers]

    def segments(self, files: SegmentFiles) -> tuple[Segment, ...]:
        """The segments of raw samples or of a tier, oldest write first."""
        return (self.view.segments, *self.view.tiers)[self.files.index(files)]

    def stats(self) -> StoreStats:
        """What these files hold."""
        pieces = [piece for tier in self.view.tiers for piece in tier]
        return StoreStats(
            segments=len(self.view.segments),
            segment_samples=sum(segment.meta.samples for segment in self.view.segments),
            segment_bytes=sum(segment.size_bytes for segment in self.view.segments),
            set_aside=sum(files.set_aside for files in self.files),
            problems=(*self.problems, *(p for files in self.files for p in files.problems)),
            tier_points=sum(piece.meta.samples for piece in pieces),
            tier_bytes=sum(piece.size_bytes for piece in pieces),
        )

    def exchange(self, files: SegmentFiles, old: Sequence[Segment], new: Sequence[Segment]) -> None:
        """Takes segments out and others in, at once; what is out is removed."""
        with self._lock:
            kept = [segment for segment in self.segments(files) if segment not in old]
            self._show(files, tuple(order_of([*kept, *new])))
        with writing_in(self.directory):
            remove_durably([segment.path for segment in old])

    def _show(self, files: SegmentFiles, segments: tuple[Segment, ...]) -> None:
        place = self.files.index(files) - 1
        if place < 0:
            self.view = replace(self.view, segments=segments)
            return
        tiers = list(self.view.tiers)
        tiers[place] = segments
        self.view = replace(self.view, tiers=tuple(tiers))

    def join(self, files: SegmentFiles, join: Join, write: WriteJoin) -> None:
        """Carries the join out; a damaged segment is set aside instead."""
        path, number = files.new_path(*join.window)
        sources = [segment.path for segment in join.segments]
        job = JoinJob(path, join.window, sources, self.view.forgotten)
        samples = sum(segment.meta.samples for segment in join.segments)
        try:
            with writing_in(self.directory):
                joined = self.work.carry_out(write, job, samples, {files: [number]})
        except DamagedFile as error:
            self.put_aside(error)
            return
        self.exchange(files, join.segments, [] if joined is None else [Segment(joined)])
        held = [segment for files in self.files for segment in self.segments(files)]
        forgotten = self.view.forgotten.concerning(held)
        if forgotten != self.view.forgotten:
            self.remember(forgotten)

    def forget(self, matchers: Matchers, start_ms: int, end_ms: int) -> None:
        """Hides the matching samples in [start, end] of all files."""
        held = [segment for files in self.files for segment in self.segments(files)]
        if not held:
            return
        newest = max(segment.meta.priority for segment in held)
        self.remember(self.view.forgotten.adding(matchers, newest, start_ms, end_ms))
        self.keep(self.view.kept.without_stretches(start_ms - 1, end_ms))

    def remember(self, forgotten: Forgotten) -> None:
        """Makes these the deletions that hide something."""
        with writing_in(self.directory):
            self._forgotten.save(forgotten.to_json())
        with self._lock:
            self.view = replace(self.view, forgotten=forgotten)

    def keep(self, kept: Kept) -> None:
        """Makes this what is kept; durable before any file goes."""
        if kept == self.view.kept:
            return
        with writing_in(self.directory):
            self._kept.save(kept.to_json())
        with self._lock:
            self.view = replace(self.view, kept=kept)

    def put_aside(self, error: DamagedFile) -> None:
        """Takes a damaged segment out of service; a tier is built again where that can be."""
        files = next(each for each in self.files if each.directory == error.path.parent)
        files.put_aside(error)
        with self._lock:
            kept = tuple(s for s in self.segments(files) if s.path != error.path)
            self._show(files, kept)
        self._build_again()

    def _build_again(self) -> None:
        """Has the tiers built again where a file of theirs was set aside."""
        kept = self.view.kept
        for files in self.tiers:
            while files.lost:
                start_ms, end_ms = files.lost.pop()
                kept = kept.without_stretches(start_ms - 1, end_ms - 1)
        self.keep(kept)

    def take_in(self, built: Mapping[int, Path], kept: Kept) -> None:
        """Shows new segments of tiers, by place of the tier, at once with what is then kept."""
        with writing_in(self.directory):
            self._kept.save(kept.to_json())
        opened = {place: Segment(path) for place, path in built.items()}
        with self._lock:
            for place, segment in opened.items():
                held = [*self.view.tiers[place], segment]
                self._show(self.tiers[place], tuple(order_of(held)))
            self.view = replace(self.view, kept=kept)


def _made(directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    sync_directory(directory.parent)
    return directory
