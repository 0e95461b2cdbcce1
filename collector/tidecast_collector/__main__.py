"""The command `tidecast-agent`."""

from __future__ import annotations

import argparse
import math
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from tidecast_collector import __version__
from tidecast_collector.agent import (
    Agent,
    Settings,
    check_token,
    default_spool_dir,
    read_token,
)
from tidecast_collector.errors import InvalidInput, TidecastError
from tidecast_collector.listen import parse_address
from tidecast_collector.log import log
from tidecast_collector.push import Target, parse_url
from tidecast_collector.sources.reading import Root

_EXAMPLES = """examples:
  tidecast-agent
      serve node_exporter's metrics on http://127.0.0.1:9798/metrics
  tidecast-agent --push https://tidecast.example:9797/api/v1/write --token-file /etc/tidecast/token
      also push them every 10 s; what cannot be sent waits on disk
  tidecast-agent --listen 0.0.0.0:9798 --insecure-http
      let a Prometheus on another machine scrape them
  tidecast-agent --once
      print them and end
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the agent; 0 when it was stopped, 1 when it failed, 2 when it was asked wrongly."""
    parser = argument_parser()
    arguments = parser.parse_args(argv)
    try:
        settings = _settings(arguments)
    except InvalidInput as error:
        return _complain(error, 2)
    try:
        if arguments.once:
            agent = Agent(settings._replace(target=None))
            sys.stdout.buffer.write(agent.exposition())
            sys.stdout.flush()
            return 0
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        Agent(settings).run(stop)
    except BrokenPipeError:
        # the reader of --once has seen enough; nothing more may be written at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except TidecastError as error:
        return _complain(error, 1)
    return 0


def _complain(error: TidecastError, code: int) -> int:
    log(str(error))
    return code


def argument_parser() -> argparse.ArgumentParser:
    """What the command line takes."""
    parser = argparse.ArgumentParser(
        prog="tidecast-agent",
        description="node_exporter's metrics of this host: served, and pushed by remote-write.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--listen", metavar="HOST:PORT", default="127.0.0.1:9798", help="default: %(default)s")
    add("--insecure-http", action="store_true", help="allow --listen off loopback, in clear text")
    add("--push", metavar="URL", help="push to this remote-write receiver (default: no push)")
    add(
        "--token-file",
        metavar="FILE",
        type=Path,
        help="bearer token for --push, read again for each try (or set TIDECAST_TOKEN)",
    )
    add(
        "--spool-dir",
        metavar="DIR",
        type=Path,
        help="what is not yet sent (default: /var/lib/tidecast-agent, or below ~/.local/state)",
    )
    add(
        "--spool-max-bytes",
        metavar="BYTES",
        type=int,
        default=256 << 20,
        help="drop the oldest beyond this (default: %(default)s)",
    )
    add(
        "--interval-seconds",
        metavar="SECONDS",
        type=float,
        default=10.0,
        help="time from one push to the next (default: 10)",
    )
    add("--instance", metavar="NAME", help="label `instance` of what is pushed (default: hostname)")
    add(
        "--root",
        metavar="PATH",
        default="/",
        help="where the host's file system is mounted, in a container (default: /)",
    )
    add("--once", action="store_true", help="print the metrics and end")
    add("--version", action="version", version=f"tidecast-agent {__version__}")
    return parser


def _settings(arguments: argparse.Namespace) -> Settings:
    """What the arguments ask for; raises `InvalidInput`."""
    listen = parse_address(arguments.listen)
    if not listen.is_loopback and not arguments.insecure_http:
        raise InvalidInput(
            f"--listen {arguments.listen} is off loopback: anyone who reaches it could read this "
            "host's metrics in clear text; say --insecure-http if that is meant"
        )
    if not (math.isfinite(arguments.interval_seconds) and arguments.interval_seconds >= 0.05):
        raise InvalidInput(f"--interval-seconds {arguments.interval_seconds}: at least 0.05")
    if arguments.spool_max_bytes < 1 << 20:
        raise InvalidInput(f"--spool-max-bytes {arguments.spool_max_bytes}: at least 1048576")
    return Settings(
        listen=listen,
        target=_target(arguments),
        token=_token(arguments.token_file),
        spool_dir=arguments.spool_dir or default_spool_dir(),
        spool_max_bytes=arguments.spool_max_bytes,
        interval_seconds=arguments.interval_seconds,
        instance=arguments.instance or socket.gethostname(),
        root=Root(arguments.root),
    )


def _target(arguments: argparse.Namespace) -> Target | None:
    if arguments.push is None:
        return None
    target = parse_url(arguments.push)
    loopback = parse_address(f"[{target.host}]:0" if ":" in target.host else f"{target.host}:0")
    if not target.tls and not loopback.is_loopback:
        log(f"{target.url}: metrics and token travel in clear text; https:// would protect them")
    return target


def _token(file: Path | None) -> Callable[[], str]:
    """What gives the token for the next request."""
    if file is not None:
        return lambda: read_token(file)
    token = os.environ.get("TIDECAST_TOKEN", "")
    if token:
        return lambda: check_token(token, "TIDECAST_TOKEN")
    return lambda: ""


if __name__ == "__main__":
    sys.exit(main())
