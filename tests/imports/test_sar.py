"""`tidecast import sar`: sysstat's own files by its own sadf, and what it wrote elsewhere."""

from __future__ import annotations

import copy
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import orjson
import pytest
from tests.scenario.driver import PATIENCE_SECONDS

from tidecast.cli.client import TidecastServer
from tidecast.cli.import_sar import (
    SysstatUnreadable,
    find_sysstat_history,
    import_sysstat,
    read_sadf,
)
from tidecast.journeys.imports.csv_rows import parse_timestamp_ms
from tidecast.journeys.imports.sysstat import InvalidSysstat, SysstatHistory
from tidecast.journeys.imports.usage import HOUR_MS, UsageSeries

SADC = Path("/usr/lib/sysstat/sadc")
MIB = 1024 * 1024

RECORD = {
    "timestamp": {"date": "2026-03-29", "time": "00:10:01", "utc": 1, "interval": 600},
    "cpu-load": [
        {"cpu": "all", "usr": 20.0, "sys": 5.0, "idle": 75.0},
        {"cpu": "0", "usr": 40.0, "sys": 5.0, "idle": 55.0},
    ],
    "memory": {
        "memfree": 1000, "avail": 3000, "memused": 2000, "memused-percent": 40.0,
        "buffers": 500, "cached": 1000, "slab": 500,
        "swpfree": 300, "swpused": 100, "swpused-percent": 25.0,
    },
    "queue": {"runq-sz": 1, "ldavg-1": 0.3, "ldavg-5": 1.5, "ldavg-15": 0.1},
    "disk": [
        {"disk-device": "sda", "util-percent": 12.5},
        {"disk-device": "loop0", "util-percent": 1.0},
    ],
    "network": {
        "net-dev": [
            {"iface": "lo", "rxkB": 5.0, "txkB": 5.0},
            {"iface": "eth0", "rxkB": 10.0, "txkB": 20.0, "ifutil-percent": 0.02},
        ]
    },
    "filesystems": [
        {"mountpoint": "/", "MBfsfree": 60, "MBfsused": 40, "%fsused": 40.0, "%ufsused": 60.0,
         "Ifree": 900, "Iused": 100}
    ],
}  # fmt: skip


def document(*records: dict[str, Any], restarts: int = 0, host: str = "web-3") -> bytes:
    """What sadf writes, in the form of version 12.6."""
    boots = [{"boot": {"date": "2026-03-29", "time": "00:00:05", "utc": 1}}] * restarts
    entry = {
        "nodename": host,
        "sysname": "Linux",
        "number-of-cpus": 4,
        "timezone": "CET",
        "statistics": list(records),
        "restarts": boots,
    }
    return orjson.dumps({"sysstat": {"hosts": [entry]}})


def at(time_of_day: str, date: str = "2026-03-29", **changes: Any) -> dict[str, Any]:
    record = copy.deepcopy(RECORD)
    record["timestamp"].update(date=date, time=time_of_day)
    return {**record, **changes}


def usage_of(*documents: bytes, now: str = "2030-01-01") -> dict[tuple[str, str, str], UsageSeries]:
    history = SysstatHistory()
    for i, each in enumerate(documents):
        history.add(each, f"sa{i:02}")
    return {
        (each.instance, each.resource, each.item): each
        for each in history.usage(parse_timestamp_ms(now))
    }


def test_each_reading_becomes_a_resource_in_base_units():
    found = usage_of(document(RECORD))
    told = {
        (resource, item): (
            float(series.usage.mean[0]),
            None if series.limit is None else float(series.limit[0]),
            None if series.mark is None else float(series.mark[0]),
            series.unit,
        )
        for (_, resource, item), series in found.items()
    }
    # Installed: 1000 + 2000 + 500 + 1000 + 500 = 5000 KiB, of which 2000 are 40 %.
    total = 5000 * 1024
    assert told.pop(("memory", "")) == (2000 * 1024, total, pytest.approx(0.9 * total), "bytes")
    assert told.pop(("cpu", "")) == (0.25, 1.0, 0.8, "ratio")
    assert told.pop(("swap", "")) == (100 * 1024, 400 * 1024, 320 * 1024, "bytes")
    assert told.pop(("load", "")) == (1.5, 4, 4, "count")
    assert told.pop(("disk", "sda")) == (0.125, 1.0, 0.8, "ratio")
    assert told.pop(("network", "eth0")) == (20 * 1024, None, None, "bytes_per_second")
    # Users cannot have 60 %: 40 MiB are in use, and of the 60 free ones 20 are root's alone.
    assert told.pop(("filesystem", "/")) == (60 * MIB, 100 * MIB, 90 * MIB, "bytes")
    assert told.pop(("inodes", "/")) == (100, 1000, 900, "count")
    assert told == {}


def test_older_versions_count_caches_as_used():
    memory = {**RECORD["memory"], "memfree": 3000, "memused": 2000, "memused-percent": 40.0}
    series = usage_of(document(at("00:10:01", memory=memory)))["web-3", "memory", ""]
    # 2000 of 3000 + 2000 KiB are 40 %; with the caches added they would be 28.6 %.
    assert series.limit[0] == 5000 * 1024


def test_an_hour_that_spans_two_files_is_one_record_and_midnight_counts_once():
    def cpu(idle: float) -> list[dict[str, Any]]:
        return [{"cpu": "all", "idle": idle}]

    first = document(at("23:50:01", "2026-03-28", **{"cpu-load": cpu(50.0)}), at("00:00:01"))
    second = document(at("00:00:01"), at("00:10:01", **{"cpu-load": cpu(25.0)}))
    usage = usage_of(first, second)["web-3", "cpu", ""].usage
    midnight = parse_timestamp_ms("2026-03-29")
    assert usage.hours_ms.tolist() == [midnight, midnight + HOUR_MS]
    # 00:00:01 (25 %) and 00:10:01 (75 %): the mean of the first hour of the day is 50 %.
    assert usage.mean.tolist() == [0.5, 0.5]
    assert usage.max.tolist() == [0.5, 0.75]


