"""A store killed before a chosen file operation, or losing its power there, and opened again.

Every tenth plan begins another workload, which is recorded once; the others end it somewhere. In
some the store has a worker process, which dies with it or alone.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.soak import forked
from tests.soak.files import Watch, install, read_journal
from tests.soak.finding import Tally
from tests.soak.ledger import ALL_TIME, Ledger, samples_of
from tests.soak.power import LOSSES, Disk
from tests.soak.tiers import point_faults
from tests.soak.workload import (
    TIERS,
    Clock,
    Step,
    ledger_after,
    metadata_after,
    open_store,
    perform,
    steps,
)

from tidecast.samples.apart import Runner
from tidecast.samples.embedded import EmbeddedSamples
from tidecast.samples.protocol import SamplesUnavailable
from tidecast.samples.verify import verify

PLANS_A_WORKLOAD = 10
_STEPS = 40
_GOES_ON = 8
"""So many steps are done after each recovery, the interrupted one again first."""
_MOST_TO_RECOVER = 12
_WAYS = ("a store", "a store", "a store with its worker", "its worker alone")
_OF_WORKER = 100
"""About so many file operations of a workload are its worker's."""


@dataclass
class _Recording:
    """What a workload did to its files when nothing disturbed it."""

    plan: list[Step]
    operations: list[tuple]

    @staticmethod
    def of(seed: object, directory: Path, apart: Runner | None) -> _Recording:
        """Records it; raises AssertionError where the journal does not explain the files."""
        plan = steps(seed, _STEPS)
        watch = Watch(str(directory / "store"), str(directory / "journal"))
        status = _in_child(
            watch, lambda recorder: _work(directory / "store", plan, recorder, apart)
        )
        assert status == 0, f"the workload failed: {(directory / 'journal.error').read_text()}"
        operations = list(read_journal(directory / "journal"))
        disk = Disk()
        for operation in operations:
            disk.perform(operation)
        disk.write_to(directory / "replayed")
        seen, real = _files(directory / "replayed"), _files(directory / "store")
        assert seen == real, "files were written in a way that is not recorded"
        return _Recording(plan, operations)


