"""What the rest of Tidecast asks of a place where samples are kept.

Everything above this room (PromQL, the journeys, the server) knows only these names, whether the
samples lie in the embedded store or in an engine that was there before us.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from tidecast.samples.batch import SampleBatch
from tidecast.samples.matchers import Matchers
from tidecast.samples.points import Field, PointBatch
from tidecast_collector.errors import TidecastError
from tidecast_collector.labels import Labels

Found = TypeVar("Found")


class SamplesUnavailable(TidecastError):
    """The store cannot take or give samples now (disk full, engine away); try again later."""


class LimitExceeded(TidecastError):
    """A query touches more series or samples than its limits allow."""


@dataclass(frozen=True, slots=True)
class SelectLimits:
    """What one selection may touch before it is refused with `LimitExceeded`."""

    series: int = 1_000_000
    samples: int = 50_000_000


@dataclass(frozen=True, slots=True)
class SelectHint:
    """What a selection is for, so that a store can tell in which resolution it is needed.

    Needed is (after, end]. Steps lie `step_ms` apart (0: there is only one), windows reach back
    `window_ms` (0: the newest sample is wanted), and all their borders are multiples of `grid_ms`
    (0: of anything). `fields` of points are looked at; `exact` says that whole buckets then give
    the same answer as their samples.
    """

    after_ms: int
    end_ms: int
    step_ms: int
    window_ms: int
    grid_ms: int
    fields: tuple[Field, ...]
    exact: bool = False


@dataclass(frozen=True, slots=True)
class Layer:
    """The time (after, up to] in which points of this width answer."""

    width_ms: int
    after_ms: int
    up_to_ms: int


@dataclass(frozen=True, slots=True)
class PointSelection:
    """What tiers and samples hold of a selection; outside of the layers points are samples."""

    points: PointBatch
    layers: tuple[Layer, ...]


@dataclass(frozen=True, slots=True)
class RejectedSeries:
    """A series that was not written, and why; the rest of its batch was."""

    labels: Labels
    reason: str


@dataclass(frozen=True, slots=True)
class AppendReport:
    """What became of a batch: it is durable when this is returned."""

    appended: int
    duplicates: int = 0
    rejected: Sequence[RejectedSeries] = field(default_factory=tuple)
    over_limit: int = 0
    """How many of the rejected were only one too many."""


@dataclass(frozen=True, slots=True)
class MetricMetadata:
    """What a metric is, as its exposition told: type, help and unit ("" where not told)."""

    type: str
    help: str
    unit: str = ""


class Selectable(Protocol):
    """Samples that can be read. Times are int64 milliseconds UTC, both ends included."""

    def select(
        self, matchers: Matchers, start_ms: int, end_ms: int, limits: SelectLimits = ...
    ) -> SampleBatch:
        """The matching series that have samples in [start, end], sorted by labels.

        Raises `LimitExceeded`.
        """
        ...

    def select_each(
        self,
        matchers: Matchers,
        start_ms: int,
        end_ms: int,
        work: Callable[[SampleBatch], Found],
        limits: SelectLimits = SelectLimits(),
    ) -> list[Found]:
        """What `work` makes of the selection, which it may be given in parts.

        Each part has some of the series, sorted by labels, and goes when `work` is done with it: a
        large selection need not be in memory as a whole. Work may begin anew, where a store finds
        damage on the way; then only what it made the last time counts.
        """
        return [work(self.select(matchers, start_ms, end_ms, limits))]

    def select_points(
        self,
        matchers: Matchers,
        hint: SelectHint,
        limits: SelectLimits = SelectLimits(),
    ) -> PointSelection | None:
        """The matching series as points; None where `select` gives all that there is to give."""
        return None


class Samples(Selectable, Protocol):
    """A place where samples are kept.

    Safe to call from several threads; each call blocks until it is done.
    """

    def append(self, batch: SampleBatch) -> AppendReport:
        """Writes the batch; returns once it would survive a power cut.

        A sample already there with the same bits is a duplicate and harmless; with another value
        the new one wins. Raises `SamplesUnavailable` if nothing was written.
        """
        ...

    def append_known(self, batch: SampleBatch) -> AppendReport | None:
        """The same where all series are known and nothing would be refused.

        Otherwise, or where the store does not tell, None, and nothing was written.
        """
        return None

    def series(self, matchers: Sequence[Matchers], start_ms: int, end_ms: int) -> Sequence[Labels]:
        """Label sets that pass any of `matchers` and may have samples in [start, end], sorted."""
        ...

    def label_names(
        self, matchers: Sequence[Matchers], start_ms: int, end_ms: int
    ) -> Sequence[str]:
        """Names of the labels of those series (of all, where `matchers` is empty), sorted."""
        ...

    def label_values(
        self, name: str, matchers: Sequence[Matchers], start_ms: int, end_ms: int
    ) -> Sequence[str]:
        """Values of that label among those series, sorted."""
        ...

    def delete(self, matchers: Matchers, start_ms: int, end_ms: int) -> int:
        """Forgets the matching samples in [start, end], durably; returns how many series it met."""
        ...

    def put_metadata(self, metadata: dict[str, MetricMetadata]) -> None:
        """Remembers what these metric names are."""
        ...

    def metadata(self) -> dict[str, MetricMetadata]:
        """What is known of each metric name."""
        ...
