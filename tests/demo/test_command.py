"""`tidecast demo` from outside, against a fake server and against a server of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.scenario.driver import PATIENCE_SECONDS, free_port

from tidecast.cli import demo as demo_module
from tidecast.cli.client import TidecastServer
from tidecast.cli.demo import ServerNotStarted, demo, feed_history, feed_live, own_server
from tidecast.journeys.demo_feed import DemoFeed
from tidecast.journeys.demo_fleet import DemoFleet
from tidecast.policy.reading import read_policy

NOW_MS = 1_764_000_123_456


def test_history_and_the_last_hours_arrive_labelled_as_generated(server):
    with TidecastServer(server.url) as client:
        feeds = feed_history(client, seed=1, now_ms=NOW_MS)
    assert server.settings == {"generated": True}
    assert server.requests[0][:2] == ("PUT", "/api/tidecast/v1/settings/generated")
    assert {source for source, *_ in server.usage} == {"demo"}
    assert len(server.usage["demo", "web-3", "filesystem", "/var"]) == 396 * 24 + 1
    assert [feed.last_ms for feed in feeds] == [NOW_MS] * 2
    idle = next(
        samples
        for labels, samples in server.samples.items()
        if dict(labels).get("mode") == "idle" and dict(labels)["instance"] == "web-1"
    )
    assert len(idle) == 6 * 60
    assert all("generated" not in dict(labels) for labels in server.samples)
    assert max(size for _, _, size in server.requests) < 8 << 20


def test_the_shop_has_a_policy_and_outages_unless_another_policy_is_in_force(server):
    with TidecastServer(server.url) as client:
        feed_history(client, seed=1, now_ms=NOW_MS)
    assert read_policy(server.policy).services.keys() >= {"shop", "orders", "database"}
    assert {one["state"] for one in server.observations} == {"up", "down"}
    server.policy = {"own.yaml": "services: {}"}
    with TidecastServer(server.url) as client:
        feed_history(client, seed=1, now_ms=NOW_MS)
    assert server.policy == {"own.yaml": "services: {}"}


def test_the_command_says_that_all_is_generated_and_ends_by_an_interrupt(server, monkeypatch):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(demo_module, "feed_live", interrupted)
    result = CliRunner().invoke(demo, ["--server", server.url])
    assert result.exit_code == 0, result.output
    assert "All of this data is generated" in result.output
    assert f"open   {server.url}" in result.output
    assert result.output.endswith("The demo ends.\n")


def test_live_cycles_follow_until_interrupted(server):
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) > 3:
            raise KeyboardInterrupt

    feed = DemoFeed(DemoFleet(NOW_MS), NOW_MS)
    times = iter([NOW_MS + 15_000, NOW_MS + 10_000, NOW_MS + 30_000])
    with TidecastServer(server.url) as client, pytest.raises(KeyboardInterrupt):
        feed_live(client, [feed], wait, lambda: next(times))
    assert waits == [15] * 4
    # The clock that was set back brought no samples.
    sent = {time_ms for samples in server.samples.values() for time_ms in samples}
    assert sent == {NOW_MS + 15_000, NOW_MS + 30_000}


def test_a_taken_port_is_told(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ServerNotStarted, match=f"port {port} .* give another by --port"):
            own_server(port, tmp_path).__enter__()


SERVER = """
import http.server, sys
if sys.argv[1:2] != ["server"]:
    raise SystemExit("unknown command")
host, _, port = sys.argv[sys.argv.index("--listen") + 1].rpartition(":")
if FAILS:
    raise SystemExit("cannot open the store: a reason")
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "0"); self.end_headers()
http.server.HTTPServer((host, int(port)), Handler).serve_forever()
"""


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """Makes `python -m tidecast` a small server, as the real one lives in another room."""

    def install(fails: bool) -> int:
        package = tmp_path / "stand-in" / "tidecast"
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        (package / "__main__.py").write_text(SERVER.replace("FAILS", str(fails)))
        monkeypatch.setenv("PYTHONPATH", str(package.parent))
        return free_port()

    return install


def test_its_own_server_is_ready_and_stopped_at_the_end(stand_in, tmp_path):
    port = stand_in(fails=False)
    with own_server(port, tmp_path / "data"):
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS).close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS)


def test_a_server_that_does_not_start_says_why(stand_in, tmp_path):
    with (
        pytest.raises(ServerNotStarted, match="ended with 1:\ncannot open the store: a reason"),
        own_server(stand_in(fails=True), tmp_path / "data"),
    ):
        pytest.fail("must not be entered")


def test_a_demo_that_fails_leaves_neither_server_nor_directory(stand_in, tmp_path):
    # The stand-in refuses PUT, so that the demo ends by an error after its server was ready.
    port = stand_in(fails=False)
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    source = "from tidecast.cli.demo import demo; demo()"
    paths = [str(Path(demo_module.__file__).parents[2])]
    root = Path(__file__).parents[2]
    paths += [str(root / each) for each in ("collector", "analytics", "alerts", "reports")]
    code = (
        f"import sys; sys.path[:0] = {paths!r}; sys.argv = ['demo', '--port', '{port}']; {source}"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 1
    assert "answered 501" in done.stderr
    assert "which is removed at the end" in done.stdout
    assert not list(tmp_path.glob("tidecast-demo-*"))
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS)


def test_sigterm_is_an_interrupt_while_the_demo_runs():
    with pytest.raises(KeyboardInterrupt), demo_module.interrupted_by_sigterm():
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(PATIENCE_SECONDS)


def test_a_server_of_its_own_and_another_exclude_each_other():
    result = CliRunner().invoke(demo, ["--server", "http://127.0.0.1:1", "--data-dir", "x"])
    assert result.exit_code == 2
