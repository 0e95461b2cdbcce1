"""`tidecast up`: server and agent on this machine, started and stopped together."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from types import FrameType

import click

from tidecast.cli.server import settings_options
from tidecast.config import Address, ServerSettings
from tidecast_collector.errors import TidecastError

READY_SECONDS = 60
PR_SET_PDEATHSIG = 1


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
    try:
        children.start("server", ["tidecast", "server", *_server_arguments(settings)])
        _wait_ready(settings, children)
        _import_sysstat(settings)
        children.start("agent", _agent_command(settings, agent_listen, interval_seconds))
        click.echo(f"  open   {_local_url(settings)}\n")
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
            preexec_fn=_end_with_parent,
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


def _local_url(settings: ServerSettings) -> str:
    host = settings.listen.host
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared
    return f"{settings.scheme}://{Address(reachable, settings.listen.port)}"


def _server_arguments(settings: ServerSettings) -> list[str]:
    """The command line that gives the server these settings again."""
    paths = {
        "--token-file": settings.token_file,
        "--tls-cert-file": settings.tls_cert_file,
        "--tls-key-file": settings.tls_key_file,
        "--resources-file": settings.resources_file,
    }
    flags = {"--require-auth": settings.require_auth, "--insecure-http": settings.insecure_http}
    return [
        f"--data-dir={settings.data_dir}",
        f"--listen={settings.listen}",
        f"--retention={settings.retention_ms}ms",
        f"--out-of-order-window={settings.out_of_order_window_ms}ms",
        f"--external-url={settings.external_url}",
        *(f"{option}={path}" for option, path in paths.items() if path),
        *(option for option, given in flags.items() if given),
        *(f"--rules-file={path}" for path in settings.rules_files),
        *(f"--webhook-url={url}" for url in settings.webhook_urls),
    ]
