"""Reading what the segments and the heads hold of the selected series."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from tidecast.samples.batch import SampleBatch
from tidecast.samples.gathering import Gathering, check_limits, read
from tidecast.samples.head import HeadSeries
from tidecast.samples.locating import View, locate
from tidecast.samples.matchers import Matchers
from tidecast.samples.protocol import SelectLimits


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
            check_limits(len(batch), len(batch.timestamps), limits)
            return batch
        located = locate(self.view, self.recent, matchers, start_ms, end_ms)
        return read(located, start_ms, end_ms, limits)

    def parts(
        self, matchers: Matchers, start_ms: int, end_ms: int, limits: SelectLimits
    ) -> Iterator[SampleBatch]:
        """The same, some series at a time: see `Gathering.batches`."""
        if self._is_simple(start_ms, end_ms):
            return iter([self.select(matchers, start_ms, end_ms, limits)])
        located = locate(self.view, self.recent, matchers, start_ms, end_ms)
        return Gathering(located, start_ms, end_ms, limits).batches()

    def _is_simple(self, start_ms: int, end_ms: int) -> bool:
        """Whether one head alone has all."""
        return self.heads == 1 and not any(
            segment.meta.overlaps(start_ms, end_ms) for segment in self.view.segments
        )


def _unpacked(view: View, recent: SampleBatch, heads: int) -> Snapshot:
    series = [HeadSeries(labels, (at, values)) for labels, at, values in recent]
    return Snapshot(view, series, heads)
