"""A worker process for a store under test: quick to start, and as mortal as a real one."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from tidecast.samples import segment_work
from tidecast.samples.protocol import SamplesUnavailable

P = ParamSpec("P")
R = TypeVar("R")


def for_every_job() -> None:
    """From now on stores of this process give every job to their worker, however small."""
    segment_work.FEW_SAMPLES = 0


def run(work: Callable[P, R], /, *arguments: P.args, **named: P.kwargs) -> R:
    """What the function returns in a fork of this process; a `Runner` for `EmbeddedSamples`.

    Raises what it raised, or `SamplesUnavailable` where the process died.
    """
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            outcome = pickle.dumps((work(*arguments, **named), None))
        except Exception as error:
            outcome = pickle.dumps((None, error))
        with os.fdopen(writer, "wb") as told:
            told.write(outcome)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as told:
        data = told.read()
    os.waitpid(pid, 0)
    if not data:
        raise SamplesUnavailable("the worker died")
    result, error = pickle.loads(data)
    if error is not None:
        raise error
    return result
