"""How a server is to run; everything has a default but where it matters who may reach it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from tidecast_collector.errors import InvalidInput

DEFAULT_LISTEN = "127.0.0.1:9797"
DAY_MS = 86_400_000
LOG_LEVELS = ("debug", "info", "warning", "error")
LOG_FORMATS = ("text", "json")


class InvalidSettings(InvalidInput):
    """Settings that contradict each other or would be unsafe; the message says what to add."""


def default_data_dir() -> Path:
    """Where data is kept unless told otherwise: below $XDG_STATE_HOME or ~/.local/state."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "tidecast"


def is_loopback(host: str) -> bool:
    """Whether this name or address is this machine's loopback."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Address:
    """A host (name or address) and a port to listen on."""

    host: str
    port: int

    @staticmethod
    def parse(text: str) -> Address:
        """The address in `HOST:PORT`; raises `InvalidSettings`."""
        host, colon, port = text.rpartition(":")
        if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
            raise InvalidSettings(f"{text!r} is not HOST:PORT")
        return Address(host.strip("[]"), int(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Everything that a server is started with."""

    data_dir: Path
    listen: Address
    retention_ms: int = 30 * DAY_MS
    retention_5m_ms: int = 395 * DAY_MS
    retention_1h_ms: int = 3650 * DAY_MS
    max_disk_bytes: int | None = None
    out_of_order_window_ms: int = 36_500 * DAY_MS
    token_file: Path | None = None
    require_auth: bool = False
    tls_cert_file: Path | None = None
    tls_key_file: Path | None = None
    insecure_http: bool = False
    rules_files: tuple[Path, ...] = ()
    resources_file: Path | None = None
    events_file: Path | None = None
    database_url: str = ""
    webhook_urls: tuple[str, ...] = ()
    external_url: str = ""
    horizon_ms: int = 90 * DAY_MS
    forecasts_all_ms: int = 8 * DAY_MS
    forecasts_daily_ms: int = 100 * DAY_MS
    forecasts_weekly_ms: int = 400 * DAY_MS
    samples_backend: str = "embedded"
    samples_read_url: str = ""
    samples_write_url: str = ""
    samples_token_file: Path | None = None
    max_series: int = 2_000_000
    query_timeout_ms: int = 120_000
    query_max_samples: int = 50_000_000
    query_max_memory_mib: int = 4096
    query_max_concurrency: int = 20
    query_lookback_ms: int = 300_000
    log_level: str = "info"
    log_format: str = "text"

    @property
    def scheme(self) -> str:
        """http, or https where there is a certificate."""
        return "https" if self.tls_cert_file else "http"

    @property
    def records_url(self) -> str:
        """Where the records are: the given database, or SQLite in the data directory."""
        return self.database_url or f"sqlite:///{self.data_dir.absolute() / 'records.sqlite3'}"

    def check_samples(self) -> None:
        """Raises `InvalidSettings` unless it is clear where samples are kept."""
        foreign = self.samples_backend == "prometheus"
        urls = self.samples_read_url, self.samples_write_url
        if foreign and not all(urls):
            raise InvalidSettings(
                "--samples-backend prometheus needs --samples-read-url (the base of the engine's "
                "API, as http://127.0.0.1:9090) and --samples-write-url (as "
                "http://127.0.0.1:9090/api/v1/write)"
            )
        if not foreign and (any(urls) or self.samples_token_file):
            raise InvalidSettings("the --samples-* options go with --samples-backend prometheus")

    def check_ledger(self) -> None:
        """Raises `InvalidSettings` where forecasts would go before they have been scored."""
        kept = self.forecasts_all_ms, self.forecasts_daily_ms, self.forecasts_weekly_ms
        names = ("--keep-all-forecasts", "--keep-daily-forecasts", "--keep-weekly-forecasts")
        for name, given_ms, least_days in zip(names, kept, (8, 46, 100), strict=True):
            if given_ms < least_days * DAY_MS:
                raise InvalidSettings(
                    f"{name} must be at least {least_days}d: forecasts are scored until then"
                )
        if list(kept) != sorted(kept):
            raise InvalidSettings(f"{', '.join(names)}: each must be as long as the one before it")

    def check_access(self, listens_on_loopback: bool) -> None:
        """Raises `InvalidSettings` where strangers could reach the server unasked."""
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            raise InvalidSettings("--tls-cert-file and --tls-key-file go together")
        if self.require_auth and self.token_file is None:
            raise InvalidSettings("--require-auth needs --token-file (see `tidecast token create`)")
        if listens_on_loopback:
            return
        if self.token_file is None:
            raise InvalidSettings(
                f"{self.listen} can be reached from other machines: give --token-file "
                "(see `tidecast token create`)"
            )
        if self.tls_cert_file is None and not self.insecure_http:
            raise InvalidSettings(
                f"{self.listen} can be reached from other machines: give --tls-cert-file and "
                "--tls-key-file, or --insecure-http where the network itself is trusted"
            )
