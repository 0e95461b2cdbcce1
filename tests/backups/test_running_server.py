"""Backups of a server that runs, from outside."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.scenario.driver import Server, eventually, now_ms, run_command, series

pytestmark = pytest.mark.scenario


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path / "first") as server:
        yield server


class Writing:
    """Writes one sample after the other; `acknowledged` are those that were answered with 204."""

    def __init__(self, server: Server) -> None:
        self.acknowledged: list[int] = []
        self._server, self._stop = server, threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Writing:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        at = now_ms() - 100_000
        while not self._stop.is_set():
            self._server.write((series("counted"), [(at, float(at))]))
            self.acknowledged.append(at)
            at += 1  # slower than time passes: nothing is written ahead of it


def test_a_backup_while_writing_is_restored_and_served(server: Server, tmp_path: Path) -> None:
    url = f"--server={server.url}"
    with Writing(server) as writing:
        eventually(lambda: len(writing.acknowledged) >= 20)
        before = list(writing.acknowledged)
        said = run_command("backup", str(tmp_path / "b.tar"), url)
        assert "saved" in said and "b.tar" in said
        second = list(writing.acknowledged)
        run_command("backup", str(tmp_path / "b"), url)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b", "b.tar", "first"]
    assert server.json("/api/tidecast/v1/backups") == {"backups": []}

    for name, acknowledged in (("b.tar", before), ("b", second)):
        new = tmp_path / f"new-{name}"
        run_command("restore", str(tmp_path / name), f"--data-dir={new / 'data'}")
        with Server(new) as restored:
            (found,) = restored.query("counted[1h]")
            times = {round(at * 1000) for at, _ in found["values"]}
            assert set(acknowledged) <= times


def test_backups_beside_the_data(server: Server, tmp_path: Path) -> None:
    server.write((series("counted"), [(now_ms(), 1.0)]))
    path = "/api/tidecast/v1/backups"
    status, body = server.request("POST", path, b'{"name":"monday"}')
    made = json.loads(body)
    assert (status, made["name"], made["left_out"], made["damage"]) == (200, "monday", [], [])
    assert Path(made["path"]) == server.directory / "data" / "backups" / "monday"
    assert server.json(path) == {"backups": [made]}
    assert server.request("POST", path, b'{"name":"monday"}')[0] == 409
    for name in (b'"../x"', b'"a/b"', b'""', b"7"):
        assert server.request("POST", path, b'{"name":%b}' % name)[0] == 400
    assert server.request("GET", f"{path}/none")[0] == 404
    said = run_command("backup", f"--server={server.url}")
    assert "data/backups/2" in said
    assert server.request("DELETE", f"{path}/monday")[0] == 204
    assert [each["name"][:2] for each in server.json(path)["backups"]] == ["20"]


def test_the_stores_health_is_on_metrics(server: Server) -> None:
    server.write((series("counted"), [(now_ms(), 1.0)]))
    lines = server.get("/metrics").decode().splitlines()
    assert 'tidecast_samples_head_series{store="raw"} 1.0' in lines
    assert 'tidecast_samples_head_samples{store="raw"} 1.0' in lines
    assert 'tidecast_samples_segment_bytes{store="raw"} 0.0' in lines
    assert 'tidecast_samples_problems{store="own"} 0.0' in lines
    assert any(line.startswith('tidecast_samples_segments{store="own"}') for line in lines)
