"""Files that a command writes: whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import click

from tidecast_collector.errors import TidecastError


def replaceable(path: Path) -> bool:
    """Whether a file can take the place of what is there: not of a device, a pipe or a socket."""
    return path.is_file() or not path.exists()


def write_text(path: Path, text: str) -> None:
    """Writes the text to the file, replacing it at once, or prints it where the path is `-`.

    Where something else than a file is there, it is written to.
    """
    if str(path) == "-":
        click.echo(text, nl=False)
        return
    try:
        if not replaceable(path):
            path.write_text(text, encoding="utf-8", newline="")
            return
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
                file.write(text)
            Path(temporary).chmod(0o644)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise TidecastError(f"cannot write {path}: {error.strerror}") from error
