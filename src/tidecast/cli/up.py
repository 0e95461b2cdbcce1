"""`tidecast up`: server and agent on this machine, started and stopped together."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType
from urllib.parse import urlsplit

import click

from tidecast.cli.client import TidecastServer
from tidecast.cli.server import server
from tidecast.cli.server_options import invocation, settings_options
from tidecast.config import Address, ServerSettings, is_loopback
from tidecast.http_client import HttpError
from tidecast.policy.tokens import Scope, TokenFile, create_token, remove_token
from tidecast_collector.errors import TidecastError

READY_SECONDS = 60
ANSWER_SECONDS = 120
PR_SET_PDEATHSIG = 1
OWN_TOKEN = "this-machines-agent"  # noqa: S105 - its name


class ChildEnded(TidecastError):
    """One of the processes ended by itself."""


@click.command()
@click.option(
    "--agent-listen",
    default="127.0.0.1:9798",
    show_default=True,
    metavar="HOST:PORT",
    help="Where the agent shows /metrics.",
)
@click.option(
    "--interval-seconds",
    type=click.IntRange(1, 3600),
    default=10,
    show_default=True,
    help="How often the agent collects.",
)
@settings_options
def up(settings: ServerSettings, agent_listen: str, interval_seconds: int) -> None:
    """Run everything on this machine: server, worker, agent and pages, with one command.

    Ctrl-C stops all of them. Nothing leaves the machine and no account is needed.

    \b
    Examples:
      tidecast up
      tidecast up --listen 127.0.0.1:8080 --data-dir /srv/tidecast
    """  # fmt: skip
    children = Children()
    signal.signal(signal.SIGTERM, _as_interrupt)
    # Before the token file is touched for this machine's agent.
    settings.check_access(is_loopback(settings.listen.host))
    first_run = not settings.data_dir.exists()
    environment = _agent_environment(settings)
    try:
        again = invocation(server, settings)
        children.start("server", ["tidecast", "server", *again.arguments], **again.environment)
        _wait_ready(settings, children)
        agent = _agent_arguments(settings, agent_listen, interval_seconds)
        children.start("agent", ["tidecast_collector", *agent], **environment)
        click.echo(f"  open   {_local_url(settings)}")
        if first_run:
            _import_sysstat(settings, environment)
        if not settings.token_file:
            _tell_first_answer(settings, children)
        children.wait()
    except KeyboardInterrupt:
        click.echo("\nstopping")
    finally:
        children.stop()


class Children:
    """The processes that live and end together."""

    def __init__(self) -> None:
        self._running: list[tuple[str, subprocess.Popen[bytes]]] = []

    def start(self, name: str, command: Sequence[str], **environment: str) -> None:
        """Starts `python -m COMMAND` such that it ends with us even if we are killed."""
        process = subprocess.Popen(  # noqa: S603 - our own modules
            [sys.executable, "-m", *command],
            env={**os.environ, **environment},
            preexec_fn=_end_with_parent,  # noqa: PLW1509 - this process has one thread
            start_new_session=True,
        )
        self._running.append((name, process))

    def check(self) -> None:
        """Raises `ChildEnded` if one of them is gone."""
        for name, process in self._running:
            if process.poll() is not None:
                raise ChildEnded(f"the {name} ended with status {process.returncode}; see above")

    def wait(self) -> None:
        """Returns never; raises `ChildEnded` when one of them ends."""
        while True:
            self.check()
            time.sleep(0.5)

    def stop(self) -> None:
        """Asks each to end, the last started first, and kills what does not."""
        for _, process in reversed(self._running):
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _end_with_parent() -> None:
    """Linux: the child gets SIGTERM when its parent dies, however that happens."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _as_interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _wait_ready(settings: ServerSettings, children: Children) -> None:
    """Returns when the server's socket answers; raises `ChildEnded` or `TidecastError`."""
    url = urlsplit(_local_url(settings))
    for _ in range(READY_SECONDS * 10):
        children.check()
        with suppress(OSError), socket.create_connection((url.hostname, url.port), 1):
            return
        time.sleep(0.1)
    raise TidecastError(f"the server was not ready within {READY_SECONDS} seconds")


def _import_sysstat(settings: ServerSettings, environment: dict[str, str]) -> None:
    """Brings in what sysstat has kept, once; without it the tide is watched from now on."""
    from tidecast.cli.import_sar import find_sysstat_history

    found = find_sysstat_history()
    if not found:
        click.echo("  no history of sysstat was found: the forecasts begin with what comes in now")
        return
    click.echo(f"  found  sysstat history in {found[0].parent}")
    command = ["import", "sar", str(found[0].parent), f"--server={_local_url(settings)}"]
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "tidecast", *command],
        env={**os.environ, **environment},
        check=False,
    )
    if done.returncode:
        click.echo("  the history could not be imported; try `tidecast import sar` again", err=True)


def _tell_first_answer(settings: ServerSettings, children: Children) -> None:
    """Prints what runs out first, once the server has an answer for the newest samples."""
    # The pages tell it too: should it not be had here, that is no reason to stop everything.
    with suppress(HttpError), TidecastServer(_local_url(settings)) as asked:
        for _ in range(ANSWER_SECONDS):
            children.check()
            time.sleep(1)
            busy = asked.get_json("/api/tidecast/v1/status")["forecasts_due"]
            ranked = asked.get_json("/api/tidecast/v1/capacity")["resources"]
            if ranked and not busy:
                click.echo(f"  first  {ranked[0]['sentence']}")
                return


def _agent_environment(settings: ServerSettings) -> dict[str, str]:
    """The token by which this machine's agent may push, where the server asks for one."""
    environment = {}
    if settings.token_file:
        if any(token.name == OWN_TOKEN for token in TokenFile.load(settings.token_file).tokens):
            remove_token(settings.token_file, OWN_TOKEN)
        token = create_token(settings.token_file, OWN_TOKEN, [Scope.INGEST])
        environment["TIDECAST_TOKEN"] = token
    if settings.tls_cert_file:
        environment["SSL_CERT_FILE"] = str(settings.tls_cert_file)
    return environment


def _agent_arguments(settings: ServerSettings, listen: str, interval_seconds: int) -> list[str]:
    return [
        f"--listen={listen}",
        f"--push={_local_url(settings)}/api/v1/write",
        f"--spool-dir={settings.data_dir / 'agent-spool'}",
        f"--interval-seconds={interval_seconds}",
    ]


def _local_url(settings: ServerSettings) -> str:
    host = settings.listen.host
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared
    return f"{settings.scheme}://{Address(reachable, settings.listen.port)}"
