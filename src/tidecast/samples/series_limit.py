"""How many series may be active at once, and which are refused where that is reached.

Active is a series with samples in the head or in the one before it: so a series that goes on is
never displaced by new ones, only because its samples went into segments meanwhile.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from tidecast.samples.batch import Int64s, SampleBatch
from tidecast.samples.catalogue import part_of
from tidecast.samples.head import Head
from tidecast.samples.protocol import AppendReport, RejectedSeries
from tidecast_collector.labels import Labels


@dataclass(frozen=True, slots=True)
class Numbered:
    """The part of a batch to write, the numbers of its series, and those that were too many."""

    numbers: Int64s
    batch: SampleBatch
    over: tuple[RejectedSeries, ...] = ()

    def report(self, duplicates: int) -> AppendReport:
        """What became of the batch, so many of whose samples were there before."""
        appended = len(self.batch.timestamps) - duplicates
        return AppendReport(appended, duplicates, self.over, len(self.over))


class SeriesLimit:
    """Numbers the series of batches in the head, as long as there are no more than `most`."""

    def __init__(self, most: int, head: Head) -> None:
        self._most = most
        self._head = head
        self._before: Collection[Labels] = ()
        self._active = len(head)

    def next_head(self, head: Head) -> None:
        """From now on series are numbered in this head, which is empty."""
        self._before = self._head.label_sets
        self._head = head
        self._active = len(self._before)

    def numbered(self, batch: SampleBatch) -> Numbered:
        """The series of the batch for which there is room."""
        numbers = self._head.find(batch.labels)
        if numbers.min(initial=0) >= 0:
            return Numbered(numbers, batch)
        refused = []
        for i in np.flatnonzero(numbers < 0).tolist():
            if self._has_room_for(batch.labels[i]):
                numbers[i] = self._head.number(batch.labels[i])
            else:
                refused.append(RejectedSeries(batch.labels[i], self._reason))
        if not refused:
            return Numbered(numbers, batch)
        kept = numbers >= 0
        return Numbered(numbers[kept], part_of(batch, kept), tuple(refused))

    @property
    def _reason(self) -> str:
        return (
            f"it is new, and {self._most} series are active, which is the limit (see --max-series)"
        )

    def _has_room_for(self, labels: Labels) -> bool:
        if labels in self._head or labels in self._before:
            return True
        if self._active >= self._most:
            return False
        self._active += 1
        return True
