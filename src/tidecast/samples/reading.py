"""Finding and joining what the segments and the head hold of the selected series."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from tidecast.samples.batch import Float64s, Int64s, SampleBatch, distinct
from tidecast.samples.deletions import Forgotten, covers
from tidecast.samples.head import Head, HeadSeries
from tidecast.samples.index import find
from tidecast.samples.kept import BEFORE_ALL_MS, Kept
from tidecast.samples.matchers import Matchers
from tidecast.samples.merge import Range, Run, merge_runs, without
from tidecast.samples.protocol import LimitExceeded, SelectLimits
from tidecast.samples.segment import Segment
from tidecast_collector.labels import Labels


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
class Snapshot:
    """All that one selection concerns, at one moment, on its way to another process.

    The segments go by their paths: unpickling opens them there, and raises `FileNotFoundError` for
    one that was joined into another since, `DamagedFile` for a damaged one. A series is in
    `recent` once for each of the `heads`, oldest first.
    """

    view: View
    recent: Sequence[HeadSeries]
    heads: int

    def __reduce__(self) -> tuple[Callable[[View, SampleBatch, int], Snapshot], tuple[Any, ...]]:
        # A few large arrays instead of very many small ones.
        recent = SampleBatch.of((s.labels, *s.run) for s in self.recent)
        return _unpacked, (self.view, recent, self.heads)

    def select(
        self, matchers: Matchers, start_ms: int, end_ms: int, limits: SelectLimits
    ) -> SampleBatch:
        """The matching series that have samples in [start, end], sorted by labels."""
        if self._is_simple(start_ms, end_ms):
            # The newest samples are asked for all the time, by every rule: nothing is to be merged.
            found = sorted(((s.labels, *s.run) for s in self.recent), key=itemgetter(0))
            batch = SampleBatch.of(found)
            _check(len(batch), len(batch.timestamps), limits)
            return batch
        located = locate(self.view, self.recent, matchers, start_ms, end_ms)
        return read(located, start_ms, end_ms, limits)

    def _is_simple(self, start_ms: int, end_ms: int) -> bool:
        """Whether one head alone has all."""
        return self.heads == 1 and not any(
            segment.meta.overlaps(start_ms, end_ms) for segment in self.view.segments
        )


def _check(series: int, samples: int, limits: SelectLimits) -> None:
    if series > limits.series:
        raise LimitExceeded(
            f"the selection touches {series} series, at most {limits.series} are allowed: "
            "narrow its matchers"
        )
    if samples > limits.samples:
        raise LimitExceeded(
            f"the selection touches more than {limits.samples} samples: "
            "narrow its matchers or its time range"
        )


def _unpacked(view: View, recent: SampleBatch, heads: int) -> Snapshot:
    series = [HeadSeries(labels, (at, values)) for labels, at, values in recent]
    return Snapshot(view, series, heads)


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


def recent_series(head: Head, matchers: Matchers, start_ms: int, end_ms: int) -> list[HeadSeries]:
    """The series of the head that pass and have samples in [start, end], with these."""
    return head.recent(find(head.index, matchers), start_ms, end_ms)


def locate(
    view: View, recent: Sequence[HeadSeries], matchers: Matchers, start_ms: int, end_ms: int
) -> Located:
    """Where matching samples in [start, end] may be."""
    found: list[tuple[Segment, Int64s, list[Labels], dict[int, Sequence[Range]]]] = []
    for segment in view.segments if start_ms <= end_ms else ():
        if segment.meta.overlaps(start_ms, end_ms):
            numbers = segment.overlapping(find(segment.index, matchers), start_ms, end_ms)
            numbers, hidden = _visible(view, segment, numbers, start_ms, end_ms)
            found.append((segment, numbers, segment.labels(numbers), hidden))
    met = {labels for _, _, own, _ in found for labels in own}
    met.update(series.labels for series in recent)
    every = sorted(met)
    place = {labels: i for i, labels in enumerate(every)}
    parts = [
        Part(segment, numbers, np.fromiter(map(place.__getitem__, own), np.int64, len(own)), hidden)
        for segment, numbers, own, hidden in found
    ]
    return Located(every, parts, [(place[series.labels], series.run) for series in recent])


def _visible(
    view: View, segment: Segment, numbers: Int64s, start_ms: int, end_ms: int
) -> tuple[Int64s, dict[int, Sequence[Range]]]:
    """The series of which something may be left in [start, end], and what of each is hidden."""
    deleted, past_keeping = view.forgotten.hidden(segment), view.kept.hidden(segment.meta)
    if not deleted and not past_keeping:
        return numbers, {}
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
    return np.delete(numbers, gone), hidden


def read(located: Located, start_ms: int, end_ms: int, limits: SelectLimits) -> SampleBatch:
    """The located samples in [start, end], by series, sorted by labels.

    Of most series the pieces follow each other in time: these are decoded where they are to stand.
    """
    series = len(located.labels)
    _check(series, 0, limits)
    # Times, which many series share, tell what would be read before any value is decoded.
    looks: list[_Look] = []
    samples = sum(len(run[0]) for _, run in located.recent)
    for part in located.parts:
        looks.append(_Look(part, start_ms, end_ms))
        samples += int(looks[-1].counts.sum())
        _check(0, samples, limits)
    in_time = sorted(looks, key=lambda look: look.part.segment.meta.first_ms)
    tangled = _tangled(located, in_time)
    merged = _merged(located, looks, tangled)
    lengths = np.zeros(series, dtype=np.int64)
    for look in looks:
        lengths[look.part.places] += look.counts
    np.add.at(
        lengths, [place for place, _ in located.recent], [len(r[0]) for _, r in located.recent]
    )
    lengths[list(merged)] = [len(run[0]) for run in merged.values()]
    offsets = np.append(0, np.cumsum(lengths))
    out = _Out(offsets)
    for look in in_time:
        out.put_look(look, ~tangled[look.part.places])
    for place, run in located.recent:
        if not tangled[place]:
            out.put(place, run)
    for place, run in merged.items():
        out.put(place, run)
    return out.batch(located.labels)


class _Look:
    """How many samples in a range each series of a part has, and how many are before them."""

    def __init__(self, part: Part, start_ms: int, end_ms: int) -> None:
        self.part = part
        columns = part.segment.columns(part.numbers)
        used = distinct(columns)
        found = [part.segment.times_within(each, start_ms, end_ms) for each in used.tolist()]
        self._times = [times for _, times in found]
        self.column: Int64s = np.searchsorted(used, columns)
        self.lows = np.array([low for low, _ in found], dtype=np.int64)[self.column]
        self.counts = np.array([len(times) for times in self._times], dtype=np.int64)[self.column]

    def spans(self) -> tuple[Int64s, Int64s]:
        """The first and the last time of each series that has samples."""
        ends = [(int(t[0]), int(t[-1])) if len(t) else (0, 0) for t in self._times]
        spans = np.array(ends, dtype=np.int64).reshape(-1, 2)[self.column[self.counts > 0]]
        return spans[:, 0], spans[:, 1]

    def times(self, chosen: Int64s) -> list[Int64s]:
        """The times of these series of the part."""
        return [self._times[column] for column in self.column[chosen].tolist()]


def _tangled(located: Located, looks: Sequence[_Look]) -> npt.NDArray[np.bool_]:
    """Which series have something hidden, or pieces that do not follow each other in time."""
    tangled = np.zeros(len(located.labels), dtype=np.bool_)
    until = np.full(len(located.labels), BEFORE_ALL_MS, dtype=np.int64)
    for look in looks:
        part = look.part
        if part.hidden_ms:
            hidden = np.array(list(part.hidden_ms), dtype=np.int64)
            tangled[part.places[np.isin(part.numbers, hidden)]] = True
        places, (first_ms, last_ms) = part.places[look.counts > 0], look.spans()
        tangled[places[first_ms <= until[places]]] = True
        until[places] = np.maximum(until[places], last_ms)
    for place, run in located.recent:
        if len(run[0]):
            tangled[place] |= run[0][0] <= until[place]
            until[place] = max(int(until[place]), int(run[0][-1]))
    return tangled


def _merged(
    located: Located, looks: Sequence[_Look], tangled: npt.NDArray[np.bool_]
) -> dict[int, Run]:
    """The flagged series as one run each; looks are given oldest write first."""
    runs: dict[int, list[Run]] = {place: [] for place in np.flatnonzero(tangled).tolist()}
    for look in looks:
        part = look.part
        these = np.flatnonzero(tangled[part.places] & (look.counts > 0))
        lows, counts = look.lows[these].tolist(), look.counts[these].tolist()
        for i, times in enumerate(look.times(these)):
            number, place = int(part.numbers[these[i]]), int(part.places[these[i]])
            values = part.segment.values(number, slice(lows[i], lows[i] + counts[i]))
            runs[place].append(without((times, values), part.hidden_ms.get(number, ())))
    for place, run in located.recent:
        if tangled[place]:
            runs[place].append(run)
    return {place: merge_runs(pieces) for place, pieces in runs.items()}


class _Out:
    """The samples of all series, one series behind the other, while they are being read."""

    def __init__(self, offsets: Int64s) -> None:
        self._offsets, self._next = offsets, offsets[:-1].copy()
        self._timestamps: Int64s = np.empty(int(offsets[-1]), dtype=np.int64)
        self._values: Float64s = np.empty(int(offsets[-1]), dtype=np.float64)

    def put(self, place: int, run: Run) -> None:
        """Samples of the series at that place, behind what it has."""
        low = int(self._next[place])
        self._next[place] = high = low + len(run[0])
        self._timestamps[low:high], self._values[low:high] = run

    def put_look(self, look: _Look, chosen: npt.NDArray[np.bool_]) -> None:
        """The same of the chosen series of a part."""
        these = np.flatnonzero(chosen & (look.counts > 0))
        part, counts = look.part, look.counts[these]
        owners = part.places[these]
        at = self._next[owners]
        self._next[owners] += counts
        for low, times in zip(at.tolist(), look.times(these), strict=True):
            self._timestamps[low : low + len(times)] = times
        part.segment.read_values(part.numbers[these], look.lows[these], counts, self._values, at)

    def batch(self, labels: Sequence[Labels]) -> SampleBatch:
        """All of it; series without samples are left out."""
        filled = np.flatnonzero(self._offsets[1:] > self._offsets[:-1])
        if len(filled) < len(labels):
            labels = [labels[i] for i in filled.tolist()]
        offsets = np.append(self._offsets[filled], self._offsets[-1])
        return SampleBatch(labels, offsets, self._timestamps, self._values)
