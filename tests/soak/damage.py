"""A flipped bit, a cut or an emptied file, in every kind of file: found, told, never served.

What nobody could find is counted; `UNSEEN` says why it is not there to be found.
"""

from __future__ import annotations

import random
import shutil
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tests.soak.blow import Blow
from tests.soak.finding import Tally
from tests.soak.ledger import ALL_TIME, Key, Ledger, samples_of
from tests.soak.tiers import point_faults
from tests.soak.workload import BLOCK_MS, TIERS, Clock, Step, open_store, perform, steps

from tidecast.samples.log import LogReading, read_log
from tidecast.samples.segment import Segment
from tidecast.samples.verify import verify

PLANS_A_STORE = 60
_STEPS = 60
_OFTEN = ("log", "segments", "segments")
"""Kinds of files that are struck more often than others: they hold the samples."""

UNSEEN = {
    "lock": "It holds the number of the process that has the store, for people to read.",
    "log cut": "A log that ends anywhere is what dying while writing leaves. To know that a write "
    "had been acknowledged would take a second sync for each.",
}


@dataclass
class _Built:
    """A closed store with files of every kind, and what is known of its content."""

    directory: Path
    ledger: Ledger
    now_ms: int
    files: dict[str, list[Path]]

    @staticmethod
    def of(seed: object, directory: Path) -> _Built:
        plan = _rich_plan(seed)
        now_ms = plan[-1].now_ms
        ledger, clock = Ledger(), Clock(now_ms)
        with open_store(directory, clock) as store:
            for number, step in enumerate(plan):
                ledger.begin(number, step.kind, *step.arguments)
                perform(store, clock, step)
                ledger.end(number)
            content = store.select([], *ALL_TIME)
            assert not (faults := ledger.faults(content)), faults
            ledger.settle(dict(samples_of(content)))
        files: dict[str, list[Path]] = defaultdict(list)
        for path in sorted(path for path in directory.rglob("*") if path.is_file()):
            kind = path if path.parent == directory else path.parent
            files[str(kind.relative_to(directory))].append(path.relative_to(directory))
        return _Built(directory, ledger, now_ms, dict(files))

    def keys_in(self, path: Path) -> set[Key]:
        """The samples that stand in the file."""
        whole = self.directory / path
        if path.suffix == ".seg":
            return _keys_of_segment(whole)
        return _keys_of_log(whole) if path.suffix == ".log" else set()


def _rich_plan(seed: object) -> list[Step]:
    """Work that leaves deletions not carried out yet, metadata, and several log files."""
    plan = steps(seed, _STEPS)
    now_ms = plan[-1].now_ms
    appends = [step for step in plan if step.kind == "append"]
    others = steps((seed, "others"), 500)
    about = next(step for step in others if step.kind == "put_metadata")
    deletion = next(step for step in others if step.kind == "delete")
    gone = (deletion.arguments[0], now_ms - BLOCK_MS, now_ms)
    return [
        *plan,
        *appends[-4:],
        Step("delete", gone, now_ms),
        about,
        *appends[-8:],
    ]


def _keys_of_segment(path: Path) -> set[Key]:
    segment = Segment(path)
    every = segment.labels(np.arange(len(segment), dtype=np.int64))
    return {
        (labels, at)
        for number, labels in enumerate(every)
        for at in segment.timestamps(segment.column(number)).tolist()
    }


def _keys_of_log(path: Path) -> set[Key]:
    known, found = {}, set()
    for record in read_log(path, LogReading(path)):
        known |= record.definitions
        for i, number in enumerate(record.numbers.tolist()):
            times = record.timestamps[record.offsets[i] : record.offsets[i + 1]]
            found |= {(known[number], at) for at in times.tolist()}
    return found


