"""Flushes and joins in another process: the same segments, and nothing lost where it fails."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.samples.support import batch_of, everything, labels_of, matcher, open_store
from tests.scenario.driver import PATIENCE_SECONDS

from tidecast.samples.apart import CannotRunApart
from tidecast.samples.batch import SampleBatch
from tidecast.samples.durable import DamagedFile
from tidecast.samples.protocol import SamplesUnavailable
from tidecast.server.store_worker import store_runner
from tidecast.server.worker import Lane

SERIES, EACH = 20, 6000


def many(seed: int = 1) -> SampleBatch:
    """More samples than are written without another process, some of them late."""
    random = np.random.default_rng(seed)
    times = np.arange(1, EACH + 1, dtype=np.int64)
    return SampleBatch.of(
        (labels_of("up", host=f"h{i}"), times, random.integers(0, 100, EACH).astype(np.float64))
        for i in range(SERIES)
    )


def late() -> SampleBatch:
    return batch_of((labels_of("up", host="h3"), [5, 2, 10**6], [1.5, float("nan"), 2.5]))


def fill(store: Any) -> dict[Any, Any]:
    store.append(many())
    store.append(late())
    return everything(store)


def segments(directory: Path) -> list[str]:
    return sorted(path.name for path in (directory / "segments").iterdir())


@pytest.fixture(scope="module")
def lane() -> Iterator[Lane]:
    one = Lane("the store")
    try:
        yield one
    finally:
        one.close()


def test_what_the_worker_writes_is_what_the_store_would_write(lane: Lane, tmp_path: Path) -> None:
    held = []
    for name, apart in (("here", None), ("apart", store_runner(lane))):
        with open_store(tmp_path / name, apart=apart, window_ms=4000) as store:
            before = fill(store)
            store.flush()
            store.append(many(2))
            store.flush()
            assert store.delete([matcher("host", "=", "h7")], 0, 100) == 1
            pieces = len(segments(tmp_path / name))
            store.maintain(10**9)
            assert len(segments(tmp_path / name)) < pieces
            held.append(everything(store))
            assert not list((tmp_path / name / "log").iterdir())
        with open_store(tmp_path / name) as again:
            assert everything(again) == held[0]
    assert held[0] == held[1] != before
    assert lane.pids()


def test_while_the_worker_flushes_all_is_served_and_more_is_taken(tmp_path: Path) -> None:
    entered, leave = threading.Event(), threading.Event()

    def slowly(work: Callable[..., Any], /, *arguments: Any, **named: Any) -> Any:
        entered.set()
        assert leave.wait(PATIENCE_SECONDS)
        return work(*arguments, **named)

    with open_store(tmp_path, apart=slowly) as store:
        before = fill(store)
        flushing = threading.Thread(target=store.flush)
        flushing.start()
        assert entered.wait(PATIENCE_SECONDS)
        assert everything(store) == before
        extra = labels_of("more")
        assert store.append(batch_of((extra, [1], [1.0]))).appended == 1
        assert extra in everything(store)
        leave.set()
        flushing.join()
        assert {**before, extra: everything(store)[extra]} == everything(store)


def test_a_worker_killed_in_the_middle_does_its_job_again(lane: Lane, tmp_path: Path) -> None:
    doing = store_runner(lane)
    kills: list[threading.Timer] = []

    def kill_first(work: Callable[..., Any], /, *arguments: Any, **named: Any) -> Any:
        if not kills:
            kills.append(threading.Timer(0.05, os.kill, (lane.run(os.getpid), 9)))
            kills[0].start()
        return doing(work, *arguments, **named)

    with open_store(tmp_path, apart=kill_first, window_ms=50) as store:
        before = fill(store)
        store.flush()
        kills[0].join()
        assert everything(store) == before
    assert not [name for name in segments(tmp_path) if not name.endswith(".seg")]
    with open_store(tmp_path) as again:
        assert everything(again) == before


def test_a_job_that_always_dies_leaves_nothing_and_loses_nothing(tmp_path: Path) -> None:
    def die(work: Callable[..., Any], /, job: Any) -> Any:
        work(job)
        path, _ = job.place.new_path()(0, 7)
        path.with_name(path.name + ".tmp").write_bytes(b"half")
        raise SamplesUnavailable("died")

    with open_store(tmp_path, apart=die, flush_samples=50_000) as store:
        store.append(many())
        before = everything(store)
        with pytest.raises(SamplesUnavailable, match="died"):
            store.append(late())  # the head is full
        assert segments(tmp_path) == []
        assert everything(store) == before
    with open_store(tmp_path) as again:
        assert everything(again) == before


def test_without_a_worker_the_store_does_it_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def none(work: Callable[..., Any], /, *arguments: Any, **named: Any) -> Any:
        raise CannotRunApart("no memory for another process")

    with open_store(tmp_path, apart=none) as store, caplog.at_level(logging.WARNING):
        before = fill(store)
        store.flush()
        assert everything(store) == before
        assert segments(tmp_path)
    assert "by the server itself: no memory for another process" in caplog.text


def test_a_log_that_lost_samples_is_not_believed(lane: Lane, tmp_path: Path) -> None:
    with open_store(tmp_path, apart=store_runner(lane)) as store:
        before = fill(store)
        (log,) = (tmp_path / "log").iterdir()
        data = bytearray(log.read_bytes())
        data[len(data) // 2] ^= 1
        log.write_bytes(data)
        store.flush()
        assert everything(store) == before


def test_damage_met_in_the_worker_is_told_as_damage(lane: Lane, tmp_path: Path) -> None:
    with open_store(tmp_path, apart=store_runner(lane), window_ms=10**6) as store:
        store.append(many())
        store.flush()
        store.append(many(2))
        store.flush()
        path = tmp_path / "segments" / segments(tmp_path)[0]
        data = bytearray(path.read_bytes())
        data[100] ^= 1
        path.write_bytes(data)
        store.maintain(10**9)
        assert store.stats().set_aside == 1
    with pytest.raises(DamagedFile, match="x: odd"):
        lane.run(raise_damage)


def raise_damage() -> None:
    raise DamagedFile(Path("x"), "odd")


def test_without_memory_to_share_the_store_does_it_and_says_so(
    lane: Lane, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "memfd_create")
    with (
        open_store(tmp_path, apart=store_runner(lane)) as store,
        caplog.at_level(logging.WARNING),
    ):
        before = fill(store)
        store.flush()
        assert everything(store) == before
        assert segments(tmp_path)
    assert "by the server itself: the memory of this process cannot be shared" in caplog.text


def test_memory_that_cannot_be_read_from_the_worker_is_written_here(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def blind(work: Callable[..., Any], /, job: Any) -> Any:
        (rows, *others) = job.head.chunks
        gone = replace(rows, path="/proc/self/fd/99999")
        return work(replace(job, head=replace(job.head, chunks=[gone, *others])))

    with open_store(tmp_path, apart=blind) as store, caplog.at_level(logging.WARNING):
        before = fill(store)
        store.flush()
        assert everything(store) == before
    assert "/proc/self/fd/99999 cannot be read: No such file" in caplog.text
