"""The agent as a process: what a person starts, kills and reads."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.scenario.driver import PATIENCE_SECONDS, eventually

from tidecast_collector.__main__ import main
from tidecast_collector.agent import default_spool_dir, read_token
from tidecast_collector.backlog import CycleReader
from tidecast_collector.sender import TokenUnavailable
from tidecast_collector.spool import Spool

from .conftest import Sink

INTERVAL_SECONDS = 0.1


class Process:
    """A running agent and what it has said so far."""

    def __init__(self, arguments: Sequence[str | Path], log: Path) -> None:
        self.log = log
        with log.open("ab") as stderr:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "tidecast_collector", "--listen", "127.0.0.1:0", *arguments],
                stderr=stderr,
                env={**os.environ, "PYTHONPATH": "collector"},
            )

    def said(self) -> str:
        return self.log.read_text()

    def wait_for(self, words: str) -> None:
        def said() -> bool:
            assert words in self.said() or self.popen.poll() is None, self.said()
            return words in self.said()

        eventually(said, f"it says {words!r}")

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.popen.send_signal(number)
        return self.popen.wait(PATIENCE_SECONDS)


Start = Callable[..., Process]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[Process] = []

    def begin(*arguments: str | Path) -> Process:
        process = Process(arguments, tmp_path / "log")
        started.append(process)
        return process

    yield begin
    for process in started:
        if process.popen.poll() is None:
            process.popen.kill()
            process.popen.wait()


def _pushing(sink: Sink, tmp_path: Path) -> list[str | Path]:
    token_file = tmp_path / "token"
    return [
        *("--push", sink.url, "--token-file", token_file, "--spool-dir", tmp_path / "spool"),
        *("--instance", "web-3", "--interval-seconds", str(INTERVAL_SECONDS)),
    ]


def _cycles_of(sink: Sink) -> list[tuple[int, float]]:
    """(timestamp, number since its agent started) of the cycles that arrived, in order."""
    return sink.samples_of("tidecast_agent_cycles_total")


def _waiting(spool_dir: Path) -> list[int]:
    """Timestamps of the cycles that a dead agent has left in its spool."""
    spool, reader = Spool(spool_dir, 64 << 20), CycleReader()
    try:
        assert spool.dropped_records == 0
        return [reader.read(record).timestamp_ms for record in spool.read(10_000).records]
    finally:
        spool.close()


def test_every_cycle_arrives_whatever_happens(start: Start, sink: Sink, tmp_path: Path) -> None:
    token, spool_dir = tmp_path / "token", tmp_path / "spool"
    waiting: list[int] = []
    sink.token = "right"

    # A wrong token: everything is kept, and the corrected file is used without a restart.
    token.write_text("wrong-one")
    agent = start(*_pushing(sink, tmp_path))
    agent.wait_for("401: unknown token; everything is kept, check the token")
    assert "wrong-one" not in agent.said()
    assert sink.requests == []
    token.write_text("right\n")
    sink.wait_for(lambda: len(_cycles_of(sink)) >= 10)

    # Killed while it sends.
    agent.end(signal.SIGKILL)
    waiting += _waiting(spool_dir)
    agent = start(*_pushing(sink, tmp_path))
    before = len(_cycles_of(sink))
    sink.wait_for(lambda: len(_cycles_of(sink)) >= before + 3)

    # The server is away, the agent is killed meanwhile, the server comes back.
    sink.stop()
    agent.wait_for("Connection refused; everything is kept and tried again")
    time.sleep(5 * INTERVAL_SECONDS)
    agent.end(signal.SIGKILL)
    waiting += _waiting(spool_dir)
    agent = start(*_pushing(sink, tmp_path))
    time.sleep(3 * INTERVAL_SECONDS)
    sink.start()
    first = waiting[-1]
    sink.wait_for(lambda: sum(at_ms > first for at_ms, _ in _cycles_of(sink)) >= 5)
    assert agent.end() == 0
    waiting_at_end = set(_waiting(spool_dir))

    arrived = _cycles_of(sink)
    once = sorted(set(arrived))
    assert set(waiting) - waiting_at_end <= {at_ms for at_ms, _ in once}
    # Each agent numbers its cycles 1, 2, 3, ...: no number is missing, three agents ran.
    numbers = [number for _, number in once]
    assert numbers.count(1.0) == 3
    assert all(b in (a + 1, 1.0) for a, b in pairwise(numbers))
    # In order, and once, but for the request under way at either kill.
    assert _first_arrivals(arrived) == once
    assert _repeated_requests(sink) <= 2


def _first_arrivals(arrived: list[tuple[int, float]]) -> list[tuple[int, float]]:
    return list(dict.fromkeys(arrived))


def _repeated_requests(sink: Sink) -> int:
    """How many requests brought a cycle that had arrived before."""
    seen: set[int] = set()
    repeated = 0
    for request in sink.requests:
        stamps = {at_ms for _, samples in request.series for at_ms, _ in samples}
        repeated += bool(seen & stamps)
        seen |= stamps
    return repeated


def test_pushed_series_carry_instance_and_job_and_scraped_ones_do_not(
    start: Start, sink: Sink, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("any")
    agent = start(*_pushing(sink, tmp_path))
    sink.wait_for(lambda: bool(sink.requests))
    request = sink.requests[0]
    for labels, samples in request.series:
        assert labels == tuple(sorted(labels))
        assert dict(labels)["instance"] == "web-3"
        assert dict(labels)["job"] == "node"
        assert len(samples) >= 1
    types = {entry.name: entry.type for entry in request.metadata}
    assert types["node_load1"] == "gauge"
    assert types["node_cpu_seconds_total"] == "counter"

    agent.wait_for("metrics on http://127.0.0.1:")
    url = agent.said().partition("metrics on ")[2].split()[0]
    with urllib.request.urlopen(url, timeout=PATIENCE_SECONDS) as response:
        families = list(text_string_to_metric_families(response.read().decode()))
    names = {family.name for family in families}
    assert {"node_load1", "tidecast_agent_spool_bytes", "tidecast_agent_cycle_seconds"} <= names
    labels = {name for family in families for sample in family.samples for name in sample.labels}
    assert not {"instance", "job"} & labels
    assert agent.end(signal.SIGINT) == 0


def test_a_server_that_hangs_does_not_delay_collection(start: Start, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/api/v1/write"
        agent = start(
            *("--push", url, "--spool-dir", tmp_path / "spool", "--interval-seconds", "0.05")
        )
        connection, _ = silent.accept()  # the agent has sent its request, and waits
        segment = tmp_path / "spool" / f"{1:020d}.seg"
        size = segment.stat().st_size
        eventually(lambda: segment.stat().st_size >= 3 * size, "it goes on to collect")
        connection.close()
        assert agent.end() == 0


def test_two_agents_on_one_port(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        agent = start("--listen", f"127.0.0.1:{port}")
        assert agent.popen.wait(PATIENCE_SECONDS) == 1
        assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in agent.said()


def test_once_prints_the_metrics(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["--once"]) == 0
    families = text_string_to_metric_families(capsysbinary.readouterr().out.decode())
    assert "node_memory_MemTotal_bytes" in {family.name for family in families}


def test_once_below_another_root(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "loadavg").write_text("0.50 1.25 2.00 3/412 9999\n")
    assert main(["--once", "--root", str(tmp_path)]) == 0
    out = capsysbinary.readouterr().out.decode()
    assert "\nnode_load1 0.5\n" in out
    assert 'node_scrape_collector_success{collector="cpu"} 0' in out


def test_once_into_a_closed_pipe_is_no_traceback() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "tidecast_collector", "--once"],
        stdout=writer,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": "collector"},
        check=False,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--listen", "9798"], "HOST:PORT"),
        (["--listen", "0.0.0.0:9798"], "off loopback.*--insecure-http"),
        (["--push", "tidecast:9797"], "push URL 'tidecast:9797'"),
        (["--push", "http://h/", "--interval-seconds", "0"], "--interval-seconds 0.0: at least"),
        (["--interval-seconds", "nan"], "--interval-seconds nan: at least"),
        (["--spool-max-bytes", "7"], "--spool-max-bytes 7: at least 1048576"),
    ],
)
def test_wrong_usage(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert re.search(said, capsys.readouterr().err)


def test_help_shows_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    help_text = capsys.readouterr().out
    assert "tidecast-agent --once" in help_text
    for option in ("--push", "--token-file", "--spool-dir", "--instance", "--root"):
        assert option in help_text


def test_pushing_in_clear_text_over_a_network_is_remarked(
    capsysbinary: pytest.CaptureFixture[bytes],
) -> None:
    assert main(["--once", "--push", "http://tidecast.example/"]) == 0
    assert b"in clear text" in capsysbinary.readouterr().err


@pytest.mark.parametrize("text", ["", "two words", "caf\xe9", "a\nb"])
def test_a_token_file_that_holds_no_token(tmp_path: Path, text: str) -> None:
    (tmp_path / "token").write_text(text, encoding="latin-1")
    with pytest.raises(TokenUnavailable, match="token file"):
        read_token(tmp_path / "token")
    with pytest.raises(TokenUnavailable, match="No such file"):
        read_token(tmp_path / "none")


def test_where_the_spool_lies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert default_spool_dir() == Path("/var/lib/tidecast-agent")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert default_spool_dir() == tmp_path / "tidecast-agent"
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_spool_dir() == tmp_path / ".local" / "state" / "tidecast-agent"


def test_nothing_heavy_is_imported() -> None:
    heavy = "psutil asyncio http urllib.request ssl json logging dataclasses click subprocess"
    code = (
        "import sys; import tidecast_collector.__main__; "
        f"print([name for name in {heavy.split()!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": "collector"},
        check=True,
    )
    assert done.stdout == "[]\n"
