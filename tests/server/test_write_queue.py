"""What waits together is written together; each learns what became of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest
from tests.scenario.driver import PATIENCE_SECONDS

from tidecast.server.write_queue import WriteQueue


def doubled(groups: list[list[int]]):
    def write(items: Sequence[int]) -> list[int | Exception]:
        groups.append(list(items))
        return [ValueError(str(item)) if item < 0 else 2 * item for item in items]

    return write


async def all_of(queue: WriteQueue[int, int], items: Sequence[int]) -> list[int | BaseException]:
    return await asyncio.gather(*map(queue.written, items), return_exceptions=True)


@pytest.mark.parametrize(("threads", "together"), [(1, 64), (2, 3), (8, 1)])
def test_each_gets_its_own_outcome(threads: int, together: int) -> None:
    groups: list[list[int]] = []
    queue = WriteQueue(doubled(groups), threads, together)
    outcomes = asyncio.run(all_of(queue, range(-5, 200)))
    assert outcomes[5:] == [2 * item for item in range(200)]
    assert [str(error) for error in outcomes[:5]] == ["-5", "-4", "-3", "-2", "-1"]
    assert sorted(item for group in groups for item in group) == list(range(-5, 200))
    assert max(map(len, groups)) <= together


def test_what_comes_while_others_are_written_goes_together() -> None:
    groups: list[list[int]] = []
    begun, go_on = threading.Event(), threading.Event()
    write = doubled(groups)

    def slowly(items: Sequence[int]) -> list[int | Exception]:
        begun.set()
        assert go_on.wait(PATIENCE_SECONDS)
        return write(items)

    async def run() -> list[int | BaseException]:
        queue = WriteQueue(slowly, 1, 64)
        first = asyncio.ensure_future(queue.written(0))
        await asyncio.to_thread(begun.wait, PATIENCE_SECONDS)
        others = [asyncio.ensure_future(queue.written(item)) for item in range(1, 10)]
        await asyncio.sleep(0)
        go_on.set()
        return await asyncio.gather(first, *others, return_exceptions=True)

    assert asyncio.run(run()) == [2 * item for item in range(10)]
    assert groups == [[0], list(range(1, 10))]


def test_an_unexpected_error_is_everybodys() -> None:
    def fail(items: Sequence[int]) -> list[int | Exception]:
        raise ZeroDivisionError(f"{len(items)} items")

    queue = WriteQueue[int, int](fail, 1, 64)
    outcomes = asyncio.run(all_of(queue, range(3)))
    assert all(isinstance(outcome, ZeroDivisionError) for outcome in outcomes)
    assert len(outcomes) == 3


def test_who_went_away_is_not_waited_for() -> None:
    async def run() -> int:
        queue = WriteQueue(doubled([]), 1, 64)
        gone = asyncio.ensure_future(queue.written(1))
        await asyncio.sleep(0)
        gone.cancel()
        return await queue.written(2)

    assert asyncio.run(run()) == 4
