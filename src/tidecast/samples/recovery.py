"""What was acknowledged, back from the log when a store is opened."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tidecast.samples.durable import sync_directory
from tidecast.samples.head import Head
from tidecast.samples.log import MAGIC, LogReading, LogRecord, read_log

_CHUNK_SAMPLES = 1_000_000


def replay_logs(paths: Sequence[Path], head: Head) -> list[str]:
    """Fills the head from the log files, oldest first; returns what was damaged in them.

    Torn tails, which were never acknowledged, are cut back; empty files are removed. A damaged file
    keeps a second name, so that what is missing is still known when its samples are in segments.
    """
    problems: list[str] = []
    for path in paths:
        reading = LogReading(path)
        nameless = replay_file(path, reading, head)
        if nameless:
            reading.problems.append(
                f"{path}: {nameless} samples are lost, their series stood in a damaged part"
            )
        problems += reading.problems
        if reading.problems:
            _keep_beside(path)
        elif reading.good_end <= len(MAGIC):
            path.unlink()
        elif reading.good_end < reading.size:
            os.truncate(path, reading.good_end)
    return problems


def _keep_beside(path: Path) -> None:
    kept = path.with_name(path.name + ".bad")
    if not kept.exists():
        kept.hardlink_to(path)
        sync_directory(path.parent)


def replay_file(path: Path, reading: LogReading, head: Head) -> int:
    """Fills the head from one file, which stays as it is.

    Returns how many samples are lost because the series they are of stood in a damaged part.
    """
    known: dict[int, int] = {}
    chunk: list[LogRecord] = []
    size = nameless = 0
    for record in read_log(path, reading):
        for number, labels in record.definitions.items():
            known[number] = head.number(labels)
        chunk.append(record)
        size += len(record.timestamps)
        if size >= _CHUNK_SAMPLES:
            nameless += _replay(chunk, known, head)
            chunk, size = [], 0
    return nameless + (_replay(chunk, known, head) if chunk else 0)


def _replay(records: Sequence[LogRecord], known: dict[int, int], head: Head) -> int:
    """Adds the records' samples, gathered by series; returns how many have no known series."""
    numbers = np.concatenate([record.numbers for record in records])
    counts = np.concatenate([np.diff(record.offsets) for record in records])
    timestamps = np.concatenate([record.timestamps for record in records])
    values = np.concatenate([record.values for record in records])
    own = np.full(max([*known, int(numbers.max(initial=0))]) + 1, -1, dtype=np.int64)
    own[list(known)] = list(known.values())
    owner = np.repeat(own[numbers], counts)
    # Stable, so that of two values for one time the one logged last stays the last.
    order = np.argsort(owner, kind="stable")
    nameless = int(np.count_nonzero(owner < 0))
    order = order[nameless:]
    series, starts = np.unique(owner[order], return_index=True)
    offsets = np.append(starts, len(order)).astype(np.int64)
    head.add_numbered(series, offsets, timestamps[order], values[order])
    return nameless
