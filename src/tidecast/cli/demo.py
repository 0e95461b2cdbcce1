"""`tidecast demo`: a generated fleet in a server of its own, to try everything on."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Protocol

import click
import numpy as np

from tidecast.cli.client import TidecastServer, explain_errors
from tidecast.cli.send_history import USAGE_PATH
from tidecast.http_client import HttpError, Refused, Unreachable, read_token
from tidecast.journeys.demo_curves import DAY_MS, HOUR_MS, MINUTE_MS
from tidecast.journeys.demo_feed import DemoFeed
from tidecast.journeys.demo_fleet import DemoFleet
from tidecast.journeys.demo_services import DemoTraffic, observations, policy_files
from tidecast.journeys.imports.usage import usage_requests
from tidecast.samples.batch import Int64s, SampleBatch
from tidecast.samples.write_requests import WRITE_HEADERS, write_requests

SOURCE = "demo"
POLICY_PATH, OBSERVATIONS_PATH = "/api/tidecast/v1/policy", "/api/tidecast/v1/observations"
RAW_HOURS = 6
TRAFFIC_DAYS = 31
"""The requests of so many days are there: a little more than the window of the demo's SLOs."""
CYCLE_SECONDS = 15
READY_WITHIN_SECONDS = 30.0
STOP_WITHIN_SECONDS = 15.0


class ServerNotStarted(HttpError):
    """The demo's own server ended or did not become ready; the message shows its last words."""


class Feed(Protocol):
    """Samples that follow one another, up to `last_ms` so far."""

    last_ms: int

    def advance(self, times_ms: Int64s) -> SampleBatch:
        """Those at these later times."""


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


@click.command(name="demo")
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=9797,
    show_default=True,
    help="Where the demo's server answers, on loopback.",
)
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where the demo's server keeps its data.  [default: a directory removed at the end]",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Another seed, other values.")
@click.option("--server", "server_url", metavar="URL", help="Feed this server; start none.")
@click.option(
    "--token-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A file with the bearer token for --server (or the token in TIDECAST_TOKEN).",
)
@explain_errors
def demo(
    port: int, data_dir: Path | None, seed: int, server_url: str | None, token_file: Path | None
) -> None:
    """Try everything on a generated fleet: twelve hosts of a shop, thirteen months of history.

    Nothing of it was ever measured, and every page says so. The shop has services with an SLA and
    SLOs. A disk fills up while you watch and is cleaned up again, and a host falls silent and
    returns. Ends with Ctrl-C.

    \b
    Examples:
      tidecast demo
      tidecast demo --port 9800 --data-dir /tmp/shop
    """
    if server_url is not None and data_dir is not None:
        raise click.UsageError("--data-dir belongs to a server of the demo's own; drop --server")
    with ExitStack() as stack:
        stack.enter_context(interrupted_by_sigterm())
        url = server_url or f"http://127.0.0.1:{port}"
        if server_url is None:
            kept = data_dir or stack.enter_context(_temporary_directory())
            stack.enter_context(own_server(port, kept))
            token = None
        else:
            token = read_token(token_file, "TIDECAST_TOKEN")
        server = stack.enter_context(TidecastServer(url, token))
        try:
            feeds = feed_history(server, seed, _now_ms())
            click.echo(_tour(server.url))
            feed_live(server, feeds)
        except KeyboardInterrupt:
            click.echo("\nThe demo ends.")


def feed_history(server: TidecastServer, seed: int, now_ms: int) -> Sequence[Feed]:
    """Sends thirteen months of records, the services and the raw samples; returns what follows."""
    server.put_json("/api/tidecast/v1/settings/generated", {"value": True})
    fleet = DemoFleet(now_ms, seed)
    feeds: list[Feed] = [
        DemoTraffic(now_ms, seed, now_ms - TRAFFIC_DAYS * DAY_MS),
        DemoFeed(fleet, now_ms - RAW_HOURS * HOUR_MS),
    ]
    batches = [feed.advance(_minutes(feed.last_ms, now_ms)) for feed in feeds]
    requests = list(usage_requests(SOURCE, fleet.history()))
    with click.progressbar(requests, label="generating 13 months of history") as bar:
        for request in bar:
            server.post_json(USAGE_PATH, request.body)
    for batch in batches:
        _write(server, batch)
    _promise(server, now_ms)
    return feeds