def run(tally: Tally, plans: range, directory: Path) -> None:
    """Runs these plans on files of a samples store."""
    built, number_built = None, -1
    for number in plans:
        with tally.plan(number, "exception"):
            if built is None or number // PLANS_A_STORE != number_built:
                number_built = number // PLANS_A_STORE
                shutil.rmtree(directory / "built", ignore_errors=True)
                built = _Built.of((tally.seed, "damage", number_built), directory / "built")
            kinds = [*sorted(built.files), *_OFTEN]
            kind = kinds[number % len(kinds)]
            rng = random.Random(f"{tally.seed} damage {number}")
            victim = rng.choice(built.files[kind])
            blow = Blow.on((built.directory / victim).stat().st_size, rng)
            copy = directory / "copy"
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(built.directory, copy)
            while_open = blow.kind == "flip" and rng.random() < 0.3
            tally.counts[f"{blow.kind} in {kind}"] += 1
            what = f"{victim}: {blow}{' while open' if while_open else ''}"
            strike = _Strike(built, copy, victim, blow)
            faults = strike.while_open() if while_open else strike.while_closed()
            tally.found(number, what, faults)
            if strike.unseen:
                tally.undetected[strike.unseen] += 1


class _Strike:
    """One blow on a copy of a built store, and what the store makes of it."""

    def __init__(self, built: _Built, copy: Path, victim: Path, blow: Blow) -> None:
        self._built, self._copy, self._victim, self._blow = built, copy, victim, blow
        self._concerned = built.keys_in(victim)
        self.unseen = _why_unseen(victim, blow)

    def while_closed(self) -> list[str]:
        self._blow.strike(self._copy / self._victim)
        seen = [each.path.name for each in verify(self._copy).damage]
        told = self.unseen or self._is_named(seen)
        return ([] if told else ["verify-store does not tell of it"]) + self._reopened()

    def while_open(self) -> list[str]:
        with open_store(self._copy, Clock(self._built.now_ms)) as store:
            self._blow.strike(self._copy / self._victim)
            faults = self._wrong(store)
        return faults + self._reopened()

    def _reopened(self) -> list[str]:
        """Opened, read, written to, flushed, joined, and opened again."""
        now_ms = self._built.now_ms
        with open_store(self._copy, Clock(now_ms)) as store:
            faults = self._wrong(store)
            content = dict(samples_of(store.select([], *ALL_TIME)))
            store.flush()
            store.maintain(now_ms + 3 * BLOCK_MS)
            later = dict(samples_of(store.select([], *ALL_TIME)))
            steady = self._built.ledger.kept.keys() - self._concerned
            if any(content.get(key) != later.get(key) for key in steady):
                faults.append("upkeep changed what is served")
            faults += self._wrong(store)
        lost = self._built.ledger.kept != content
        report = verify(self._copy)
        if lost and not self.unseen and not self._is_named([e.path.name for e in report.damage]):
            faults.append("samples are missing, and verify-store tells of nothing any more")
        with open_store(self._copy, Clock(now_ms)) as store:
            faults += [f"{fault} (opened again)" for fault in self._wrong(store)]
        return faults

    def _wrong(self, store) -> list[str]:
        """What is served though it never was, or not served though nothing struck it."""
        content = store.select([], *ALL_TIME)
        found = dict(samples_of(content))
        faults = self._built.ledger.faults(content, may_miss=True)
        elsewhere = [
            key
            for key, bits in self._built.ledger.kept.items()
            if key not in self._concerned and found.get(key) != bits
        ]
        if elsewhere:
            faults.append(f"{len(elsewhere)} samples in other files are not served as they were")
        holds_samples = self._victim.suffix in (".seg", ".log")
        for tier in TIERS:
            faults += point_faults(store, self._built.ledger, tier, may_miss=holds_samples)
        return faults

    def _is_named(self, names: list[str]) -> bool:
        own = self._victim.name.removesuffix(".copy")
        return any(name.removesuffix(".bad").removesuffix(".copy") == own for name in names)


def _why_unseen(victim: Path, blow: Blow) -> str:
    """Which of `UNSEEN` it is, "" where it must be found."""
    if victim.name == "lock":
        return "lock"
    return "log cut" if victim.suffix == ".log" and blow.kind != "flip" else ""
