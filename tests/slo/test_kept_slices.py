"""Kept slices are those that measuring anew would give, and only new ones are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.slo.test_measuring import SLO

from tidecast.journeys.applied_policy import PolicyInForce
from tidecast.journeys.kept_slices import ANEW_MS, SETTLED_MS, KeptSlices
from tidecast.journeys.watched_slos import NOT_YET, WatchedSlos
from tidecast.promql.engine import Engine
from tidecast.promql.result import QueryResult
from tidecast.promql.settings import DEFAULT_OPTIONS, QueryOptions
from tidecast.records import Records
from tidecast.samples.batch import SampleBatch
from tidecast.samples.memory import MemorySamples
from tidecast_alerts.slo.queries import EventQueries
from tidecast_collector.labels import make_labels

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WIDTH = 5 * MINUTE
START = 20_000 * DAY
QUERIES = EventQueries(
    "sum(sum_over_time(good[5m])) or sum(sum_over_time(all[5m])) * 0",
    "sum(sum_over_time(all[5m]))",
    "sum(sum_over_time(good[5m]))",
)


@dataclass
class Counting(Engine):
    """An engine that counts the points it is asked for."""

    def __init__(self, samples: MemorySamples) -> None:
        super().__init__(samples)
        self.points = 0

    def range(
        self,
        query: str,
        start_ms: int,
        end_ms: int,
        step_ms: int,
        options: QueryOptions = DEFAULT_OPTIONS,
    ) -> QueryResult:
        self.points += (end_ms - start_ms) // step_ms + 1
        return super().range(query, start_ms, end_ms, step_ms, options)


def put(samples: MemorySamples, name: str, first_ms: int, *values: float) -> None:
    labels = make_labels({"__name__": name})
    times = first_ms + MINUTE * np.arange(1, len(values) + 1)
    samples.append(SampleBatch.of([(labels, times, np.array(values))]))


@given(
    st.lists(
        st.tuples(st.integers(0, 40), st.integers(0, 300), st.booleans()), min_size=1, max_size=8
    )
)
@settings(max_examples=40)
def test_they_are_what_measuring_anew_gives(steps: list[tuple[int, int, bool]]) -> None:
    """Time goes on by so many slices, and something comes late so many minutes ago, told or not."""
    samples, kept, now_ms = MemorySamples(), KeptSlices(), START + DAY
    engine = Engine(samples)
    put(samples, "all", START, *[10.0] * 1440)
    put(samples, "good", START, *[9.0] * 700)
    for slices, ago, is_new in steps:
        now_ms += slices * WIDTH
        at_ms = now_ms - ago * MINUTE if not is_new else now_ms - MINUTE
        put(samples, "good", at_ms, 1.0)
        put(samples, "all", at_ms, 2.0)
        kept.forget(at_ms, at_ms + MINUTE)
        wanted = (now_ms - 6 * HOUR, 72)
        told = kept.slices(engine, QUERIES, wanted, WIDTH)
        anew = KeptSlices().slices(engine, QUERIES, wanted, WIDTH)
        np.testing.assert_array_equal(told.good, anew.good)
        np.testing.assert_array_equal(told.total, anew.total)
        np.testing.assert_array_equal(told.starts_ms, anew.starts_ms)


def test_only_the_last_hour_is_asked_for_again_until_all_is_due() -> None:
    samples, kept = MemorySamples(), KeptSlices()
    put(samples, "all", START, *[10.0] * 1440)
    put(samples, "good", START, *[9.0] * 700)
    engine, settling = Counting(samples), SETTLED_MS // WIDTH
    kept.slices(engine, QUERIES, (START, 200), WIDTH)
    assert engine.points == 2 * 200
    # Of a part that is not there nothing was good; of no events nothing is known.
    later = kept.slices(engine, QUERIES, (START + 3 * WIDTH, 200), WIDTH)
    assert engine.points == 2 * 200 + 2 * (3 + settling)
    assert (later.good[100], later.good[-1], later.total[-1]) == (45, 0, 50)
    # The period has another beginning (a calendar's next month): a part of it is known.
    kept.slices(engine, QUERIES, (START + 100 * WIDTH, 103), WIDTH)
    assert engine.points == 2 * 200 + 2 * (3 + settling) + 2 * settling
    # Slices that begin at other times are others.
    before = engine.points
    kept.slices(engine, QUERIES, (START + 100 * WIDTH + MINUTE, 100), WIDTH)
    assert engine.points == before + 200
    # What nobody told, a foreign engine's late samples, is seen some hours later.
    kept.slices(engine, QUERIES, (START, 200), WIDTH)
    put(samples, "good", START, 0.5)
    after = (START, 200 + ANEW_MS // WIDTH)
    assert kept.slices(engine, QUERIES, after, WIDTH).good[0] == 36.5
    kept.keep_only([])
    before = engine.points
    kept.slices(engine, QUERIES, (START, 200), WIDTH)
    assert engine.points == before + 400


def test_many_gaps_are_asked_for_as_one() -> None:
    samples, kept = MemorySamples(), KeptSlices()
    put(samples, "all", START, *[10.0] * 1440)
    put(samples, "good", START, *[9.0] * 1440)
    engine = Counting(samples)
    kept.slices(engine, QUERIES, (START, 288), WIDTH)
    for hour in range(2, 20, 2):
        kept.forget(START + hour * HOUR, START + hour * HOUR + 1)
    before = engine.points
    kept.slices(engine, QUERIES, (START, 288), WIDTH)
    assert engine.points == before + 2 * (288 - 24)


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[WatchedSlos]:
    with Records.open(f"sqlite:///{tmp_path / 'r.sqlite3'}") as records:
        policy = PolicyInForce(records)
        policy.apply({"p.yaml": "services: {checkout: {}}\n---\n" + SLO}, "ann", "", START)
        yield WatchedSlos(records, policy)


def test_figures_are_told_at_once_and_measured_later_where_that_takes_long(
    watched: WatchedSlos, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = MemorySamples()
    for name, code in (("requests_total", "500"), ("requests_total", "200")):
        labels = make_labels({"__name__": name, "code": code})
        times = np.arange(START - 3 * DAY, START + DAY, MINUTE)
        samples.append(SampleBatch.of([(labels, times, np.arange(float(len(times))))]))
    engine = Engine(samples)
    monkeypatch.setattr("tidecast.journeys.watched_slos.PATIENCE_SECONDS", -1)
    (first,) = watched.newest(engine, START)
    assert (first.figures, first.why_not) == (None, NOT_YET)
    assert list(watched.points()) == []
    rested: list[float] = []
    (measured,) = watched.refresh(engine, START, rested.append)
    assert len(rested) == 1
    assert measured.figures is not None
    # Half of the events are bad: of a hundredth.
    assert measured.figures.budget.consumed_ratio == pytest.approx(50, rel=1e-3)
    # Older figures are told rather than none.
    (older,) = watched.newest(engine, START + 10 * MINUTE)
    assert older is measured
    assert "tidecast_slo_level_ratio" in {name for name, _, _ in watched.points()}
    monkeypatch.setattr("tidecast.journeys.watched_slos.PATIENCE_SECONDS", 60)
    (newer,) = watched.newest(engine, START + 10 * MINUTE)
    assert newer.figures is not None and newer.figures.until_ms == START + 10 * MINUTE
    assert watched.newest(engine, START + 10 * MINUTE)[0] is newer
