"""The write-ahead log: what was acknowledged and is not in a segment yet.

A file is an 8-byte magic and frames of

    marker "TCr1" | payload length u32 | CRC32 of the payload u32 | CRC32 of these 12 bytes u32

all little-endian. A payload holds the series that the file names for the first time and samples of
series by number; numbers mean something within their file only. It ends in a byte that is not
zero: where a file system has lengthened the file without writing the rest there is no whole frame.
The file is longer than its frames, by bytes that stand for none: to make durable what is written
over them the file system has nothing else to note.
A length that its own CRC vouches for lets a reader step over a damaged payload; where even the
header is damaged it looks for the next whole frame.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np

from tidecast.samples.batch import Int64s
from tidecast.samples.durable import sync_directory
from tidecast.samples.log_record import LogEntry, LogRecord, decode_record, encode_record
from tidecast.samples.protocol import SamplesUnavailable

MAGIC = b"TCLOG\x00\x00\x01"
_MARKER = b"TCr1"
_HEADER = struct.Struct("<4sII")
_HEADER_SIZE = _HEADER.size + 4
_FILLER = b"\xd6"
_FILLER_BYTES = 256 << 10
_LEAST_ROOM, _MOST_ROOM = 64 << 10, 4 << 20
"""The file is made longer by as much as it has, within these bounds."""
_SECTOR = 512
"""So much of a write is made durable as one."""
_LET_GO_BYTES = 64 << 20
"""So much of a log that is being read stays in memory: it may be larger than all that is left."""


@dataclass(slots=True)
class LogReading:
    """How the reading of one file went: where the good part ends, what was damaged before that."""

    path: Path
    size: int = 0
    good_end: int = 0
    problems: list[str] = field(default_factory=list)


class LogWriter:
    """Appends entries to the newest file of a directory; the caller lets in one thread at a time.

    After any failed write the file is cut back to its last good frame and left; the next write
    starts another, since what a failed fsync left in memory can no longer be trusted.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._descriptor: int | None = None
        self._path = directory
        self._end = self._room = 0
        self._defined = _Numbers()
        # The numbers of files kept for their damage are not given again either.
        numbers = [int(path.name.split(".")[0]) for path in directory.glob("*.log*")]
        self._next = max(numbers, default=0) + 1

    def write(self, entries: Sequence[LogEntry]) -> None:
        """Appends the entries and returns once they are durable.

        Raises `SamplesUnavailable` where that fails; none of them counts as written then.
        """
        if not entries:
            return
        try:
            if self._descriptor is None:
                self._start()
            data = self._frames(entries)
            assert self._descriptor is not None
            if self._end + len(data) > self._room:
                self._lengthen(self._descriptor, len(data))
            _write_whole(self._descriptor, data, self._end)
            os.fdatasync(self._descriptor)
        except OSError as error:
            path = self._path
            self._give_up()
            raise SamplesUnavailable(
                f"cannot write {path}: {error.strerror}; nothing acknowledged is lost, "
                "check the disk's free space and send the samples again"
            ) from error
        self._end += len(data)

    def rotate(self) -> list[Path]:
        """The files written so far, oldest first; later entries go into another file."""
        self.close()
        return log_paths(self._directory)

    def close(self) -> None:
        """Closes the newest file."""
        if self._descriptor is not None:
            # What stays behind the last frame harms nobody.
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self._end)
            os.close(self._descriptor)
            self._descriptor = None

    def _start(self) -> None:
        self._path = self._directory / f"{self._next:012d}.log"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._descriptor = os.open(self._path, flags, 0o644)
        self._next += 1
        self._end = self._room = 0
        self._defined = _Numbers()
        _write_whole(self._descriptor, MAGIC, 0)
        os.fdatasync(self._descriptor)
        sync_directory(self._directory)
        self._end = self._room = len(MAGIC)

    def _lengthen(self, descriptor: int, size: int) -> None:
        """Makes room for so many bytes and more, where there is any: else they go to the end."""
        # Where there was no room before, frames stand behind what was made of it.
        start = max(self._room, self._end)
        end = self._end + size + min(max(self._end, _LEAST_ROOM), _MOST_ROOM)
        try:
            for at in range(start, end, _FILLER_BYTES):
                _write_whole(descriptor, _FILLER * min(_FILLER_BYTES, end - at), at)
        except OSError:
            os.ftruncate(descriptor, start)
            return
        os.fdatasync(descriptor)
        self._room = end

    def _frames(self, entries: Sequence[LogEntry]) -> bytes:
        # A failed write leaves the file, and with it what is noted here as named in it.
        frames = []
        for entry in entries:
            new = self._defined.take(entry.numbers)
            named = {int(entry.numbers[i]): entry.batch.labels[i] for i in new.tolist()}
            frames.append(_frame(encode_record(named, entry)))
        return b"".join(frames)

    def _give_up(self) -> None:
        if self._descriptor is None:
            return
        # A tail that cannot be cut now is cut, or found whole, when the store is opened again.
        with contextlib.suppress(OSError):
            os.ftruncate(self._descriptor, self._end)
            if self._end <= len(MAGIC):
                self._path.unlink()
        self.close()


