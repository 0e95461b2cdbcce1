"""Usage records as series: their names, how they are written and how they are read back.

One record covers (h-1h, h] and is stamped with the hour's end h:
`tidecast_usage{instance,resource,item,stat}` with `tidecast_limit` and `tidecast_mark` beside it.
Records that came by sar or CSV carry `source` too; a resource's history joins all its sources.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from tidecast.samples.batch import Float64s, Int64s, SampleBatch
from tidecast.samples.matchers import Matcher, Matchers, MatchOp
from tidecast.samples.protocol import Samples
from tidecast_collector.labels import Labels, label_value, make_labels

HOUR_MS = 3_600_000
USAGE_KEPT_MS = 3650 * 24 * HOUR_MS
"""So long usage records are kept."""
USAGE, LIMIT, MARK = "tidecast_usage", "tidecast_limit", "tidecast_mark"
STATS = ("mean", "p95", "max")


class ResourceKey(NamedTuple):
    """A resource's name for life: of which host (or service), what, and which of several."""

    host: str
    resource: str
    item: str = ""

    def labels(self) -> dict[str, str]:
        """The labels that every series about this resource carries."""
        return {"instance": self.host, "resource": self.resource, "item": self.item}

    def __str__(self) -> str:
        return ":".join(filter(None, self))


def key_of(labels: Labels) -> ResourceKey:
    """The resource that a `tidecast_*` series tells of."""
    return ResourceKey(
        label_value(labels, "instance"),
        label_value(labels, "resource"),
        label_value(labels, "item"),
    )


def hour_end(time_ms: int) -> int:
    """The stamp of the hour that covers this moment: the next full hour, or the moment itself."""
    return -(-time_ms // HOUR_MS) * HOUR_MS


@dataclass(frozen=True, slots=True)
class UsageRecords:
    """Records of one resource, in its base unit; NaN where an hour lacks a value."""

    key: ResourceKey
    hours_ms: Int64s
    mean: Float64s
    p95: Float64s
    max: Float64s
    limit: Float64s
    mark: Float64s
    source: str = ""


def to_batch(records: Iterable[UsageRecords]) -> SampleBatch:
    """The records as series to be written, absent values left out."""
    return SampleBatch.of(part for each in records for part in _series_of(each))


def _series_of(records: UsageRecords) -> Iterator[tuple[Labels, Int64s, Float64s]]:
    columns: list[tuple[str, str, Float64s]] = [
        (USAGE, stat, getattr(records, stat)) for stat in STATS
    ]
    columns += [(LIMIT, "", records.limit), (MARK, "", records.mark)]
    for name, stat, values in columns:
        there = np.isfinite(values)
        if there.any():
            labels = {**records.key.labels(), "stat": stat, "source": records.source}
            yield (
                make_labels({**labels, "__name__": name}),
                records.hours_ms[there],
                values[there],
            )


@dataclass(slots=True)
class UsageHistory:
    """All that is recorded of one resource's usage, by (time, value), sources joined."""

    usage: dict[str, tuple[Int64s, Float64s]] = field(default_factory=dict)
    limit: float | None = None
    mark: float | None = None
    sources: set[str] = field(default_factory=set)

    def of(self, statistic: str) -> tuple[Int64s, Float64s]:
        """Hour ends and values of that statistic of each hour."""
        empty = (np.empty(0, dtype=np.int64), np.empty(0))
        return self.usage.get(statistic, self.usage.get("mean", empty))


def read_usage(
    samples: Samples,
    start_ms: int,
    end_ms: int,
    narrow: Sequence[Matcher] = (),
) -> Mapping[ResourceKey, UsageHistory]:
    """The usage records in [start, end] of every resource that the matchers let through."""
    histories: dict[ResourceKey, UsageHistory] = {}
    for labels, times, values in samples.select(named(USAGE, narrow), start_ms, end_ms):
        history = histories.setdefault(key_of(labels), UsageHistory())
        source, stat = label_value(labels, "source"), label_value(labels, "stat")
        join_usage(history, stat, source, times, values)
    for name, attribute in ((LIMIT, "limit"), (MARK, "mark")):
        newest: dict[ResourceKey, int] = {}
        for labels, times, values in samples.select(named(name, narrow), start_ms, end_ms):
            key = key_of(labels)
            if key in histories and times[-1] > newest.get(key, -1):
                newest[key] = int(times[-1])
                setattr(histories[key], attribute, float(values[-1]))
    return histories


def join_usage(
    history: UsageHistory, stat: str, source: str, times: Int64s, values: Float64s
) -> None:
    """Adds what one source tells; our own measurement (no source) wins over an import's."""
    history.sources.add(source)
    present = history.usage.get(stat)
    history.usage[stat] = (
        _joined(present, (times, values)) if not source else _joined((times, values), present)
    )


def named(name: str, narrow: Sequence[Matcher]) -> Matchers:
    """The matchers of a series of this name, narrowed."""
    return (Matcher("__name__", MatchOp.EQUAL, name), *narrow)


def _joined(
    older: tuple[Int64s, Float64s] | None, winner: tuple[Int64s, Float64s] | None
) -> tuple[Int64s, Float64s]:
    parts = [part for part in (older, winner) if part is not None]
    if len(parts) == 1:
        return parts[0]
    times = np.concatenate([part[0] for part in parts])
    values = np.concatenate([part[1] for part in parts])
    order = np.argsort(times, kind="stable")
    times, values = times[order], values[order]
    last = np.append(times[1:] != times[:-1], True)
    return times[last], values[last]
