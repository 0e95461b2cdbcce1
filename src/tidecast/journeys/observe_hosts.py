"""Hosts as components: up while they are heard of, unknown from the last sign of life on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from tidecast.records import Records
from tidecast.records.database import Unit
from tidecast_alerts.signals import RULE_SOURCE
from tidecast_analytics.timelines import ComponentState, Observation

SILENCE = "silence"
"""The source of what is told here."""
SILENT_AFTER_MS = 5 * 60_000


class HostSilence:
    """What has been said of each host so far; `observe` adds what is new.

    It goes on where the ledger stands, so that a crash costs nothing: what was not written is found
    again. Belongs to one thread.
    """

    def __init__(self, records: Records, seen_ms: Mapping[str, int], now_ms: int) -> None:
        self._records = records
        self._seen = dict(seen_ms)
        with records.reading() as unit:
            hosts = [*seen_ms, *unit.outages.components()]
            said = last_words(unit, hosts, now_ms)
        self._said = {
            host: words[SILENCE].state for host, words in said.items() if SILENCE in words
        }

    def observe(self, seen_ms: Mapping[str, int], now_ms: int) -> int:
        """Takes when each host was last heard of; returns how many observations are new."""
        found = [one for host in {*seen_ms, *self._said} for one in self._of(host, seen_ms, now_ms)]
        added = 0
        if found:
            lost = {one.component: one.from_ms for one in found if _lost(one)}
            with self._records.unit() as unit:
                found += _lost_by_rules(unit, lost, now_ms)
                added = unit.outages.observe(found)
        for one in found:
            if one.source == SILENCE:
                self._said[one.component] = one.state
        self._seen = dict(seen_ms)
        return added

    def _of(self, host: str, seen_ms: Mapping[str, int], now_ms: int) -> Iterator[Observation]:
        before, now = self._seen.get(host), seen_ms.get(host)
        said = self._said.get(host)
        if now is None:  # retired: nobody listens for it any more
            if said is ComponentState.UP:
                last_ms = now_ms if before is None else before
                yield Observation(host, ComponentState.UNKNOWN, last_ms, now_ms, SILENCE)
            return
        gap = before is not None and now - before > SILENT_AFTER_MS
        if gap and said is ComponentState.UP:
            assert before is not None
            yield Observation(host, ComponentState.UNKNOWN, before, now_ms, SILENCE)
        silent = now_ms - now > SILENT_AFTER_MS
        if silent and said is ComponentState.UP and not gap:
            yield Observation(host, ComponentState.UNKNOWN, now, now_ms, SILENCE)
        elif not silent and (gap or said is not ComponentState.UP):
            yield Observation(host, ComponentState.UP, now, now_ms, SILENCE)


def last_words(
    unit: Unit, components: Iterable[str], now_ms: int
) -> dict[str, dict[str, Observation]]:
    """The last that each source said of each component, by component and source."""
    told = unit.outages.observations(components, now_ms + 1, now_ms + 2)
    return {
        component: {one.source: one for one in sorted(said, key=lambda one: one.known_at_ms)}
        for component, said in told.items()
    }


def _lost(one: Observation) -> bool:
    return one.state is ComponentState.UNKNOWN


def _lost_by_rules(unit: Unit, lost_ms: Mapping[str, int], now_ms: int) -> list[Observation]:
    """A rule that has said up of a silent host rests on samples that no longer come."""
    return [
        Observation(host, ComponentState.UNKNOWN, max(lost_ms[host], one.from_ms), now_ms, source)
        for host, words in last_words(unit, lost_ms, now_ms).items()
        for source, one in words.items()
        if source.startswith(RULE_SOURCE) and one.state is ComponentState.UP
    ]
