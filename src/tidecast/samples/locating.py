"""Where the samples of a selection are: in which segments under which number, and in the heads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from tidecast.samples.batch import Int64s
from tidecast.samples.bounded_cache import BoundedCache
from tidecast.samples.deletions import Forgotten, covers
from tidecast.samples.head import Head, HeadSeries
from tidecast.samples.index import find
from tidecast.samples.kept import Kept
from tidecast.samples.matchers import Matchers
from tidecast.samples.merge import Range, Run
from tidecast.samples.segment import Segment
from tidecast_collector.labels import Labels

_HELD_BYTES = 16 << 20
_LABELS_BYTES, _PLACE_BYTES = 250, 16


@dataclass(frozen=True, slots=True)
class View:
    """The durable part of the store at one moment: segments, oldest write first.

    `tiers` are those of each of `kept.tiers`.
    """

    segments: tuple[Segment, ...] = ()
    forgotten: Forgotten = field(default_factory=Forgotten)
    kept: Kept = field(default_factory=Kept)
    tiers: tuple[tuple[Segment, ...], ...] = ()

    def within(self, start_ms: int, end_ms: int) -> View:
        """The same, less the segments that have nothing in [start, end].

        Of a tier the bucket before belongs to it too.
        """
        kept = tuple(s for s in self.segments if s.meta.overlaps(start_ms, end_ms))
        tiers = tuple(
            tuple(
                segment
                for segment in held
                if segment.meta.overlaps(start_ms - 2 * tier.width_ms, end_ms + tier.width_ms)
            )
            for tier, held in zip(self.kept.tiers, self.tiers, strict=True)
        )
        return replace(self, segments=kept, tiers=tiers)


@dataclass(frozen=True, slots=True)
class Part:
    """What one segment has of located series.

    `numbers` are theirs in the segment, `places` where their labels stand among all located.
    `hidden_ms` is what of them must not be read, by number.
    """

    segment: Segment
    numbers: Int64s
    places: Int64s
    hidden_ms: Mapping[int, Sequence[Range]]


@dataclass(frozen=True, slots=True)
class Located:
    """Where samples of these series may be: parts, oldest write first, then runs of the head.

    `labels` are sorted; a run stands beside the place of its series among them.
    """

    labels: Sequence[Labels]
    parts: Sequence[Part]
    recent: Sequence[tuple[int, Run]]


@dataclass(frozen=True, slots=True)
class _Met:
    """The series of some segments that pass a selection, whatever the time.

    `labels` are sorted, `place` says where among them. Of each segment there are the numbers of its
    series and, ascending, the places of their labels.
    """

    labels: Sequence[Labels]
    place: Mapping[Labels, int]
    parts: Sequence[tuple[Int64s, Int64s]]


_known: BoundedCache[tuple[tuple[int, ...], Matchers], _Met] = BoundedCache(_HELD_BYTES)
"""The same selections come again and again, from dashboards and rules; segments do not change."""


def _series_met(segments: Sequence[Segment], matchers: Matchers) -> _Met:
    key = tuple(segment.number for segment in segments), tuple(matchers)
    met = _known.get(key)
    if met is None:
        met = _find_met(segments, matchers)
        places = sum(len(numbers) for numbers, _ in met.parts)
        _known.put(key, met, len(met.labels) * _LABELS_BYTES + places * _PLACE_BYTES)
    return met


def _find_met(segments: Sequence[Segment], matchers: Matchers) -> _Met:
    found = [find(segment.index, matchers) for segment in segments]
    own = [segment.labels(numbers) for segment, numbers in zip(segments, found, strict=True)]
    every = sorted({labels for some in own for labels in some})
    place = {labels: i for i, labels in enumerate(every)}
    parts = []
    for numbers, some in zip(found, own, strict=True):
        places = np.fromiter(map(place.__getitem__, some), np.int64, len(some))
        order = np.argsort(places)
        parts.append((numbers[order], places[order]))
    return _Met(every, place, parts)


def recent_series(head: Head, matchers: Matchers, start_ms: int, end_ms: int) -> list[HeadSeries]:
    """The series of the head that pass and have samples in [start, end], with these."""
    return head.recent(find(head.index, matchers), start_ms, end_ms)


def locate(
    view: View, recent: Sequence[HeadSeries], matchers: Matchers, start_ms: int, end_ms: int
) -> Located:
    """Where matching samples in [start, end] may be."""
    segments = view.segments if start_ms <= end_ms else ()
    segments = tuple(each for each in segments if each.meta.overlaps(start_ms, end_ms))
    met = _series_met(segments, matchers)
    every, place = met.labels, met.place
    if any(series.labels not in place for series in recent):
        every = sorted({*every, *(series.labels for series in recent)})
        place = {labels: i for i, labels in enumerate(every)}
    moved = None
    if every is not met.labels:
        moved = np.fromiter(map(place.__getitem__, met.labels), np.int64, len(met.labels))
    used = np.zeros(len(every), dtype=np.bool_)
    parts = []
    for segment, (numbers, places) in zip(segments, met.parts, strict=True):
        kept = np.flatnonzero(segment.overlap(numbers, start_ms, end_ms))
        visible, hidden = _visible(view, segment, numbers[kept], start_ms, end_ms)
        kept = kept[visible]
        here = places[kept] if moved is None else moved[places[kept]]
        used[here] = True
        parts.append(Part(segment, numbers[kept], here, hidden))
    runs = [(place[series.labels], series.run) for series in recent]
    used[[at for at, _ in runs]] = True
    return _compact(Located(every, parts, runs), used)


def _compact(located: Located, used: npt.NDArray[np.bool_]) -> Located:
    """The same, less the series that have no samples after all."""
    if used.all():
        return located
    labels = [located.labels[i] for i in np.flatnonzero(used).tolist()]
    moved = np.cumsum(used) - 1
    parts = [replace(part, places=moved[part.places]) for part in located.parts]
    return Located(labels, parts, [(int(moved[place]), run) for place, run in located.recent])


def _visible(
    view: View, segment: Segment, numbers: Int64s, start_ms: int, end_ms: int
) -> tuple[Int64s, dict[int, Sequence[Range]]]:
    """Where among them the series stand of which something may be left in [start, end].

    And what of each is hidden, by number.
    """
    deleted, past_keeping = view.forgotten.hidden(segment), view.kept.hidden(segment.meta)
    if not deleted and not past_keeping:
        return np.arange(len(numbers)), {}
    hidden: dict[int, Sequence[Range]] = {}
    gone = []
    for at, number in enumerate(numbers.tolist()):
        ranges = [*past_keeping, *deleted.get(number, ())]
        if not ranges:
            continue
        first_ms, last_ms = segment.span(number)
        if covers(ranges, max(first_ms, start_ms), min(last_ms, end_ms)):
            gone.append(at)
        else:
            hidden[number] = ranges
    return np.delete(np.arange(len(numbers)), gone), hidden
