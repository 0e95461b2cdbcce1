"""Files that are either as they were or as they should be, whatever happens in between."""

from __future__ import annotations

import fcntl
import json
import os
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tidecast.samples.protocol import SamplesUnavailable
from tidecast_collector.errors import TidecastError


class StoreLocked(TidecastError):
    """Another process has the store open."""


class DamagedFile(TidecastError):
    """A file whose content is not what was written."""

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(f"{path}: {what}")
        self.path, self.what = path, what

    def __reduce__(self) -> tuple[type[DamagedFile], tuple[Path, str]]:
        return DamagedFile, (self.path, self.what)


@contextmanager
def writing_in(directory: Path) -> Iterator[None]:
    """Tells of a disk that refuses as `SamplesUnavailable`."""
    try:
        yield
    except OSError as error:
        raise SamplesUnavailable(
            f"cannot write in {directory}: {error.strerror}; "
            "nothing acknowledged is lost, check its free space and permissions"
        ) from error


def sync_directory(directory: Path) -> None:
    """Makes the names in the directory (created, renamed, removed) durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomically(path: Path, data: bytes) -> None:
    """Replaces the file's content durably; at no moment is there half of it."""
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_directory(path.parent)


def remove_durably(paths: Sequence[Path]) -> None:
    """Removes the files; they do not come back after a power cut."""
    for path in paths:
        path.unlink(missing_ok=True)
    for directory in {path.parent for path in paths}:
        sync_directory(directory)


def lock_directory(directory: Path) -> int:
    """The descriptor that holds the directory's lock until it is closed (or the process ends).

    Raises `StoreLocked`, naming the process, where another one holds it.
    """
    descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        owner = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
        os.close(descriptor)
        raise StoreLocked(
            f"{directory} is in use by process {owner}: stop it first, or choose another directory"
        ) from error
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


class CheckedJson:
    """A small JSON document with a checksum, kept twice so that one damaged copy loses nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.paths = (path, path.with_name(path.name + ".copy"))
        self._version = 0

    def save(self, body: Any) -> None:
        """Writes both copies, one after the other."""
        text = json.dumps({"version": self._version + 1, "body": body}, separators=(",", ":"))
        data = text.encode()
        for path in self.paths:
            write_atomically(path, f"{zlib.crc32(data):08x}\n".encode() + data)
        self._version += 1

    def load(self) -> tuple[Any, list[str]]:
        """The newest undamaged body (None: never saved), and what is wrong with which copy.

        Raises `DamagedFile` where there are copies and none of them can be trusted.
        """
        documents, problems = [], []
        for path in self.paths:
            try:
                documents.append(_parse(path))
            except FileNotFoundError:
                continue
            except DamagedFile as error:
                problems.append(str(error))
        if documents:
            newest = max(documents, key=lambda document: int(document["version"]))
            self._version = int(newest["version"])
            return newest["body"], problems
        if problems:
            raise DamagedFile(self.path, "; ".join(problems))
        return None, []


def _parse(path: Path) -> dict[str, Any]:
    data = path.read_bytes()
    if data[8:9] != b"\n" or f"{zlib.crc32(data[9:]):08x}".encode() != data[:8]:
        raise DamagedFile(path, "checksum does not match")
    document: dict[str, Any] = json.loads(data[9:])
    return document
