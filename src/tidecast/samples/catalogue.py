"""Label sets met before, by number: what is known of a series is looked up for whole batches.

Requests bring the same series again and again. A batch whose labels are `CataloguedLabels` names
them by number, and whoever has to know something of each series (a `PerSeries`) takes it out of an
array instead of asking series after series.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import overload

import numpy as np
import numpy.typing as npt

from tidecast.samples.batch import Int64s, SampleBatch
from tidecast_collector.labels import Labels

_UNKNOWN = -1


class Catalogue:
    """Label sets by number, in the order in which they came; one may stand under several."""

    def __init__(self) -> None:
        self.labels: list[Labels] = []

    def add(self, labels: Labels) -> int:
        """Takes the labels and returns their number. Only one thread may add."""
        self.labels.append(labels)
        return len(self.labels) - 1


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
    Whether it may be called by several threads at once depends on `of_one` alone: a lost entry is
    only asked for again.
    """

    def __init__(self, of_one: Callable[[Labels], int]) -> None:
        self._of_one = of_one
        self._known: tuple[Catalogue | None, Int64s] = (None, np.empty(0, dtype=np.int64))

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
        before, known = self._known
        size = len(catalogue.labels)
        if before is catalogue and len(known) >= size:
            return known
        larger = np.full(size + size // 2 + 64, _UNKNOWN, dtype=np.int64)
        if before is catalogue:
            larger[: len(known)] = known
        self._known = (catalogue, larger)
        return larger
