"""Two stores as one: what Tidecast itself records, kept for years, and everything else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from tidecast.samples.batch import SampleBatch
from tidecast.samples.catalogue import PerSeries, part_of
from tidecast.samples.matchers import Matchers, MatchOp
from tidecast.samples.points import PointBatch, single_points
from tidecast.samples.protocol import (
    AppendReport,
    Layer,
    LimitExceeded,
    MetricMetadata,
    PointSelection,
    Samples,
    SelectHint,
    SelectLimits,
)
from tidecast_collector.labels import NAME, Labels, label_value

_Found = TypeVar("_Found", str, Labels)
_Made = TypeVar("_Made")


def is_own(name: str) -> bool:
    """Whether metrics of this name are Tidecast's own records, not measurements of agents.

    >>> is_own("tidecast_usage"), is_own("tidecast_agent_spool_bytes"), is_own("node_load1")
    (True, False, False)
    """
    return name.startswith("tidecast_") and not name.startswith("tidecast_agent_")


def joined(batches: Sequence[SampleBatch], limits: SelectLimits) -> SampleBatch:
    """One batch, sorted by labels, of several without common series; raises `LimitExceeded`."""
    if len(batches) == 1:
        return batches[0]
    series = sorted((s for batch in batches for s in batch), key=lambda s: s[0])
    found = SampleBatch.of(series)
    _check_limits(len(found), len(found.timestamps), limits)
    return found


def joined_points(
    found: Sequence[PointSelection | SampleBatch], limits: SelectLimits
) -> PointSelection:
    """One selection, sorted by labels, of points of some stores and samples of others."""
    series: list[tuple[Labels, PointBatch]] = []
    layers: list[Layer] = []
    for each in found:
        if isinstance(each, SampleBatch):
            series += single_points(each)
        else:
            series += each.points
            layers += each.layers
    points = PointBatch.of(sorted(series, key=lambda one: one[0]))
    _check_limits(len(points), len(points.end_ms), limits)
    return PointSelection(points, tuple(layers))


def _check_limits(series: int, samples: int, limits: SelectLimits) -> None:
    if series > limits.series or samples > limits.samples:
        raise LimitExceeded(
            f"the selection touches {series} series with {samples} samples, "
            f"at most {limits.series} with {limits.samples} are allowed: narrow it"
        )


class RoutedSamples(Samples):
    """Series of `is_own` names live in `own`, all others in `raw`.

    A selection that fixes the metric name asks one of them; any other asks both.
    """

    def __init__(self, own: Samples, raw: Samples) -> None:
        self._own = own
        self._raw = raw
        self._is_own = PerSeries(lambda labels: is_own(label_value(labels, NAME)))

    def append(self, batch: SampleBatch) -> AppendReport:
        """Writes each series where it belongs; returns once all of them are durable.

        Raises `SamplesUnavailable` where one store fails; the other part may be written then, and
        sending the whole batch again is harmless.
        """
        own = self._is_own.of(batch.labels) > 0
        if own.all():
            return (self._own if len(own) else self._raw).append(batch)
        if not own.any():
            return self._raw.append(batch)
        first = self._own.append(part_of(batch, own))
        second = self._raw.append(part_of(batch, ~own))
        return AppendReport(
            first.appended + second.appended,
            first.duplicates + second.duplicates,
            (*first.rejected, *second.rejected),
            first.over_limit + second.over_limit,
        )

    def append_known(self, batch: SampleBatch) -> AppendReport | None:
        """The same where all series are known and are no own ones; otherwise None."""
        own = self._is_own.of(batch.labels).any()
        return None if own else self._raw.append_known(batch)

    def select(
        self,
        matchers: Matchers,
        start_ms: int,
        end_ms: int,
        limits: SelectLimits = SelectLimits(),  # noqa: B008 (frozen)
    ) -> SampleBatch:
        """The matching series of both, sorted by labels."""
        stores = self.asked(matchers)
        return joined(
            [store.select(matchers, start_ms, end_ms, limits) for store in stores], limits
        )

    def select_each(
        self,
        matchers: Matchers,
        start_ms: int,
        end_ms: int,
        work: Callable[[SampleBatch], _Made],
        limits: SelectLimits = SelectLimits(),  # noqa: B008 (frozen)
    ) -> list[_Made]:
        """What `work` makes of them; in parts only where one store has them all."""
        stores = self.asked(matchers)
        if len(stores) == 1:
            return stores[0].select_each(matchers, start_ms, end_ms, work, limits)
        return [work(self.select(matchers, start_ms, end_ms, limits))]

    def select_points(
        self,
        matchers: Matchers,
        hint: SelectHint,
        limits: SelectLimits = SelectLimits(),  # noqa: B008 (frozen)
    ) -> PointSelection | None:
        """The matching series as points; None where `select` gives all that there is to give."""
        stores = self.asked(matchers)
        found = [store.select_points(matchers, hint, limits) for store in stores]
        if all(each is None for each in found):
            return None
        return joined_points(
            [
                store.select(matchers, hint.after_ms + 1, hint.end_ms, limits)
                if each is None
                else each
                for store, each in zip(stores, found, strict=True)
            ],
            limits,
        )

    def series(self, matchers: Sequence[Matchers], start_ms: int, end_ms: int) -> Sequence[Labels]:
        """Label sets that pass any of `matchers` and may have samples in [start, end], sorted."""
        return self._both(matchers, lambda store, some: store.series(some, start_ms, end_ms))

    def label_names(
        self, matchers: Sequence[Matchers], start_ms: int, end_ms: int
    ) -> Sequence[str]:
        """Names of the labels of those series (of all, where `matchers` is empty), sorted."""
        return self._both(
            matchers or [()], lambda store, some: store.label_names(some, start_ms, end_ms)
        )

    def label_values(
        self, name: str, matchers: Sequence[Matchers], start_ms: int, end_ms: int
    ) -> Sequence[str]:
        """Values of that label among those series, sorted."""
        return self._both(
            matchers or [()], lambda store, some: store.label_values(name, some, start_ms, end_ms)
        )

    def delete(self, matchers: Matchers, start_ms: int, end_ms: int) -> int:
        """Forgets the matching samples in both; returns how many series it met."""
        return sum(store.delete(matchers, start_ms, end_ms) for store in self.asked(matchers))

    def put_metadata(self, metadata: dict[str, MetricMetadata]) -> None:
        """Remembers what these metric names are, each beside its samples."""
        own = {name: about for name, about in metadata.items() if is_own(name)}
        if own:
            self._own.put_metadata(own)
        if len(own) < len(metadata):
            rest = {name: about for name, about in metadata.items() if name not in own}
            self._raw.put_metadata(rest)

    def metadata(self) -> dict[str, MetricMetadata]:
        """What is known of each metric name in either."""
        return self._raw.metadata() | self._own.metadata()

    def asked(self, matchers: Matchers) -> Sequence[Samples]:
        """The stores that such a selection concerns."""
        for matcher in matchers:
            if matcher.name == NAME and matcher.op is MatchOp.EQUAL and matcher.value:
                return [self._own if is_own(matcher.value) else self._raw]
        return [self._own, self._raw]

    def _both(
        self,
        matchers: Sequence[Matchers],
        ask: Callable[[Samples, Sequence[Matchers]], Iterable[_Found]],
    ) -> list[_Found]:
        """What either store answers, asked only with the selections that concern it."""
        found: set[_Found] = set()
        for store in (self._own, self._raw):
            some = [one for one in matchers if store in self.asked(one)]
            if some:
                found.update(ask(store, some))
        return sorted(found)
