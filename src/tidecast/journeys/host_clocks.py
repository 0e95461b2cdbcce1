"""How far the clocks of hosts are from ours: by when what they send arrives.

A sample from the future shows a clock that is ahead, whatever the network does. One from the past
may have been held up; but what comes late by the same time again and again has a clock that is
behind. A host that is scraped also tells its own time, which the scraper stamps with its.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Mapping
from itertools import pairwise
from typing import NamedTuple

from tidecast.promql.query_engine import QueryEngine
from tidecast.promql.result import Vector
from tidecast_collector.labels import host_of_instance, label_value

AHEAD_MS, BEHIND_MS = 30_000, 120_000
"""A clock less far from ours is not told of: it moves no hour of any history."""
LATEST_MS = 300_000
"""What arrives in one write and spans more than this is history, not the newest samples."""
OWN_TIME = "max by (instance) (node_time_seconds - timestamp(node_time_seconds))"

_STRETCH_MS = 300_000
_STRETCHES = 4
_STEADY_MS = 60_000
_LEAST_LATE = 3


class _Stretch(NamedTuple):
    """The furthest ahead that samples were in five minutes."""

    number: int
    offset_ms: int


class HostClocks:
    """What is known of the hosts' clocks. Safe to use from several threads."""

    def __init__(self) -> None:
        self._stretches: dict[str, deque[_Stretch]] = {}
        self._own_ms: Mapping[str, int] = {}
        self._lock = threading.Lock()

    def note(self, host: str, newest_ms: int, now_ms: int) -> None:
        """The newest sample of a host that has just arrived."""
        number, offset_ms = now_ms // _STRETCH_MS, newest_ms - now_ms
        with self._lock:
            known = self._stretches.setdefault(host, deque(maxlen=_STRETCHES))
            if known and known[-1].number == number:
                offset_ms = max(offset_ms, known.pop().offset_ms)
            known.append(_Stretch(number, offset_ms))

    def note_own_times(self, apart_ms: Mapping[str, int]) -> None:
        """How far each scraped host's own time is ahead of the scraper's, all of them anew."""
        self._own_ms = dict(apart_ms)

    def forget(self, host: str) -> None:
        """The host is retired."""
        with self._lock:
            self._stretches.pop(host, None)

    def apart_ms(self, host: str, now_ms: int) -> int:
        """By how much its clock is ahead of ours (negative: behind); 0 where that is hardly so, or
        not known."""
        own_ms = self._own_ms.get(host, 0)
        return self._stamped_ms(host, now_ms) + (own_ms if abs(own_ms) > AHEAD_MS else 0)

    def all_apart_ms(self, now_ms: int) -> dict[str, int]:
        """The hosts whose clocks are apart, and by how much."""
        with self._lock:
            hosts = {*self._stretches, *self._own_ms}
        found = {host: self.apart_ms(host, now_ms) for host in hosts}
        return {host: apart for host, apart in found.items() if apart}

    def _stamped_ms(self, host: str, now_ms: int) -> int:
        oldest = now_ms // _STRETCH_MS - _STRETCHES
        with self._lock:
            recent = [each for each in self._stretches.get(host, ()) if each.number > oldest]
        offsets = [each.offset_ms for each in recent]
        if not offsets:
            return 0
        if max(offsets) > AHEAD_MS:
            return max(offsets)
        late = len(offsets) >= _LEAST_LATE and max(offsets) < -BEHIND_MS
        steady = all(abs(one - other) <= _STEADY_MS for one, other in pairwise(offsets))
        return max(offsets) if late and steady else 0


def own_times_apart(engine: QueryEngine, now_ms: int) -> dict[str, int]:
    """How far each host's own time is ahead of the stamp that its sample got, in milliseconds."""
    vector = engine.instant(OWN_TIME, now_ms).value
    assert isinstance(vector, Vector)
    return {
        host_of_instance(label_value(labels, "instance")): round(value * 1000)
        for labels, value in vector
        if math.isfinite(value)
    }
