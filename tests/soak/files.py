"""The file operations of processes, one by one: recorded, and ended by SIGKILL at a chosen one.

`install` replaces what Python programs write files with (`os` and `open`) in this process and those
it forks; in others that it starts, `site/sitecustomize.py` does the same. Operations of all of them
stand in one journal, in the order in which they took effect. What writes files behind Python's back
is not seen; `power.Disk` tells, since a disk rebuilt from the journal is another one then.
"""

from __future__ import annotations

import builtins
import fcntl
import io
import json
import os
import pickle
import signal
import struct
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

VARIABLE = "TIDECAST_SOAK_FILES"
SITE = Path(__file__).parent / "site"
_LENGTH = struct.Struct("<I")
_REAL = {
    name: getattr(os, name)
    for name in (
        *("open", "write", "pwrite", "close", "fsync", "fdatasync", "ftruncate", "truncate"),
        *("rename", "replace", "unlink", "remove", "link", "mkdir", "rmdir"),
    )
}
_REAL_OPEN = io.open
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


@dataclass(frozen=True)
class Watch:
    """What is watched (files below `root`), where it is written down, and when the end comes.

    At operation `kill_at`, counted over all processes, every process of the group is killed; where
    `worker_only` is set it counts the operations of started processes, and kills only that one.
    `torn_share` is the part of the bytes that a write under way has already written.
    """

    root: str
    journal: str
    kill_at: int | None = None
    worker_only: bool = False
    torn_share: float = 0.0


class _Recorder:
    def __init__(self, watch: Watch, *, started: bool) -> None:
        self._watch = watch
        self._prefix = watch.root + os.sep
        self._counts = not watch.worker_only or started
        self._guard = threading.RLock()
        self._handles: dict[int, str] = {}
        self._opened = 0
        self._open_journal()

    def _open_journal(self) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._journal = _REAL["open"](self._watch.journal, flags, 0o600)
        self._counter = _REAL["open"](self._watch.journal + ".count", flags & ~os.O_APPEND, 0o600)

    def forked(self) -> None:
        """This process is a fork of the watched one: its lock on the journal must be its own."""
        self._guard = threading.RLock()
        self._counts = True
        self._open_journal()

    def inside(self, path: Any) -> str | None:
        """The path below the root, None for any other."""
        if isinstance(path, int):
            return None
        full = str(Path(os.fsdecode(path)).absolute())
        if full == self._watch.root:
            return ""
        return full.removeprefix(self._prefix) if full.startswith(self._prefix) else None

    def handle(self, descriptor: Any) -> str | None:
        return self._handles.get(descriptor) if isinstance(descriptor, int) else None

    def perform(self, kind: str, arguments: tuple, action, torn=None):
        """Does it and writes it down; no other operation of any process comes between."""
        with self._guard:
            fcntl.flock(self._journal, fcntl.LOCK_EX)
            try:
                if self._counts and kind != "open" and self._count() == self._watch.kill_at:
                    if torn is not None:
                        torn(self._watch.torn_share)
                    self._die()
                result = action()
                self.note(kind, *arguments)
                return result
            finally:
                fcntl.flock(self._journal, fcntl.LOCK_UN)

    def note(self, kind: str, *arguments: Any) -> None:
        data = pickle.dumps((kind, *arguments))
        _REAL["write"](self._journal, _LENGTH.pack(len(data)) + data)

    def _count(self) -> int:
        number = int(os.pread(self._counter, 20, 0) or b"0") + 1
        _REAL["pwrite"](self._counter, b"%020d" % number, 0)
        return number

    def _die(self) -> None:
        if self._watch.worker_only:
            os.kill(os.getpid(), signal.SIGKILL)
        os.killpg(0, signal.SIGKILL)
        signal.pause()

    def open(self, path, flags, mode=0o777, **other):
        where = self.inside(path)
        directory = bool(flags & os.O_DIRECTORY)
        if where is None or not (flags & _WRITING or directory):
            return _REAL["open"](path, flags, mode, **other)
        changes = bool(flags & os.O_TRUNC) or (flags & os.O_CREAT and not Path(path).exists())
        with self._guard:
            self._opened += 1
            name = f"{os.getpid()}.{self._opened}"
            kept = flags & (os.O_CREAT | os.O_TRUNC)
            descriptor = self.perform(
                "create" if changes else "open",
                (name, where, kept),
                lambda: _REAL["open"](path, flags, mode, **other),
            )
            self._handles[descriptor] = name
            return descriptor

    def write(self, descriptor, data):
        name = self.handle(descriptor)
        if name is None:
            return _REAL["write"](descriptor, data)
        if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_APPEND:
            at = os.fstat(descriptor).st_size
        else:
            at = os.lseek(descriptor, 0, os.SEEK_CUR)
        return self._write(name, at, data, lambda part: _REAL["write"](descriptor, part))

    def pwrite(self, descriptor, data, at):
        name = self.handle(descriptor)
        if name is None:
            return _REAL["pwrite"](descriptor, data, at)
        return self._write(name, at, data, lambda part: _REAL["pwrite"](descriptor, part, at))

    def _write(self, name, at, data, action):
        whole = bytes(data)
        return self.perform(
            "write",
            (name, at, whole),
            lambda: action(whole),
            lambda share: action(whole[: int(len(whole) * share)]),
        )

    def close(self, descriptor):
        self._handles.pop(descriptor, None)
        return _REAL["close"](descriptor)

    def on_descriptor(self, kind):
        def call(descriptor, *arguments):
            where = descriptor.fileno() if hasattr(descriptor, "fileno") else descriptor
            name = self.handle(where)
            if name is None:
                return _REAL[kind](descriptor, *arguments)
            return self.perform(
                kind, (name, *arguments), lambda: _REAL[kind](descriptor, *arguments)
            )

        return call

    def on_paths(self, kind):
        paths = 2 if kind in ("rename", "replace", "link") else 1

        def call(*arguments, **other):
            places = [self.inside(path) for path in arguments[:paths]]
            if other.get("dir_fd") is not None or places == [None] * paths:
                return _REAL[kind](*arguments, **other)
            noted = (*places, arguments[1]) if kind == "truncate" else tuple(places)
            return self.perform(kind, noted, lambda: _REAL[kind](*arguments, **other))

        return call


