"""Settings: where things are unless somebody says otherwise."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tidecast.config import DAY_MS, Address, InvalidSettings, ServerSettings, default_data_dir


def test_data_lies_below_the_state_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert default_data_dir() == Path("/state/tidecast")
    for unset in ("", None):
        if unset is None:
            monkeypatch.delenv("XDG_STATE_HOME")
        else:
            monkeypatch.setenv("XDG_STATE_HOME", unset)
        monkeypatch.setenv("HOME", "/home/eve")
        assert default_data_dir() == Path("/home/eve/.local/state/tidecast")


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [("127.0.0.1:9797", "127.0.0.1", 9797), ("[::1]:0", "::1", 0), ("web-1:65535", "web-1", 65535)],
)
def test_an_address_is_read_and_written_alike(text: str, host: str, port: int) -> None:
    address = Address.parse(text)
    assert address == Address(host, port)
    assert str(address) == text


def test_records_are_in_the_data_directory_unless_a_database_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    here = ServerSettings(Path("data"), Address("localhost", 1))
    assert here.records_url == f"sqlite:///{tmp_path}/data/records.sqlite3"
    there = ServerSettings(Path("data"), Address("localhost", 1), database_url="postgresql://h/d")
    assert there.records_url == "postgresql://h/d"


def test_the_scheme_follows_the_certificate() -> None:
    plain = ServerSettings(Path("data"), Address("localhost", 1))
    assert plain.scheme == "http"
    crt = Path("server.crt")
    assert ServerSettings(Path("data"), plain.listen, tls_cert_file=crt).scheme == "https"


def test_forecasts_are_kept_until_they_are_scored(tmp_path: Path) -> None:
    settings = ServerSettings(tmp_path, Address.parse("127.0.0.1:1"))
    settings.check_ledger()
    replace(settings, forecasts_daily_ms=400 * DAY_MS).check_ledger()
    for wrong, why in (
        ({"forecasts_all_ms": 7 * DAY_MS}, "--keep-all-forecasts must be at least 8d"),
        ({"forecasts_weekly_ms": 99 * DAY_MS}, "--keep-weekly-forecasts must be at least 100d"),
        ({"forecasts_daily_ms": 401 * DAY_MS}, "each must be as long as the one before it"),
    ):
        with pytest.raises(InvalidSettings, match=why):
            replace(settings, **wrong).check_ledger()
