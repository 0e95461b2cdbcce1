"""Labels as remote-write 1.0 spells them, remembered with what they mean.

Every request brings the labels of its series again, byte for byte: what was read once is looked up.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from tidecast.samples.catalogue import Catalogue, CataloguedLabels
from tidecast.samples.protobuf import LENGTH, Walker
from tidecast_collector.labels import make_labels

MAX_SERIES = 2_000_000
MAX_BYTES = 512 << 20
"""Where more is met than this, everything is forgotten and learnt again."""

_LABEL_TAG, _LONG = 0x0A, 0x80

Label = tuple[str, str]


def _pairs(chunk: bytes, at: int, known: dict[bytes, Label]) -> list[Label]:
    """The labels of a run of label fields, which stands at byte `at` of the request."""
    pairs: list[Label] = []
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
                known[content] = pair
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
    size_bytes: int = 0


class KnownLabels:
    """The labels of series met before. Safe for several threads."""

    def __init__(self) -> None:
        self._memory = _Memory()
        self._lock = threading.Lock()

    def of(self, chunks: Sequence[bytes], place: Callable[[int], int]) -> CataloguedLabels:
        """The labels that these runs of label fields mean; `place(i)` is where chunk i stands.

        Raises `InvalidInput` for the first of them that is anything else.
        """
        memory = self._memory
        numbers = list(map(memory.numbers.get, chunks))
        if None in numbers:
            with self._lock:
                memory = self._roomy()
                found = [self._number(memory, chunk, place, i) for i, chunk in enumerate(chunks)]
            return CataloguedLabels(memory.catalogue, np.array(found, dtype=np.int64))
        return CataloguedLabels(memory.catalogue, np.array(numbers, dtype=np.int64))

    def _number(self, memory: _Memory, chunk: bytes, place: Callable[[int], int], i: int) -> int:
        number = memory.numbers.get(chunk)
        if number is None:
            labels = make_labels(_pairs(chunk, place(i), memory.pairs))
            number = memory.numbers[chunk] = memory.catalogue.add(labels)
            memory.size_bytes += len(chunk)
        return number

    def _roomy(self) -> _Memory:
        if len(self._memory.numbers) >= MAX_SERIES or self._memory.size_bytes >= MAX_BYTES:
            self._memory = _Memory()
        return self._memory