class _File(io.FileIO):
    """A file opened with `open`: its writes go through the recorder."""

    recorder: _Recorder

    def write(self, data):
        return self.recorder.write(self.fileno(), bytes(data))

    def truncate(self, size=None):
        size = self.tell() if size is None else size
        os.ftruncate(self.fileno(), size)
        return size

    def close(self):
        if not self.closed:
            self.recorder._handles.pop(self.fileno(), None)
        super().close()


def _opener(recorder: _Recorder):
    def open_(file, mode="r", buffering=-1, encoding=None, errors=None, newline=None, **other):
        if recorder.inside(file) is None or not set(mode) & set("wxa+"):
            return _REAL_OPEN(file, mode, buffering, encoding, errors, newline, **other)
        flags = os.O_CLOEXEC | (os.O_RDWR if "+" in mode else os.O_WRONLY)
        if "w" in mode:
            flags |= os.O_CREAT | os.O_TRUNC
        elif "x" in mode:
            flags |= os.O_CREAT | os.O_EXCL
        elif "a" in mode:
            flags |= os.O_CREAT | os.O_APPEND
        raw = _File(os.open(file, flags, 0o666), mode.replace("b", "").replace("t", ""))
        if buffering == 0:
            return raw
        buffered = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
        return buffered if "b" in mode else io.TextIOWrapper(buffered, encoding, errors, newline)

    return open_


def install(watch: Watch) -> _Recorder:
    """Watches this process from now on, and those that it will start."""
    os.environ[VARIABLE] = json.dumps(asdict(watch))
    paths = [str(SITE), *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ["PYTHONPATH"] = os.pathsep.join(paths)
    return _install(watch, started=False)


def install_started() -> None:
    """Does so in a process that a watched one has started."""
    _install(Watch(**json.loads(os.environ[VARIABLE])), started=True)


def _install(watch: Watch, *, started: bool) -> _Recorder:
    recorder = _Recorder(watch, started=started)
    os.register_at_fork(after_in_child=recorder.forked)
    _File.recorder = recorder
    for name in ("open", "write", "pwrite", "close"):
        setattr(os, name, getattr(recorder, name))
    for name in ("fsync", "fdatasync", "ftruncate"):
        setattr(os, name, recorder.on_descriptor(name))
    for name in ("rename", "replace", "unlink", "remove", "link", "mkdir", "rmdir", "truncate"):
        setattr(os, name, recorder.on_paths(name))
    io.open = builtins.open = _opener(recorder)
    return recorder


def read_journal(path: Path) -> Iterator[tuple]:
    """The operations in the journal, less one that was being written down at the end."""
    data = path.read_bytes()
    at = 0
    while at + _LENGTH.size <= len(data):
        (length,) = _LENGTH.unpack_from(data, at)
        at += _LENGTH.size
        if at + length > len(data):
            return
        yield pickle.loads(data[at : at + length])
        at += length
