"""The store's heavy work as functions of plain descriptions, for a process of its own.

The samples of a sealed head are read where they are, in the server's memory. What a job writes is
files of reserved numbers, so that those of a job that died can be removed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec, Protocol, TypeVar

from tidecast.samples.head import HeadElsewhere
from tidecast.samples.sealing import NewPath, write_head
from tidecast.samples.segment import segment_name
from tidecast_collector.errors import TidecastError

P = ParamSpec("P")
R = TypeVar("R")

MOST_SEGMENTS = 1000
"""More than one job ever writes."""


class CannotRunApart(TidecastError):
    """There is no other process to run it in; it is to be done here."""


class Runner(Protocol):
    """Runs the store's jobs in another process."""

    def __call__(self, work: Callable[P, R], /, *arguments: P.args, **named: P.kwargs) -> R:
        """What the function returns; raises what it raised.

        Raises `CannotRunApart` where no process can be had, `SamplesUnavailable` where it died
        again and again.
        """
        ...


@dataclass(frozen=True, slots=True)
class Place:
    """Where a job writes its segments: a directory, and numbers that are its alone."""

    directory: Path
    numbers: range

    def new_path(self) -> NewPath:
        """Names segments by these numbers, from the first on."""
        numbers = iter(self.numbers)

        def path(start_ms: int, end_ms: int) -> tuple[Path, int]:
            number = next(numbers)
            return self.directory / segment_name(start_ms, end_ms, number), number

        return path


@dataclass(frozen=True, slots=True)
class FlushJob:
    """A sealed head in the server's memory, and where its samples are to go."""

    head: HeadElsewhere
    window_ms: int
    now_ms: int
    place: Place


def flush_head(job: FlushJob) -> list[Path]:
    """The segments, written, with all samples of the head.

    Raises `NotShared` where the server's memory cannot be read from here.
    """
    written = write_head(job.head.read(), job.window_ms, job.now_ms, job.place.new_path())
    return [segment.path for segment in written]
