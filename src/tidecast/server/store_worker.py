"""How the stores' flushes and joins get into the worker, and what happens where they cannot."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from tidecast.samples.apart import CannotRunApart, Runner
from tidecast.samples.protocol import SamplesUnavailable
from tidecast.server.worker import Lane, WorkerDied, WorkerUnavailable

P = ParamSpec("P")
R = TypeVar("R")

ATTEMPTS = 2

log = logging.getLogger(__name__)


def store_runner(lane: Lane) -> Runner:
    """Runs a store's jobs in this lane; a job whose process died is done once more.

    What dies again would take the server with it, were it done here: it waits for the next round
    of upkeep, and once the head is full, writes are answered with 503.
    """

    def run(work: Callable[P, R], /, *arguments: P.args, **named: P.kwargs) -> R:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return lane.run(work, *arguments, **named)
            except WorkerUnavailable as error:
                raise CannotRunApart(str(error)) from error
            except WorkerDied as error:
                log.warning("%s, attempt %d of %d", error, attempt, ATTEMPTS)
                died = error
        raise SamplesUnavailable(
            f"samples cannot be written into segments: {died}; they are safe in the log, it is "
            "tried again. Is there enough memory?"
        ) from died

    return run
