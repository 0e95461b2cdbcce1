"""Labels as remote-write 1.0 spells them, remembered with what they mean.

Every request brings the labels of its series again, byte for byte: what was read once is looked up.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from tidecast.samples.catalogue import Catalogue, CataloguedLabels
from tidecast.samples.protobuf import LENGTH, Walker
from tidecast_collector.labels import make_labels

MAX_PASSING_BYTES = 96 << 20
"""Where what was never stored takes more, it is forgotten; what was stored is kept."""
GROWTH_BYTES, MAX_GROWTH_BYTES = 128 << 20, 2 << 30
"""Where what was stored has grown by the first, and by half of what was kept the last time, what
was not stored for `FORGET_SECONDS` is forgotten too; where by the second, what was not since."""
FORGET_SECONDS = 900.0
"""A million series that come every minute must not push each other out in their first one."""
SERIES_BYTES, PAIR_BYTES = 400, 220
"""About what a series takes besides its spelling, in all tables by its number, and a label pair
besides its texts."""
_POINTER_BYTES = 8

_LABEL_TAG, _LONG = 0x0A, 0x80

Label = tuple[str, str]


def _pairs(chunk: bytes, at: int, memory: _Memory) -> list[Label]:
    """The labels of a run of label fields, which stands at byte `at` of the request."""
    pairs: list[Label] = []
    known = memory.pairs
    end = 0
    while end < len(chunk) and (content := _short_field(chunk, end)) in known:
        pairs.append(known[content])
        end += 2 + len(content)
    # From the first label on that is new, or oddly written, every byte is looked at.
    walker = Walker(chunk, at)
    for number, wire_type, start, following in walker.fields(end, len(chunk)):
        walker.expect(wire_type, LENGTH, start, "a label")
        if number != 1:
            raise walker.refusal(start, f"field {number} among labels")
        content = chunk[start:following]
        pair = known.get(content)
        if pair is None:
            pair = _pair(walker, start, following)
            if content:
                memory.know(content, pair)
        pairs.append(pair)
    return pairs


def _short_field(chunk: bytes, at: int) -> bytes:
    """The content of the label field at this place; empty unless it is whole and its length short.

    No label is remembered under an empty content.
    """
    if chunk[at] != _LABEL_TAG or at + 1 == len(chunk) or chunk[at + 1] >= _LONG:
        return b""
    end = at + 2 + chunk[at + 1]
    return chunk[at + 2 : end] if end <= len(chunk) else b""


def _pair(walker: Walker, start: int, end: int) -> Label:
    name = value = ""
    for number, wire_type, body, following in walker.fields(start, end):
        if number in (1, 2):
            walker.expect(wire_type, LENGTH, body, "a label's text")
            text = walker.text(body, following)
            name, value = (text, value) if number == 1 else (name, text)
    return name, value


@dataclass(slots=True)
class _Memory:
    catalogue: Catalogue = field(default_factory=Catalogue)
    numbers: dict[bytes, int] = field(default_factory=dict)
    pairs: dict[bytes, Label] = field(default_factory=dict)
    pairs_bytes: int = 0
    """About how much memory the pairs take that belong to no series yet."""
    kept_bytes: int = 0
    """What was kept the last time that stored series were forgotten."""
    since_s: float = 0.0
    """When that was."""

    def know(self, content: bytes, pair: Label) -> None:
        """Remembers the pair that a label field means, where there is room."""
        if self.pairs_bytes < MAX_PASSING_BYTES:
            self.pairs[content] = pair
            self.pairs_bytes += PAIR_BYTES + len(content) + sum(map(sys.getsizeof, pair))

    def number(self, chunk: bytes, at: int) -> int:
        """The series' number; remembers it where it is new."""
        number = self.numbers.get(chunk)
        if number is None:
            before = self.pairs_bytes
            labels = make_labels(_pairs(chunk, at, self))
            # The pairs that it was the first to bring are its own.
            size = SERIES_BYTES + len(chunk) + _POINTER_BYTES * len(labels)
            size += self.pairs_bytes - before
            self.pairs_bytes = before
            number = self.numbers[chunk] = self.catalogue.add(labels, size)
        return number

    def is_full(self, passing_bytes: int, now_s: float) -> bool:
        """Whether what was stored, or what never was, takes more than it may."""
        passing = self.catalogue.never_stored_bytes + self.pairs_bytes
        return passing > passing_bytes or self._has_grown(now_s)

    def _has_grown(self, now_s: float) -> bool:
        growth = self.catalogue.stored_bytes - self.kept_bytes
        if growth <= max(GROWTH_BYTES, self.kept_bytes // 2):
            return False
        return now_s - self.since_s >= FORGET_SECONDS or growth > MAX_GROWTH_BYTES

    def worth_keeping(self, now_s: float) -> _Memory:
        """A memory of the series that were stored: lately, where these take too much."""
        lately = self._has_grown(now_s)
        catalogue, kept = self.catalogue.carried(lately=lately)
        # Each number has one spelling, and they stand in the order of the numbers.
        chunks = list(self.numbers)
        spelt = {chunks[before]: number for number, before in enumerate(kept)}
        if lately:
            return _Memory(catalogue, spelt, kept_bytes=catalogue.size_bytes, since_s=now_s)
        return _Memory(catalogue, spelt, kept_bytes=self.kept_bytes, since_s=self.since_s)


class KnownLabels:
    """The labels of series met before. Safe for several threads.

    Those are kept of which somebody says that they were stored (`Catalogue.note_stored`).
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._memory = _Memory(since_s=monotonic())
        self._lock = threading.Lock()

    @property
    def catalogue(self) -> Catalogue:
        """Where new labels get their numbers now."""
        return self._memory.catalogue

    @property
    def size_bytes(self) -> int:
        """About how much memory all that is known takes."""
        return self._memory.catalogue.size_bytes + self._memory.pairs_bytes

    def of(self, chunks: Sequence[bytes], place: Callable[[int], int]) -> CataloguedLabels:
        """The labels that these runs of label fields mean; `place(i)` is where chunk i stands.

        Raises `InvalidInput` for the first of them that is anything else.
        """
        memory = self._roomy(MAX_PASSING_BYTES)
        numbers = list(map(memory.numbers.get, chunks))
        if None not in numbers:
            return CataloguedLabels(memory.catalogue, np.array(numbers, dtype=np.int64))
        try:
            with self._lock:
                memory = self._memory
                found = [memory.number(chunk, place(i)) for i, chunk in enumerate(chunks)]
        finally:
            # What a request brought is not kept until the next one comes, where it is very much.
            self._roomy(2 * MAX_PASSING_BYTES)
        return CataloguedLabels(memory.catalogue, np.array(found, dtype=np.int64))

    def _roomy(self, passing_bytes: int) -> _Memory:
        now_s = self._monotonic()
        if self._memory.is_full(passing_bytes, now_s):
            with self._lock:
                if self._memory.is_full(passing_bytes, now_s):
                    self._memory = self._memory.worth_keeping(now_s)
        return self._memory
