"""From usage records to what is strange in the fleet.

Scores come from earlier hours alone, so that looking again at the same records finds the same:
nothing of it has to be kept but the newest score, which is an own series.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tidecast.journeys.examine_usage import Strange, Values
from tidecast.journeys.forecast_fleet import BATCH, DAY_MS, definition_of
from tidecast.journeys.usage_histories import read_histories
from tidecast.journeys.usage_records import ResourceKey
from tidecast.policy.resources import ResourceDefinition
from tidecast.records import Records
from tidecast.samples.protocol import Samples

READ_MS, TOLD_MS = 56 * DAY_MS, 28 * DAY_MS
"""So much history is read, for so much of it to be told of: what is usual has to be learned."""
EXPECTED_PER_WEEK = 1.0
"""What a server keeps: fewer can be asked of it, more cannot."""
CLEANED = ("filesystem", "inodes")
"""Kinds that fall because somebody tidies up: what they do in between is growth, not a leak."""


@dataclass(frozen=True, slots=True)
class FleetAnomalies:
    """What is strange in the fleet, by resource, and how far the records were read; None: never."""

    made_ms: int | None = None
    found: Mapping[ResourceKey, Strange] = field(default_factory=dict)


Examiner = Callable[[Sequence[Values], float], list[Strange]]


@dataclass(frozen=True, slots=True)
class Watched:
    """The fleet that is looked at; `run` examines here or in a worker."""

    samples: Samples
    records: Records
    definitions: Mapping[str, ResourceDefinition]
    run: Examiner
    stopped: Callable[[], bool] = lambda: False


def look_at_fleet(watched: Watched, now_ms: int) -> FleetAnomalies | None:
    """What is strange in the usage records of every living resource; None if it was stopped."""
    with watched.records.reading() as unit:
        known = [each for each in unit.resources.all() if not each.retired]
    found: dict[ResourceKey, Strange] = {}
    for first in range(0, len(known), BATCH):
        if watched.stopped():
            return None
        some = known[first : first + BATCH]
        keys = [ResourceKey(each.host, each.resource, each.item) for each in some]
        found |= _look_at(watched, keys, now_ms)
    return FleetAnomalies(now_ms, found)


def _look_at(
    watched: Watched, keys: Sequence[ResourceKey], now_ms: int
) -> Iterator[tuple[ResourceKey, Strange]]:
    def statistic_of(kind: str) -> str:
        return definition_of(watched.definitions, kind).statistic

    histories = read_histories(
        watched.samples, keys, statistic_of, now_ms - READ_MS, now_ms, bounds=False
    )
    values = [history.of(statistic_of(key.resource)) for key, history in histories.items()]
    examined = watched.run(values, EXPECTED_PER_WEEK) if values else []
    for key, each in zip(histories, examined, strict=True):
        yield key, _recent(key, each, now_ms - TOLD_MS)


def _recent(key: ResourceKey, strange: Strange, since_ms: int) -> Strange:
    return Strange(
        strange.until_ms,
        strange.score,
        [each for each in strange.events if each.last_ms >= since_ms],
        [each for each in strange.steps if each.at_ms >= since_ms],
        None if key.resource in CLEANED else strange.leak,
    )
