"""The real server under load, killed and started again."""

from __future__ import annotations

import contextlib
import random
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import psutil
from tests.soak.finding import Tally
from tests.soak.ledger import ALL_TIME, Ledger, samples_of
from tests.soak.load import JOB, Server, Writers, now_ms
from tests.soak.small_server import RETENTION_MS, SMALL, TIERS
from tests.soak.tiers import point_faults

from tidecast.samples.embedded import EmbeddedSamples
from tidecast.samples.matchers import Matcher, MatchOp
from tidecast.samples.verify import verify

ROUNDS_A_DIRECTORY = 8
_MINE = (Matcher("job", MatchOp.EQUAL, JOB),)
_LONGEST_SECONDS = 3.0
RECOVERY_SECONDS = 120


def kill(tally: Tally, plans: range, directory: Path) -> None:
    """Each plan is a round on a directory that the ones before have left."""
    ledger, home = Ledger(), directory / "0"
    for number in plans:
        if number % ROUNDS_A_DIRECTORY == 0:
            shutil.rmtree(home, ignore_errors=True)
            ledger, home = Ledger(), directory / str(number)
        with tally.plan(number, "exception"):
            rng = random.Random(f"{tally.seed} server {number}")
            what, faults = _round(tally, number, home, ledger, rng)
            tally.found(number, what, faults)


def _round(
    tally: Tally, number: int, home: Path, ledger: Ledger, rng: random.Random
) -> tuple[str, list[str]]:
    seconds = rng.uniform(0.1, _LONGEST_SECONDS)
    way = rng.choice(("all", "all", "server alone", "worker first"))
    what = f"killed after {seconds:.3f} s of load: {way}"
    server = Server(home)
    try:
        if not server.wait_ready():
            return what, ["the server does not start", *server.printed()]
        faults = answers(server, ledger)
        writers = Writers(server, ledger, rng, number * 1_000_000)
        time.sleep(seconds)
        if way == "worker first":
            faults += _without_worker(tally, server, writers)
        (server.kill_alone if way == "server alone" else server.kill)()
        writers.stop()
        if way == "server alone":
            # What it had started may still be at work when the next one opens the store.
            faults += holds(home, ledger)
    finally:
        end(server)
    tally.counts[f"killed: {way}"] += 1
    tally.counts["writes acknowledged"] += writers.acknowledged
    return what, [*faults, *writers.faults, *holds(home, ledger)]


def end(server: Server) -> None:
    """Ends what is still there of it."""
    with contextlib.suppress(ProcessLookupError):
        server.kill()


def _without_worker(tally: Tally, server: Server, writers: Writers) -> list[str]:
    """Kills what the server has started; it goes on taking writes."""
    for child in psutil.Process(server.pid).children(recursive=True):
        child.send_signal(signal.SIGKILL)
        tally.counts["workers killed"] += 1
    before = writers.acknowledged
    until = time.monotonic() + RECOVERY_SECONDS
    while writers.acknowledged == before:
        if time.monotonic() > until:
            return ["without its worker the server takes no writes any more"]
        time.sleep(0.02)
    return []


def answers(server: Server, ledger: Ledger) -> list[str]:
    """What a query says, beside what was acknowledged."""
    _let_go(ledger)
    found = server.samples()
    wanted = {
        key: float(np.array([bits], dtype=np.uint64).view(np.float64)[0])
        for key, bits in ledger.kept.items()
        if key[1] > now_ms() - RETENTION_MS + 1000
    }
    wrong = [key for key, value in wanted.items() if found.get(key) != value]
    return [f"{len(wrong)} acknowledged samples are not answered"] if wrong else []


def _let_go(ledger: Ledger) -> None:
    ledger.begin("keep", "keep", now_ms(), RETENTION_MS)
    ledger.end("keep")


def holds(home: Path, ledger: Ledger) -> list[str]:
    """Opens the store that a dead server left, and settles what was not acknowledged."""
    raw = home / "samples" / "raw"
    if not raw.exists():
        return ["acknowledged samples and no store"] if ledger.kept else []
    _let_go(ledger)
    with EmbeddedSamples(raw, tiers=TIERS, **(SMALL | {"upkeep_seconds": None})) as store:
        content = store.select(_MINE, *ALL_TIME)
        faults = [*ledger.faults(content), *store.stats().problems]
        faults += point_faults(store, ledger, TIERS[-1])
    ledger.settle(dict(samples_of(content)))
    return faults + [f"{each.path.name}: {each.what}" for each in verify(raw).damage]
