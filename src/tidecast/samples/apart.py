"""The store's heavy work as functions of plain descriptions, for a process of its own.

A job names files, never memory: the samples of a sealed head are read again from its log files,
and what a job wrote is files of reserved numbers, so that those of a job that died can be removed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec, Protocol, TypeVar

from tidecast.samples.head import Head
from tidecast.samples.log import LogReading
from tidecast.samples.recovery import replay_file
from tidecast.samples.sealing import NewPath, write_head
from tidecast.samples.segment import segment_name
from tidecast_collector.errors import TidecastError

P = ParamSpec("P")
R = TypeVar("R")

MOST_SEGMENTS = 1000
"""More than one job ever writes."""


class CannotRunApart(TidecastError):
    """There is no other process to run it in; it is to be done here."""


class LogDisagrees(TidecastError):
    """The log files do not hold what is in memory: the memory must be written."""


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
    """The log files of a sealed head, which holds so many samples, and where they are to go."""

    logs: Sequence[Path]
    samples: int
    window_ms: int
    now_ms: int
    place: Place


def flush_logs(job: FlushJob) -> list[Path]:
    """The segments, written, with all samples of the logs.

    Raises `LogDisagrees` where these are not as many as there should be.
    """
    head = Head(job.samples, findable=False)
    for path in job.logs:
        replay_file(path, LogReading(path), head)
    if head.samples != job.samples:
        raise LogDisagrees(f"the log holds {head.samples} of {job.samples} samples in memory")
    written = write_head(head, job.window_ms, job.now_ms, job.place.new_path())
    return [segment.path for segment in written]
