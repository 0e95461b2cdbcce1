"""The reading half of the embedded store: what segments, tiers and heads say together."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

from tidecast.samples.batch import SampleBatch
from tidecast.samples.durable import DamagedFile
from tidecast.samples.head import Head
from tidecast.samples.holdings import Holdings
from tidecast.samples.label_reading import (
    Wanted,
    labels_of_files,
    labels_of_heads,
    newest_pairs,
    texts_of_files,
    texts_of_heads,
)
from tidecast.samples.locating import recent_series
from tidecast.samples.matchers import Matchers
from tidecast.samples.metadata import MetadataFile
from tidecast.samples.protocol import (
    MetricMetadata,
    PointSelection,
    Samples,
    SelectHint,
    SelectLimits,
)
from tidecast.samples.reading import Snapshot
from tidecast.samples.stats import HeadSpan, LabelStats, StoreStats, label_stats
from tidecast.samples.tier_reading import plan_reading, points_of
from tidecast_collector.labels import Labels

_FAR_MS = 2**62
_Read = TypeVar("_Read")


class EmbeddedReading(Samples):
    """Answers from `_holdings` and from the heads, each looked at under `_memory_lock`.

    A segment that turns out damaged is set aside, under `_upkeep_lock`, and the rest answers.
    """

    _holdings: Holdings
    _metadata: MetadataFile
    _memory_lock: threading.RLock
    _upkeep_lock: threading.RLock
    _removed_bytes: int

    @abstractmethod
    def _heads(self) -> list[Head]:
        """The heads with samples that are in no segment yet, oldest first."""

    def metadata(self) -> dict[str, MetricMetadata]:
        """What is known of each metric name."""
        return self._metadata.all()

    def select(
        self,
        matchers: Matchers,
        start_ms: int,
        end_ms: int,
        limits: SelectLimits = SelectLimits(),  # noqa: B008 (frozen)
    ) -> SampleBatch:
        """The matching series that have samples in [start, end], sorted by labels."""
        bounds = self._bounds(start_ms, end_ms)
        return self._serving(
            lambda: self._snapshot(matchers, *bounds).select(matchers, *bounds, limits)
        )

    def select_each(
        self,
        matchers: Matchers,
        start_ms: int,
        end_ms: int,
        work: Callable[[SampleBatch], _Read],
        limits: SelectLimits = SelectLimits(),  # noqa: B008 (frozen)
    ) -> list[_Read]:
        """What `work` makes of that, some series at a time."""
        bounds = self._bounds(start_ms, end_ms)

        def each() -> list[_Read]:
            parts = self._snapshot(matchers, *bounds).parts(matchers, *bounds, limits)
            return [work(part) for part in parts]

        return self._serving(each)

    def snapshot(self, matchers: Matchers, start_ms: int, end_ms: int) -> Snapshot:
        """What `select` would read, to be read in another process."""
        bounds = self._bounds(start_ms, end_ms)
        found = self._snapshot(matchers, *bounds)
        return replace(found, view=found.view.within(*bounds))

    def select_points(
        self,
        matchers: Matchers,
        hint: SelectHint,
        limits: SelectLimits = SelectLimits(),  # noqa: B008 (frozen)
    ) -> PointSelection | None:
        """The matching series as points; None where `select` gives all that there is to give."""

        span = hint.after_ms + 1, hint.end_ms

        def points() -> PointSelection | None:
            return points_of(self.snapshot(matchers, *span), matchers, hint, limits)

        return self._serving(points) if self.has_points(hint) else None

    def has_points(self, hint: SelectHint) -> bool:
        """Whether tiers may have something to say to `select_points`."""
        return plan_reading(self._holdings.view, hint) is not None

    def series(self, matchers: Sequence[Matchers], start_ms: int, end_ms: int) -> Sequence[Labels]:
        """Label sets that pass any of `matchers` and may have samples in [start, end], sorted."""
        found: set[Labels] = set()
        for one in matchers:
            found.update(self._serving(partial(self._labels, one, start_ms, end_ms)))
        return sorted(found)

    def _labels(self, matchers: Matchers, start_ms: int, end_ms: int) -> set[Labels]:
        wanted = Wanted(None, *self._bounds(start_ms, end_ms))
        with self._memory_lock:
            view, recent = self._holdings.view, labels_of_heads(self._heads(), matchers, wanted)
        return recent | labels_of_files(view, matchers, wanted)

    def label_names(
        self, matchers: Sequence[Matchers], start_ms: int, end_ms: int
    ) -> Sequence[str]:
        """Names of the labels of those series (of all, where `matchers` is empty), sorted."""
        return self._texts(None, matchers, start_ms, end_ms)

    def label_values(
        self, name: str, matchers: Sequence[Matchers], start_ms: int, end_ms: int
    ) -> Sequence[str]:
        """Values of that label among those series, sorted."""
        return self._texts(name, matchers, start_ms, end_ms)

    def _texts(
        self, name: str | None, matchers: Sequence[Matchers], start_ms: int, end_ms: int
    ) -> Sequence[str]:
        wanted = Wanted(name, *self._bounds(start_ms, end_ms))

        def texts(one: Matchers) -> set[str]:
            with self._memory_lock:
                view, recent = self._holdings.view, texts_of_heads(self._heads(), one, wanted)
            return recent | texts_of_files(view, one, wanted)

        return sorted({t for one in matchers or [()] for t in self._serving(partial(texts, one))})

    def stats(self) -> StoreStats:
        """What the store holds now."""
        with self._memory_lock:
            head_samples = sum(head.samples for head in self._heads())
            held = self._holdings.stats()
            return replace(
                held,
                head_series=len(self._heads()[-1]),
                head_samples=head_samples,
                removed_bytes=self._removed_bytes,
            )

    def label_stats(self, top: int) -> tuple[LabelStats, HeadSpan]:
        """Of which series there are how many, among those that were written to last.

        These are the head's, or, where the newest segment has more (the head begins anew with each
        flush), that segment's.
        """

        def counted() -> tuple[list[tuple[str, str, int]], HeadSpan]:
            with self._memory_lock:
                return newest_pairs(self._heads(), self._holdings.view.segments[-1:])

        pairs, span = self._serving(counted)
        return label_stats(pairs, top), span

    def put_aside(self, error: DamagedFile) -> None:
        """Takes a segment out of service that was found damaged in another process."""
        with self._upkeep_lock:
            self._holdings.put_aside(error)

    def _bounds(self, start_ms: int, end_ms: int) -> tuple[int, int]:
        """The range within what arrays can compare."""
        return max(start_ms, -_FAR_MS), max(min(end_ms, _FAR_MS), -_FAR_MS)

    def _snapshot(self, matchers: Matchers, start_ms: int, end_ms: int) -> Snapshot:
        with self._memory_lock:
            found = [recent_series(head, matchers, start_ms, end_ms) for head in self._heads()]
            recent = [one for some in found for one in some]
            return Snapshot(self._holdings.view, recent, len(found))

    def _serving(self, reading: Callable[[], _Read]) -> _Read:
        """What the reading gives; a segment found damaged meanwhile is set aside first."""
        while True:
            try:
                return reading()
            except DamagedFile as error:
                with self._upkeep_lock:
                    self._holdings.put_aside(error)
