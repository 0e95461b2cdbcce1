"""Clocks that are apart, by when samples come: ahead at once, behind only when late alike."""

from __future__ import annotations

import pytest
from tests.journeys.support import H0, MINUTE_MS, batch, series

from tidecast.journeys.host_clocks import HostClocks, own_times_apart
from tidecast.journeys.ingest import HostsSeen
from tidecast.promql.engine import Engine
from tidecast.samples.memory import MemorySamples

NOW = H0 + 20 * MINUTE_MS


def heard(*late_ms: int, every_ms: int = 5 * MINUTE_MS) -> HostClocks:
    """A host whose newest samples came so late, one write after the other, the last one now."""
    hosts = HostsSeen({})
    for place, late in enumerate(late_ms):
        now = NOW - (len(late_ms) - 1 - place) * every_ms
        hosts.note(batch(series("a", [(now - late, 1.0)])), now)
    return hosts.clocks


@pytest.mark.parametrize(
    ("late_minutes", "apart_minutes"),
    [
        ((0, 0, 0), 0),
        ((-7,), 7),  # the future needs no proof
        ((-7, 0, 0), 7),  # ... until it is out of mind
        ((1, 1.5, 1), 0),  # scraped once a minute
        ((9, 9), 0),  # held up, perhaps
        ((9, 9.5, 9), -9),
        ((120, 120, 120, 120), -120),  # local time taken for UTC
        ((50, 30, 9, 0), 0),  # a backlog
        ((50, 40, 30, 20), 0),
    ],
)
def test_apart(late_minutes: tuple[float, ...], apart_minutes: int) -> None:
    clocks = heard(*(round(late * MINUTE_MS) for late in late_minutes))
    assert clocks.apart_ms("web-1", NOW) == apart_minutes * MINUTE_MS
    assert clocks.all_apart_ms(NOW) == (
        {"web-1": apart_minutes * MINUTE_MS} if apart_minutes else {}
    )


def test_what_was_long_ago_says_nothing() -> None:
    clocks = heard(-7 * MINUTE_MS)
    assert clocks.apart_ms("web-1", NOW + 10 * MINUTE_MS) == 7 * MINUTE_MS
    assert clocks.apart_ms("web-1", NOW + 25 * MINUTE_MS) == 0
    assert clocks.apart_ms("nobody", NOW) == 0
    clocks.forget("web-1")
    assert clocks.all_apart_ms(NOW) == {}


def test_an_import_of_history_is_no_clock() -> None:
    hosts = HostsSeen({})
    for minutes in (20, 15, 10, 5, 0):
        now = NOW - minutes * MINUTE_MS
        hours = [(now - hour * 60 * MINUTE_MS, 1.0) for hour in range(50, 1, -1)]
        hosts.note(batch(series("a", hours)), now)
    assert hosts.clocks.all_apart_ms(NOW) == {}
    assert hosts.all() == {}


def test_a_scraped_host_tells_its_own_time() -> None:
    samples = MemorySamples()
    for host, apart in (("web-1", 90.0), ("web-2", 3.0), ("web-3", float("nan"))):
        own = (NOW - 1000) / 1000 + apart
        samples.append(batch(series("node_time_seconds", [(NOW - 1000, own)], instance=host)))
    told = own_times_apart(Engine(samples), NOW)
    assert told == {"web-1": 90_000, "web-2": 3_000}
    clocks = heard(-60_000)
    clocks.note_own_times(told)
    assert clocks.all_apart_ms(NOW) == {"web-1": 150_000}
