"""`tidecast up`: one command for everything, and nothing left behind when it ends."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from tests.scenario.driver import PATIENCE_SECONDS, Process, Server, eventually, free_port, start

HOST = socket.gethostname()


class Up(Server):
    """`tidecast up` with the means to ask the server that it started."""

    def start(self) -> None:
        self.agent_port = free_port()
        self.process: Process = start(
            self.directory / "up.log",
            "tidecast",
            "up",
            f"--data-dir={self.directory / 'data'}",
            f"--listen=127.0.0.1:{self.port}",
            f"--agent-listen=127.0.0.1:{self.agent_port}",
            "--interval-seconds=1",
        )
        eventually(self._ready, "the server is ready")

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.popen.pid).children(recursive=True)

    def agents(self) -> list[int]:
        """The agents among them, by their ids."""
        found = []
        for child in self.children():
            with suppress(psutil.Error):  # a worker may just have ended
                found += [child.pid] if "tidecast_collector" in child.cmdline() else []
        return found


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    with Up(tmp_path) as running:
        yield running


def all_gone(children: list[psutil.Process]) -> bool:
    def lives(child: psutil.Process) -> bool:
        try:
            return child.is_running() and child.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    return not any(lives(child) for child in children)


def test_the_page_shows_this_machine_and_a_signal_ends_all(up: Up) -> None:
    eventually(lambda: HOST.encode() in up.get("/"), "this machine is on the page")

    def with_usage() -> set[str]:
        shown = up.json("/api/tidecast/v1/capacity")["resources"]
        assert {each["host"] for each in shown} == {HOST}
        return {each["resource"] for each in shown if each["usage"] is not None}

    eventually(lambda: {"memory", "filesystem", "cpu"} <= with_usage(), "with its resources")
    eventually(lambda: up.query("node_time_seconds"))
    assert f"open   {up.url}" in up.process.output()
    eventually(lambda: f" on {HOST} has too little history yet" in up.process.output())
    children = up.children()
    assert len(children) >= 2
    up.process.stop()
    assert up.process.popen.returncode == 0
    eventually(lambda: all_gone(children), "they end by themselves")
    assert "Traceback" not in up.process.output()


def test_killed_it_takes_its_children_along(up: Up) -> None:
    eventually(up.agents, "server and agent run")
    children = up.children()
    up.process.kill()
    eventually(lambda: all_gone(children), "they end by themselves")


def test_when_one_ends_the_other_does_not_go_on_alone(up: Up) -> None:
    eventually(up.agents, "server and agent run")
    children = up.children()
    (agent,) = up.agents()
    os.kill(agent, signal.SIGKILL)
    assert up.process.popen.wait(PATIENCE_SECONDS) == 1
    assert "the agent ended" in up.process.output()
    eventually(lambda: all_gone(children), "they end by themselves")
