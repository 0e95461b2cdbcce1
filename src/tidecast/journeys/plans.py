"""What people planned and changed, by the resources that it concerns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import lru_cache

from tidecast.journeys.imports.csv_rows import parse_series_name
from tidecast.journeys.usage_records import ResourceKey
from tidecast.policy.events import NOTHING_PLANNED, PlannedEvents, PlansFile
from tidecast.records import RecordedChange
from tidecast_analytics.changes import Change, believed, concerns, expectations, moments
from tidecast_analytics.events import Event
from tidecast_analytics.outlook import History

DAY_MS = 86_400_000
NEVER_MS = 0
_WILD = frozenset("*?[")


class Plans:
    """Planned events, and changes from a file and as they were recorded."""

    def __init__(
        self, file: PlansFile = NOTHING_PLANNED, recorded: Iterable[RecordedChange] = ()
    ) -> None:
        self._planned = file.events
        self._occurrences = lru_cache(256)(PlannedEvents.between)
        self._of_host: dict[str, list[tuple[Change, int]]] = defaultdict(list)
        self._of_some: list[tuple[Change, int]] = []
        for each in file.changes:
            self._take(each, NEVER_MS)
        for said in recorded:
            self._take(said.change, max(said.recorded_ms, said.withdrawn_ms or NEVER_MS))

    def _take(self, change: Change, told_ms: int) -> None:
        one_host = _WILD.isdisjoint(change.host)
        (self._of_host[change.host] if one_host else self._of_some).append((change, told_ms))

    def events(self, key: ResourceKey, start_ms: int, end_ms: int) -> list[Event]:
        """What is planned for this resource, over whole days so that most are asked for alike."""
        first, last = start_ms // DAY_MS * DAY_MS, -(-end_ms // DAY_MS) * DAY_MS
        return [
            event
            for planned in self._planned
            if planned.concern(*key)
            for event in self._occurrences(planned, first, last)
        ]

    def changes(self, key: ResourceKey) -> list[Change]:
        """What was changed, or is to be, on this resource."""
        return [change for change, _ in self._concerning(key)]

    def told_ms(self, key: ResourceKey) -> int:
        """When somebody last recorded, or withdrew, a change of this resource."""
        return max((told_ms for _, told_ms in self._concerning(key)), default=NEVER_MS)

    def _concerning(self, key: ResourceKey) -> Iterator[tuple[Change, int]]:
        for near in (self._of_host.get(key.host, ()), self._of_some):
            for change, told_ms in near:
                if concerns(change.patterns, key):
                    yield change, told_ms

    def beside(
        self, key: ResourceKey, history: History, now_ms: int, horizon_ms: int
    ) -> tuple[History, list[Change]]:
        """The history with what is planned up to the horizon, and with the times of changes that
        are believed now; and these changes, those to come too."""
        given, changes = self.known_to(key, history, horizon_ms)
        if not changes:
            return given, []
        start_ms, end_ms = int(history.times_ms.min()), int(history.times_ms.max())
        # What a file plans without saying since when is known at least now.
        told = [
            each if told_ms != NEVER_MS else replace(each, known_ms=min(each.known_ms, now_ms))
            for each, told_ms in self._concerning(key)
        ]
        changes = [each for each in believed(told, now_ms) if each.at_ms >= start_ms]
        expected = expectations(changes, end_ms)
        return replace(given, changes_ms=moments(changes, end_ms), expected=expected), changes

    def known_to(
        self, key: ResourceKey, history: History, horizon_ms: int
    ) -> tuple[History, list[Change]]:
        """The history with what is planned up to the horizon, and all changes of its resource,
        whenever they were known; none where nothing was seen."""
        if not history.times_ms.size:
            return history, []
        start_ms, end_ms = int(history.times_ms.min()), int(history.times_ms.max())
        events = self.events(key, start_ms, end_ms + horizon_ms)
        return replace(history, events=events), self.changes(key)


def key_of_series(name: str) -> ResourceKey:
    """The resource that a CSV's series name reads as; a name that reads as none is a host's."""
    try:
        read = parse_series_name(name)
    except ValueError:
        return ResourceKey(name, "custom")
    return ResourceKey(read.instance, read.resource, read.item)
