"""The worker: a spawned process for what would make the server wait."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class Worker:
    """One process, started when it is first needed and again if it died."""

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None

    def run(self, work: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> R:
        """What the function returns there; it and its arguments must pickle."""
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                1, mp_context=multiprocessing.get_context("spawn"), initializer=_settle
            )
        try:
            return self._pool.submit(work, *arguments, **named).result()
        except BrokenProcessPool:
            self._pool.shutdown(wait=False)
            self._pool = None
            raise

    def close(self) -> None:
        """Ends the process once its work is done."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)


def _settle() -> None:
    """The worker ends with its server, even a killed one, and leaves Ctrl-C to it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def end_with_parent() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()
