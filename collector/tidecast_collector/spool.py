"""A durable queue of records on disk: what the agent owes the server.

    spool-dir/
      lock                       one agent at a time
      cursor                     how far the receiver has acknowledged
      00000000000000000001.seg   records, oldest segment first

A record is `TCR1`, its length, a CRC-32 over length and payload, and the payload. An append counts
as kept once fdatasync has returned. What a crash tears off the end is cut back when the spool is
opened; a damaged record in the middle is skipped, by looking for the next whole one, and counted.
"""

from __future__ import annotations

import fcntl
import os
import struct
import threading
from binascii import crc32
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tidecast_collector.errors import TidecastError

_MARK = b"TCR1"
_HEAD = struct.Struct("<4sII")
_CURSOR = struct.Struct("<QQI")
_SUFFIX = ".seg"
MAX_RECORD_BYTES = 16 << 20
MAX_SEGMENT_BYTES = 8 << 20
MAX_CHUNK_BYTES = 512 << 10


class SpoolUnavailable(TidecastError):
    """The spool cannot be opened, or a record cannot be kept."""


class Position(NamedTuple):
    """A place in the spool: a segment's number and a byte offset in it."""

    segment: int
    offset: int


class Chunk(NamedTuple):
    """Records in the order they were appended, and the place behind the last of them."""

    records: list[bytes]
    end: Position


