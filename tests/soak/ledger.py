"""What a store must hold, what it may hold, and whether it does."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

import numpy as np

from tidecast.samples.batch import SampleBatch
from tidecast.samples.matchers import Matchers, matches_all
from tidecast_collector.labels import Labels

Key = tuple[Labels, int]
"""A series and a time, milliseconds."""
ALL_TIME = (-(2**62), 2**62)
_SHOWN = 3


class Ledger:
    """Writes down what was sent, acknowledged, deleted and let go.

    An action is `begin`-ed before it is asked for and `end`-ed once it is acknowledged; in between
    it may have happened or not, sample by sample.
    """

    def __init__(self) -> None:
        self.kept: dict[Key, int] = {}
        self.ever: dict[Key, set[int]] = defaultdict(set)
        self.revision = 0
        self._under_way: dict[object, tuple] = {}
        self._let_go: set[Key] = set()
        self.acknowledged: dict[Key, int] = {}
        self.sent: Counter[Key] = Counter()
        self.deletions: list[tuple[Matchers, int, int]] = []

    def begin(self, name: object, kind: str, *about: object) -> None:
        """An append of a batch, a delete of (matchers, start, end), a keep of (now, so long)."""
        self.revision += 1
        self._under_way[name] = (kind, *about)
        if kind == "append":
            for key, bits in samples_of(about[0]):
                self.ever[key].add(bits)
                self.sent[key] += 1
        elif kind == "delete":
            self.deletions.append(tuple(about))

    def end(self, name: object) -> None:
        """The action has been acknowledged."""
        self.revision += 1
        kind, *about = self._under_way.pop(name)
        if kind == "append":
            self.kept.update(samples_of(about[0]))
            self.acknowledged.update(samples_of(about[0]))
            self._let_go -= {key for key, _ in samples_of(about[0])}
        elif kind == "delete":
            gone = {key for key in self.kept if _is_deleted(key, *about)}
            self.kept = {key: bits for key, bits in self.kept.items() if key not in gone}
            self._let_go -= gone
        elif kind == "keep":
            self._let_go |= {key for key in self.kept if key[1] <= about[0] - about[1]}

    def settle(self, found: dict[Key, int]) -> None:
        """What was under way has happened or not, as was found: that is how it is from now on."""
        self._let_go |= {key for key in self.kept if self._is_let_go(key)}
        self._under_way.clear()
        self.kept = dict(found)

    def faults(self, batch: SampleBatch, *, may_miss: bool = False) -> list[str]:
        """What is wrong with this content of the whole store; "" by "", at most a few.

        Where the files were damaged samples may be missing, and what a lost one had replaced may
        be there again; but nothing is there that was never acknowledged.
        """
        found, faults = {}, []
        for labels, times, values in batch:
            if len(times) > 1 and (np.diff(times) <= 0).any():
                faults.append(f"{_text((labels, 0))}: times do not rise: a sample stands twice")
            for at, bits in zip(times.tolist(), values.view(np.uint64).tolist(), strict=True):
                found[labels, at] = bits
        if found == self.kept and not faults:
            return []
        if len({labels for labels, _ in found}) != len(batch):
            faults.append("a series stands twice")
        wrong = [key for key, bits in found.items() if not self._may_be(key, bits, may_miss)]
        faults += [f"{_text(key)}: {found[key]:016x} was never acknowledged" for key in wrong]
        if not may_miss:
            lost = [key for key in self.kept if key not in found and not self._may_go(key)]
            faults += [f"{_text(key)}: was acknowledged and is lost" for key in lost]
        if len(faults) > _SHOWN:
            faults[_SHOWN:] = [f"and {len(faults) - _SHOWN} more"]
        return faults

    def _may_be(self, key: Key, bits: int, damaged: bool) -> bool:
        if self.kept.get(key) == bits:
            return True
        if (damaged or self._is_let_go(key)) and bits in self.ever[key]:
            return True
        return any(
            kind == "append" and (key, bits) in samples_of(about[0])
            for kind, *about in self._under_way.values()
        )

    def _may_go(self, key: Key) -> bool:
        return self._is_let_go(key) or any(
            kind == "delete" and _is_deleted(key, *about)
            for kind, *about in self._under_way.values()
        )

    def _is_let_go(self, key: Key) -> bool:
        return key in self._let_go or any(
            kind == "keep" and key[1] <= about[0] - about[1]
            for kind, *about in self._under_way.values()
        )


def samples_of(batch: SampleBatch) -> Iterable[tuple[Key, int]]:
    """Each sample: whose and when, and the bits of its value."""
    for labels, times, values in batch:
        for at, bits in zip(times.tolist(), values.view(np.uint64).tolist(), strict=True):
            yield (labels, at), bits


def _is_deleted(key: Key, matchers: Matchers, start_ms: int, end_ms: int) -> bool:
    return start_ms <= key[1] <= end_ms and matches_all(matchers, key[0])


def _text(key: Key) -> str:
    return f"{dict(key[0])} at {key[1]}"
