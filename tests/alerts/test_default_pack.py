"""The default pack on made-up hosts, evaluated by Prometheus' own promtool."""

from __future__ import annotations

import re
import shutil
import subprocess
from importlib import resources
from pathlib import Path

import pytest
import yaml

import tidecast.policy

PACK = Path(str(resources.files(tidecast.policy))) / "defaults" / "rules.yml"
FILESYSTEM = 'instance="web-3:9100",device="/dev/sda1",fstype="ext4",mountpoint="/var"'
FAST = 'instance="web-3",resource="filesystem",item="/var",quantile="0.5"'
FORECAST = 'instance="web-3",resource="filesystem",item="/var"'

# (what it shows, series by name, minutes, the alerts then as name/severity/resource/item)
CASES: list[tuple[str, dict[str, str], str, set[str]]] = [
    (
        "a well host is quiet",
        {
            'tidecast_host_last_seen_timestamp_seconds{instance="web-3"}': "0+15x200",
            'up{instance="web-3:9100",job="node"}': "1x200",
            f"node_filesystem_avail_bytes{{{FILESYSTEM}}}": "50e9x200",
            f"node_filesystem_size_bytes{{{FILESYSTEM}}}": "100e9x200",
            f"node_filesystem_files_free{{{FILESYSTEM}}}": "5e6x200",
            f"node_filesystem_files{{{FILESYSTEM}}}": "6e6x200",
            f"node_filesystem_readonly{{{FILESYSTEM}}}": "0x200",
            'node_memory_MemAvailable_bytes{instance="web-3"}': "4e9x200",
            'node_memory_MemTotal_bytes{instance="web-3"}': "8e9x200",
            'node_memory_SwapFree_bytes{instance="web-3"}': "0x200",
            'node_memory_SwapTotal_bytes{instance="web-3"}': "0x200",
            'node_cpu_seconds_total{instance="web-3",cpu="0",mode="idle"}': "0+10x200",
            'node_cpu_seconds_total{instance="web-3",cpu="0",mode="user"}': "0+5x200",
            'node_load5{instance="web-3"}': "1x200",
            'node_filefd_allocated{instance="web-3"}': "2000x200",
            'node_filefd_maximum{instance="web-3"}': "9e18x200",
        },
        "40m",
        set(),
    ),
    (
        "a host that was last seen a little more than 3 minutes ago may be heard again",
        {'tidecast_host_last_seen_timestamp_seconds{instance="web-3"}': "60x40"},
        "4m30s",
        set(),
    ),
    (
        "half a minute later it is silent",
        {'tidecast_host_last_seen_timestamp_seconds{instance="web-3"}': "60x40"},
        "4m45s",
        {"HostSilent/critical/host/"},
    ),
    (
        "a host that is not scraped for 45 s",
        {'up{instance="web-3:9100",job="node"}': "1 0x40"},
        "1m",
        {"HostNotScraped/critical/host/"},
    ),
    (
        "another target is no host",
        {'up{instance="web-3:5432",job="postgres"}': "0x40"},
        "2m",
        {"TargetDown/warning/target/postgres"},
    ),
    (
        "a full filesystem",
        {
            f"node_filesystem_avail_bytes{{{FILESYSTEM}}}": "8e9x7 4e9x40",
            f"node_filesystem_size_bytes{{{FILESYSTEM}}}": "100e9x47",
            f"node_filesystem_readonly{{{FILESYSTEM}}}": "0x47",
        },
        "45s",
        {"FilesystemFull/warning/filesystem//var"},
    ),
    (
        "a fuller one, half a minute after 95 %",
        {
            f"node_filesystem_avail_bytes{{{FILESYSTEM}}}": "8e9x7 4e9x40",
            f"node_filesystem_size_bytes{{{FILESYSTEM}}}": "100e9x47",
            f"node_filesystem_readonly{{{FILESYSTEM}}}": "0x47",
        },
        "2m30s",
        {"FilesystemFull/warning/filesystem//var", "FilesystemFull/critical/filesystem//var"},
    ),
    (
        "a read-only filesystem is full by nature",
        {
            f"node_filesystem_avail_bytes{{{FILESYSTEM}}}": "0x40",
            f"node_filesystem_size_bytes{{{FILESYSTEM}}}": "100e9x40",
            f"node_filesystem_readonly{{{FILESYSTEM}}}": "1x40",
        },
        "5m",
        set(),
    ),
    (
        "no inodes",
        {
            f"node_filesystem_files_free{{{FILESYSTEM}}}": "1x40",
            f"node_filesystem_files{{{FILESYSTEM}}}": "100x40",
            f"node_filesystem_readonly{{{FILESYSTEM}}}": "0x40",
        },
        "1m",
        {"InodesFull/warning/inodes//var", "InodesFull/critical/inodes//var"},
    ),
    (
        "a filesystem without inodes of its own (btrfs) has none to run out of",
        {
            f"node_filesystem_files_free{{{FILESYSTEM}}}": "0x40",
            f"node_filesystem_files{{{FILESYSTEM}}}": "0x40",
            f"node_filesystem_readonly{{{FILESYSTEM}}}": "0x40",
        },
        "1m",
        set(),
    ),
    (
        "filling fast and more than half full",
        {
            f"tidecast_full_in_seconds{{{FAST}}}": "7200x40",
            f"node_filesystem_avail_bytes{{{FILESYSTEM}}}": "40e9x40",
            f"node_filesystem_size_bytes{{{FILESYSTEM}}}": "100e9x40",
        },
        "1m",
        {"FilesystemFillingFast/critical/filesystem//var"},
    ),
    (
        "filling fast and nearly empty",
        {
            f"tidecast_full_in_seconds{{{FAST}}}": "7200x40",
            f"node_filesystem_avail_bytes{{{FILESYSTEM}}}": "60e9x40",
            f"node_filesystem_size_bytes{{{FILESYSTEM}}}": "100e9x40",
        },
        "1m",
        set(),
    ),
    (
        "memory that fills fast",
        {'tidecast_full_in_seconds{instance="web-3",resource="memory",quantile="0.5"}': "7200x40"},
        "1m",
        {"FillingFast/critical/memory/"},
    ),
    (
        "memory",
        {
            'node_memory_MemAvailable_bytes{instance="web-3"}': "3e8x40",
            'node_memory_MemTotal_bytes{instance="web-3"}': "8e9x40",
        },
        "2m",
        {"MemoryShort/warning/memory/", "MemoryShort/critical/memory/"},
    ),
    (
        "swap",
        {
            'node_memory_SwapFree_bytes{instance="web-3"}': "1e8x60",
            'node_memory_SwapTotal_bytes{instance="web-3"}': "1e9x60",
        },
        "10m",
        {"SwapHeavy/warning/swap/"},
    ),
    (
        "file handles",
        {
            'node_filefd_allocated{instance="web-3"}': "95x40",
            'node_filefd_maximum{instance="web-3"}': "100x40",
        },
        "1m",
        {"FileHandlesShort/warning/file_handles/", "FileHandlesShort/critical/file_handles/"},
    ),
    (
        # Each processor idles 0.6 s of 15 s: 96 % busy.
        "processors that are busy for ten minutes are at work, not in trouble",
        {
            'node_cpu_seconds_total{instance="web-3",cpu="0",mode="idle"}': "0+0.6x100",
            'node_cpu_seconds_total{instance="web-3",cpu="1",mode="idle"}': "0+0.6x100",
        },
        "10m",
        set(),
    ),
    (
        "processors, their queue and their pressure after 15 minutes",
        {
            'node_cpu_seconds_total{instance="web-3",cpu="0",mode="idle"}': "0+0.6x100",
            'node_cpu_seconds_total{instance="web-3",cpu="1",mode="idle"}': "0+0.6x100",
            'node_load5{instance="web-3"}': "5x100",
            'node_pressure_cpu_waiting_seconds_total{instance="web-3"}': "0+9x100",
        },
        "20m",
        {"CpuSaturated/warning/cpu/", "LoadHigh/info/cpu/", "CpuPressure/warning/cpu/"},
    ),
    (
        "a forecast that comes sooner than its lead time",
        {
            f"tidecast_mark_within_lead_time{{{FORECAST}}}": "1x100",
        },
        "20m",
        {"ForecastBreach/warning/filesystem//var"},
    ),
    (
        "a forecast that leaves time",
        {
            f"tidecast_mark_within_lead_time{{{FORECAST}}}": "0x100",
        },
        "20m",
        set(),
    ),
]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> list[list[dict[str, str]]]:
    """The labels and annotations of the firing alerts of each case, from one run of promtool."""
    path = tmp_path_factory.mktemp("pack")
    shutil.copy(PACK, path / "rules.yml")
    groups = yaml.safe_load(PACK.read_text())["groups"]
    names = sorted({rule["alert"] for group in groups for rule in group["rules"]})
    tests = [
        {
            "interval": "15s",
            "input_series": [{"series": s, "values": v} for s, v in series.items()],
            "alert_rule_test": [{"eval_time": at, "alertname": name} for name in names],
        }
        for _, series, at, _ in CASES
    ]
    found = []
    for test in tests:
        file = {"rule_files": ["rules.yml"], "evaluation_interval": "15s", "tests": [test]}
        (path / "tests.yml").write_text(yaml.safe_dump(file))
        run = subprocess.run(
            ["promtool", "test", "rules", "tests.yml"],
            cwd=path,
            capture_output=True,
            check=False,
            text=True,
        )
        # No alert is expected, so promtool prints each one that fires.
        printed = run.stdout + run.stderr
        assert ("SUCCESS" in printed) != ("FAILED" in printed), printed
        pairs = re.findall(r"Labels:\{(.*?)\}\s+Annotations:\{(.*)\}", printed)
        found.append([{**_pairs(labels), **_pairs(notes)} for labels, notes in pairs])
    return found


def _pairs(text: str) -> dict[str, str]:
    quoted = re.findall(r'(\w+)=("(?:\\.|[^"\\])*")', text)
    return {name: yaml.safe_load(value) for name, value in quoted}


@pytest.mark.parametrize("number", range(len(CASES)), ids=[case[0] for case in CASES])
def test_the_pack_fires_when_it_should(number: int, told: list[list[dict[str, str]]]) -> None:
    alerts = told[number]
    found = {
        "/".join(a.get(name, "") for name in ("alertname", "severity", "resource", "item"))
        for a in alerts
    }
    assert found == CASES[number][3]
    for alert in alerts:
        assert "error expanding" not in str(alert)
        assert "web-3" in alert["summary"]
        assert len(alert["description"]) > 80
        assert "  " not in alert["summary"]