class _Numbers:
    """A growing set of small numbers."""

    def __init__(self) -> None:
        self._in = np.zeros(1024, dtype=np.bool_)

    def take(self, numbers: Int64s) -> Int64s:
        """Adds the numbers; returns the places of those that were not in."""
        largest = int(numbers.max(initial=0))
        if largest >= len(self._in):
            self._in = np.concatenate([self._in, np.zeros(largest + 1, dtype=np.bool_)])
        places: Int64s = (~self._in[numbers]).nonzero()[0]
        self._in[numbers] = True
        return places


def log_paths(directory: Path) -> list[Path]:
    """The log files of the directory, oldest first."""
    return sorted(directory.glob("*.log"))


def read_log(path: Path, reading: LogReading) -> Iterator[LogRecord]:
    """The records of a log file that can be trusted, in order; notes in `reading` how it went.

    A frame that was not written to its end is a torn tail, as dying while writing leaves it;
    whatever else is not as it was written is a problem.
    """
    data = _content(path)
    reading.size = len(data)
    at = len(MAGIC)
    if data[: len(MAGIC)] == MAGIC:
        reading.good_end = at
    elif len(data) > len(MAGIC):
        reading.problems.append(f"{path}: damaged header")
    while at < len(data):
        end = _whole_frame(data, at)
        if end is None:
            following = _next_frame(data, at)
            if following is None:
                if _is_filler(data[at:]):
                    reading.size = at
                elif not _cut_short(data, at):
                    reading.problems.append(f"{path}: the last {len(data) - at} bytes are damaged")
                return
            reading.problems.append(f"{path}: bytes {at} to {following} are damaged")
            at = following
            continue
        yield decode_record(memoryview(data)[at + _HEADER_SIZE : end])
        if at // _LET_GO_BYTES != end // _LET_GO_BYTES:
            _let_go(data, end // _LET_GO_BYTES * _LET_GO_BYTES)
        reading.good_end = at = end


def _content(path: Path) -> bytes | mmap.mmap:
    """What is in the file, which stays as it is while it is being read."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        return mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) if size else b""


def _let_go(data: bytes | mmap.mmap, end: int) -> None:
    """Takes what was read out of this process' memory; it is in the file."""
    if isinstance(data, mmap.mmap):
        data.madvise(mmap.MADV_DONTNEED, 0, end)


def _frame(payload: bytes) -> bytes:
    header = _HEADER.pack(_MARKER, len(payload), zlib.crc32(payload))
    return header + struct.pack("<I", zlib.crc32(header)) + payload


def _announced_end(data: bytes | mmap.mmap, at: int) -> int | None:
    """Where the frame at this place ends by its own header, None where the header is damaged."""
    header = data[at : at + _HEADER.size]
    if len(data) < at + _HEADER_SIZE or header[:4] != _MARKER:
        return None
    (check,) = struct.unpack_from("<I", data, at + _HEADER.size)
    if zlib.crc32(header) != check:
        return None
    end: int = at + _HEADER_SIZE + _HEADER.unpack(header)[1]
    return end


def _frame_end(data: bytes | mmap.mmap, at: int) -> int | None:
    """The same, None also where the data ends before."""
    end = _announced_end(data, at)
    return end if end is not None and end <= len(data) else None


def _cut_short(data: bytes | mmap.mmap, at: int) -> bool:
    """Whether the frame that begins here, the last one, was not written to its end.

    Behind what was written then there is nothing, or zeros, or what filled the file before.
    """
    end = _announced_end(data, at)
    if data[-1] == 0 or len(data) - at < _HEADER_SIZE or (end or 0) > len(data):
        return True
    if end is None:
        end = at + len(data[at:].rstrip(_FILLER))
        if end - at < _HEADER_SIZE:
            return True
    borders = [at, *range((at // _SECTOR + 1) * _SECTOR, end, _SECTOR), end]
    return data[end - 1 : end] == _FILLER or any(
        _is_filler(data[low:high]) for low, high in pairwise(borders)
    )


def _is_filler(data: bytes) -> bool:
    return data.count(_FILLER) == len(data)


def _whole_frame(data: bytes | mmap.mmap, at: int) -> int | None:
    """Where the frame at this place ends, None unless header and payload are as written."""
    end = _frame_end(data, at)
    if end is None:
        return None
    (check,) = struct.unpack_from("<I", data, at + 8)
    return end if zlib.crc32(memoryview(data)[at + _HEADER_SIZE : end]) == check else None


def _next_frame(data: bytes | mmap.mmap, at: int) -> int | None:
    """The place of the next whole frame after a damaged one."""
    at = _frame_end(data, at) or data.find(_MARKER, at + 1)
    while 0 <= at < len(data):
        if _whole_frame(data, at) is not None:
            return at
        at = _frame_end(data, at) or data.find(_MARKER, at + 1)
    return None


def _write_whole(descriptor: int, data: bytes, at: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, at)
        view, at = view[written:], at + written
