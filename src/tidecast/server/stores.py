"""The samples and what answers queries over them: what a server opens before all else."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from tidecast.config import ServerSettings
from tidecast.samples.apart import Runner
from tidecast.samples.embedded import EmbeddedSamples
from tidecast.samples.kept import Tier
from tidecast.samples.protocol import SelectLimits
from tidecast.samples.routed import RoutedSamples
from tidecast.server.store_worker import store_runner
from tidecast.server.worker import Worker
from tidecast_collector.errors import TidecastError

if TYPE_CHECKING:
    from tidecast.promql.query_engine import QueryEngine
    from tidecast.samples.prometheus import PrometheusSamples

_HOUR_MS = 3_600_000
OWN_WINDOW_MS = 30 * 24 * _HOUR_MS
RAW_FLUSH_SAMPLES_A_SERIES = 48
"""Each series costs something at each flush, however few samples it has: with a million of them the
head is let grow to a gigabyte."""
OWN_FLUSH_SAMPLES = 1_000_000
"""Its log is else written out only when a month is over; this keeps reopening quick."""


class CannotOpen(TidecastError):
    """The data directory cannot be used."""


class Stores:
    """The stores of a data directory, opened with all that they have acknowledged.

    `raw` has all but our own series, which are in `own`; `samples` is both. `worker` does what
    would make them wait.
    """

    def __init__(self, settings: ServerSettings) -> None:
        try:
            settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o750)
        except OSError as error:
            raise CannotOpen(f"--data-dir {settings.data_dir}: {error.strerror}") from error
        self.worker = Worker()
        apart = store_runner(self.worker.store)
        self.raw = _open_raw(settings, apart)
        self.own = EmbeddedSamples(
            settings.data_dir / "samples" / "own",
            window_ms=OWN_WINDOW_MS,
            flush_samples=OWN_FLUSH_SAMPLES,
            apart=apart,
        )
        self.samples = RoutedSamples(self.own, self.raw)
        self._settings = settings

    @cached_property
    def engine(self) -> QueryEngine:
        """What answers PromQL over the samples, within the limits of the settings."""
        return _open_engine(self._settings, self)

    def close(self) -> None:
        """Closes them, once."""
        self.own.close()
        self.raw.close()
        self.worker.close()


def _open_raw(settings: ServerSettings, apart: Runner) -> EmbeddedSamples | PrometheusSamples:
    """Where all but our own series are: in a directory, or in an engine that is there already."""
    directory = settings.data_dir / "samples"
    if settings.samples_backend == "embedded":
        tiers = (
            Tier("5m", _HOUR_MS // 12, settings.retention_5m_ms),
            Tier("1h", _HOUR_MS, settings.retention_1h_ms),
        )
        window_ms = settings.out_of_order_window_ms
        return EmbeddedSamples(
            directory / "raw",
            tiers=tiers,
            out_of_order_window_ms=window_ms,
            flush_samples_a_series=RAW_FLUSH_SAMPLES_A_SERIES,
            max_series=settings.max_series,
            apart=apart,
        )
    # Most servers never need the client.
    from tidecast.http_client import read_token  # noqa: PLC0415
    from tidecast.samples.prometheus import (  # noqa: PLC0415
        EngineAddress,
        PrometheusSamples,
    )

    token = read_token(settings.samples_token_file, None) if settings.samples_token_file else None
    address = EngineAddress(settings.samples_read_url, settings.samples_write_url, token)
    directory.mkdir(exist_ok=True)
    return PrometheusSamples(address, directory / "engine-metadata.json")


def _open_engine(settings: ServerSettings, stores: Stores) -> QueryEngine:
    # A starting server loads these while samples are being opened.
    from tidecast.promql.engine import Engine  # noqa: PLC0415
    from tidecast.promql.settings import QueryLimits  # noqa: PLC0415

    local = Engine(
        stores.samples,
        lookback_ms=settings.query_lookback_ms,
        limits=QueryLimits(
            select=SelectLimits(samples=settings.query_max_samples),
            memory_bytes=settings.query_max_memory_mib << 20,
            timeout_seconds=settings.query_timeout_ms / 1000,
        ),
    )
    if isinstance(stores.raw, EmbeddedSamples):
        return local
    from tidecast.promql.push_down import PushDownEngine  # noqa: PLC0415

    return PushDownEngine(local, stores.raw, stores.own)
