"""Seeded work for a store: every step of a sample's life, in a fixed order for a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tests.soak.ledger import Ledger

from tidecast.samples.apart import Runner
from tidecast.samples.batch import STALE_NAN_BITS, SampleBatch
from tidecast.samples.embedded import EmbeddedSamples
from tidecast.samples.kept import Tier
from tidecast.samples.matchers import Matcher, MatchOp
from tidecast.samples.protocol import MetricMetadata
from tidecast_collector.labels import Labels, make_labels

WINDOW_MS = 1_000
BLOCK_MS = 12 * WINDOW_MS
TIERS = (Tier("fine", 100, 1000 * BLOCK_MS), Tier("coarse", 1000, 1000 * BLOCK_MS))
"""Kept for longer than any workload lasts: what is not deleted is in them for good."""
_NAMES = ("up", "node_load1", "node_network_receive_bytes_total")
SERIES: list[Labels] = [
    make_labels({"__name__": name, "instance": f"host-{host}", "note": 'ä "\n'})
    for name in _NAMES
    for host in range(4)
]
_SPECIAL_BITS = (STALE_NAN_BITS, 0, 1 << 63, 0x7FF8000000000001, 0xFFF0000000000000)


@dataclass(frozen=True)
class Step:
    """One call of the store: its name and arguments, and how late it is then (milliseconds)."""

    kind: str
    arguments: tuple[Any, ...]
    now_ms: int


@dataclass
class Clock:
    """Stands where the last step put it."""

    now_ms: int = 0

    def __call__(self) -> int:
        return self.now_ms


def open_store(directory: Path, clock: Clock, apart: Runner | None = None) -> EmbeddedSamples:
    """The store under test: small windows, tiers, and upkeep only when a step asks for it."""
    return EmbeddedSamples(
        directory,
        window_ms=WINDOW_MS,
        tiers=TIERS,
        upkeep_seconds=None,
        clock=clock,
        apart=apart,
    )


@dataclass
class _Plan:
    rng: random.Random
    now_ms: int = 5 * BLOCK_MS
    sent: list[tuple[int, int, float]] = field(default_factory=list)

    def append(self) -> tuple[SampleBatch]:
        rng = self.rng
        chosen = rng.sample(range(len(SERIES)), rng.randint(1, len(SERIES)))
        count = rng.choice((1, 1, 3, 20))
        rows = []
        for series in chosen:
            times = [self.now_ms - 10 * i - rng.randrange(5) for i in range(count)][::-1]
            rows += [(series, at, self.value(series, at)) for at in times]
        if rng.random() < 0.4:
            rows += [(rng.randrange(len(SERIES)), self.past(), rng.random()) for _ in range(3)]
        if self.sent and rng.random() < 0.4:
            again = rng.sample(self.sent, min(3, len(self.sent)))
            rows += [(s, at, v if rng.random() < 0.5 else rng.random()) for s, at, v in again]
        self.sent += rows
        order = sorted(range(len(rows)), key=lambda i: rows[i][0])
        return (_batch([rows[i] for i in order]),)

    def value(self, series: int, at: int) -> float:
        if self.rng.random() < 0.05:
            bits = np.array([self.rng.choice(_SPECIAL_BITS)], dtype=np.uint64)
            return bits.view(np.float64)[0]
        return float(at) if series % 3 else round(self.rng.gauss(0, 100), 2)

    def past(self) -> int:
        return self.now_ms - self.rng.choice((50, WINDOW_MS, 3 * WINDOW_MS, 2 * BLOCK_MS))

    def delete(self) -> tuple[tuple[Matcher, ...], int, int]:
        matcher = Matcher("instance", MatchOp("=~"), f"host-[{self.rng.randrange(4)}7]")
        start = self.past()
        return (matcher,), start, start + self.rng.choice((10, WINDOW_MS, BLOCK_MS))

    def keep(self) -> tuple[int, int]:
        return self.now_ms, self.rng.randint(2, 4) * BLOCK_MS

    def put_metadata(self) -> tuple[dict[str, MetricMetadata]]:
        name = self.rng.choice(_NAMES)
        return ({name: MetricMetadata("gauge", f"As told at {self.now_ms}.")},)

    def maintain(self) -> tuple[int]:
        self.now_ms += self.rng.choice((WINDOW_MS, WINDOW_MS, 4 * WINDOW_MS, BLOCK_MS))
        return (self.now_ms,)

    def flush(self) -> tuple[()]:
        return ()


_WEIGHTS = {
    "append": 50,
    "maintain": 25,
    "flush": 6,
    "delete": 7,
    "keep": 8,
    "put_metadata": 6,
}


def steps(seed: object, count: int) -> list[Step]:
    """So many steps; the same seed gives the same ones."""
    plan = _Plan(random.Random(f"workload {seed}"))
    found = []
    for _ in range(count):
        (kind,) = plan.rng.choices(list(_WEIGHTS), _WEIGHTS.values())
        plan.now_ms += plan.rng.randrange(300)
        arguments = getattr(plan, kind)()
        found.append(Step(kind, arguments, plan.now_ms))
    return found


def perform(store: EmbeddedSamples, clock: Clock, step: Step) -> None:
    """Has the store do it."""
    clock.now_ms = step.now_ms
    getattr(store, step.kind)(*step.arguments)


def ledger_after(done: list[Step], under_way: list[Step]) -> Ledger:
    """What must be there after these steps while others may have taken effect or not."""
    ledger = Ledger()
    for number, step in enumerate(done):
        ledger.begin(number, step.kind, *step.arguments)
        ledger.end(number)
    for number, step in enumerate(under_way, len(done)):
        ledger.begin(number, step.kind, *step.arguments)
    return ledger


def metadata_after(done: list[Step]) -> dict[str, MetricMetadata]:
    """What must be known of the metrics after these steps."""
    known: dict[str, MetricMetadata] = {}
    for step in done:
        if step.kind == "put_metadata":
            known |= step.arguments[0]
    return known


def _batch(rows: list[tuple[int, int, float]]) -> SampleBatch:
    def series() -> Iterator[tuple[Labels, np.ndarray, np.ndarray]]:
        for number in sorted({row[0] for row in rows}):
            own = [row for row in rows if row[0] == number]
            yield (
                SERIES[number],
                np.array([at for _, at, _ in own], dtype=np.int64),
                np.array([value for _, _, value in own], dtype=np.float64),
            )

    return SampleBatch.of(series())
