"""A second host: the lean agent, built from `collector/` alone, in an environment of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.scenario.driver import PATIENCE_SECONDS, ROOT, Server, eventually, free_port, run_command

pytestmark = pytest.mark.scenario


@pytest.fixture(scope="module")
def lean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin directory of an environment into which only the lean agent was installed."""
    folder = tmp_path_factory.mktemp("lean")
    clean = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT / "collector", env=clean, check=True, capture_output=True)
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    pip = [folder / "venv" / "bin" / "python", "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, *folder.glob("*.whl")], env=clean, check=True)
    return folder / "venv" / "bin"


def test_it_brings_psutil_and_nothing_else(lean: Path) -> None:
    listed = subprocess.run(
        [lean / "python", "-m", "pip", "list", "--format=freeze"],
        capture_output=True,
        text=True,
        check=True,
    )
    names = {line.partition("==")[0] for line in listed.stdout.split()}
    assert names - {"pip", "setuptools", "wheel"} == {"tidecast-agent", "psutil"}


def test_it_pushes_with_a_token_to_a_server_that_asks_for_one(lean: Path, tmp_path: Path) -> None:
    tokens, mine = tmp_path / "tokens", tmp_path / "web-2.token"
    read = run_command("token", "create", "eyes", "--scope=read", f"--token-file={tokens}").strip()
    mine.write_text(
        run_command("token", "create", "web-2", "--scope=ingest", f"--token-file={tokens}")
    )
    options = ("--require-auth", f"--token-file={tokens}")
    with Server(tmp_path, *options, token=read) as server:
        agent = subprocess.Popen(
            [
                lean / "tidecast-agent",
                f"--listen=127.0.0.1:{free_port()}",
                f"--push={server.url}/api/v1/write",
                f"--token-file={mine}",
                f"--spool-dir={tmp_path / 'spool'}",
                "--instance=web-2",
                "--interval-seconds=1",
            ],
            stderr=subprocess.DEVNULL,
        )
        try:
            found = eventually(lambda: server.query('node_filesystem_avail_bytes{job="node"}'))
            assert {each["metric"]["instance"] for each in found} == {"web-2"}
            hosts = server.json("/api/tidecast/v1/hosts")["hosts"]
            assert [each["host"] for each in hosts] == ["web-2"]
            assert run_command(
                "capacity", "list", "--host=web-2", f"--server={server.url}", token=read
            ).count("web-2")
        finally:
            agent.terminate()
            assert agent.wait(PATIENCE_SECONDS) == 0
