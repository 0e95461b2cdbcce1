from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.scenario.driver import PATIENCE_SECONDS

from tidecast_collector.backlog import CycleWriter
from tidecast_collector.model import GAUGE, Family
from tidecast_collector.push import Poster, parse_url
from tidecast_collector.remote_write import Metadata
from tidecast_collector.sender import (
    FIRST_DELAY_SECONDS,
    MAX_CYCLES_PER_REQUEST,
    MAX_DELAY_SECONDS,
    REFUSED_DELAY_SECONDS,
    Sender,
    TokenUnavailable,
)
from tidecast_collector.spool import Spool

from .conftest import Sink


class Scene:
    """A spool with numbered cycles, and a sender to a sink."""

    def __init__(self, directory: Path, sink: Sink) -> None:
        self.sink = sink
        self.spool = Spool(directory, 64 << 20)
        self.token = "right"
        self.metadata: list[Metadata] = []
        poster = Poster(parse_url(sink.url), PATIENCE_SECONDS)
        self.sender = Sender(self.spool, poster, self._read_token, lambda: self.metadata)
        self._writer = CycleWriter((("instance", "web-3"), ("job", "node")))
        self._cycles = itertools.count()

    def _read_token(self) -> str:
        if not self.token:
            raise TokenUnavailable("token file /etc/token: No such file or directory")
        return self.token

    def spool_cycles(self, count: int) -> None:
        for number in itertools.islice(self._cycles, count):
            family = Family("cycle", GAUGE, "Its own number.", (((), float(number)),))
            self.spool.append(self._writer.write(1000 * number, [family]))

    def send_all(self) -> None:
        while self.sender.send_next() is not None:
            pass

    def arrived(self) -> list[float]:
        return [value for _, value in self.sink.samples_of("cycle")]


@pytest.fixture
def scene(tmp_path: Path, sink: Sink) -> Iterator[Scene]:
    scene = Scene(tmp_path / "spool", sink)
    yield scene
    scene.spool.close()


def test_a_backlog_arrives_in_order_grouped_by_series(scene: Scene) -> None:
    scene.spool_cycles(70)
    scene.send_all()
    assert scene.sink.samples_of("cycle") == [(1000 * i, float(i)) for i in range(70)]
    # 70 cycles of one series in requests of 30: 30, 30 and 10 samples, the series once in each
    assert [[len(samples) for _, samples in request.series] for request in scene.sink.requests] == [
        [MAX_CYCLES_PER_REQUEST],
        [MAX_CYCLES_PER_REQUEST],
        [10],
    ]
    assert scene.sender.samples_sent == 70
    assert scene.spool.pending_bytes == 0


def test_nothing_to_send_is_nothing_sent(scene: Scene) -> None:
    assert scene.sender.send_next() is None
    assert scene.sink.statuses == []


def test_metadata_goes_with_the_first_request_alone(scene: Scene) -> None:
    scene.metadata = [Metadata("gauge", "cycle", "Its own number.")]
    for _ in range(2):
        scene.spool_cycles(1)
        scene.send_all()
    assert [request.metadata for request in scene.sink.requests] == [scene.metadata, []]


def test_a_refused_token_keeps_everything_and_says_why_once(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    scene.sink.token = "right"
    scene.token = "wrong-one"
    scene.spool_cycles(3)
    assert [scene.sender.send_next() for _ in range(3)] == [REFUSED_DELAY_SECONDS] * 3
    said = capsys.readouterr().err
    assert said.count("401: unknown token; everything is kept, check the token") == 1
    assert "wrong-one" not in said
    scene.token = "right"
    scene.send_all()
    assert scene.arrived() == [0.0, 1.0, 2.0]
    assert "push: well again" in capsys.readouterr().err


def test_a_token_that_cannot_be_read_is_tried_again(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    scene.token = ""
    scene.spool_cycles(1)
    delay = scene.sender.send_next()
    assert delay is not None
    assert delay > 0
    assert "No such file" in capsys.readouterr().err
    scene.token = "right"
    scene.send_all()
    assert scene.arrived() == [0.0]


def test_one_poisoned_cycle_does_not_block_the_others(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    scene.sink.reject_value = 17.0
    scene.spool_cycles(40)
    scene.send_all()
    assert scene.arrived() == [float(i) for i in range(40) if i != 17]
    assert scene.sender.cycles_refused == 1
    assert "400: poison; this cycle cannot succeed and is dropped" in capsys.readouterr().err


def test_a_server_that_refuses_metadata_gets_the_samples(scene: Scene) -> None:
    scene.sink.reject_metadata = True
    scene.metadata = [Metadata("gauge", "cycle", "Its own number.")]
    scene.spool_cycles(3)
    scene.send_all()
    assert scene.arrived() == [0.0, 1.0, 2.0]
    assert scene.sender.cycles_refused == 0


def test_delays_grow_to_a_limit_and_fall_back_after_success(scene: Scene) -> None:
    scene.spool_cycles(1)
    scene.sink.stop()
    delays = [scene.sender.send_next() for _ in range(12)]
    for tries, delay in enumerate(delays):
        full = min(FIRST_DELAY_SECONDS * 2**tries, MAX_DELAY_SECONDS)
        assert delay is not None
        assert full / 2 <= delay <= full
    scene.sink.start()
    scene.send_all()
    scene.spool_cycles(1)
    scene.sink.stop()
    delay = scene.sender.send_next()
    assert delay is not None
    assert delay <= FIRST_DELAY_SECONDS
    assert scene.sender.requests_failed == 13


@pytest.mark.parametrize(("said", "at_least"), [("7", 7.0), ("99999", 900.0), ("soon", 0.0)])
def test_retry_after_is_honoured_within_reason(scene: Scene, said: str, at_least: float) -> None:
    scene.sink.next_statuses = [503, 429]
    scene.sink.retry_after = said
    scene.spool_cycles(1)
    for _ in range(2):
        delay = scene.sender.send_next()
        assert delay is not None
        assert at_least <= delay <= max(at_least, FIRST_DELAY_SECONDS * 2)
    scene.send_all()
    assert scene.arrived() == [0.0]


def test_a_wrong_path_keeps_everything(scene: Scene) -> None:
    scene.sink.next_statuses = [404, 302, 405, 501]
    scene.spool_cycles(2)
    for _ in range(4):
        scene.sender.send_next()
    assert scene.arrived() == []
    scene.send_all()
    assert scene.arrived() == [0.0, 1.0]


def test_a_record_of_another_format_is_left_out_and_counted(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    scene.spool.append(b"?")
    scene.spool_cycles(1)
    scene.spool.append(b"?")
    scene.send_all()
    assert scene.arrived() == [0.0]
    assert scene.sender.cycles_unreadable == 2
    assert "a record is left out" in capsys.readouterr().err
    scene.spool.append(b"?")
    scene.send_all()
    assert scene.spool.pending_bytes == 0


def test_the_thread_sends_when_woken_and_stops(scene: Scene) -> None:
    scene.sender.thread.start()
    scene.spool_cycles(1)
    scene.sender.wake()
    scene.sink.wait_for(lambda: scene.arrived() == [0.0])
    scene.spool_cycles(1)
    scene.sender.wake()
    scene.sink.wait_for(lambda: scene.arrived() == [0.0, 1.0])
    scene.sender.stop(5.0)
    assert not scene.sender.thread.is_alive()
