"""The options of a server, which `tidecast server` and `tidecast up` share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from tidecast.cli.client import explain_errors
from tidecast.cli.parameters import DURATION, SIZE
from tidecast.cli.settings_file import settings_file_option
from tidecast.config import (
    DAY_MS,
    DEFAULT_LISTEN,
    LOG_FORMATS,
    LOG_LEVELS,
    Address,
    InvalidSettings,
    ServerSettings,
    default_data_dir,
)

FILE = click.Path(path_type=Path, dir_okay=False)
_SETTINGS = frozenset(field.name for field in fields(ServerSettings))


def _address(context: click.Context, option: click.Parameter, text: str) -> Address:
    try:
        return Address.parse(text)
    except InvalidSettings as error:
        raise click.BadParameter(str(error)) from error


def _web_urls(
    context: click.Context, option: click.Parameter, urls: tuple[str, ...]
) -> tuple[str, ...]:
    for number, url in enumerate(urls, 1):
        try:
            parts = urlsplit(url)
            good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:
            good = False
        if not good or not url.isascii() or not url.isprintable() or " " in url:
            # The URL is not repeated: its path often holds a secret.
            raise click.BadParameter(f"number {number} is not a URL such as https://host/path")
    return urls


_OPTIONS = [
    settings_file_option,
    click.option("--data-dir", type=click.Path(path_type=Path, file_okay=False),
                 default=default_data_dir, show_default="~/.local/state/tidecast",
                 help="Where samples and records are kept."),
    click.option("--listen", default=DEFAULT_LISTEN, show_default=True, metavar="HOST:PORT",
                 callback=_address, help="Where it answers."),
    click.option("--retention", "retention_ms", type=DURATION, default="30d", show_default=True,
                 help="How long raw samples are kept (usage records: ten years)."),
    click.option("--retention-5m", "retention_5m_ms", type=DURATION, default="395d",
                 show_default=True, help="How long points of five minutes are kept of them."),
    click.option("--retention-1h", "retention_1h_ms", type=DURATION, default="3650d",
                 show_default=True, help="How long points of an hour are kept of them."),
    click.option("--max-disk", "max_disk_bytes", type=SIZE,
                 show_default="20 % of what is free at the first start",
                 help="How much all samples may take; the oldest raw ones go first."),
    click.option("--out-of-order-window", "out_of_order_window_ms", type=DURATION,
                 default="100y", show_default=True,
                 help="How far samples may lag behind the newest of their series."),
    click.option("--max-series", type=click.IntRange(min=1), default=2_000_000, show_default=True,
                 help="So many series may be active at once; further new ones are refused."),
    click.option("--token-file", type=FILE, help="Hashed tokens; see `tidecast token`."),
    click.option("--require-auth", is_flag=True, help="Ask for tokens on loopback too."),
    click.option("--tls-cert-file", type=FILE, help="Serve HTTPS with this certificate chain."),
    click.option("--tls-key-file", type=FILE, help="The certificate's private key."),
    click.option("--insecure-http", is_flag=True,
                 help="Serve plain HTTP off loopback: only where the network itself is trusted."),
    click.option("--rules-file", "rules_files", type=FILE, multiple=True,
                 help="Prometheus rule files beside the default pack."),
    click.option("--resources-file", type=FILE, help="Resource definitions instead of ours."),
    click.option("--events-file", type=FILE,
                 help="Planned events (holidays, sales, batch runs) that forecasts are to know."),
    click.option("--keep-all-forecasts", "forecasts_all_ms", type=DURATION, default="8d",
                 show_default=True, help="How long every published forecast is kept."),
    click.option("--keep-daily-forecasts", "forecasts_daily_ms", type=DURATION, default="100d",
                 show_default=True, help="How long the first one of each day is."),
    click.option("--keep-weekly-forecasts", "forecasts_weekly_ms", type=DURATION, default="400d",
                 show_default=True,
                 help="How long the first one of each week is; then its score is, for ever."),
    click.option("--database-url", default="", envvar="TIDECAST_DATABASE_URL", show_envvar=True,
                 help="PostgreSQL for the records (postgresql+psycopg://...); else SQLite."),
    click.option("--samples-backend", type=click.Choice(["embedded", "prometheus"]),
                 default="embedded", show_default=True,
                 help="Where raw samples are kept: here, or in an engine you have already."),
    click.option("--samples-read-url", default="", metavar="URL",
                 help="The base of that engine's HTTP API."),
    click.option("--samples-write-url", default="", metavar="URL",
                 help="Where that engine takes remote-write."),
    click.option("--samples-token-file", type=FILE,
                 help="A file with the bearer token for that engine."),
    click.option("--query.timeout", "query_timeout_ms", type=DURATION, default="2m",
                 show_default=True, help="How long a query may take."),
    click.option("--query.max-samples", "query_max_samples", type=click.IntRange(1),
                 default=50_000_000, show_default=True, help="How many samples it may read."),
    click.option("--query.max-memory", "query_max_memory_mib", type=click.IntRange(1),
                 default=4096, show_default=True, metavar="MIB",
                 help="How much memory it may take."),
    click.option("--query.max-concurrency", "query_max_concurrency",
                 type=click.IntRange(1, 30), default=20, show_default=True,
                 help="How many queries are answered at once; others wait."),
    click.option("--query.lookback-delta", "query_lookback_ms", type=DURATION, default="5m",
                 show_default=True, help="How long a sample counts as the newest."),
    click.option("--webhook-url", "webhook_urls", multiple=True, metavar="URL",
                 callback=_web_urls, envvar="TIDECAST_WEBHOOK_URL", show_envvar=True,
                 help="Tell this receiver of incidents, in Alertmanager's webhook format."),
    click.option("--external-url", default="", metavar="URL",
                 help="How people reach this server; for links in notifications."),
    click.option("--log-level", type=click.Choice(LOG_LEVELS), default="info", show_default=True,
                 help="What is logged: this and what is worse."),
    click.option("--log-format", type=click.Choice(LOG_FORMATS), default="text", show_default=True,
                 help="One line of text or one JSON object for each event, on standard error."),
]  # fmt: skip


def settings_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds a server's options; the command gets them as `settings: ServerSettings`."""

    @functools.wraps(command)
    def run(**given: Any) -> Any:
        settings = {name: given.pop(name) for name in _SETTINGS & given.keys()}
        return command(ServerSettings(**settings), **given)

    decorated: Callable[..., Any] = explain_errors(run)
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


@dataclass(frozen=True, slots=True)
class Invocation:
    """How a command is started: its options, and what other users are not to see of them."""

    arguments: list[str]
    environment: dict[str, str]


def invocation(command: click.Command, settings: ServerSettings) -> Invocation:
    """What gives a command that has `settings_options` just these settings."""
    arguments: list[str] = []
    environment: dict[str, str] = {}
    for option in command.params:
        if not isinstance(option, click.Option) or option.name not in _SETTINGS:
            continue
        value = getattr(settings, option.name)
        given = [each for each in (value if option.multiple else [value]) if each]
        texts = [_duration(each) if option.type is DURATION else str(each) for each in given]
        if isinstance(option.envvar, str):
            environment[option.envvar] = " ".join(texts)
        elif option.is_flag:
            arguments += option.opts if value else []
        else:
            arguments += [f"{option.opts[0]}={text}" for text in texts]
    return Invocation(arguments, environment)


def _duration(milliseconds: int) -> str:
    days, rest_ms = divmod(milliseconds, DAY_MS)
    return f"{days}d{rest_ms}ms" if rest_ms else f"{days}d"
