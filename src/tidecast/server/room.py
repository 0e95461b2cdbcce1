"""How much of the disk samples may take."""

from __future__ import annotations

import logging
import shutil
from contextlib import suppress
from pathlib import Path

from tidecast.config import ServerSettings
from tidecast.samples.durable import CheckedJson, DamagedFile, writing_in
from tidecast.samples.keeping import Room

log = logging.getLogger(__name__)

DEFAULT_SHARE = 5
"""One part in so many of what is free at the first start."""


def max_disk_bytes(settings: ServerSettings) -> int:
    """What `--max-disk` says, else a fifth of what was free when the server first started here."""
    if settings.max_disk_bytes is not None:
        return settings.max_disk_bytes
    remembered = CheckedJson(settings.data_dir / "disk.json")
    try:
        body, _ = remembered.load()
    except DamagedFile as error:
        log.warning("%s: what was free at the first start is not known any more", error)
        body = None
    if body is None:
        body = {"max_disk_bytes": shutil.disk_usage(settings.data_dir).free // DEFAULT_SHARE}
        with writing_in(settings.data_dir):
            remembered.save(body)
    return int(body["max_disk_bytes"])


def room_for_raw(settings: ServerSettings, max_bytes: int) -> Room:
    """The room for raw samples and their tiers beside our own series, which never give way."""
    return Room(max_bytes, _size(settings.data_dir / "samples" / "own"))


def _size(directory: Path) -> int:
    total = 0
    for path in directory.rglob("*"):
        with suppress(FileNotFoundError):  # removed by the store meanwhile
            total += path.stat().st_size
    return total
