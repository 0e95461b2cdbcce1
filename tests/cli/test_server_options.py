"""What `tidecast server` and `tidecast up` are told: by options, a file, or one by the other."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from tidecast.cli.server import server
from tidecast.cli.server_options import invocation, settings_options
from tidecast.config import Address, ServerSettings

DAY_MS = 86_400_000

EVERY_OPTION = ServerSettings(
    data_dir=Path("/srv/a folder"),
    listen=Address("::1", 9800),
    retention_ms=90_061_001,  # 1d 1h 1m 1s 1ms
    retention_5m_ms=40 * DAY_MS,
    retention_1h_ms=400 * DAY_MS,
    max_disk_bytes=20_000_000_001,
    out_of_order_window_ms=3_600_000,
    token_file=Path("tokens"),
    require_auth=True,
    tls_cert_file=Path("crt"),
    tls_key_file=Path("key"),
    insecure_http=True,
    rules_files=(Path("a.yml"), Path("b.yml")),
    resources_file=Path("resources.yaml"),
    events_file=Path("events.yaml"),
    database_url="postgresql+psycopg://me:secret@127.0.0.1/t",
    webhook_urls=("https://a.example/hook", "https://b.example/hook"),
    external_url="https://tidecast.example",
    forecasts_all_ms=9 * DAY_MS,
    forecasts_daily_ms=101 * DAY_MS,
    forecasts_weekly_ms=401 * DAY_MS,
    samples_backend="prometheus",
    samples_read_url="http://127.0.0.1:1",
    samples_write_url="http://127.0.0.1:1/api/v1/write",
    samples_token_file=Path("engine.token"),
    max_series=7,
    query_timeout_ms=1500,
    query_max_samples=8,
    query_max_memory_mib=9,
    query_max_concurrency=10,
    query_lookback_ms=60_000,
    log_level="warning",
    log_format="json",
)
NO_OPTION = {"horizon_ms"}


def told(*arguments: str, **environment: str) -> ServerSettings:
    """The settings that a command gets with these arguments."""
    result, _ = _run(*arguments, **environment)
    assert isinstance(result, ServerSettings)
    return result


def complaint(*arguments: str) -> str:
    """What is said where the arguments are wrong."""
    result, output = _run(*arguments)
    assert result is None
    return output


def _run(*arguments: str, **environment: str) -> tuple[ServerSettings | None, str]:
    found: list[ServerSettings] = []

    @click.command()
    @settings_options
    def ask(settings: ServerSettings) -> None:
        found.append(settings)

    done = CliRunner().invoke(ask, arguments, env=environment)
    assert done.exit_code == (0 if found else 2), done.output
    return (found[0] if found else None), done.output


def test_what_up_was_told_its_server_is_told_again() -> None:
    for field in fields(ServerSettings):
        given: Any = getattr(EVERY_OPTION, field.name)
        assert field.name in NO_OPTION or given != field.default, "each differs from its default"
    again = invocation(server, EVERY_OPTION)
    assert told(*again.arguments, **again.environment) == EVERY_OPTION
    shown = " ".join(again.arguments)
    assert "secret" not in shown and "hook" not in shown, "others see a process's arguments"


def test_defaults_are_told_again_too() -> None:
    again = invocation(server, told("--data-dir=d"))
    assert told(*again.arguments, **again.environment) == told("--data-dir=d")


def test_a_file_gives_options_and_the_command_line_wins(tmp_path: Path) -> None:
    file = tmp_path / "server.yaml"
    file.write_text(
        "listen: 127.0.0.1:9800\n"
        "retention: 60d\n"
        "require-auth: true\n"
        "token-file: tokens.yaml   # beside this file\n"
        "rules-file: [one.yml, /etc/two.yml]\n"
        "webhook-url: https://a.example/hook\n"
        "query.max-samples: 12\n"
    )
    found = told(f"--config={file}", "--listen=127.0.0.1:9801")
    assert found.listen == Address("127.0.0.1", 9801)
    assert found.retention_ms == 60 * DAY_MS
    assert found.require_auth
    assert found.token_file == tmp_path / "tokens.yaml"
    assert found.rules_files == (tmp_path / "one.yml", Path("/etc/two.yml"))
    assert found.webhook_urls == ("https://a.example/hook",)
    assert found.query_max_samples == 12


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("lisen: x:1", "2:1: unknown key 'lisen'; known here: data-dir,"),
        ("listen: nowhere", "2:9: listen: 'nowhere' is not HOST:PORT"),
        ("retention: fortnight", "2:12: retention: 'fortnight' is not a duration"),
        ("max-series: 0", "2:13: max-series: 0 is not in the range x>=1"),
        ("require-auth: perhaps", "2:15: require-auth: 'perhaps' is neither true nor false"),
        ("max-disk:", "2:10: max-disk: no value; leave the line out for the default"),
        ("max-disk: [1GB]", "2:11: expected text, found a list"),
        ("webhook-url: ftp://secret", "2:14: webhook-url: number 1 is not a URL"),
        ("retention-5m: 1d", "2:1: 'retention-5m' stands twice"),
        ("listen: [", "3:1: "),
    ],
)
def test_what_is_wrong_in_the_file_is_said_where_it_stands(
    tmp_path: Path, line: str, why: str
) -> None:
    file = tmp_path / "server.yaml"
    file.write_text(f"retention-5m: 1d\n{line}\n")
    output = complaint(f"--config={file}")
    assert f"{file}:{why}" in output
    assert "secret" not in output


def test_a_file_that_cannot_be_read_is_a_usage_error(tmp_path: Path) -> None:
    assert "cannot be read: No such file" in complaint(f"--config={tmp_path / 'none.yaml'}")
    (tmp_path / "latin.yaml").write_bytes(b"listen: \xe4\n")
    assert "is not UTF-8" in complaint(f"--config={tmp_path / 'latin.yaml'}")
    (tmp_path / "empty.yaml").write_text("")
    assert told(f"--config={tmp_path / 'empty.yaml'}") == told()
