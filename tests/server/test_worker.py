"""The worker's lanes: other processes, replaced when they die, cancelled when nobody wants them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from tests.scenario.driver import PATIENCE_SECONDS, eventually

from tidecast.server import worker as worker_module
from tidecast.server.worker import (
    Attendance,
    JobCancelled,
    Lane,
    Worker,
    WorkerDied,
    WorkerUnavailable,
)
from tidecast.server.worker_process import Control, JobFailed


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A job that looks whether it is wanted may be late to look on a busy machine."""
    monkeypatch.setattr(worker_module, "PATIENCE_SECONDS", PATIENCE_SECONDS)


@pytest.fixture
def lane() -> Iterator[Lane]:
    one = Lane("tests")
    try:
        yield one
    finally:
        one.close()


class _Odd(Exception):
    """An error that does not come back from a pickle."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(one + two)


def fail_oddly() -> None:
    raise _Odd("very ", "odd")


class _Here:
    """Work that does not come back from a pickle."""

    def __call__(self) -> None:
        pass

    def __reduce__(self) -> tuple[Callable[[], None], tuple[()]]:
        return refuse, ()


def refuse() -> None:
    raise RuntimeError("only here")


def end_itself() -> None:
    os.kill(os.getpid(), 9)


def ask_twice(control: Control) -> list[object]:
    control.tell("first")
    answers = [control.ask(1), control.ask(2)]
    control.tell("second")
    return answers


def wait_until_cancelled(control: Control) -> str:
    control.tell("waiting")
    while not control.cancelled():
        time.sleep(0.01)
    return "noticed"


def never_look(control: Control) -> None:
    control.tell("begun")
    time.sleep(600)


def test_a_process_of_its_own_that_is_kept(lane: Lane) -> None:
    first = lane.run(os.getpid)
    assert first != os.getpid()
    assert lane.run(os.getpid) == first
    assert lane.pids() == [first]


def test_errors_come_back_as_they_were_raised(lane: Lane) -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        lane.run(divmod, 1, 0)
    assert "in the worker" in caught.value.__notes__[0]
    with pytest.raises(JobFailed, match="_Odd: very odd"):
        lane.run(fail_oddly)
    first = lane.run(os.getpid)
    assert lane.run(os.getpid) == first


def test_a_process_that_died_is_replaced(lane: Lane) -> None:
    first = lane.run(os.getpid)
    with pytest.raises(WorkerDied, match="by signal 9"):
        lane.run(end_itself)
    second = lane.run(os.getpid)
    assert second != first
    os.kill(second, 9)  # while it has nothing to do: nobody hears of it
    assert lane.run(os.getpid) not in (first, second)


def test_a_job_that_cannot_be_read_there_fails(lane: Lane) -> None:
    with pytest.raises(RuntimeError, match="only here"):
        lane.run(_Here())
    assert lane.run(os.getpid) != os.getpid()


def test_a_job_tells_and_asks(lane: Lane) -> None:
    heard: list[object] = []
    watching = Attendance(answer=lambda question: question * 10)
    assert lane.attend(ask_twice, watching, heard.append) == [10, 20]
    assert heard == ["first", "second"]


def test_an_answer_that_fails_fails_the_job(lane: Lane) -> None:
    with pytest.raises(LookupError):
        lane.attend(ask_twice)


def test_a_cancelled_job_may_end_by_itself(lane: Lane) -> None:
    first = lane.run(os.getpid)
    waiting = threading.Event()
    attendance = Attendance(cancelled=waiting.is_set)
    assert lane.attend(wait_until_cancelled, attendance, lambda _: waiting.set()) == "noticed"
    assert lane.run(os.getpid) == first


def test_a_job_that_does_not_notice_is_killed(lane: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "PATIENCE_SECONDS", 0.1)
    first = lane.run(os.getpid)
    begun = threading.Event()
    with pytest.raises(JobCancelled):
        lane.attend(never_look, Attendance(cancelled=begun.is_set), lambda _: begun.set())
    assert lane.run(os.getpid) != first


def test_a_job_that_nobody_follows_to_its_end_is_killed(lane: Lane) -> None:
    running = lane.follow(ask_twice, Attendance(answer=lambda question: question))
    assert next(running) == "first"
    (first,) = lane.pids()
    running.close()
    assert lane.run(os.getpid) != first


@contextmanager
def busy(lane: Lane) -> Iterator[None]:
    """Keeps one process of the lane at work meanwhile."""
    waiting, enough = threading.Event(), threading.Event()
    attendance = Attendance(cancelled=enough.is_set)
    thread = threading.Thread(
        target=lane.attend, args=(wait_until_cancelled, attendance, lambda _: waiting.set())
    )
    thread.start()
    try:
        assert waiting.wait(PATIENCE_SECONDS)
        yield
    finally:
        enough.set()
        thread.join()


def test_who_waits_for_a_busy_process_can_give_up(lane: Lane) -> None:
    with busy(lane), pytest.raises(JobCancelled, match=r"more than 0\.1 seconds"):
        lane.attend(never_look, Attendance(seconds=0.1))


def test_a_wide_lane_works_at_once_in_several_processes() -> None:
    lane = Lane("tests", processes=2)
    try:
        with busy(lane):
            assert lane.run(os.getpid) != os.getpid()
            assert len(lane.pids()) == 2
    finally:
        lane.close()


def test_idle_processes_end(lane: Lane) -> None:
    first = lane.run(os.getpid)
    lane.end_idle(3600)
    assert lane.pids() == [first]
    lane.end_idle(0)
    assert lane.pids() == []
    assert lane.run(os.getpid) != first


def test_a_closed_lane_starts_nothing(lane: Lane) -> None:
    lane.close()
    with pytest.raises(WorkerUnavailable):
        lane.run(os.getpid)


def test_the_process_ends_with_a_killed_server(tmp_path: Path) -> None:
    script = tmp_path / "server.py"
    script.write_text(
        "import os, time\n"
        "from tidecast.server.worker import Lane\n"
        "if __name__ == '__main__':\n"
        "    print(Lane('tests').run(os.getpid), flush=True)\n"
        "    time.sleep(600)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, env=environment
    ) as server:
        assert server.stdout is not None
        worker = int(server.stdout.readline())
        server.kill()
    assert eventually(lambda: _has_ended(worker))


def _has_ended(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE  # nobody may ask for its status
    except psutil.NoSuchProcess:
        return True


def test_an_explanation_waits_neither_for_the_fleet_nor_for_a_back_test() -> None:
    worker = Worker(cores=1)
    try:
        with busy(worker.analysis), busy(worker.backtests):
            assert worker.explanations.run(os.getpid) in worker.explanations.pids()
    finally:
        worker.close()


def test_a_lane_is_made_ready_once(lane: Lane) -> None:
    lane.warm(os.getpid)
    (first,) = eventually(lane.pids)
    lane.warm(refuse)
    assert lane.run(os.getpid) == first
