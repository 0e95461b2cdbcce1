"""The agent, a server that is away and a wrong token: nothing is lost, all is in order."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from tests.scenario.driver import (
    Process,
    Server,
    eventually,
    free_port,
    now_ms,
    run_command,
    start,
)

pytestmark = pytest.mark.scenario

CYCLE_SECONDS = 0.05
AWAY_CYCLES = 360
"""One hour of the default ten-second cycle, at 200 times its pace."""


def start_agent(tmp_path: Path, server: Server, *options: str) -> Process:
    return start(
        tmp_path / "agent.log",
        "tidecast_collector",
        f"--listen=127.0.0.1:{free_port()}",
        f"--push={server.url}/api/v1/write",
        f"--spool-dir={tmp_path / 'spool'}",
        f"--interval-seconds={CYCLE_SECONDS}",
        "--instance=web-1",
        *options,
    )


def cycle_times(server: Server, metric: str = "node_time_seconds") -> list[float]:
    """What the agent's cycles measured, as the server has it."""
    (found,) = server.query(f'{metric}{{instance="web-1"}}[2h]') or [{"values": []}]
    return [float(value) for _, value in found["values"]]


def arrived(server: Server) -> list[int]:
    """The numbers that the agent has given to the cycles which the server has."""
    return [int(number) for number in cycle_times(server, "tidecast_agent_cycles_total")]


def test_an_hour_away_is_delivered_once_and_in_order(tmp_path: Path) -> None:
    with Server(tmp_path) as server:
        agent = start_agent(tmp_path, server)
        try:
            eventually(lambda: len(arrived(server)) > 5, "the first cycles arrived")
            server.kill()
            gone_ms = now_ms()
            time.sleep(AWAY_CYCLES * CYCLE_SECONDS)
            back_ms = now_ms()
            server.start()
            eventually(
                lambda: (cycle_times(server) or [0])[-1] > back_ms / 1000, "it has caught up"
            )
        finally:
            agent.stop()
        times = cycle_times(server)
        assert times == sorted(times) and len(times) == len(set(times))
        away = [t for t in times if gone_ms / 1000 < t < back_ms / 1000]
        assert len(away) > AWAY_CYCLES / 10  # a busy machine skips cycles
        numbers = arrived(server)
        assert numbers == list(range(1, len(numbers) + 1)), "each that was begun, and once"


def test_without_a_token_it_is_refused_says_why_and_loses_nothing(tmp_path: Path) -> None:
    tokens, mine = tmp_path / "tokens", tmp_path / "agent.token"
    ingest = run_command("token", "create", "web-1", "--scope=ingest", f"--token-file={tokens}")
    read = run_command("token", "create", "eyes", "--scope=read", f"--token-file={tokens}").strip()
    mine.write_text("tide_this-is-not-it\n")
    options = ("--require-auth", f"--token-file={tokens}")
    with Server(tmp_path, *options, token=read) as server:
        agent = start_agent(tmp_path, server, f"--token-file={mine}")
        try:
            eventually(lambda: "401" in agent.output(), "it says that it was refused")
            assert "the token is not known here" in agent.output()
            assert "tide_this" not in agent.output()
            refused_ms = now_ms()
            assert not cycle_times(server)
            mine.write_text(ingest)
            eventually(lambda: (cycle_times(server) or [0])[-1] > refused_ms / 1000, "it is let in")
        finally:
            agent.stop()
        assert cycle_times(server)[0] < refused_ms / 1000  # also what was collected before


def test_scopes_hold(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    ingest = run_command("token", "create", "a", "--scope=ingest", f"--token-file={tokens}").strip()
    with Server(tmp_path, "--require-auth", f"--token-file={tokens}", token=ingest) as server:
        assert server.request("GET", "/api/v1/labels")[0] == 403
        assert server.request("GET", "/")[0] == 403
        assert server.request("GET", "/-/healthy")[0] == 200
        path = "/api/tidecast/v1/incidents/1/resolve"
        assert server.request("POST", path, b'{"by": "me"}')[0] == 403
        bare = {"Authorization": ""}
        status, why = server.request("GET", "/api/v1/labels", headers=bare)
        assert status == 401 and b"Bearer" in why
