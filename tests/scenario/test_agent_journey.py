"""The agent, a server that is away and a wrong token: nothing is lost, all is in order."""

from __future__ import annotations

from itertools import pairwise
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


def cycle_times(server: Server) -> list[float]:
    """When the agent's cycles were, as the server has them."""
    (found,) = server.query('node_time_seconds{instance="web-1"}[2h]') or [{"values": []}]
    return [float(value) for _, value in found["values"]]


def test_an_hour_away_is_delivered_once_and_in_order(tmp_path: Path) -> None:
    with Server(tmp_path) as server:
        agent = start_agent(tmp_path, server)
        try:
            eventually(lambda: len(cycle_times(server)) > 5, 20, "the first cycles arrived")
            server.kill()
            gone_ms = now_ms()
            eventually(
                lambda: now_ms() - gone_ms > AWAY_CYCLES * CYCLE_SECONDS * 1000,
                AWAY_CYCLES * CYCLE_SECONDS + 5,
            )
            server.start()
            back_ms = now_ms()
            eventually(
                lambda: (cycle_times(server) or [0])[-1] > back_ms / 1000, 60, "it has caught up"
            )
        finally:
            agent.stop()
        eventually(lambda: len(cycle_times(server)) > AWAY_CYCLES * 0.9, 10)
        times = cycle_times(server)
        assert times == sorted(times) and len(times) == len(set(times))
        away = [t for t in times if gone_ms / 1000 < t < back_ms / 1000]
        assert len(away) > AWAY_CYCLES * 0.8  # a busy machine may skip cycles, never deliver fewer
        gaps = [b - a for a, b in pairwise(away)]
        assert max(gaps) < 20 * CYCLE_SECONDS


def test_without_a_token_it_is_refused_says_why_and_loses_nothing(tmp_path: Path) -> None:
    tokens, mine = tmp_path / "tokens", tmp_path / "agent.token"
    ingest = run_command("token", "create", "web-1", "--scope=ingest", f"--token-file={tokens}")
    read = run_command("token", "create", "eyes", "--scope=read", f"--token-file={tokens}").strip()
    mine.write_text("tide_this-is-not-it\n")
    options = ("--require-auth", f"--token-file={tokens}")
    with Server(tmp_path, *options, token=read) as server:
        agent = start_agent(tmp_path, server, f"--token-file={mine}")
        try:
            eventually(lambda: "401" in agent.output(), 20, "it says that it was refused")
            assert "the token is not known here" in agent.output()
            assert "tide_this" not in agent.output()
            refused_ms = now_ms()
            assert not cycle_times(server)
            mine.write_text(ingest)
            eventually(
                lambda: (cycle_times(server) or [0])[-1] > refused_ms / 1000, 60, "it is let in"
            )
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
