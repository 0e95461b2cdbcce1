"""Backups of a running server: consistent, described by a manifest, and how they come back.

manifest.json            sizes and SHA-256 of all the others
samples/raw, samples/own the two stores
records.sqlite3          incidents, forecasts, ...
policy/                  the files that the server was started with
"""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import tidecast_collector
from tidecast.journeys.backup_manifest import (
    MANIFEST,
    DamagedBackup,
    Manifest,
    check_files,
    check_path,
    describe_files,
    read_manifest,
)
from tidecast.records import Records
from tidecast.samples.copying import copy_file
from tidecast.samples.durable import sync_directory, write_atomically, writing_in
from tidecast.samples.embedded import EmbeddedSamples
from tidecast.samples.verify import verify
from tidecast_collector.errors import InvalidInput

RECORDS_FILE = "records.sqlite3"
_CHUNK_BYTES = 1 << 20
_BLOCK_BYTES = 512


class BackupExists(InvalidInput):
    """There is something already where a backup, or what was in one, would go."""


@dataclass(frozen=True, slots=True)
class Holdings:
    """What there is to save; `raw` is None where an engine keeps those samples."""

    raw: EmbeddedSamples | None
    own: EmbeddedSamples
    records: Records
    policy_files: Sequence[Path] = ()


def make_backup(holdings: Holdings, target: Path, now_ms: int) -> Manifest:
    """Saves everything into the new directory `target`; it appears there whole or not at all.

    Everything acknowledged before the call is in it. Raises `BackupExists`, `SamplesUnavailable`
    or `RecordsUnavailable`; then nothing remains.
    """
    if target.exists():
        raise BackupExists(f"there is a backup {target.name} already: choose another name")
    making = target.with_name(target.name + ".making")
    try:
        with writing_in(target.parent):
            shutil.rmtree(making, ignore_errors=True)
            making.mkdir(parents=True, mode=0o700)
            left_out = _copy(holdings, making)
            manifest = _describe(making, left_out, now_ms)
            write_atomically(making / MANIFEST, manifest.to_json())
            making.rename(target)
            sync_directory(target.parent)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return manifest


def _copy(holdings: Holdings, making: Path) -> list[str]:
    """Copies all parts; returns what is kept elsewhere.

    The order matters. Late hours are marked in the records before their samples are written, so the
    records come after the raw samples; the records tell up to when usage records were written, so
    these come last.
    """
    left_out = []
    if holdings.raw is None:
        left_out.append("raw samples: they are in the samples engine")
    else:
        _copy_store(holdings.raw, making / "samples" / "raw")
    if not holdings.records.copy_to(making / RECORDS_FILE):
        left_out.append("records: they are in PostgreSQL, see pg_dump")
    _copy_store(holdings.own, making / "samples" / "own")
    for number, path in enumerate(holdings.policy_files):
        (making / "policy").mkdir(exist_ok=True)
        try:
            copy_file(path, making / "policy" / f"{number:02d}-{path.name}")
        except FileNotFoundError:
            left_out.append(f"{path}: not there any more")
    return left_out


def _copy_store(store: EmbeddedSamples, target: Path) -> None:
    target.mkdir(parents=True)
    store.copy_to(target)


def _describe(making: Path, left_out: Sequence[str], now_ms: int) -> Manifest:
    damage = [
        f"{found.path.relative_to(making)}: {found.what}"
        for store in sorted((making / "samples").iterdir())
        for found in verify(store).damage
    ]
    version = tidecast_collector.__version__
    return Manifest(now_ms, version, describe_files(making), tuple(left_out), tuple(damage))


def list_backups(directory: Path) -> Mapping[str, Manifest | DamagedBackup]:
    """The backups below the directory by name: what is in them, or what is wrong with them."""
    found: dict[str, Manifest | DamagedBackup] = {}
    for path in sorted(directory.glob(f"*/{MANIFEST}")):
        try:
            found[path.parent.name] = read_manifest(path.parent)
        except DamagedBackup as error:
            found[path.parent.name] = error
    return found


def tar_stream(directory: Path) -> Iterator[bytes]:
    """The backup as a tar file, piece by piece; the manifest is its first member."""
    names = [MANIFEST, *(file.path for file in read_manifest(directory).files)]
    for name in names:
        path = directory / name
        with path.open("rb") as file:
            about = tarfile.TarInfo(name)
            about.size, about.mode = os.fstat(file.fileno()).st_size, 0o600
            yield about.tobuf(tarfile.PAX_FORMAT)
            left = about.size
            while left and (chunk := file.read(min(left, _CHUNK_BYTES))):
                yield chunk
                left -= len(chunk)
            yield bytes(-about.size % _BLOCK_BYTES)
    yield bytes(2 * _BLOCK_BYTES)


def unpack(archive: Path, target: Path) -> None:
    """Unpacks a backup's tar file into the new directory; raises `DamagedBackup`."""
    target.mkdir(parents=True, mode=0o700)
    try:
        with tarfile.open(archive, "r:") as tar:
            for member in tar:
                check_path(member.name)
                content = tar.extractfile(member) if member.isreg() else None
                if content is None:
                    raise DamagedBackup(f"{archive}: {member.name!r} is no plain file")
                path = target / member.name
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("xb") as file:
                    shutil.copyfileobj(content, file, _CHUNK_BYTES)
                    _sync(file)
    except (tarfile.TarError, EOFError, FileExistsError) as error:
        raise DamagedBackup(f"{archive}: is not a whole tar file: {error}") from error


def check_backup(directory: Path) -> Manifest:
    """The manifest of the backup in this directory, once every file was found as it says.

    Raises `DamagedBackup`, naming the files that are not.
    """
    manifest = read_manifest(directory)
    check_files(directory, manifest)
    return manifest


def restore_backup(source: Path, data_dir: Path) -> Manifest:
    """Puts a backup (its directory or tar file) into a data directory that is empty or not there.

    All of it is checked first; raises `DamagedBackup`, naming the files, or `BackupExists`.
    """
    require_empty(data_dir)
    if source.is_dir():
        check_backup(source)
    coming = data_dir.with_name(data_dir.name + ".restoring")
    with writing_in(data_dir.parent):
        shutil.rmtree(coming, ignore_errors=True)
        try:
            _bring(source, coming)
            # What was copied is checked too: that is what the server will start with.
            manifest = check_backup(coming)
            (coming / MANIFEST).unlink()
            # A store in which nothing was written yet has no files to come back by.
            (coming / "samples" / "own").mkdir(parents=True, exist_ok=True)
            for directory in [coming, *(path for path in coming.rglob("*") if path.is_dir())]:
                sync_directory(directory)
            coming.rename(data_dir)
            sync_directory(data_dir.parent)
        finally:
            shutil.rmtree(coming, ignore_errors=True)
    return manifest


def require_empty(directory: Path) -> None:
    """Raises `BackupExists` unless the directory is empty or not there."""
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise BackupExists(f"{directory} is not an empty directory: choose another")


def _bring(source: Path, coming: Path) -> None:
    if not source.is_dir():
        unpack(source, coming)
        return
    coming.mkdir(parents=True, mode=0o700)
    for name in [MANIFEST, *(file.path for file in read_manifest(source).files)]:
        target = coming / name
        target.parent.mkdir(parents=True, exist_ok=True)
        copy_file(source / name, target)


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
