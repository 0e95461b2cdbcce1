"""The worker: spawned processes for what would make the server wait.

Each lane has processes of its own, so that no kind of work waits behind another: the store's
flushes, heavy queries, analysis. A process is started when its lane first needs it, ends when it
had nothing to do for a while, and is replaced when it dies.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import math
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any, ParamSpec, TypeVar

from tidecast.logs import log_settings
from tidecast.server.worker_process import (
    Answer,
    Begun,
    Cancel,
    Control,
    Done,
    Failed,
    Question,
    Told,
    sendable,
    serve_jobs,
)
from tidecast_collector.errors import TidecastError

P = ParamSpec("P")
R = TypeVar("R")

POLL_SECONDS = 0.05
"""How often a waiting caller looks whether its job is still wanted."""
PATIENCE_SECONDS = 1.0
"""How long a cancelled job may take to notice before its process is killed."""
IDLE_SECONDS = 60.0
KEPT_READY_SECONDS = 600.0
"""What takes seconds to import is kept longer for the next one who asks."""
MOST_ANALYSES = 4

log = logging.getLogger(__name__)


class WorkerUnavailable(TidecastError):
    """A worker process cannot be started; what it was to do can be done here, or later."""


class WorkerDied(TidecastError):
    """A worker process ended before its job; nothing is known of how far it came."""


class _NotBegun(WorkerDied):
    """The same, before it had received the job."""


class JobCancelled(TidecastError):
    """A job was stopped because nobody wants its result any more, or its time was up."""


def _never() -> bool:
    return False


def _no_answer(question: Any) -> Any:
    raise LookupError(f"nobody answers the job's question {question!r}")


@dataclass(frozen=True, slots=True)
class Attendance:
    """How a caller attends a job: `cancelled` is asked now and then, `answer` answers it.

    Without `seconds` a job may take as long as it likes; waiting for a free process counts.
    """

    cancelled: Callable[[], bool] = _never
    answer: Callable[[Any], Any] = _no_answer
    seconds: float | None = None


UNATTENDED = Attendance()


class _Process:
    """One spawned process and the connection to it."""

    def __init__(self, name: str, niceness: int) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        self.connection: Connection = ours
        self.idle_since = time.monotonic()
        self.begun = False
        self._process: SpawnProcess = context.Process(
            target=serve_jobs,
            args=(theirs, niceness, log_settings()),
            name=f"tidecast-{name}",
            daemon=True,
        )
        try:
            self._process.start()
        except OSError as error:
            ours.close()
            raise WorkerUnavailable(
                f"the worker for {name} cannot be started: {error.strerror or error}"
            ) from error
        finally:
            theirs.close()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def alive(self) -> bool:
        return self._process.is_alive()

    def exit_code(self) -> int | None:
        self._process.join(PATIENCE_SECONDS)
        return self._process.exitcode

    def end(self) -> None:
        """Kills it: nothing of what it does may be needed."""
        self._process.kill()
        self._process.join()
        self.connection.close()
        self._process.close()


class Lane:
    """Processes for one kind of work. Safe to use from several threads."""

    def __init__(
        self,
        name: str,
        processes: int = 1,
        niceness: int = 0,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self.name = name
        self.idle_seconds = idle_seconds
        self.processes = processes
        self._niceness = niceness
        self._changed = threading.Condition()
        self._idle: list[_Process] = []
        self._busy: set[_Process] = set()
        self._closed = False

    def run(self, work: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> R:
        """What the function returns there; it, its arguments and its result must pickle.

        Raises what it raised, `WorkerUnavailable` or `WorkerDied`.
        """
        job = functools.partial(_unattended, functools.partial(work, *arguments, **named))
        result: R = self.attend(job)
        return result

    def warm(self, work: Callable[[], object]) -> None:
        """Has a process do this soon (its imports), unless one is there already.

        Nobody waits for it; what goes wrong will be told to whoever asks next.
        """
        if not self.pids():
            threading.Thread(target=self._warm, args=(work,), daemon=True).start()

    def _warm(self, work: Callable[[], object]) -> None:
        try:
            self.run(work)
        except TidecastError as error:
            log.info("not made ready: %s", error)

    def attend(
        self,
        job: Callable[[Control], R],
        attendance: Attendance = UNATTENDED,
        told: Callable[[Any], object] = lambda _what: None,
    ) -> R:
        """What the job returns there; `told` gets what it tells meanwhile (its progress).

        Raises as `run` does, and `JobCancelled`.
        """
        running = self.follow(job, attendance)
        while True:
            try:
                told(next(running))
            except StopIteration as end:
                result: R = end.value
                return result

    def follow(
        self, job: Callable[[Control], R], attendance: Attendance = UNATTENDED
    ) -> Generator[Any, None, R]:
        """What the job tells, piece by piece; its result is the generator's return value.

        The process is held until the generator ends or is closed. Raises as `attend` does.
        """
        deadline = None if attendance.seconds is None else time.monotonic() + attendance.seconds
        try:
            result = yield from self._once(job, attendance, deadline)
        except _NotBegun:
            # A process that is about to end looks alive for a moment.
            result = yield from self._once(job, attendance, deadline)
        if isinstance(result, Failed):
            raise result.error
        returned: R = result.result
        return returned

    def _once(
        self, job: Callable[[Control], R], attendance: Attendance, deadline: float | None
    ) -> Generator[Any, None, Done | Failed]:
        process = self._take(attendance, deadline)
        process.begun = reusable = False
        try:
            self._send(process, job)
            result = yield from self._messages(process, attendance, deadline)
            reusable = True
        finally:
            self._give_back(process, reusable)
        return result

    def end_idle(self, seconds: float | None = None) -> None:
        """Ends the processes that had nothing to do for so long (`idle_seconds`); their memory is
        free again."""
        since = time.monotonic() - (self.idle_seconds if seconds is None else seconds)
        with self._changed:
            ended = [process for process in self._idle if process.idle_since <= since]
            self._idle = [process for process in self._idle if process not in ended]
        for process in ended:
            process.end()

    def pids(self) -> list[int]:
        """The processes that run now."""
        with self._changed:
            return [process.pid for process in (*self._idle, *self._busy)]

    def close(self) -> None:
        """Ends all processes; jobs that still run raise `WorkerDied` to their callers."""
        with self._changed:
            self._closed = True
            idle, self._idle = self._idle, []
            for process in self._busy:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, 9)
            self._changed.notify_all()
        for process in idle:
            process.end()

    def _take(self, attendance: Attendance, deadline: float | None) -> _Process:
        """A process that has nothing to do; waits where all are busy."""
        with self._changed:
            while True:
                _check_wanted(attendance, deadline)
                if self._closed:
                    raise WorkerUnavailable(f"the worker for {self.name} is closed")
                while self._idle:
                    process = self._idle.pop()
                    if process.alive():
                        self._busy.add(process)
                        return process
                    process.end()
                if len(self._busy) < self.processes:
                    process = _Process(self.name, self._niceness)
                    self._busy.add(process)
                    return process
                self._changed.wait(None if attendance is UNATTENDED else POLL_SECONDS)

    def _give_back(self, process: _Process, reusable: bool) -> None:
        with self._changed:
            self._busy.discard(process)
            reusable = reusable and not self._closed
            if reusable:
                process.idle_since = time.monotonic()
                self._idle.append(process)
            self._changed.notify()
        if not reusable:
            process.end()

    def _send(self, process: _Process, message: object) -> None:
        try:
            process.connection.send(message)
        except OSError as error:
            raise self._died(process) from error

    def _died(self, process: _Process) -> WorkerDied:
        how = process.exit_code()
        ended = f"by signal {-how}" if how is not None and how < 0 else f"with status {how}"
        kind = WorkerDied if process.begun else _NotBegun
        return kind(f"the worker for {self.name} (process {process.pid}) ended {ended}")

    def _messages(
        self, process: _Process, attendance: Attendance, deadline: float | None
    ) -> Generator[Any, None, Done | Failed]:
        """What comes from the running job up to its end."""
        kill_at = math.inf
        while True:
            said = False
            while not said:
                said = process.connection.poll(POLL_SECONDS)
                if time.monotonic() > kill_at:
                    raise JobCancelled(f"a job of the worker for {self.name} was stopped")
                # A job may ask so often that there is never a pause; but one that tells what it
                # has found is not late because whoever reads it is slow.
                due = None if said else deadline
                if kill_at == math.inf and not _is_wanted(attendance, due):
                    self._send(process, Cancel())
                    kill_at = time.monotonic() + PATIENCE_SECONDS
            match message := self._receive(process):
                case Begun():
                    process.begun = True
                case Told():
                    yield message.what
                case Question():
                    self._send(process, _answer(attendance, message))
                case Done() | Failed():
                    return message

    def _receive(self, process: _Process) -> Any:
        try:
            return process.connection.recv()
        except (EOFError, OSError) as error:
            raise self._died(process) from error


class Worker:
    """The lanes of one server."""

    def __init__(self, cores: int | None = None) -> None:
        self.store = Lane("the store", niceness=0)
        self.queries = Lane("heavy queries", processes=2, niceness=5)
        analyses = min(cores or os.cpu_count() or 1, MOST_ANALYSES)
        self.analysis = Lane("analysis", processes=analyses, niceness=10)
        # Somebody waits for these two: neither may stand behind the fleet, or behind the other.
        self.explanations = Lane("explanations", niceness=5, idle_seconds=KEPT_READY_SECONDS)
        self.backtests = Lane("back-tests", niceness=10)

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """All of them."""
        return self.store, self.queries, self.analysis, self.explanations, self.backtests

    def end_idle(self) -> None:
        """Ends the processes that had nothing to do for as long as their lane keeps them."""
        for lane in self.lanes:
            lane.end_idle()

    def close(self) -> None:
        """Ends all processes."""
        for lane in self.lanes:
            lane.close()


def _unattended(work: Callable[[], R], _control: Control) -> R:
    return work()


def _is_wanted(attendance: Attendance, deadline: float | None) -> bool:
    return not attendance.cancelled() and (deadline is None or time.monotonic() <= deadline)


def _check_wanted(attendance: Attendance, deadline: float | None) -> None:
    if attendance.cancelled():
        raise JobCancelled("nobody wants the result of the job any more")
    if deadline is not None and time.monotonic() > deadline:
        raise JobCancelled(f"the job took more than {attendance.seconds:g} seconds")


def _answer(attendance: Attendance, question: Question) -> Answer | Failed:
    try:
        return Answer(attendance.answer(question.what))
    except Exception as error:  # noqa: BLE001 (whatever it is, the job that asked has to know)
        return Failed(sendable(error))
