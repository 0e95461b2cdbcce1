"""Space and inodes of the mounted file systems, by statvfs."""

from __future__ import annotations

import os
import re
import threading
from functools import lru_cache
from typing import NamedTuple

from tidecast_collector.model import GAUGE, Family, Sample, Tags
from tidecast_collector.sources.reading import Root

STUCK_AFTER_SECONDS = 1.0

_NOT_STORAGE = re.compile(
    r"^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|hugetlbfs|iso9660"
    r"|mqueue|nsfs|overlay|proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|sysfs"
    r"|tracefs)$"
)
_MAY_HANG = re.compile(
    r"^(nfs|nfs4|cifs|smb3|smbfs|ncpfs|afs|ceph|coda|gfs2?|ocfs2|lustre|beegfs|gpfs|9p|fuse\..+)$"
)
_NOT_OURS = re.compile(
    r"^/(dev|proc|run|sys|mnt|media|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)"
)
_OCTAL = re.compile(r"\\([0-7]{3})")

_METRICS = (
    ("size_bytes", "Size of the file system."),
    ("free_bytes", "Free space, with what is reserved for root."),
    ("avail_bytes", "Free space that others than root can use."),
    ("files", "Inodes there are."),
    ("files_free", "Free inodes."),
    ("readonly", "Whether the file system is mounted read-only."),
    ("device_error", "Whether statistics could not be had."),
)


class Mount(NamedTuple):
    """A line of the mount table."""

    device: str
    mountpoint: str
    fstype: str
    readonly: bool


def mounts(root: Root) -> list[Mount]:
    """The mounted file systems that store things, each (device, mountpoint, type) once."""
    data = root.read_if_there("proc/1/mounts")
    if data is None:
        data = root.read("proc/self/mounts")
    found: dict[tuple[str, str, str], Mount] = {}
    for line in data.decode("utf-8", "replace").splitlines():
        device, mountpoint, fstype, options = (_unescape(word) for word in line.split(" ")[:4])
        if not _stores_things(fstype, mountpoint):
            continue
        mount = Mount(device, mountpoint, fstype, "ro" in options.split(","))
        found.setdefault((device, mountpoint, fstype), mount)
    return list(found.values())


@lru_cache(maxsize=4096)
def _stores_things(fstype: str, mountpoint: str) -> bool:
    return not (_NOT_STORAGE.match(fstype) or _NOT_OURS.match(mountpoint))


class FilesystemSource:
    """Reads each mount; one that hangs is reported as an error and left alone until it answers."""

    def __init__(self) -> None:
        self._waiting: dict[str, threading.Thread] = {}

    def __call__(self, root: Root) -> list[Family]:
        """Size, free space, inodes, read-only and error state of each file system."""
        samples: dict[str, list[Sample]] = {name: [] for name, _ in _METRICS}
        for mount in mounts(root):
            tags: Tags = (
                ("device", mount.device),
                ("fstype", mount.fstype),
                ("mountpoint", mount.mountpoint),
            )
            stats = self._statvfs(root.at(mount.mountpoint), mount.fstype)
            if stats is None:
                samples["device_error"].append((tags, 1.0))
                continue
            values = (
                stats.f_blocks * stats.f_frsize,
                stats.f_bfree * stats.f_frsize,
                stats.f_bavail * stats.f_frsize,
                stats.f_files,
                stats.f_ffree,
                mount.readonly,
                False,
            )
            for (name, _), value in zip(_METRICS, values, strict=True):
                samples[name].append((tags, float(value)))
        return [
            Family(f"node_filesystem_{name}", GAUGE, text, samples[name]) for name, text in _METRICS
        ]

    def _statvfs(self, path: str, fstype: str) -> os.statvfs_result | None:
        """What statvfs tells, or None where it fails or hangs."""
        if not _MAY_HANG.match(fstype):
            return _statvfs_or_none(path)
        if path in self._waiting:
            if self._waiting[path].is_alive():
                return None
            del self._waiting[path]
        answer: list[os.statvfs_result | None] = []
        # A thread that hangs in the kernel cannot be ended, only waited for no longer.
        thread = threading.Thread(target=lambda: answer.append(_statvfs_or_none(path)), daemon=True)
        thread.start()
        thread.join(STUCK_AFTER_SECONDS)
        if thread.is_alive():
            self._waiting[path] = thread
            return None
        return answer[0]


def _statvfs_or_none(path: str) -> os.statvfs_result | None:
    try:
        return os.statvfs(path)
    except OSError:
        return None


def _unescape(word: str) -> str:
    return _OCTAL.sub(lambda match: chr(int(match[1], 8)), word) if "\\" in word else word
