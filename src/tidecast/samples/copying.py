"""A copy of a store's files as they are at one moment."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from tidecast.samples.durable import sync_directory

SMALL_FILES = tuple(
    name + suffix
    for name in ("forgotten.json", "kept.json", "metadata.json")
    for suffix in ("", ".copy")
)
_CHUNK_BYTES = 1 << 20


def copy_store(
    directory: Path, target: Path, log_sizes: Mapping[Path, int], segments: Iterable[Path]
) -> None:
    """Copies the store of `directory` durably into the empty directory `target`.

    Of each log file as many bytes are copied as are acknowledged; segments never change, so they
    are linked where the filesystem allows it.
    """
    for part in ("segments", "log"):
        (target / part).mkdir()
    made = {target / "segments", target / "log", target}
    for path in segments:
        copied = target / path.relative_to(directory)
        copied.parent.mkdir(parents=True, exist_ok=True)
        made |= {copied.parent, copied.parent.parent}
        link_or_copy(path, copied)
    for path, size in log_sizes.items():
        copy_file(path, target / "log" / path.name, size)
    for name in SMALL_FILES:
        if (directory / name).exists():
            copy_file(directory / name, target / name)
    for each in made:
        sync_directory(each)


def link_or_copy(path: Path, target: Path) -> None:
    """The same file under another name, or its copy where that cannot be."""
    try:
        target.hardlink_to(path)
    except OSError:
        copy_file(path, target)


def copy_file(path: Path, target: Path, size: int | None = None) -> None:
    """Copies the first `size` bytes of the file (None: all of it) durably."""
    with path.open("rb") as source, target.open("xb") as file:
        if size is None:
            shutil.copyfileobj(source, file, _CHUNK_BYTES)
        else:
            left = size
            while left and (chunk := source.read(min(left, _CHUNK_BYTES))):
                file.write(chunk)
                left -= len(chunk)
        file.flush()
        os.fsync(file.fileno())
