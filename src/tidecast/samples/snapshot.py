"""All that one selection concerns, at one moment: to be read here or in another process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from tidecast.samples.batch import SampleBatch
from tidecast.samples.head import HeadSeries
from tidecast.samples.matchers import Matchers
from tidecast.samples.protocol import PointSelection, SelectHint, SelectLimits, check_limits
from tidecast.samples.reading import View, locate, read
from tidecast.samples.tier_reading import plan_reading, select_points


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The files of a store, and what matches in memory within the selection's time.

    A series is in `recent` once for each of the `heads`, oldest first. Pickled, segments are paths:
    unpickling opens them, and raises `FileNotFoundError` for one that was joined into another
    since, `DamagedFile` for a damaged one.
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

    def select_points(
        self, matchers: Matchers, hint: SelectHint, limits: SelectLimits
    ) -> PointSelection | None:
        """The matching series as points; None where `select` gives all that there is to give."""
        plan = plan_reading(self.view, hint)
        # What came so late that it is in memory only, no tier has.
        if plan is None or any(s.run[0][0] <= plan.raw_after_ms for s in self.recent):
            return None
        raw = self.select(matchers, plan.raw_after_ms + 1, hint.end_ms, limits)
        return select_points(self.view, plan, matchers, raw, hint.fields, limits)

    def _is_simple(self, start_ms: int, end_ms: int) -> bool:
        """Whether one head alone has all."""
        return self.heads == 1 and not any(
            segment.meta.overlaps(start_ms, end_ms) for segment in self.view.segments
        )


def _unpacked(view: View, recent: SampleBatch, heads: int) -> Snapshot:
    series = [HeadSeries(labels, (at, values)) for labels, at, values in recent]
    return Snapshot(view, series, heads)