def test_the_running_hour_is_left_out():
    found = usage_of(document(at("00:10:01"), at("01:10:01")), now="2026-03-29T01:30")
    assert found["web-3", "cpu", ""].usage.hours_ms.tolist() == [
        parse_timestamp_ms("2026-03-29T01:00")
    ]


def test_restarts_are_counted():
    history = SysstatHistory("other-name")
    history.add(document(RECORD, restarts=2), "sa01")
    assert history.restarts == 2
    assert history.hosts == ["other-name"]


def test_newer_versions_name_the_zone():
    record = at("00:10:01")
    del record["timestamp"]["utc"]
    record["timestamp"]["tz"] = "UTC"
    assert usage_of(document(record))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        orjson.dumps({"sysstat": {"hosts": [{}]}}),
        document(at("00:10:01", timestamp={"date": "2026-03-29", "time": "00:10:01", "utc": 0})),
        document(at("25:10:01")),
        document(at("00:10:01", memory={"memused": 1, "avail": 1})),
        document(at("00:10:01", filesystems=[{"MBfsused": 1, "MBfsfree": 1}])),
        document(at("00:10:01", **{"cpu-load": 5})),
    ],
)
def test_what_sadf_never_writes_is_refused_with_the_file(content):
    with pytest.raises(InvalidSysstat, match="sa00: sadf did not write"):
        usage_of(content)


@pytest.fixture
def data_file(tmp_path) -> Path:
    """A file as sysstat's own collector writes it now."""
    if not SADC.exists():
        pytest.fail(f"{SADC} is missing: install the Debian package sysstat")
    path = tmp_path / "sa01"
    subprocess.run([SADC, "-S", "XALL", "1", "3", path], check=True, timeout=PATIENCE_SECONDS)
    return path


@pytest.mark.servers
def test_a_real_file_is_read_in_utc_whatever_the_zone(server, data_file, monkeypatch):
    monkeypatch.setenv("TZ", "America/St_Johns")
    now_ms = time.time_ns() // 1_000_000
    with TidecastServer(server.url) as client:
        done = import_sysstat(client, [data_file], now_ms + HOUR_MS)
    assert done.hosts == [os.uname().nodename]
    assert abs(done.last_ms - now_ms) <= HOUR_MS
    resources = {resource for _, _, resource, _ in server.usage}
    assert {"cpu", "memory", "load", "filesystem", "inodes"} <= resources
    assert {source for source, *_ in server.usage} == {"sar"}
    host = os.uname().nodename
    [(memory, _, _, limit, mark)] = server.usage["sar", host, "memory", ""].values()
    installed = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert limit == pytest.approx(installed, rel=0.01)
    assert 0 < memory < limit
    assert mark == pytest.approx(0.9 * limit)
    root = os.statvfs("/")
    [(used, _, _, size, _)] = server.usage["sar", host, "filesystem", "/"].values()
    assert size == pytest.approx(root.f_blocks * root.f_frsize, rel=0.01)
    available = root.f_bavail * root.f_frsize
    assert used == pytest.approx(size - available, rel=0.02)


@pytest.mark.servers
def test_the_command_takes_a_directory_and_says_what_it_found(
    server, tidecast, data_file, monkeypatch
):
    (data_file.parent / "sar01").write_text("a report, not data")
    (data_file.parent / "sa02.xz").touch()
    result = tidecast("sar", data_file.parent)
    assert result.exit_code == 0, result.output
    assert "1 files tell of no hour that is over" in result.output
    assert "compressed (unpack them first): sa02.xz" in result.output
    later = time.time_ns() + 3600 * 10**9
    monkeypatch.setattr(time, "time_ns", lambda: later)
    for expected in ("imported ", "nothing new"):
        result = tidecast("sar", data_file, "--instance", "web-9")
        assert result.exit_code == 0, result.output
        assert "records of web-9 from 1 files" in result.output
        assert expected in result.output
    assert {instance for _, instance, _, _ in server.usage} == {"web-9"}


@pytest.mark.servers
def test_a_file_that_is_not_sysstats_is_told_in_sadfs_words(tidecast, tmp_path):
    path = tmp_path / "sa01"
    path.write_bytes(b"not a data file")
    result = tidecast("sar", path)
    assert result.exit_code == 1
    assert f"{path}: sadf ended with" in result.output


def test_without_sadf_the_package_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SysstatUnreadable, match="install the package sysstat"):
        read_sadf(tmp_path / "sa01")


def test_history_is_found_in_the_order_in_which_it_was_written(tmp_path):
    for age, name in enumerate(["sa05", "sa04", "sa28", "sa20260131"]):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (1_000_000 - age, 1_000_000 - age))
    for name in ("sar05", "sa5", "sa05.xz", "other"):
        (tmp_path / name).touch()
    assert [each.name for each in find_sysstat_history(tmp_path)] == [
        "sa20260131",
        "sa28",
        "sa04",
        "sa05",
    ]
    assert find_sysstat_history(tmp_path / "absent") == []


def test_an_empty_directory_is_told(tidecast, tmp_path):
    result = tidecast("sar", tmp_path)
    assert result.exit_code == 1
    assert "holds no data file of sysstat" in result.output