class Spool:
    """Records wait here until they are acknowledged, at most `max_bytes` of them.

    When it is full the oldest segment goes first and its records count in `dropped_records`. Safe
    to use from one appending and one reading thread.
    """

    def __init__(self, directory: Path, max_bytes: int) -> None:
        self.directory = directory
        self.max_bytes = max_bytes
        self.segment_bytes = min(MAX_SEGMENT_BYTES, max(max_bytes // 8, 4096))
        self.dropped_records = 0
        self.damaged_records = 0
        self._damage_counted = Position(0, 0)
        self._guard = threading.Lock()
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = _lock(directory)
            self._sizes = {
                int(path.stem): path.stat().st_size
                for path in directory.glob(f"*{_SUFFIX}")
                if path.stem.isdigit()
            }
            self._cursor_fd = os.open(directory / "cursor", os.O_RDWR | os.O_CREAT, 0o600)
            self._open_last()
        except OSError as error:
            raise SpoolUnavailable(
                f"spool {directory}: {error.strerror}; give another place with --spool-dir"
            ) from error
        self._cursor = self._read_cursor()
        self._remove_acknowledged()

    @property
    def pending_bytes(self) -> int:
        """Bytes on disk that are not acknowledged yet."""
        with self._guard:
            return sum(self._sizes.values()) - self._cursor.offset

    def append(self, payload: bytes) -> None:
        """Keeps the record; it survives a power cut once this returns.

        Raises `SpoolUnavailable` if it was not kept; the spool is then as it was before.
        """
        if len(payload) > MAX_RECORD_BYTES:
            raise SpoolUnavailable(f"spool: a record of {len(payload)} bytes is over the limit")
        frame = _frame(payload)
        try:
            with self._guard:
                size = self._sizes[self._last]
                if size and size + len(frame) > self.segment_bytes:
                    self._roll()
                self._make_room(len(frame))
                size = self._sizes[self._last]
                # what a failed write leaves behind `size` is overwritten by the next one
                _write_whole(self._fd, frame, size)
                _sync_data(self._fd)
                self._sizes[self._last] = size + len(frame)
        except OSError as error:
            raise SpoolUnavailable(
                f"spool {self.directory}: {error.strerror}; this cycle is not kept"
            ) from error

    def read(self, max_records: int) -> Chunk:
        """The oldest records that are not acknowledged, at most `max_records`; maybe none.

        Together they hold little more than `MAX_CHUNK_BYTES`, so that a backlog costs no memory.
        Raises `SpoolUnavailable` if the disk cannot be read.
        """
        try:
            return self._read(max_records)
        except OSError as error:
            raise SpoolUnavailable(f"spool {self.directory}: {error.strerror}") from error

    def _read(self, max_records: int) -> Chunk:
        with self._guard:
            at, sizes = self._cursor, dict(self._sizes)
        records: list[bytes] = []
        taken_bytes = 0
        while len(records) < max_records and taken_bytes < MAX_CHUNK_BYTES:
            payload, offset, damaged = self._next_record(at, sizes.get(at.segment, 0))
            if damaged and at >= self._damage_counted:
                self.damaged_records += 1
                self._damage_counted = Position(at.segment, offset)
            if payload is not None:
                records.append(payload)
                taken_bytes += len(payload)
                at = Position(at.segment, offset)
                continue
            later = [number for number in sizes if number > at.segment]
            if not later:
                at = Position(at.segment, offset)
                break
            at = Position(min(later), 0)
            if damaged and not records:
                self.acknowledge(at)
        return Chunk(records, at)

    def acknowledge(self, end: Position) -> None:
        """Forgets everything before `end`, a place that `read` returned.

        Raises `SpoolUnavailable` if that cannot be written down; it is forgotten all the same until
        the spool is opened again.
        """
        with self._guard:
            if end < self._cursor:
                return  # its segment was dropped for room while the request was under way
            self._cursor = end
            body = struct.pack("<QQ", *end)
            try:
                os.pwrite(self._cursor_fd, body + struct.pack("<I", crc32(body)), 0)
                self._remove_acknowledged()
            except OSError as error:
                raise SpoolUnavailable(
                    f"spool {self.directory}: {error.strerror}; after a restart the server is sent "
                    "again what it has acknowledged"
                ) from error

    def close(self) -> None:
        """Releases the files and the lock; nothing is lost by not calling it."""
        for fd in (self._fd, self._cursor_fd, self._lock):
            os.close(fd)

    def _path(self, number: int) -> Path:
        return self.directory / f"{number:020d}{_SUFFIX}"

    def _open_last(self) -> None:
        """Opens the newest segment for appending, its torn end cut off."""
        self._last = max(self._sizes, default=1)
        self._fd = os.open(self._path(self._last), os.O_RDWR | os.O_CREAT, 0o600)
        size = os.fstat(self._fd).st_size
        whole = _whole_bytes(os.pread(self._fd, size, 0))
        if whole < size:
            os.ftruncate(self._fd, whole)
            self.damaged_records += 1
        self._sizes[self._last] = whole
        _sync_directory(self.directory)

    def _read_cursor(self) -> Position:
        """Where the last acknowledgement stood, or the oldest record there is."""
        oldest = Position(min(self._sizes), 0)
        stored = os.pread(self._cursor_fd, _CURSOR.size, 0)
        if len(stored) < _CURSOR.size:
            return oldest
        segment, offset, checksum = _CURSOR.unpack(stored)
        if checksum != crc32(stored[:16]):
            return oldest
        cursor = max(Position(segment, offset), oldest)
        in_segment = cursor.segment in self._sizes and cursor.offset <= self._sizes[cursor.segment]
        return cursor if in_segment else oldest

    def _roll(self) -> None:
        fd = os.open(self._path(self._last + 1), os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        _sync_directory(self.directory)
        os.close(self._fd)
        self._fd = fd
        self._last += 1
        self._sizes[self._last] = 0
        self._remove_acknowledged()

    def _make_room(self, more: int) -> None:
        while len(self._sizes) > 1 and sum(self._sizes.values()) + more > self.max_bytes:
            oldest = min(self._sizes)
            start = self._cursor.offset if self._cursor.segment == oldest else 0
            self.dropped_records += _count_records(self._path(oldest).read_bytes(), start)
            self._path(oldest).unlink()
            del self._sizes[oldest]
            self._cursor = max(self._cursor, Position(min(self._sizes), 0))

    def _remove_acknowledged(self) -> None:
        for number in [n for n in self._sizes if n < self._cursor.segment and n != self._last]:
            self._path(number).unlink(missing_ok=True)
            del self._sizes[number]

    def _next_record(self, at: Position, size: int) -> tuple[bytes | None, int, int]:
        """The record at or after `at`, the offset behind it, and how many were damaged before."""
        if at.offset >= size:
            return None, at.offset, 0
        try:
            fd = os.open(self._path(at.segment), os.O_RDONLY)
        except FileNotFoundError:
            return None, size, 0  # dropped for room since the sizes were copied
        try:
            head = os.pread(fd, _HEAD.size, at.offset)
            length = _payload_length(head)
            if length is not None and at.offset + _HEAD.size + length <= size:
                payload = os.pread(fd, length, at.offset + _HEAD.size)
                if _is_whole(head, payload):
                    return payload, at.offset + _HEAD.size + length, 0
            rest = os.pread(fd, size - at.offset, at.offset)
        finally:
            os.close(fd)
        found = _find_record(rest, 1)
        if found is None:
            return None, size, 1
        start, end = found
        return rest[start + _HEAD.size : end], at.offset + end, 1


def _frame(payload: bytes) -> bytes:
    length = len(payload).to_bytes(4, "little")
    return _HEAD.pack(_MARK, len(payload), crc32(payload, crc32(length))) + payload


def _payload_length(head: bytes) -> int | None:
    if len(head) < _HEAD.size:
        return None
    mark, length, _ = _HEAD.unpack(head)
    return int(length) if mark == _MARK and length <= MAX_RECORD_BYTES else None


def _is_whole(head: bytes, payload: bytes) -> bool:
    return bool(_HEAD.unpack(head)[2] == crc32(payload, crc32(head[4:8])))


def _record_end(data: bytes, at: int) -> int | None:
    """Where the record at `at` ends, or None where no whole record stands."""
    head = data[at : at + _HEAD.size]
    length = _payload_length(head)
    if length is None or at + _HEAD.size + length > len(data):
        return None
    end = at + _HEAD.size + length
    return end if _is_whole(head, data[at + _HEAD.size : end]) else None


def _find_record(data: bytes, start: int) -> tuple[int, int] | None:
    """The first whole record at or after `start`, as (start, end)."""
    at = data.find(_MARK, start)
    while at >= 0:
        end = _record_end(data, at)
        if end is not None:
            return at, end
        at = data.find(_MARK, at + 1)
    return None


def _whole_bytes(data: bytes) -> int:
    """The length of `data` up to the end of its last whole record."""
    whole = 0
    found = _find_record(data, 0)
    while found is not None:
        whole = found[1]
        found = _find_record(data, whole)
    return whole


def _count_records(data: bytes, start: int) -> int:
    count = 0
    found = _find_record(data, start)
    while found is not None:
        count += 1
        found = _find_record(data, found[1])
    return count


def _write_whole(fd: int, data: bytes, at: int) -> None:
    while data:
        written = os.pwrite(fd, data, at)
        data = data[written:]
        at += written


# macOS has no fdatasync; there fsync does more than is asked.
_sync_data: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)


def _sync_directory(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _lock(directory: Path) -> int:
    fd = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(fd)
        raise SpoolUnavailable(
            f"spool {directory}: another agent is using it; give another place with --spool-dir"
        ) from error
    return fd
