"""The filesystem source over recorded mounts; the numbers are those of the file system here."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from tests.scenario.driver import PATIENCE_SECONDS

from tidecast_collector.sources import filesystem
from tidecast_collector.sources.filesystem import FilesystemSource

from .conftest import Host, sample_lines


def test_filesystem(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data dir").mkdir()
    statvfs = os.statvfs
    now = statvfs(tmp_path)

    def as_it_is_now(path: str) -> os.statvfs_result:
        statvfs(path)  # which fails where there is none
        return now

    monkeypatch.setattr(os, "statvfs", as_it_is_now)
    root = host(
        {
            "proc/1/mounts": (
                "/dev/sda1 / ext4 rw,relatime 0 0\n"
                "/dev/sda1 / ext4 ro,relatime 0 0\n"
                "/dev/sdb1 /data\\040dir xfs ro,noatime 0 0\n"
                "/dev/sdc1 /gone ext4 rw 0 0\n"
                "proc /proc proc rw 0 0\n"
                "tmpfs /run tmpfs rw 0 0\n"
                "overlay /var/lib/docker/overlay2/x/merged overlay rw 0 0\n"
                "/dev/sdd1 /mnt/usb ext4 rw 0 0\n"
            )
        }
    )
    lines = sample_lines(FilesystemSource()(root))
    assert [line for line in lines if 'mountpoint="/data dir"' in line] == [
        line.replace("@", 'device="/dev/sdb1",fstype="xfs",mountpoint="/data dir"')
        for line in (
            f"node_filesystem_size_bytes{{@}} {now.f_blocks * now.f_frsize}",
            f"node_filesystem_free_bytes{{@}} {now.f_bfree * now.f_frsize}",
            f"node_filesystem_avail_bytes{{@}} {now.f_bavail * now.f_frsize}",
            f"node_filesystem_files{{@}} {now.f_files}",
            f"node_filesystem_files_free{{@}} {now.f_ffree}",
            "node_filesystem_readonly{@} 1",
            "node_filesystem_device_error{@} 0",
        )
    ]
    assert 'node_filesystem_readonly{device="/dev/sda1",fstype="ext4",mountpoint="/"} 0' in lines
    assert [line for line in lines if "/gone" in line] == [
        'node_filesystem_device_error{device="/dev/sdc1",fstype="ext4",mountpoint="/gone"} 1'
    ]
    assert not [line for line in lines if "proc" in line or "tmpfs" in line or "/mnt" in line]


def test_a_hung_network_mount_is_reported_and_left_alone(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = threading.Event()
    asked: list[str] = []
    statvfs = os.statvfs

    def hang(path: str) -> os.statvfs_result:
        if path.endswith("/share"):
            asked.append(path)
            answers.wait(PATIENCE_SECONDS)
            return statvfs("/")
        return statvfs(path)

    monkeypatch.setattr(os, "statvfs", hang)
    monkeypatch.setattr(filesystem, "STUCK_AFTER_SECONDS", 0.05)
    root = host({"proc/1/mounts": "nas:/x /share nfs4 rw 0 0\n/dev/sda1 / ext4 rw 0 0\n"})
    source = FilesystemSource()
    tags = '{device="nas:/x",fstype="nfs4",mountpoint="/share"}'
    for _ in range(3):
        lines = sample_lines(source(root))
        assert f"node_filesystem_device_error{tags} 1" in lines
        assert (
            'node_filesystem_readonly{device="/dev/sda1",fstype="ext4",mountpoint="/"} 0' in lines
        )
    assert len(asked) == 1  # no thread piles up behind the first
    answers.set()
    for thread in source._waiting.values():
        thread.join()
    monkeypatch.setattr(filesystem, "STUCK_AFTER_SECONDS", PATIENCE_SECONDS)
    assert f"node_filesystem_device_error{tags} 0" in sample_lines(source(root))
