"""What a disk may hold after a power cut, from a journal of what was done to its files.

The rules are the ones a program may rely on, and no more: bytes are durable once their file was
synced, names once their directory was. Whatever came after that is there or not, in any
combination; an unsynced write may be torn at any byte, or it left what was there before, zeros
where the file has grown, from its start or a block's on. A rename is one step.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

LOSSES = ("none", "all", "last torn", "some", "zeros")
"""What becomes of what was not synced: kept, gone, in order up to a torn one, any, blanked."""

_BLOCK_BYTES = 4096


@dataclass(eq=False)
class _File:
    durable: bytes = b""
    pending: list[tuple] = field(default_factory=list)

    def now(self) -> bytes:
        return _applied(self.durable, self.pending)

    def sync(self) -> None:
        self.durable, self.pending = self.now(), []


@dataclass(eq=False)
class _Change:
    """Names that change together: (directory, name, what it names from then on)."""

    names: list[tuple[_Directory, str, _File | _Directory | None]]
    durable: bool = False


@dataclass(eq=False)
class _Directory:
    names: dict[str, _File | _Directory] = field(default_factory=dict)
    changes: list[_Change] = field(default_factory=list)

    def sync(self) -> None:
        for change in self.changes:
            change.durable = True


def _applied(content: bytes, operations: Iterable[tuple]) -> bytes:
    out = bytearray(content)
    for operation in operations:
        if operation[0] == "truncate":
            size = operation[1]
            out = out[:size] + bytes(max(0, size - len(out)))
        else:
            _, at, data = operation
            out += bytes(max(0, at - len(out)))
            out[at : at + len(data)] = data
    return bytes(out)


class Disk:
    """The files below one directory, of which is known what was synced."""

    def __init__(self) -> None:
        self._root = _Directory()
        self._open: dict[str, _File | _Directory] = {}

    def perform(self, operation: tuple) -> None:
        """Does one operation of a journal."""
        kind, *arguments = operation
        getattr(self, f"_do_{kind}")(*arguments)

    def _place(self, path: str) -> tuple[_Directory, str]:
        *parents, name = Path(path).parts
        directory = self._root
        for parent in parents:
            directory = directory.names[parent]
        return directory, name

    def _at(self, path: str) -> _File | _Directory:
        if not path:
            return self._root
        directory, name = self._place(path)
        return directory.names[name]

    def _change(self, *names: tuple[_Directory, str, _File | _Directory | None]) -> None:
        change = _Change(list(names))
        for directory, name, what in names:
            if what is None:
                directory.names.pop(name, None)
            else:
                directory.names[name] = what
        for directory in {id(d): d for d, _, _ in names}.values():
            directory.changes.append(change)

    def _do_mark(self, *_: object) -> None:
        pass

    def _do_open(self, handle: str, path: str, _flags: int) -> None:
        self._open[handle] = self._at(path)

    def _do_create(self, handle: str, path: str, flags: int) -> None:
        directory, name = self._place(path)
        if name not in directory.names:
            self._change((directory, name, _File()))
        self._open[handle] = directory.names[name]
        if flags & os.O_TRUNC:
            self._open[handle].pending.append(("truncate", 0))

    def _do_write(self, handle: str, at: int, data: bytes) -> None:
        self._open[handle].pending.append(("write", at, data))

    def _do_fsync(self, handle: str) -> None:
        self._open[handle].sync()

    _do_fdatasync = _do_fsync

    def _do_ftruncate(self, handle: str, size: int) -> None:
        self._open[handle].pending.append(("truncate", size))

    def _do_truncate(self, path: str, size: int) -> None:
        self._at(path).pending.append(("truncate", size))

    def _do_mkdir(self, path: str) -> None:
        if path:
            directory, name = self._place(path)
            self._change((directory, name, _Directory()))

    def _do_rename(self, old: str, new: str) -> None:
        (source, was), (target, name) = self._place(old), self._place(new)
        self._change((source, was, None), (target, name, source.names[was]))

    _do_replace = _do_rename

    def _do_link(self, old: str, new: str) -> None:
        directory, name = self._place(new)
        self._change((directory, name, self._at(old)))

    def _do_unlink(self, path: str) -> None:
        directory, name = self._place(path)
        self._change((directory, name, None))

    _do_remove = _do_rmdir = _do_unlink

    def write_to(self, target: Path) -> None:
        """Makes the files as they are while the power is on."""
        _write(self._root, target, lambda file: file.now(), lambda d: d.names)

    def cut(self, target: Path, loss: str, rng: random.Random) -> None:
        """Makes the files as they may be after a power cut with this loss."""
        kept: dict[int, bool] = {}
        contents: dict[int, bytes] = {}

        def content(file: _File) -> bytes:
            # A file may have two names.
            if id(file) not in contents:
                contents[id(file)] = _content(file, loss, rng)
            return contents[id(file)]

        def names(directory: _Directory) -> dict[str, _File | _Directory]:
            found: dict[str, _File | _Directory] = {}
            for change in directory.changes:
                if not kept.setdefault(id(change), change.durable or _keeps(loss, rng)):
                    continue
                for where, name, what in change.names:
                    if where is directory:
                        if what is None:
                            found.pop(name, None)
                        else:
                            found[name] = what
            return found

        _write(self._root, target, content, names)


def _keeps(loss: str, rng: random.Random) -> bool:
    return loss in ("none", "zeros") or (loss != "all" and rng.random() < 0.5)


def _content(file: _File, loss: str, rng: random.Random) -> bytes:
    pending = file.pending
    if loss == "none" or not pending:
        return file.now()
    if loss == "all":
        return file.durable
    if loss == "last torn":
        whole = rng.randrange(len(pending))
        return _applied(file.durable, [*pending[:whole], _torn(pending[whole], rng)])
    if loss == "some":
        some = [_torn(each, rng) for each in pending if rng.random() < 0.5]
        return _applied(file.durable, some)
    content = file.durable
    for each in pending:
        content = _applied(content, [each if each[0] == "truncate" else _blank(content, each, rng)])
    return content


def _torn(operation: tuple, rng: random.Random) -> tuple:
    if operation[0] == "truncate":
        return operation
    kind, at, data = operation
    return kind, at, data[: rng.randint(0, len(data))]


def _blank(content: bytes, operation: tuple, rng: random.Random) -> tuple:
    kind, at, data = operation
    blocks = range(-at % _BLOCK_BYTES, len(data), _BLOCK_BYTES)
    start = rng.choice([0, *blocks])
    before = content[at + start : at + len(data)]
    return kind, at, (data[:start] + before).ljust(len(data), b"\0")


def _write(directory: _Directory, target: Path, content, names) -> None:
    target.mkdir(exist_ok=True)
    for name, what in names(directory).items():
        if isinstance(what, _Directory):
            _write(what, target / name, content, names)
        else:
            (target / name).write_bytes(content(what))
