"""The agent: collects each interval, spools and pushes, and answers scrapes."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from tidecast_collector import __version__
from tidecast_collector.backlog import CycleWriter
from tidecast_collector.collect import Collector
from tidecast_collector.errors import TidecastError
from tidecast_collector.exposition import TextWriter
from tidecast_collector.listen import Address, MetricsServer
from tidecast_collector.log import ChangeLog, log
from tidecast_collector.model import GAUGE, Family, counter, gauge
from tidecast_collector.push import Poster, Target
from tidecast_collector.remote_write import Metadata
from tidecast_collector.sender import Sender, TokenUnavailable
from tidecast_collector.sources.catalog import sources_of_platform
from tidecast_collector.sources.reading import Root
from tidecast_collector.spool import Spool, SpoolUnavailable

JOB = "node"
STOP_SECONDS = 5.0
MAX_TOKEN_BYTES = 4096


class Settings(NamedTuple):
    """What the agent was asked to do."""

    listen: Address
    target: Target | None
    token: Callable[[], str]
    spool_dir: Path
    spool_max_bytes: int
    interval_seconds: float
    instance: str
    root: Root


def read_token(path: Path) -> str:
    """The token in this file; raises `TokenUnavailable`."""
    try:
        with path.open("rb") as file:
            token = file.read(MAX_TOKEN_BYTES).strip().decode("ascii")
    except OSError as error:
        raise TokenUnavailable(f"token file {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise TokenUnavailable(f"token file {path}: byte {error.start} is not ASCII") from error
    return check_token(token, f"token file {path}")


def check_token(token: str, where: str) -> str:
    """The token, if it can stand in a header; raises `TokenUnavailable` without showing it."""
    if not token or not token.isascii() or any(char <= " " or char == "\x7f" for char in token):
        raise TokenUnavailable(f"{where}: it must hold one token, without blanks")
    return token


class SenderEnded(TidecastError):
    """Nothing is sent any more: a supervisor should start the agent again."""


class Agent:
    """Everything that runs; `run` returns when `stop` is set."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        sources = dict(sources_of_platform()) | {"tidecast_agent": self._own_families}
        self._collector = Collector(sources, settings.root)
        self._text = TextWriter()
        self._metadata: Sequence[Metadata] = ()
        self._changes = ChangeLog()
        self._cycles = 0
        self._cycle_seconds = 0.0
        self._cycles_missed = 0
        self._cycles_not_kept = 0
        self._spool: Spool | None = None
        self._sender: Sender | None = None
        if settings.target is not None:
            self._spool = Spool(settings.spool_dir, settings.spool_max_bytes)
            self._sender = Sender(
                self._spool, Poster(settings.target), settings.token, lambda: self._metadata
            )

    def exposition(self) -> bytes:
        """The metrics of now, as Prometheus text."""
        return self._text.write(self._collector.collect())

    def run(self, stop: threading.Event) -> None:
        """Listens, and collects and pushes if asked to, until `stop` is set."""
        server = MetricsServer(self._settings.listen, self.exposition)
        server.thread.start()
        log(f"metrics on {server.url}")
        try:
            if self._sender is None or self._spool is None:
                stop.wait()
            else:
                self._push_until(stop, self._sender, self._spool)
        finally:
            server.stop()

    def _push_until(self, stop: threading.Event, sender: Sender, spool: Spool) -> None:
        writer = CycleWriter((("instance", self._settings.instance), ("job", JOB)))
        sender.thread.start()
        interval = self._settings.interval_seconds
        due = time.monotonic()
        while not stop.wait(max(due - time.monotonic(), 0.0)):
            if not sender.thread.is_alive():
                raise SenderEnded("the sending thread ended by an error; the spool keeps its data")
            started = time.monotonic()
            self._cycle(writer, spool)
            sender.wake()
            self._cycle_seconds = time.monotonic() - started
            # A cycle that took too long costs the ones it ran over: they never pile up.
            behind = int((time.monotonic() - due) // interval)
            self._cycles_missed += behind
            due += (behind + 1) * interval
        sender.stop(STOP_SECONDS)
        if not sender.thread.is_alive():
            spool.close()

    def _cycle(self, writer: CycleWriter, spool: Spool) -> None:
        self._cycles += 1
        families = self._collector.collect()
        self._metadata = [Metadata(family.type, family.name, family.help) for family in families]
        try:
            spool.append(writer.write(time.time_ns() // 1_000_000, families))
        except SpoolUnavailable as error:
            self._cycles_not_kept += 1
            self._changes.note("spool", str(error))
        else:
            self._changes.note("spool", "")

    def _own_families(self, root: Root) -> list[Family]:
        tags = (("pythonversion", sys.version.split()[0]), ("version", __version__))
        families = [
            Family("tidecast_agent_build_info", GAUGE, "The agent's version.", ((tags, 1.0),))
        ]
        if self._sender is not None and self._spool is not None:
            families += [*self._cycle_families(), *_delivery_families(self._sender, self._spool)]
        return families

    def _cycle_families(self) -> list[Family]:
        return [
            gauge("tidecast_agent_cycle_seconds", "The last cycle's time.", self._cycle_seconds),
            counter("tidecast_agent_cycles_total", "Cycles begun.", float(self._cycles)),
            counter(
                "tidecast_agent_cycles_missed_total",
                "Cycles left out because one before took too long.",
                float(self._cycles_missed),
            ),
            counter(
                "tidecast_agent_cycles_not_kept_total",
                "Cycles that the spool could not keep.",
                float(self._cycles_not_kept),
            ),
        ]


def _delivery_families(sender: Sender, spool: Spool) -> list[Family]:
    return [
        counter(
            "tidecast_agent_cycles_refused_total",
            "Cycles dropped because the server can never take them.",
            float(sender.cycles_refused),
        ),
        counter(
            "tidecast_agent_requests_failed_total",
            "Remote-write requests that did not succeed.",
            float(sender.requests_failed),
        ),
        counter(
            "tidecast_agent_samples_sent_total",
            "Samples that the server has acknowledged.",
            float(sender.samples_sent),
        ),
        gauge(
            "tidecast_agent_spool_bytes",
            "Bytes spooled and not acknowledged.",
            float(spool.pending_bytes),
        ),
        counter(
            "tidecast_agent_spool_dropped_records_total",
            "Cycles dropped from the full spool, oldest first.",
            float(spool.dropped_records),
        ),
        counter(
            "tidecast_agent_spool_damaged_records_total",
            "Spooled cycles that could not be read back.",
            float(spool.damaged_records + sender.cycles_unreadable),
        ),
    ]


def default_spool_dir() -> Path:
    """/var/lib/tidecast-agent for root, otherwise below XDG_STATE_HOME or ~/.local/state."""
    if os.geteuid() == 0:
        return Path("/var/lib/tidecast-agent")
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "tidecast-agent"
