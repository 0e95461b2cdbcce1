"""Files that a command writes: whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import click

from tidecast_collector.errors import TidecastError


def write_text(path: Path, text: str) -> None:
    """Writes the text to the file, replacing it at once, or prints it where the path is `-`."""
    if str(path) == "-":
        click.echo(text, nl=False)
        return
    try:
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