def _promise(server: TidecastServer, now_ms: int) -> None:
    """Puts the shop's policy in force, unless there is one, and tells of outages in the past."""
    if server.get_json(POLICY_PATH)["version"] is None:
        comment = "what the generated shop delivers"
        server.put_json(POLICY_PATH, {"files": policy_files(), "by": SOURCE, "comment": comment})
    else:
        click.echo("A policy is in force here: it stays, and the demo's services are not shown.")
    server.post_json(OBSERVATIONS_PATH, {"observations": observations(now_ms)})


def _write(server: TidecastServer, batch: SampleBatch) -> None:
    for body in write_requests(batch):
        server.request("POST", "/api/v1/write", body, WRITE_HEADERS)


def _minutes(start_ms: int, end_ms: int) -> Int64s:
    return np.arange(end_ms, start_ms, -MINUTE_MS, dtype=np.int64)[::-1]


def feed_live(
    server: TidecastServer,
    feeds: Sequence[Feed],
    wait: Callable[[float], None] = time.sleep,
    clock_ms: Callable[[], int] = _now_ms,
) -> None:
    """Sends a cycle every fifteen seconds, until it is interrupted."""
    while True:
        wait(CYCLE_SECONDS)
        now_ms = clock_ms()
        for feed in feeds:
            # A clock that was set back is waited for: samples only ever follow one another.
            if now_ms > feed.last_ms:
                _write(server, feed.advance(np.array([now_ms], dtype=np.int64)))


def _tour(url: str) -> str:
    return f"""
All of this data is generated: a fictitious shop with twelve hosts, none of them real.

  open   {url}

  What runs out first   db-1 /srv/postgresql grows steadily; web-3 /var fills in spite of its log
                        rotation; app-1 and app-2 stepped up after a release 74 days ago; app-3
                        is nine days old
  Incidents             within two minutes batch-1 /scratch fills up: an incident opens, and
                        after eight minutes it is cleaned up and resolves by itself;
                        from minute 3 to 13 queue-1 is silent, then returns (each hour again)
  Services and SLOs     the shop rests on its hosts and on a bank's line that failed now and then;
                        an SLA with credits, and two error budgets

Ctrl-C ends the demo.
"""


@contextmanager
def interrupted_by_sigterm() -> Iterator[None]:
    """SIGTERM ends the demo as Ctrl-C does, so that its server never stays behind."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _temporary_directory() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="tidecast-demo-"))
    click.echo(f"The demo keeps its data in {path}, which is removed at the end.")
    try:
        yield path
    finally:
        shutil.rmtree(path)
        click.echo(f"Removed {path}.")


@contextmanager
def own_server(port: int, data_dir: Path) -> Iterator[None]:
    """A server on that port of loopback, ready when this is entered and stopped at the end."""
    _check_free(port)
    data_dir.mkdir(parents=True, exist_ok=True)
    log = data_dir / "demo-server.log"
    listen = f"127.0.0.1:{port}"
    command = [sys.executable, "-m", "tidecast", "server"]
    command += ["--listen", listen, "--data-dir", str(data_dir)]
    with log.open("wb") as output:
        # A session of its own: Ctrl-C reaches the demo alone, which then stops the server.
        process = subprocess.Popen(  # noqa: S603 - our own program, without a shell
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_until_ready(process, f"http://{listen}", log)
        yield
    finally:
        _stop(process)


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise ServerNotStarted(
                f"port {port} of 127.0.0.1 is not free ({error.strerror}): give another by --port"
            ) from error


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN_SECONDS
    with TidecastServer(url, timeout_seconds=5) as server:
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise ServerNotStarted(
                    f"the demo's server ended with {process.returncode}:\n{_last_words(log)}"
                )
            try:
                server.request("GET", "/-/ready")
            except (Unreachable, Refused):
                time.sleep(0.05)
            else:
                return
    raise ServerNotStarted(
        f"the demo's server was not ready within {READY_WITHIN_SECONDS:g} s:\n{_last_words(log)}"
    )


def _last_words(log: Path) -> str:
    return log.read_text("utf-8", "replace")[-2000:].strip()


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_WITHIN_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
