"""Label sets met before, by number: what is known of a series is looked up for whole batches.

Requests bring the same series again and again. A batch whose labels are `CataloguedLabels` names
them by number, and whoever has to know something of each series (a `PerSeries`) takes it out of an
array instead of asking series after series.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import overload

import numpy as np
import numpy.typing as npt

from tidecast.samples.batch import Int64s, SampleBatch, distinct
from tidecast_collector.labels import Labels

_UNKNOWN = -1
_NEVER_STORED, _STORED_BEFORE, _STORED = 0, 1, 2


class Catalogue:
    """Label sets by number, in the order in which they came; one may stand under several.

    Of each is known what remembering it takes, and whether its samples were stored: what only
    refused requests bring is not worth keeping.
    """

    def __init__(self) -> None:
        self.labels: list[Labels] = []
        self.size_bytes = 0
        """About how much memory all take."""
        self.never_stored_bytes = 0
        """About how much those of them take none of whose samples were stored."""
        self._sizes: Int64s = np.zeros(0, dtype=np.int64)
        self._stored: npt.NDArray[np.uint8] = np.zeros(0, dtype=np.uint8)
        self._lock = threading.Lock()

    @property
    def stored_bytes(self) -> int:
        """About how much those take that were stored."""
        return self.size_bytes - self.never_stored_bytes

    def add(self, labels: Labels, size_bytes: int = 0) -> int:
        """Takes the labels and returns their number. Only one thread may add."""
        number = len(self.labels)
        with self._lock:
            if number >= len(self._sizes):
                more = number // 2 + 64
                self._sizes = np.concatenate([self._sizes, np.zeros(more, dtype=np.int64)])
                self._stored = np.concatenate([self._stored, np.zeros(more, dtype=np.uint8)])
            self._sizes[number] = size_bytes
            self.size_bytes += size_bytes
            self.never_stored_bytes += size_bytes
        self.labels.append(labels)
        return number

    def note_stored(self, numbers: Int64s) -> None:
        """Samples of these were stored. A number may come several times."""
        if self._stored[numbers].min(initial=_STORED) == _STORED:
            return
        with self._lock:
            numbers = distinct(numbers)
            never = numbers[self._stored[numbers] == _NEVER_STORED]
            self.never_stored_bytes -= int(self._sizes[never].sum())
            self._stored[numbers] = _STORED

    def carried(self, *, lately: bool) -> tuple[Catalogue, list[int]]:
        """A catalogue of those that were stored, and which of these they are, in its order.

        `lately` leaves out those not stored since they were carried so the last time.
        """
        with self._lock:
            marks = self._stored[: len(self.labels)]
            kept = (marks == _STORED if lately else marks != _NEVER_STORED).nonzero()[0]
            carried = Catalogue()
            carried.labels = [self.labels[number] for number in kept.tolist()]
            carried._sizes = self._sizes[kept]
            carried._stored = np.full_like(marks[kept], _STORED_BEFORE) if lately else marks[kept]
        carried.size_bytes = int(carried._sizes.sum())
        return carried, kept.tolist()


class CataloguedLabels(Sequence[Labels]):
    """The label sets of these numbers in a catalogue."""

    __slots__ = ("catalogue", "numbers")

    def __init__(self, catalogue: Catalogue, numbers: Int64s) -> None:
        self.catalogue = catalogue
        self.numbers = numbers

    def __len__(self) -> int:
        return len(self.numbers)

    @overload
    def __getitem__(self, index: int) -> Labels: ...
    @overload
    def __getitem__(self, index: slice) -> CataloguedLabels: ...
    def __getitem__(self, index: int | slice) -> Labels | CataloguedLabels:
        if isinstance(index, slice):
            return CataloguedLabels(self.catalogue, self.numbers[index])
        return self.catalogue.labels[int(self.numbers[index])]

    def __iter__(self) -> Iterator[Labels]:
        return map(self.catalogue.labels.__getitem__, self.numbers.tolist())


def note_stored(labels: Sequence[Labels], refused: Collection[Labels]) -> None:
    """Tells the catalogue whose label sets these are that all but the refused were stored."""
    if not isinstance(labels, CataloguedLabels):
        return
    numbers = labels.numbers
    if refused:
        numbers = numbers[[each not in refused for each in labels]]
    labels.catalogue.note_stored(numbers)


def part_of(
    batch: SampleBatch, series: npt.NDArray[np.bool_], samples: npt.NDArray[np.bool_] | None = None
) -> SampleBatch:
    """The batch less the series that are not flagged, and less the samples that are not."""
    kept = np.repeat(series, np.diff(batch.offsets))
    if samples is not None:
        kept &= samples
    counts = flagged_samples(batch, kept)[series]
    return SampleBatch(
        _chosen(batch.labels, series),
        np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts)]),
        batch.timestamps[kept],
        batch.values[kept],
    )


def joined_batches(batches: Sequence[SampleBatch]) -> SampleBatch | None:
    """The batches, at least two of the same catalogue, one behind the other; None for others."""
    labels = [batch.labels for batch in batches if isinstance(batch.labels, CataloguedLabels)]
    if not len(batches) == len(labels) > 1 or len({id(each.catalogue) for each in labels}) > 1:
        return None
    counts = np.concatenate([np.diff(batch.offsets) for batch in batches])
    return SampleBatch(
        CataloguedLabels(labels[0].catalogue, np.concatenate([each.numbers for each in labels])),
        np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts)]),
        np.concatenate([batch.timestamps for batch in batches]),
        np.concatenate([batch.values for batch in batches]),
    )


def flagged_samples(batch: SampleBatch, flags: npt.NDArray[np.bool_]) -> Int64s:
    """How many samples of each series are flagged."""
    running = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(flags, dtype=np.int64)])
    counts: Int64s = np.diff(running[batch.offsets])
    return counts


def _chosen(labels: Sequence[Labels], chosen: npt.NDArray[np.bool_]) -> Sequence[Labels]:
    if isinstance(labels, CataloguedLabels):
        return CataloguedLabels(labels.catalogue, labels.numbers[chosen])
    return [labels[i] for i in np.flatnonzero(chosen).tolist()]


class PerSeries:
    """A number that `of_one` gives for the labels of a series, for whole batches.

    Where it gives -1 it is asked again each time.
    A catalogue that everybody else has forgotten is not kept for it.
    Whether it may be called by several threads at once depends on `of_one` alone: a lost entry is
    only asked for again.
    """

    def __init__(self, of_one: Callable[[Labels], int]) -> None:
        self._of_one = of_one
        self._known: tuple[weakref.ref[Catalogue] | None, Int64s] = (
            None,
            np.empty(0, dtype=np.int64),
        )

    def of(self, labels: Sequence[Labels]) -> Int64s:
        """The number of each of the series."""
        if not isinstance(labels, CataloguedLabels):
            return np.fromiter(map(self._of_one, labels), dtype=np.int64, count=len(labels))
        known = self._table(labels.catalogue)
        found: Int64s = known[labels.numbers]
        if found.min(initial=0) == _UNKNOWN:
            missing = (found == _UNKNOWN).nonzero()[0]
            found[missing] = [self._of_one(labels[i]) for i in missing.tolist()]
            known[labels.numbers[missing]] = found[missing]
        return found

    def _table(self, catalogue: Catalogue) -> Int64s:
        """What is known by catalogue number, with room for all that are in the catalogue now."""
        reference, known = self._known
        before = reference and reference()
        size = len(catalogue.labels)
        if before is catalogue and len(known) >= size:
            return known
        larger = np.full(size + size // 2 + 64, _UNKNOWN, dtype=np.int64)
        if before is catalogue:
            larger[: len(known)] = known
        self._known = (weakref.ref(catalogue), larger)
        return larger
