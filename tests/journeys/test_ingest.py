"""Samples come in: what is dropped, which hours become late, which hosts are alive."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.journeys.support import H0, HOUR_MS, MINUTE_MS, batch, series

from tidecast.journeys.ingest import HostsSeen, Ingest, LateHours, last_closed_hour
from tidecast.records import Records
from tidecast.samples.batch import STALE_NAN, SampleBatch
from tidecast.samples.catalogue import Catalogue, CataloguedLabels
from tidecast.samples.embedded import EmbeddedSamples
from tidecast.samples.memory import MemorySamples
from tidecast.samples.protocol import AppendReport, SamplesUnavailable
from tidecast_collector.labels import make_labels

NOW = H0 + 20 * MINUTE_MS


def dirty(records: Records) -> list[int]:
    """The hours that a restart would compute."""
    return sorted(LateHours(records)._marked)


@pytest.fixture
def late(records: Records) -> LateHours:
    hours = LateHours(records)
    hours.close(H0)
    return hours


def ingest(late: LateHours, samples: MemorySamples | None = None) -> tuple[Ingest, HostsSeen]:
    hosts = HostsSeen({})
    return Ingest(samples or MemorySamples(), late, hosts), hosts


# --- our own series ---


def test_our_own_series_are_dropped_and_counted_but_not_the_agents(late: LateHours) -> None:
    samples = MemorySamples()
    door, _ = ingest(late, samples)
    at = [(NOW, 1.0)]
    report = door.write(
        batch(
            series("tidecast_usage", at),
            series("node_load1", at),
            series("tidecast_agent_spool_bytes", at),
            series("tidecast_incidents", at),
            series("tidecastle", at),
        ),
        NOW,
    )
    assert report.own_series_dropped == 2
    assert report.appended.appended == 3
    names = samples.label_values("__name__", [], 0, 2**60)
    assert names == ["node_load1", "tidecast_agent_spool_bytes", "tidecastle"]


def test_our_own_series_make_no_hour_late_and_no_host_alive(
    late: LateHours, records: Records
) -> None:
    door, hosts = ingest(late)
    door.write(batch(series("tidecast_usage", [(H0 - 5, 1.0), (NOW, 1.0)])), NOW)
    assert dirty(records) == []
    assert hosts.all() == {}


# --- hosts ---


@pytest.mark.parametrize(
    ("name", "speaks"),
    [
        ("node_load1", True),
        ("tidecast_agent_spool_bytes", True),
        ("up", False),
        ("scrape_duration_seconds", False),
        ("ALERTS", False),
        ("ALERTS_FOR_STATE", False),
        ("tidecast_usage", False),
    ],
)
def test_a_host_is_alive_by_what_it_says_itself(late: LateHours, name: str, speaks: bool) -> None:
    door, hosts = ingest(late)
    door.write(batch(series(name, [(NOW, 1.0)], instance="web-9:9100")), NOW)
    assert hosts.all() == ({"web-9": NOW} if speaks else {})


def test_the_newest_live_sample_counts_and_none_of_the_future() -> None:
    hosts = HostsSeen({"old": 5, "web-2": NOW})
    hosts.note(
        batch(
            series("a", [(NOW - 9, 1.0), (NOW - 7, 1.0), (NOW - 8, 1.0)]),
            series("b", [(NOW - 8, 1.0)]),
            series("a", [(NOW - 1, 1.0)], instance="web-2"),
            series("a", [(NOW + HOUR_MS, 1.0)], instance="web-3"),
        ),
        NOW,
    )
    assert hosts.all() == {"old": 5, "web-1": NOW - 7, "web-2": NOW, "web-3": NOW}
    hosts.forget("web-2")
    hosts.forget("nobody")
    assert "web-2" not in hosts.all()


def test_a_series_that_was_refused_shows_no_host(late: LateHours, tmp_path: Path) -> None:
    with EmbeddedSamples(tmp_path, max_series=1, upkeep_seconds=None) as samples:
        hosts = HostsSeen({})
        door = Ingest(samples, late, hosts)
        for instance in ("web-1", "web-2"):
            report = door.write(
                batch(series("node_load1", [(NOW, 1.0)], instance=instance)), NOW
            ).appended
    assert len(report.rejected) == 1
    assert hosts.all() == {"web-1": NOW}


def test_staleness_markers_and_old_history_are_no_signs_of_life() -> None:
    hosts = HostsSeen({})
    hosts.note(batch(series("a", [(NOW, STALE_NAN)])), NOW)
    hosts.note(batch(series("a", [(NOW - HOUR_MS - 1, 1.0)])), NOW)
    assert hosts.all() == {}
    # A part of an import that reaches into the last hour is one; an ordinary NaN is a value too.
    hosts.note(batch(series("a", [(NOW - HOUR_MS - 1, 1.0), (NOW - HOUR_MS, np.nan)])), NOW)
    assert hosts.all() == {"web-1": NOW - HOUR_MS}


def test_a_series_without_an_instance_or_without_samples_shows_no_host() -> None:
    hosts = HostsSeen({})
    empty = (series("a", [(0, 0.0)])[0], np.empty(0, np.int64), np.empty(0))
    hosts.note(batch(series("a", [(NOW, 1.0)], instance=""), empty), NOW)
    hosts.note(batch(), NOW)
    assert hosts.all() == {}


# --- hours ---


@pytest.mark.parametrize(
    ("now", "closed"),
    [(H0, H0 - HOUR_MS), (H0 + MINUTE_MS - 1, H0 - HOUR_MS), (H0 + MINUTE_MS, H0), (NOW, H0)],
)
def test_an_hour_closes_a_minute_after_its_end(now: int, closed: int) -> None:
    assert last_closed_hour(now) == closed


def test_late_samples_mark_the_hour_they_fall_into_durably(
    late: LateHours, records: Records
) -> None:
    door, _ = ingest(late)
    stamps = (H0 - 2 * HOUR_MS, H0 - 2 * HOUR_MS + 1, H0, H0 + 1)
    door.write(batch(series("a", [(at, 1.0) for at in stamps])), NOW)
    # (h-1h, h]: the first is the end of its hour, the second begins the next; H0+1 is not late.
    assert dirty(records) == [H0 - 2 * HOUR_MS, H0 - HOUR_MS, H0]
    assert len(late) == 3


def test_before_the_first_closed_hour_nothing_is_late(records: Records) -> None:
    late = LateHours(records)
    late.note(np.array([1, 2, 3]))
    assert late.watermark_ms is None
    assert len(late) == 0
    assert late.close(H0) == set()
    assert late.watermark_ms == H0
    assert len(late) == 0


def test_closed_hours_are_to_be_computed_and_survive_a_crash(
    late: LateHours, records: Records
) -> None:
    wanted = {H0 + HOUR_MS, H0 + 2 * HOUR_MS}
    assert late.close(H0 + 2 * HOUR_MS) == wanted
    assert late.close(H0 + 2 * HOUR_MS) == set()
    again = LateHours(records)
    assert again.watermark_ms == H0 + 2 * HOUR_MS
    assert set(again.take(10)) == wanted


def test_what_was_computed_is_not_computed_again_after_a_restart(
    late: LateHours, records: Records
) -> None:
    late.note(np.array([H0, H0 - HOUR_MS]))
    taken = late.take(10)
    assert dirty(records) == taken, "until it is done a crash computes it once more"
    late.done(taken)
    assert dirty(records) == []
    assert late.take(10) == []


@pytest.mark.parametrize("stray", [-(2**63), -(2**62), H0 - 11 * 366 * 24 * HOUR_MS, 2**62])
def test_a_stray_timestamp_marks_no_hour_of_which_no_record_is_kept(
    late: LateHours, stray: int
) -> None:
    late.note(np.array([stray, H0 - HOUR_MS]))
    late.note(np.array([stray]))
    assert late.take(10) == [H0 - HOUR_MS]


def test_the_oldest_hours_are_taken_first_and_no_more_than_asked_for(late: LateHours) -> None:
    late.note(np.array([H0, H0 - 5 * HOUR_MS, H0 - 2 * HOUR_MS]))
    assert late.take(2) == [H0 - 5 * HOUR_MS, H0 - 2 * HOUR_MS]
    late.done([H0 - 5 * HOUR_MS, H0 - 2 * HOUR_MS])
    assert late.take(2) == [H0]


def test_a_mark_during_the_computation_is_kept(late: LateHours, records: Records) -> None:
    late.note(np.array([H0, H0 - HOUR_MS]))
    taken = late.take(10)
    late.note(np.array([H0]))
    late.done(taken)
    assert dirty(records) == [H0]
    assert late.take(10) == [H0]


def test_hours_that_could_not_be_computed_stay(late: LateHours, records: Records) -> None:
    late.note(np.array([H0]))
    late.put_back(late.take(10))
    assert len(late) == 1
    assert late.take(10) == dirty(records) == [H0]


class Watched(MemorySamples):
    """A store in which something happens while it is being written to."""

    def __init__(self, during: object) -> None:
        super().__init__()
        self.during = during

    def append(self, batch: SampleBatch) -> AppendReport:
        self.during()  # type: ignore[operator]
        return super().append(batch)


def test_hours_are_marked_before_their_samples_are_written(
    late: LateHours, records: Records
) -> None:
    def disk_full() -> None:
        assert dirty(records) == [H0]
        raise SamplesUnavailable("no space")

    door, hosts = ingest(late, Watched(disk_full))
    with pytest.raises(SamplesUnavailable):
        door.write(batch(series("a", [(H0, 1.0), (NOW, 1.0)])), NOW)
    assert dirty(records) == [H0]
    assert hosts.all() == {}, "what was not kept is not heard of"


def test_an_hour_computed_while_its_samples_were_written_is_computed_again(
    late: LateHours,
) -> None:
    door, _ = ingest(late, Watched(lambda: late.done(late.take(10))))
    door.write(batch(series("a", [(H0, 1.0)])), NOW)
    assert late.take(10) == [H0]


def test_an_hour_closed_while_its_samples_were_written_is_computed_again(
    late: LateHours,
) -> None:
    def close() -> None:
        late.close(H0 + HOUR_MS)
        late.done(late.take(10))

    door, _ = ingest(late, Watched(close))
    door.write(batch(series("a", [(H0 + 5, 1.0)])), NOW)
    assert late.take(10) == [H0 + HOUR_MS]


def test_no_mark_is_lost_between_writers_and_the_one_who_computes(records: Records) -> None:
    """Every hour is computed at least once after its last sample was written."""
    late = LateHours(records)
    late.close(H0)
    written, computed = dict.fromkeys(range(6), 0), dict.fromkeys(range(6), 0)
    stop = threading.Event()

    def write(worker: int) -> None:
        for turn in range(15):
            hour = (turn + worker) % 6
            written[hour] += 1
            late.note(np.array([H0 - hour * HOUR_MS]))

    def compute() -> None:
        while hours := late.take(2) or (not stop.is_set()):
            if hours is True:
                continue
            for hour in hours:
                computed[(H0 - hour) // HOUR_MS] = written[(H0 - hour) // HOUR_MS]
            late.done(hours)

    writers = [threading.Thread(target=write, args=(i,)) for i in range(3)]
    computer = threading.Thread(target=compute)
    for thread in (*writers, computer):
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    computer.join()
    assert computed == written
    assert dirty(records) == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(st.lists(st.integers(-50, 50), max_size=30))
def test_marked_are_the_hours_of_the_samples_up_to_the_watermark(
    late: LateHours, stamps: list[int]
) -> None:
    times = np.array([H0 + each * 20 * MINUTE_MS for each in stamps], dtype=np.int64)
    late.note(times)
    ends = {-(-int(at) // HOUR_MS) * HOUR_MS for at in times}
    taken = late.take(1000)
    late.done(taken)
    assert set(taken) == {end for end in ends if end <= H0}


# --- several batches together ---

WINDOW_MS = 10_000
STRANGERS = [("up", "a"), ("up", "b"), ("load", "a"), ("tidecast_usage", "a"), ("", "nameless")]
some_series = st.tuples(
    st.sampled_from(range(len(STRANGERS))),
    st.lists(st.tuples(st.integers(-15_000, 0), st.integers(0, 2)), min_size=1, max_size=4),
)
groups = st.lists(st.lists(st.lists(some_series, max_size=4), max_size=4), min_size=1, max_size=4)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(groups)
def test_written_together_they_are_what_they_are_one_by_one(
    late: LateHours, tmp_path_factory: pytest.TempPathFactory, groups: list[list[list[Any]]]
) -> None:
    catalogue = Catalogue()
    for name, host in STRANGERS:
        catalogue.add(make_labels([("__name__", name), ("host", host)] if name else [("x", host)]))

    def catalogued(parts: list[Any]) -> SampleBatch:
        plain = batch(*(series("x", [(NOW + t, v) for t, v in some]) for _, some in parts))
        numbers = np.array([number for number, _ in parts], dtype=np.int64)
        return replace(plain, labels=CataloguedLabels(catalogue, numbers))

    held = []
    for one_by_one in (True, False):
        directory = tmp_path_factory.mktemp("store")
        with EmbeddedSamples(
            directory,
            upkeep_seconds=None,
            out_of_order_window_ms=WINDOW_MS,
            clock=lambda: NOW,
            max_series=2,
        ) as samples:
            door, hosts = ingest(late, samples)
            reports = []
            for group in groups:
                batches = [catalogued(parts) for parts in group]
                if one_by_one:
                    reports += [door.write(each, NOW) for each in batches]
                else:
                    reports += door.write_all(batches, NOW)
            told = [
                (
                    each.appended.appended + each.appended.duplicates,
                    each.appended.rejected,
                    each.appended.over_limit,
                    each.own_series_dropped,
                )
                for each in reports
            ]
            found = samples.select([], -(2**62), 2**62)
            content = [(labels, times.tolist(), values.tolist()) for labels, times, values in found]
            duplicates = sum(each.appended.duplicates for each in reports)
            held.append((told, duplicates, content, hosts.all()))
    assert held[0] == held[1]
