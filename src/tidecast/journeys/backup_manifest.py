"""What a backup consists of: every file with its size and SHA-256, and a digest of that list."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from tidecast_collector.errors import TidecastError

MANIFEST = "manifest.json"
MAX_MANIFEST_BYTES = 256 << 20
_FORMAT = 1


class DamagedBackup(TidecastError):
    """A backup that is not as it was made; the message names the file."""


@dataclass(frozen=True, slots=True)
class BackupFile:
    """A file of the backup; the path is relative to it."""

    path: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """When and of what a backup was made; `left_out` tells what has to be saved elsewhere.

    `damage` tells what was damaged already when it was made.
    """

    made_ms: int
    version: str
    files: tuple[BackupFile, ...]
    left_out: tuple[str, ...] = ()
    damage: tuple[str, ...] = ()

    @property
    def size_bytes(self) -> int:
        """The size of all files together."""
        return sum(file.size_bytes for file in self.files)

    def to_json(self) -> bytes:
        """As it is written."""
        body = {"format": _FORMAT, **asdict(self)}
        return json.dumps({**body, "sha256": _digest(body)}, indent=1).encode() + b"\n"


def _digest(body: dict[str, Any]) -> str:
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def read_manifest(directory: Path) -> Manifest:
    """The manifest of the backup in this directory; raises `DamagedBackup`."""
    path = directory / MANIFEST
    try:
        if path.stat().st_size > MAX_MANIFEST_BYTES:
            raise DamagedBackup(f"{path}: larger than {MAX_MANIFEST_BYTES} bytes")
        body = json.loads(path.read_bytes())
        if not isinstance(body, dict) or body.pop("sha256", None) != _digest(body):
            raise DamagedBackup(f"{path}: is not as it was written")
        if body.pop("format") != _FORMAT:
            raise DamagedBackup(f"{path}: made by a newer Tidecast")
        files = tuple(BackupFile(**file) for file in body.pop("files"))
        left_out, damage = tuple(body.pop("left_out")), tuple(body.pop("damage"))
        manifest = Manifest(files=files, left_out=left_out, damage=damage, **body)
    except OSError as error:
        raise DamagedBackup(f"{path}: {error.strerror}; is this a backup?") from error
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedBackup(f"{path}: is not as it was written: {error}") from error
    for file in manifest.files:
        check_path(file.path)
    return manifest


def check_path(path: str) -> None:
    """Raises `DamagedBackup` for a path that does not stay inside of a backup."""
    parts = PurePosixPath(path).parts
    if not parts or PurePosixPath(path).is_absolute() or ".." in parts:
        raise DamagedBackup(f"{path!r}: a file of a backup cannot be called so")


def describe_files(directory: Path) -> tuple[BackupFile, ...]:
    """Every file below the directory with its size and SHA-256, in the order of their paths."""
    found = sorted(path for path in directory.rglob("*") if path.is_file())
    return tuple(
        BackupFile(path.relative_to(directory).as_posix(), path.stat().st_size, _sha256_of(path))
        for path in found
        if path != directory / MANIFEST
    )


def check_files(directory: Path, manifest: Manifest) -> None:
    """Raises `DamagedBackup` unless the directory holds exactly these files as they were."""
    faults: list[str] = []
    for file in manifest.files:
        fault = _fault_of(directory / file.path, file)
        if fault:
            faults.append(f"{file.path}: {fault}")
    known = {file.path for file in manifest.files} | {MANIFEST}
    there = {p.relative_to(directory).as_posix() for p in directory.rglob("*") if p.is_file()}
    faults += [f"{path}: not in the manifest" for path in sorted(there - known)]
    if faults:
        raise DamagedBackup(f"{directory}: damaged, nothing was restored: {_some(faults)}")


def _some(faults: Sequence[str]) -> str:
    more = f" and {len(faults) - 5} more" if len(faults) > 5 else ""
    return "; ".join(faults[:5]) + more


def _fault_of(path: Path, file: BackupFile) -> str:
    try:
        if path.stat().st_size != file.size_bytes:
            return f"{path.stat().st_size} bytes instead of {file.size_bytes}"
        return "" if _sha256_of(path) == file.sha256 else "its SHA-256 does not match"
    except OSError as error:
        return str(error.strerror)


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
