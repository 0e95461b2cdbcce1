"""Killed at any step, the store holds what it had acknowledged, and nothing twice or wrong.

A child process performs a fixed plan and reports each finished step through a pipe. An audit hook
in it counts the openings, renames and removals of files and kills it with SIGKILL at a chosen one,
or at a chosen moment.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.scenario.driver import PATIENCE_SECONDS

from tidecast.samples.memory import MemorySamples
from tidecast.samples.verify import verify

from .support import batch_of, everything, labels_of, matcher, open_store

UP = labels_of("up", host="a")
LOAD = labels_of("node_load1", host="a")
BLOCK_MS = 12_000

PLAN = [
    ("append", [1, 500, 1500], 1),
    ("append", [700, 1500], 2),
    ("maintain", 3000),
    ("append", [2500, 100], 3),
    ("delete", 500, 1600),
    ("append", [600, 4000], 4),
    ("maintain", 6000),
    ("append", [600, -50_000], 5),
    ("maintain", BLOCK_MS + 100),
    ("append", [3000], 6),
    ("maintain", 2 * BLOCK_MS),
    ("append", [3000, 9000], 7),
    ("delete", -60_000, -40_000),
    ("maintain", 3 * BLOCK_MS),
]

CHILD = """
import json, os, signal, sys
from pathlib import Path
from tests_support import run_step, open_store

directory, kills = Path(sys.argv[1]), json.loads(sys.argv[2])
plan = json.loads(sys.argv[3])
for kill_at in kills:
    reader, pid = None, os.fork()
    if pid:
        os.waitpid(pid, 0)
        continue
    count = 0
    home = str(directory / str(kill_at))
    def hook(event, arguments):
        global count
        if event in ("open", "os.rename", "os.remove", "os.truncate") and home in str(arguments[0]):
            count += 1
            if count == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
    acknowledged = os.open(directory / f"{kill_at}.done", os.O_WRONLY | os.O_CREAT)
    sys.addaudithook(hook)
    store = open_store(Path(home))
    for step in plan:
        run_step(store, step)
        os.write(acknowledged, b".")
    store.close()
    os._exit(0)
"""


def run_step(store, step):
    """Performs one step of the plan on a store; the oracle has no upkeep."""
    kind, *arguments = step
    if kind == "append":
        times, value = arguments
        store.append(
            batch_of((UP, times, [value] * len(times)), (LOAD, times, [-value] * len(times)))
        )
    elif kind == "delete":
        store.delete([matcher("__name__", "=", "up")], *arguments)
    elif not isinstance(store, MemorySamples):
        store.maintain(*arguments)


def after(steps):
    oracle = MemorySamples()
    for step in steps:
        run_step(oracle, step)
    return everything(oracle)


def run_children(tmp_path, kills):
    here = Path(__file__).parent
    bootstrap = (
        "import sys, types, importlib.util\n"
        "package = types.ModuleType('samples_tests'); package.__path__ = [sys.argv[4]]\n"
        "sys.modules['samples_tests'] = package\n"
        "import samples_tests.test_crash as module\n"
        "sys.modules['tests_support'] = module\n"
    )
    subprocess.run(
        [
            sys.executable,
            "-c",
            bootstrap + CHILD,
            tmp_path,
            json.dumps(kills),
            json.dumps(PLAN),
            here,
        ],
        check=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        timeout=PATIENCE_SECONDS,
    )


def test_killed_at_any_file_operation(tmp_path):
    # The whole plan performs some 150 such operations; every ninth is tried.
    kills = list(range(1, 181, 9))
    run_children(tmp_path, kills)
    finished = []
    for kill_at in kills:
        done = (tmp_path / f"{kill_at}.done").stat().st_size
        finished.append(done)
        home = tmp_path / str(kill_at)
        if not home.exists():
            assert done == 0
            continue
        with open_store(home) as store:
            found = everything(store)
            # The step under way when the kill came may have taken effect, or not.
            assert found in (after(PLAN[:done]), after(PLAN[: done + 1])), (kill_at, done)
            assert store.stats().problems == ()
            store.maintain(10 * BLOCK_MS)
            assert everything(store) == found
        assert verify(home).damage == ()
    assert finished == sorted(finished)
    assert finished[-1] == len(PLAN)
    assert len(set(finished)) > 8


@pytest.mark.parametrize("wait_for", [1, 40])
def test_killed_while_several_threads_write(tmp_path, wait_for):
    writer = """
import sys, threading
from pathlib import Path
import samples_tests.test_crash as t
store = t.open_store(Path(sys.argv[1]), flush_samples=40, upkeep_seconds=0.01)
lock = threading.Lock()
def write(worker):
    labels = t.labels_of("up", host=str(worker))
    for i in range(100_000):
        store.append(t.batch_of((labels, [i], [i])))
        with lock:
            print(worker, i, flush=True)
for worker in range(4):
    threading.Thread(target=write, args=(worker,)).start()
"""
    bootstrap = (
        "import sys, types\n"
        "package = types.ModuleType('samples_tests'); package.__path__ = [sys.argv[2]]\n"
        "sys.modules['samples_tests'] = package\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", bootstrap + writer, tmp_path / "store", Path(__file__).parent],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    lines = [child.stdout.readline() for _ in range(wait_for)]
    child.send_signal(signal.SIGKILL)
    lines += child.stdout.read().split(b"\n")
    child.stdout.close()
    child.wait()
    acknowledged = {tuple(line.split()) for line in lines if len(line.split()) == 2}
    with open_store(tmp_path / "store") as store:
        found = store.select([], *(-(2**62), 2**62))
        held = {
            (dict(labels)["host"].encode(), str(at).encode())
            for labels, times, values in found
            for at, value in zip(times.tolist(), values.tolist(), strict=True)
            if at == value
        }
        assert len(held) == len(found.timestamps)
    assert acknowledged <= held
    # At most the one batch of each thread that was not yet acknowledged, and a line cut in two.
    assert len(held - acknowledged) <= 4 + 1
