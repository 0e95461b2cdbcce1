"""Queries here and in the worker: the same answers, the same limits, given up in time."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.requests import Request
from starlette.responses import Response
from tests.scenario.driver import PATIENCE_SECONDS

from tidecast.promql.engine import Engine
from tidecast.promql.errors import QueryCancelled, QueryError, QueryTimeout
from tidecast.promql.result import Matrix
from tidecast.promql.settings import QueryLimits, QueryOptions
from tidecast.samples.batch import SampleBatch
from tidecast.samples.embedded import EmbeddedSamples
from tidecast.samples.kept import Tier
from tidecast.samples.matchers import Matcher, MatchOp
from tidecast.samples.protocol import (
    LimitExceeded,
    SamplesUnavailable,
    Selectable,
    SelectLimits,
)
from tidecast.samples.routed import RoutedSamples
from tidecast.server import queries as queries_module
from tidecast.server.heavy_queries import HeavyQueries, OffloadingEngine
from tidecast.server.queries import Queries
from tidecast.server.query_jobs import memory_fence
from tidecast.server.query_request import QueryRequest
from tidecast.server.worker import Lane
from tidecast_collector.labels import make_labels

END_MS = 600_000
ALL_TIME = (-(2**53), 2**53)


@pytest.fixture(scope="module")
def lane() -> Iterator[Lane]:
    one = Lane("heavy queries", processes=2)
    try:
        yield one
    finally:
        one.close()


def some(name: str, offset: float, start_ms: int = 0) -> SampleBatch:
    times = np.arange(start_ms, start_ms + 300_000, 10_000, dtype=np.int64)
    return SampleBatch.of(
        (
            make_labels({"__name__": name, "job": job, "code": "é\n"}),
            times,
            times / 7000 + offset + place,
        )
        for place, job in enumerate("abcde")
    )


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[RoutedSamples]:
    """Both stores, with segments, late samples, a deletion and samples in memory alone."""
    with (
        EmbeddedSamples(tmp_path / "own", clock=lambda: END_MS, upkeep_seconds=None) as own,
        EmbeddedSamples(
            tmp_path / "raw", clock=lambda: END_MS, upkeep_seconds=None, window_ms=60_000
        ) as raw,
    ):
        both = RoutedSamples(own, raw)
        both.append(some("up", 0))
        both.append(some("tidecast_usage", 0.5))
        raw.flush()
        raw.delete([Matcher("job", MatchOp.EQUAL, "c")], 50_000, 120_000)
        both.append(some("up", 9, 150_000))
        both.append(some("tidecast_usage", 9, 150_000))
        yield both


def receiving(*messages: str, then: Callable[[], bool] = lambda: False) -> Request:
    """A request whose client goes away once `then` is true."""

    async def receive() -> dict[str, Any]:
        while not then():
            await asyncio.sleep(0.005)
        return {"type": "http.disconnect"}

    return Request({"type": "http"}, receive)


def ask(door: Queries, request: QueryRequest, http: Request | None = None) -> Any:
    """The JSON of the answer."""

    async def asked() -> bytes:
        answer: Response = await door.answer(http or receiving(), request)
        pieces: list[bytes] = []

        async def send(message: Any) -> None:
            pieces.append(message.get("body", b""))

        await answer({"type": "http", "asgi": {"spec_version": "2.4"}}, receiving().receive, send)
        body = b"".join(pieces)
        if answer.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        return body

    return json.loads(asyncio.run(asked()))


def door(
    lane: Lane, stores: RoutedSamples, monkeypatch: pytest.MonkeyPatch, **limits: Any
) -> Queries:
    """Queries that are all answered in the worker."""
    monkeypatch.setattr(queries_module, "HERE_BYTES", 0)
    engine = Engine(stores, limits=QueryLimits(**limits))
    return Queries(engine, HeavyQueries(lane, engine))


EXPRESSIONS = [
    "up",
    "{job=~'.+'}[10m]",
    "sum by (job) (rate(up[2m]))",
    "tidecast_usage / on (job, code) up",
    "quantile(7, up)",
    "max_over_time(up[5m:20s] offset 10s)",
    "rate(tidecast_usage[5m])",
    "absent(nothing)",
    "up == 1e-300 or up * 1e300",
    "1 + 1",
]


@pytest.mark.parametrize("zipped", [False, True])
def test_the_worker_answers_as_the_server_does(
    lane: Lane, stores: RoutedSamples, monkeypatch: pytest.MonkeyPatch, zipped: bool
) -> None:
    here = Queries(Engine(stores))
    there = door(lane, stores, monkeypatch)
    for text in EXPRESSIONS:
        for at in (120_000, 400_000):
            request = QueryRequest(text, at, at, gzip=zipped, series_limit=4)
            assert ask(there, request) == ask(here, request), text
        if "[10m]" not in text:
            request = QueryRequest(text, 0, END_MS, 30_000, gzip=zipped)
            assert ask(there, request) == ask(here, request), text
    assert lane.pids()


def test_a_segment_that_is_joined_meanwhile_is_asked_for_again(
    lane: Lane, stores: RoutedSamples, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = door(lane, stores, monkeypatch)
    (raw,) = stores.asked([Matcher("__name__", MatchOp.EQUAL, "up")])
    assert isinstance(raw, EmbeddedSamples)
    real, seen = raw.snapshot, []

    def snapshot(*asked: Any) -> Any:
        found = real(*asked)
        seen.append(found)
        if len(seen) == 1:
            raw.flush()
            raw.maintain(10 * END_MS)
            assert not all(segment.path.exists() for segment in found.view.segments)
        return found

    request = QueryRequest("up[10m]", END_MS, END_MS)
    before = ask(Queries(Engine(stores)), request)
    monkeypatch.setattr(raw, "snapshot", snapshot)
    assert ask(there, request) == before
    assert len(seen) == 2


def test_damage_that_the_worker_meets_is_set_aside_by_the_server(
    lane: Lane, stores: RoutedSamples, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = door(lane, stores, monkeypatch)
    (raw,) = stores.asked([Matcher("__name__", MatchOp.EQUAL, "up")])
    assert isinstance(raw, EmbeddedSamples)
    raw.flush()
    path = raw.snapshot([], *ALL_TIME).view.segments[-1].path
    data = bytearray(path.read_bytes())
    data[10] ^= 1
    path.write_bytes(data)
    request = QueryRequest("up[10m]", END_MS, END_MS)
    answer = ask(there, request)
    assert raw.stats().set_aside == 1
    assert answer == ask(Queries(Engine(stores)), request)
    assert answer["data"]["result"]


def test_errors_are_the_same_there(
    lane: Lane, stores: RoutedSamples, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = door(lane, stores, monkeypatch)
    with pytest.raises(QueryError, match="many-to-many"):
        ask(there, QueryRequest("up * on (code) up", END_MS - 1, END_MS - 1, lookback_ms=END_MS))
    few = door(lane, stores, monkeypatch, select=SelectLimits(samples=20))
    with pytest.raises(LimitExceeded, match="20 samples"):
        ask(few, QueryRequest("up[10m]", END_MS, END_MS))
    small = door(lane, stores, monkeypatch, memory_bytes=1 << 20)
    with pytest.raises(LimitExceeded, match="MiB"):
        ask(small, QueryRequest("sum_over_time(up[10m:1ms])", END_MS, END_MS))


def test_the_samples_of_all_selectors_count_together(stores: RoutedSamples) -> None:
    engine = Engine(stores, limits=QueryLimits(select=SelectLimits(samples=350)))
    assert engine.instant("sum(count_over_time(up[10m]))", END_MS).samples <= 350
    with pytest.raises(LimitExceeded):
        engine.instant("count_over_time(up[10m]) + count_over_time(up[10m] offset 1s)", END_MS)


class _Slow(Selectable):
    """Samples that take their time, as a very large selection would."""

    def select(self, *asked: Any) -> SampleBatch:
        time.sleep(0.02)
        return some("up", 0)


def doubled(text: str, times: int) -> str:
    """The expression, added to itself until it is there 2^times times."""
    for _ in range(times):
        text = f"({text}) + ({text})"
    return text


SLOW = doubled("up", 8)
ENDLESS = doubled("count_over_time(up[4m:1ms])", 8)


def test_a_query_stops_when_its_client_goes() -> None:
    began = threading.Event()

    class Noticed(_Slow):
        def select(self, *asked: Any) -> SampleBatch:
            began.set()
            return super().select(*asked)

    with pytest.raises(QueryCancelled):
        ask(Queries(Engine(Noticed())), QueryRequest(SLOW, 1, 1), receiving(then=began.is_set))


def test_a_query_in_the_worker_stops_when_its_client_goes(
    lane: Lane, stores: RoutedSamples, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = door(lane, stores, monkeypatch)
    began = threading.Event()

    def snapshot(*asked: Any) -> SampleBatch:
        began.set()
        return some("up", 0)

    monkeypatch.setattr("tidecast.server.heavy_queries._part", snapshot)
    with pytest.raises(QueryCancelled):
        ask(there, QueryRequest(ENDLESS, 1, 1), receiving(then=began.is_set))
    monkeypatch.undo()
    assert ask(door(lane, stores, monkeypatch), QueryRequest("1", 1, 1))["status"] == "success"


def test_a_query_in_the_worker_has_its_time(
    lane: Lane, stores: RoutedSamples, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = door(lane, stores, monkeypatch)
    with pytest.raises(QueryTimeout):
        ask(there, QueryRequest(ENDLESS, END_MS // 2, END_MS // 2, timeout_seconds=0.3))


def test_a_query_whose_worker_dies_is_refused_and_the_next_answered(
    lane: Lane, stores: RoutedSamples, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = door(lane, stores, monkeypatch)

    def kill(*_asked: Any) -> None:
        for pid in lane.pids():
            os.kill(pid, 9)

    monkeypatch.setattr("tidecast.server.heavy_queries._part", kill)
    with pytest.raises(LimitExceeded, match="by signal 9"):
        ask(there, QueryRequest("up", 1, 1))
    monkeypatch.undo()
    assert ask(door(lane, stores, monkeypatch), QueryRequest("1", 1, 1))["status"] == "success"


def test_a_runaway_query_ends_at_the_memory_fence(lane: Lane) -> None:
    with pytest.raises(LimitExceeded, match="64 MiB"):
        lane.run(_take_memory, 64 << 20)
    assert lane.run(_take_memory, 1 << 30) == 512 << 20


def _take_memory(more_bytes: int) -> int:
    with memory_fence(more_bytes):
        return len(np.empty(512 << 20, dtype=np.uint8))


def test_queries_wait_for_their_turn_and_are_refused_when_very_many_wait() -> None:
    async def together(count: int, ended: int, **options: Any) -> list[Any]:
        """How they ended; the first of them takes until so many of the others have."""
        enough = threading.Event()

        class Held(_Slow):
            def select(self, *asked: Any) -> SampleBatch:
                assert enough.wait(PATIENCE_SECONDS)
                return super().select(*asked)

        one = Queries(Engine(Held()), concurrent=1)
        request = QueryRequest("up + up", 1, 1, **options)
        asked = [asyncio.ensure_future(one.answer(receiving(), request)) for _ in range(count)]
        async with asyncio.timeout(PATIENCE_SECONDS):
            while sum(each.done() for each in asked) < ended:
                await asyncio.sleep(0.005)
        enough.set()
        return await asyncio.gather(*asked, return_exceptions=True)

    found = asyncio.run(together(8, 0))
    assert [type(each) for each in found] == [Response] * 8
    found = asyncio.run(together(30, 30 - 11))
    refused = [each for each in found if isinstance(each, SamplesUnavailable)]
    assert len(refused) == 30 - 11
    found = asyncio.run(together(5, 4, timeout_seconds=0.001))
    assert all(isinstance(each, QueryTimeout) for each in found)


def test_who_goes_away_while_waiting_frees_the_place() -> None:
    one = Queries(Engine(_Slow()), concurrent=1)

    async def both() -> list[Any]:
        slow = asyncio.create_task(one.answer(receiving(), QueryRequest(doubled("up", 4), 1, 1)))
        await asyncio.sleep(0.01)
        gone = one.answer(receiving(then=lambda: True), QueryRequest("up", 1, 1))
        return [*await asyncio.gather(gone, return_exceptions=True), await slow]

    gone, slow = asyncio.run(both())
    assert isinstance(gone, QueryCancelled)
    assert isinstance(slow, Response)


def test_what_an_answer_has_cost_is_told_when_asked(stores: RoutedSamples) -> None:
    answer = ask(Queries(Engine(stores)), QueryRequest("up[10m]", END_MS, END_MS, stats=True))
    assert answer["data"]["stats"]["samples"]["totalQueryableSamples"] > 100
    assert answer["data"]["stats"]["timings"]["evalTotalTime"] > 0
    assert Engine(stores).instant("1", 0, QueryOptions()).samples == 0


def test_the_worker_reads_tiers_where_raw_samples_are_past_keeping(
    lane: Lane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hour_ms, now_ms = 3_600_000, 480_000 * 3_600_000
    times = now_ms - 72 * hour_ms + np.arange(0, 70 * hour_ms, 60_000)
    hits = (make_labels({"__name__": "hits", "job": "a"}), times, np.arange(len(times)) / 4)
    with (
        EmbeddedSamples(tmp_path / "own", upkeep_seconds=None) as own,
        EmbeddedSamples(
            tmp_path / "raw",
            tiers=(Tier("5m", 300_000, 9000 * hour_ms), Tier("1h", hour_ms, 90_000 * hour_ms)),
            clock=lambda: now_ms,
            upkeep_seconds=None,
        ) as raw,
    ):
        raw.append(SampleBatch.of([hits]))
        raw.flush()
        raw.keep(now_ms, 24 * hour_ms)
        stores = RoutedSamples(own, raw)
        there = door(lane, stores, monkeypatch)
        for text in ("rate(hits[2h])", "sum(hits)", "max_over_time({job='a'}[3h])"):
            request = QueryRequest(text, now_ms - 72 * hour_ms, now_ms, hour_ms)
            answer = ask(there, request)
            assert answer == ask(Queries(Engine(stores)), request)
            assert len(answer["data"]["result"][0]["values"]) > 60


def test_an_engine_that_gives_away_what_is_heavy(
    lane: Lane, stores: RoutedSamples, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tidecast.server.heavy_queries.HERE_BYTES", 10_000)
    here = Engine(stores)
    engine = OffloadingEngine(here, HeavyQueries(lane, here))
    lane.end_idle(0)
    assert (
        engine.instant("up{job='a'}", 100_000).value == here.instant("up{job='a'}", 100_000).value
    )
    assert not lane.pids()
    found = engine.range("rate(up[1m])", 0, END_MS, 10_000).value
    assert lane.pids()
    expected = here.range("rate(up[1m])", 0, END_MS, 10_000).value
    assert isinstance(found, Matrix)
    assert isinstance(expected, Matrix)
    assert found.labels == expected.labels
    assert found.values.tolist() == expected.values.tolist()
    assert (engine.lookback_ms, engine.limits) == (here.lookback_ms, here.limits)
    with pytest.raises(QueryTimeout):
        engine.instant(ENDLESS, 1000, QueryOptions(timeout_seconds=0.2))
