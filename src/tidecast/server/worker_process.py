"""The worker's side: a process that does one job after the other for its server."""

from __future__ import annotations

import functools
import os
import pickle
import queue
import signal
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from tidecast.logs import LogSettings, start_log
from tidecast_collector.errors import TidecastError

ENDED_BY_ITS_SERVER = 0


class JobFailed(TidecastError):
    """A job ended with an error that cannot be sent as it is; the message repeats it."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A job was received; it may have done anything from now on."""


@dataclass(frozen=True, slots=True)
class Done:
    """A job's end and what it returned."""

    result: Any


@dataclass(frozen=True, slots=True)
class Failed:
    """A job's end and what it raised."""

    error: BaseException


@dataclass(frozen=True, slots=True)
class Told:
    """What a running job says: progress, a piece of its answer."""

    what: Any


@dataclass(frozen=True, slots=True)
class Question:
    """What a running job wants to know from its server; an `Answer` or `Failed` comes back."""

    what: Any


@dataclass(frozen=True, slots=True)
class Answer:
    """The server's answer to a `Question`."""

    what: Any


@dataclass(frozen=True, slots=True)
class Cancel:
    """The server's word that nobody wants the running job's result any more."""


Job = Callable[["Control"], Any]


class Control:
    """What a job in the worker may do beside computing: tell, ask, and see whether to stop."""

    def __init__(self, connection: Connection, answers: queue.SimpleQueue[Answer | Failed]) -> None:
        self._connection, self._answers = connection, answers
        self._cancelled = threading.Event()

    def cancelled(self) -> bool:
        """Whether nobody wants the result any more. A job that does not ask is killed."""
        return self._cancelled.is_set()

    def cancel(self) -> None:
        """Makes `cancelled` true."""
        self._cancelled.set()

    def tell(self, what: object) -> None:
        """Gives something to whoever watches the job."""
        self._connection.send(Told(what))

    def ask(self, what: object) -> Any:
        """What the server answers; raises what it raised."""
        self._connection.send(Question(what))
        answer = self._answers.get()
        if isinstance(answer, Failed):
            raise answer.error
        return answer.what


def serve_jobs(connection: Connection, niceness: int, log: LogSettings | None) -> None:
    """Does what comes through the connection until the other end closes, even by being killed."""
    # Ctrl-C reaches the whole foreground group; when to end is the server's to say.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(niceness)
    if log is not None:
        start_log(log)
    jobs: queue.SimpleQueue[tuple[Job, Control]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(connection, jobs), daemon=True).start()
    while True:
        job, control = jobs.get()
        outcome = _outcome(job, control)
        del job, control
        connection.send(outcome)
        del outcome


def _listen(connection: Connection, jobs: queue.SimpleQueue[tuple[Job, Control]]) -> None:
    answers: queue.SimpleQueue[Answer | Failed] = queue.SimpleQueue()
    control = Control(connection, answers)
    while True:
        try:
            data = connection.recv_bytes()
        except (EOFError, OSError):
            os._exit(ENDED_BY_ITS_SERVER)
        match message := _loaded(data):
            case Cancel():
                control.cancel()
            case Answer() | Failed():
                answers.put(message)
            case _:
                control = Control(connection, answers)
                connection.send(Begun())
                jobs.put((message, control))


def _loaded(data: bytes) -> Any:
    try:
        return pickle.loads(data)  # noqa: S301 (of our own server)
    except Exception as error:  # noqa: BLE001 (whatever a job's module raises while it is imported)
        return functools.partial(_fail, error)


def _fail(error: Exception, _control: Control) -> None:
    raise error


def _outcome(job: Job, control: Control) -> Done | Failed:
    try:
        return Done(job(control))
    except BaseException as error:  # noqa: BLE001 (whatever a job raises is for who asked for it)
        error.add_note("in the worker:\n" + "".join(traceback.format_exception(error)))
        return Failed(sendable(error))


def sendable(error: BaseException) -> BaseException:
    """The error, or one that says the same where it cannot be sent to another process."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 (our own)
    except Exception:  # noqa: BLE001 (pickling runs whatever code the error's class brings)
        return JobFailed(f"{type(error).__name__}: {error}")
    return error
