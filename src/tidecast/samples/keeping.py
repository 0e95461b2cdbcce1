"""Keeping: what is written anew, what goes into tiers, and what goes for ever.

Raw samples go first, then the tiers from the finest to the coarsest: by age, and where the room
given is not enough. None of this is needed for taking samples in, so none of it can make that fail.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from tidecast.samples.durable import DamagedFile, writing_in
from tidecast.samples.holdings import Holdings
from tidecast.samples.kept import BEFORE_ALL_MS, Stretch
from tidecast.samples.sealing import plan_joins, write_join
from tidecast.samples.segment import Segment
from tidecast.samples.segment_files import SegmentFiles
from tidecast.samples.tier_building import TierJob, TierTarget, build_tiers, join_tier

TIER_STRETCHES = 30
"""So many stretches of a tier (of a day: about a month) are joined into one segment."""
_RUNS_AT_ONCE = 4

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Room:
    """How many bytes there may be, and how many of these are taken by others."""

    max_bytes: int
    others_bytes: int = 0


def join_due(holdings: Holdings, stretch_ms: int, now_ms: int, between: Callable[[], None]) -> None:
    """Joins segments and pieces of tiers where that is worth while.

    Each may take long; `between` is called after each, for what cannot wait for all of them.
    """
    view = holdings.view
    for join in plan_joins(view.segments, view.forgotten, stretch_ms, now_ms):
        holdings.join(holdings.raw, join, write_join)
        between()
    for files in holdings.tiers:
        pieces, block_ms = holdings.segments(files), stretch_ms * TIER_STRETCHES
        for join in plan_joins(pieces, view.forgotten, block_ms, now_ms):
            holdings.join(files, join, join_tier)
            between()


def build_due(
    holdings: Holdings, stretch_ms: int, settled_ms: int, after_ms: int = BEFORE_ALL_MS
) -> int:
    """Builds tiers of stretches within (after, settled] that have samples which tiers lack.

    Returns how many builds that took: as many at once as leave others their turn.
    """
    if not holdings.tiers:
        return 0
    due = _due(holdings, stretch_ms, max(after_ms, holdings.view.kept.gone_ms), settled_ms)
    runs = list(_runs(holdings, due, stretch_ms))[:_RUNS_AT_ONCE]
    for run in runs:
        _build(holdings, run, stretch_ms, due[run[0]])
    return len(runs)


def _runs(
    holdings: Holdings, due: Mapping[int, Sequence[Segment]], stretch_ms: int
) -> Iterator[list[int]]:
    """The ends of due stretches that are one behind the other and made of the same segments.

    They are built together: a segment over months, as imports bring them, is then read once for
    all its days.
    """
    kept = holdings.view.kept

    def alike(up_to_ms: int) -> object:
        removed = up_to_ms - stretch_ms < kept.removed_ms
        return [segment.path for segment in due[up_to_ms]], kept.seen(up_to_ms), removed

    run: list[int] = []
    for up_to_ms in sorted(due):
        begins_block = (up_to_ms - 1) // stretch_ms % TIER_STRETCHES == 0
        follows = bool(run) and up_to_ms == run[-1] + stretch_ms and not begins_block
        if run and not (follows and alike(up_to_ms) == alike(run[-1])):
            yield run
            run = []
        run.append(up_to_ms)
    if run:
        yield run


def _due(
    holdings: Holdings, stretch_ms: int, after_ms: int, settled_ms: int
) -> dict[int, list[Segment]]:
    """By the end of each due stretch the raw segments that reach into it."""
    seen = {stretch.up_to_ms: stretch.seen for stretch in holdings.view.kept.stretches}
    reaching: dict[int, list[Segment]] = {}
    for segment in holdings.view.segments:
        for up_to_ms in _ends(segment, stretch_ms):
            if after_ms < up_to_ms <= settled_ms:
                reaching.setdefault(up_to_ms, []).append(segment)
    return {
        up_to_ms: segments
        for up_to_ms, segments in reaching.items()
        if max(segment.meta.priority for segment in segments) > seen.get(up_to_ms, -1)
    }


def _ends(segment: Segment, stretch_ms: int) -> Iterator[int]:
    first = -(-segment.meta.first_ms // stretch_ms) * stretch_ms
    return iter(range(first, segment.meta.last_ms + stretch_ms, stretch_ms))


def _build(
    holdings: Holdings, ends: Sequence[int], stretch_ms: int, sources: Sequence[Segment]
) -> None:
    view, after_ms, up_to_ms = holdings.view, ends[0] - stretch_ms, ends[-1]
    targets = []
    for place, files in enumerate(holdings.tiers):
        path, number = files.new_path(after_ms + 1, up_to_ms + 1)
        existing: tuple[Segment, ...] = ()
        if view.kept.removed_ms > after_ms:
            existing = tuple(
                segment
                for segment in view.tiers[place]
                if segment.meta.start_ms <= up_to_ms and segment.meta.end_ms > after_ms + 1
            )
        width_ms = view.kept.tiers[place].width_ms
        targets.append(TierTarget(path, width_ms, number, tuple(s.path for s in existing)))
    job = TierJob(
        after_ms,
        up_to_ms,
        tuple(segment.path for segment in sources),
        view.kept.seen(up_to_ms),
        view.forgotten,
        tuple(targets),
    )
    numbers = {
        files: [target.priority] for files, target in zip(holdings.tiers, targets, strict=True)
    }
    samples = sum(segment.meta.samples for segment in sources)
    try:
        with writing_in(holdings.directory):
            written = set(holdings.work.carry_out(build_tiers, job, samples, numbers))
    except DamagedFile as error:
        holdings.put_aside(error)
        return
    seen = max(segment.meta.priority for segment in sources)
    built = {i: each.path for i, each in enumerate(targets) if each.path in written}
    kept = holdings.view.kept.with_stretches(Stretch(e - stretch_ms, e, seen) for e in ends)
    holdings.take_in(built, kept)


def retain(holdings: Holdings, before_ms: int) -> None:
    """Hides raw samples not newer than this, to whole buckets; removes what is hidden wholly."""
    kept = holdings.view.kept
    grid_ms = max((tier.width_ms for tier in kept.tiers), default=1)
    after_ms = max(before_ms // grid_ms * grid_ms, kept.raw_after_ms)
    newest = max((s.meta.priority for s in holdings.view.segments), default=-1)
    kept = replace(kept, raw_after_ms=after_ms, judged=newest)
    gone = [s for s in holdings.view.segments if kept.is_hidden(s.meta)]
    removed_ms = max((s.meta.last_ms for s in gone), default=kept.removed_ms)
    holdings.keep(replace(kept, removed_ms=max(removed_ms, kept.removed_ms)))
    if gone:
        holdings.exchange(holdings.raw, gone, [])


def retain_tiers(holdings: Holdings, stretch_ms: int, now_ms: int) -> None:
    """Removes what the tiers have kept for long enough, by whole stretches."""
    for place, tier in enumerate(holdings.view.kept.tiers):
        _empty_tier(holdings, place, (now_ms - tier.keep_ms) // stretch_ms * stretch_ms)


def _empty_tier(holdings: Holdings, place: int, after_ms: int) -> None:
    kept, files = holdings.view.kept, holdings.tiers[place]
    borders = list(kept.tier_after_ms)
    borders[place] = max(borders[place], after_ms)
    kept = replace(kept, tier_after_ms=tuple(borders))
    stretches = tuple(s for s in kept.stretches if s.up_to_ms > kept.gone_ms)
    holdings.keep(replace(kept, stretches=stretches))
    gone = [s for s in holdings.segments(files) if s.meta.end_ms <= borders[place] + 1]
    if gone:
        holdings.exchange(files, gone, [])


def fit(holdings: Holdings, room: Room) -> int:
    """Removes the oldest until all fits into the room; returns how many bytes were removed."""
    used = room.others_bytes + sum(
        segment.size_bytes for files in holdings.files for segment in holdings.segments(files)
    )
    before = used
    for files in holdings.files:
        while used > room.max_bytes and holdings.segments(files):
            oldest = min(holdings.segments(files), key=lambda segment: segment.meta.last_ms)
            _remove_for_room(holdings, files, oldest)
            used -= oldest.size_bytes
    if used < before:
        _log.warning(
            "samples in %s take more than --max-disk allows (%d bytes): removed the oldest, "
            "%d bytes; %d are left",
            holdings.directory, room.max_bytes, before - used, used,
        )  # fmt: skip
    return before - used


def _remove_for_room(holdings: Holdings, files: SegmentFiles, oldest: Segment) -> None:
    kept = holdings.view.kept
    if files is not holdings.raw:
        _empty_tier(holdings, holdings.tiers.index(files), oldest.meta.end_ms - 1)
    else:
        grid_ms = max((tier.width_ms for tier in kept.tiers), default=1)
        last_ms = oldest.meta.last_ms
        after_ms = max(kept.raw_after_ms, -(-last_ms // grid_ms) * grid_ms)
        removed_ms = max(kept.removed_ms, last_ms)
        holdings.keep(replace(kept, raw_after_ms=after_ms, removed_ms=removed_ms))
    held = [segment for segment in holdings.segments(files) if segment is oldest]
    holdings.exchange(files, held, [])