def _files(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


def _work(directory: Path, plan: list[Step], recorder, apart: Runner | None) -> None:
    forked.for_every_job()
    clock = Clock(plan[0].now_ms)
    store = open_store(directory, clock, apart)
    for number, step in enumerate(plan):
        try:
            perform(store, clock, step)
        except SamplesUnavailable:
            # Its worker died; upkeep would come round again.
            perform(store, clock, step)
        recorder.note("mark", number)
    store.close()


def _in_child(watch: Watch, work: Callable) -> int:
    """Runs it in a watched process group of its own; returns its exit status, -9 when killed."""
    reader, alive = os.pipe()
    pid = os.fork()
    if not pid:
        status = 1
        try:
            os.setsid()
            work(install(watch))
            status = 0
        except BaseException:
            Path(watch.journal + ".error").write_text(traceback.format_exc())
        finally:
            os._exit(status)
    os.close(alive)
    _, waited = os.waitpid(pid, 0)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    # A fork that is still dying would hold the store's lock; the pipe ends with the last of them.
    os.read(reader, 1)
    os.close(reader)
    return os.waitstatus_to_exitcode(waited)


def run(tally: Tally, plans: range, directory: Path, kind: str) -> None:
    """Runs these plans; `kind` is "kill" or "power"."""
    recording, workload = None, -1
    for number in plans:
        with tally.plan(number, "exception"):
            if recording is None or number // PLANS_A_WORKLOAD != workload:
                workload = number // PLANS_A_WORKLOAD
                recording = None
                home = _fresh(directory / "recording")
                apart = forked.run if workload % 2 else None
                recording = _Recording.of((tally.seed, workload), home, apart)
                tally.counts["workloads"] += 1
            rng = random.Random(f"{tally.seed} {kind} {number}")
            place = _fresh(directory / kind)
            (_kill if kind == "kill" else _cut_power)(tally, number, recording, rng, place)


def _fresh(directory: Path) -> Path:
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    return directory


def _kill(
    tally: Tally, number: int, recording: _Recording, rng: random.Random, place: Path
) -> None:
    total = sum(operation[0] not in ("open", "mark") for operation in recording.operations)
    way = _WAYS[number % len(_WAYS)]
    kill_at = rng.randint(1, _OF_WORKER if way == "its worker alone" else total)
    store = place / "store"
    watch = Watch(
        str(store),
        str(place / "journal"),
        kill_at,
        worker_only=way == "its worker alone",
        torn_share=rng.random(),
    )
    apart = None if way == "a store" else forked.run
    status = _in_child(watch, lambda recorder: _work(store, recording.plan, recorder, apart))
    done = sum(each[0] == "mark" for each in read_journal(place / "journal"))
    what = f"{way} killed at file operation {kill_at} of {total}, in step {done} of {_STEPS}"
    if way == "its worker alone":
        tally.counts["worker killed alone"] += _operations(watch) >= kill_at
        expected = 0
    else:
        expected = -signal.SIGKILL if _operations(watch) >= kill_at else 0
    if status != expected:
        error = place / "journal.error"
        told = error.read_text() if error.exists() else ""
        tally.found(number, what, [f"ended with {status} instead of {expected} {told}"])
        return
    if not status:
        tally.found(number, what, _check(store, recording.plan, done))
        return
    tally.counts["killed"] += 1
    if done < _STEPS:
        tally.counts[f"killed in {recording.plan[done].kind}"] += 1
    if rng.random() < 0.4:
        again = rng.randint(1, _MOST_TO_RECOVER)
        what += f", and at operation {again} while it was recovering"
        second = Watch(str(store), str(place / "again"), again, torn_share=rng.random())
        status = _in_child(second, lambda _: _recover(store, recording.plan[-1].now_ms))
        tally.counts["killed while recovering"] += status == -signal.SIGKILL
    tally.found(number, what, _check(store, recording.plan, done))


def _operations(watch: Watch) -> int:
    """How many were counted."""
    return int(Path(watch.journal + ".count").read_bytes() or b"0")


def _recover(directory: Path, now_ms: int) -> None:
    with open_store(directory, Clock(now_ms)) as store:
        store.flush()
        store.maintain(now_ms)


def _cut_power(
    tally: Tally, number: int, recording: _Recording, rng: random.Random, place: Path
) -> None:
    end = rng.randint(1, len(recording.operations))
    loss = LOSSES[number % len(LOSSES)]
    disk = Disk()
    for operation in recording.operations[:end]:
        disk.perform(operation)
    done = sum(each[0] == "mark" for each in recording.operations[:end])
    disk.cut(place / "store", loss, rng)
    tally.counts["power cuts"] += 1
    tally.counts[f"unsynced: {loss}"] += 1
    what = f"power cut after operation {end}, in step {done}; unsynced: {loss}"
    tally.found(number, what, _check(place / "store", recording.plan, done))


def _check(directory: Path, plan: list[Step], done: int) -> list[str]:
    """What is wrong with the store after these steps of the plan, and when it goes on."""
    ledger = ledger_after(plan[:done], plan[done : done + 1])
    clock = Clock(plan[min(done, len(plan) - 1)].now_ms)
    with open_store(directory, clock) as store:
        faults = [*ledger.faults(store.select([], *ALL_TIME)), *store.stats().problems]
        faults += _tier_faults(store, ledger)
        known = [metadata_after(plan[:done]), metadata_after(plan[: done + 1])]
        if store.metadata() not in known:
            faults.append(f"metadata is {store.metadata()}, not {known[0]}")
        ledger.settle(dict(samples_of(store.select([], *ALL_TIME))))
        if not faults:
            for number, step in enumerate(plan[done : done + _GOES_ON]):
                ledger.begin(number, step.kind, *step.arguments)
                perform(store, clock, step)
                ledger.end(number)
                goes_on = ledger.faults(store.select([], *ALL_TIME))
                faults += [f"{fault} (going on with {step.kind})" for fault in goes_on]
    faults += [f"{each.path.name}: {each.what}" for each in verify(directory).damage]
    with open_store(directory, clock) as store:
        again = [*ledger.faults(store.select([], *ALL_TIME)), *_tier_faults(store, ledger)]
        faults += [f"{fault} (opened again)" for fault in again]
    return faults


def _tier_faults(store: EmbeddedSamples, ledger: Ledger) -> list[str]:
    return [fault for tier in TIERS for fault in point_faults(store, ledger, tier)]
