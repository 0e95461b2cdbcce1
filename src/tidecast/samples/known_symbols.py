"""Labels as remote-write 2.0 refers to them, remembered with what they mean.

Each request numbers its symbols anew. Here a symbol keeps one number over all of them, and so does
a series: the numbers of its symbols, one behind the other, are what it is looked up by.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from tidecast.samples.batch import Int64s
from tidecast.samples.catalogue import Catalogue, CataloguedLabels
from tidecast.samples.known_labels import KnownLabels

SPARE_BYTES = 64 << 20
"""Where symbols and series take more than this and the series that were stored, they are forgotten
and learnt again."""
MAX_REQUESTS_BYTES, SPARE_REQUESTS_BYTES = 128 << 20, 32 << 20
"""Whole requests are remembered up to this, and to no more than this and the series that were
stored: senders often send the same series together again."""
_ENTRY_BYTES = 180
"""About what a symbol or a series takes besides its spelling."""
_REQUEST_BYTES = 600
"""About what a whole request takes besides what is in it."""

LabelFields = Callable[[int], bytes]
"""The labels of the series in this place, spelt as version 1.0 does."""


_Request = tuple[tuple[bytes, ...], bytes, bytes]
"""The symbols of a request, the references to them, and where those of each series begin."""


def _size(request: _Request) -> int:
    """About how many bytes it takes to remember, with the numbers of its series."""
    symbols, refs, offsets = request
    return (
        _REQUEST_BYTES + sum(map(len, symbols)) + 48 * len(symbols) + len(refs) + 2 * len(offsets)
    )


@dataclass(slots=True)
class _Memory:
    catalogue: Catalogue = field(default_factory=Catalogue)
    symbols: dict[bytes, int] = field(default_factory=dict)
    numbers: dict[bytes, int] = field(default_factory=dict)
    size_bytes: int = 0
    requests: dict[_Request, Int64s] = field(default_factory=dict)
    requests_bytes: int = 0

    def remember(self, request: _Request, numbers: Int64s) -> None:
        """Keeps which series a whole request had, and forgets the oldest where that is too much."""
        self.requests_bytes += _size(request) if request not in self.requests else 0
        self.requests[request] = numbers
        most = min(MAX_REQUESTS_BYTES, SPARE_REQUESTS_BYTES + self.catalogue.stored_bytes)
        while self.requests_bytes > most:
            oldest = next(iter(self.requests))
            del self.requests[oldest]
            self.requests_bytes -= _size(oldest)


class KnownSymbols:
    """The series met before by their symbols. Safe for several threads."""

    def __init__(self, known_labels: KnownLabels) -> None:
        self._known_labels = known_labels
        self._memory = _Memory()
        self._lock = threading.Lock()

    @property
    def size_bytes(self) -> int:
        """About how much memory all that is known takes."""
        return self._memory.size_bytes + self._memory.requests_bytes

    def of(
        self, symbols: Sequence[bytes], refs: Int64s, offsets: Int64s, spelt: LabelFields
    ) -> CataloguedLabels:
        """The labels of series that have these references, each series from its offset on.

        Raises `InvalidInput` for the first series whose labels are no labels.
        """
        memory = self._roomy(SPARE_BYTES)
        request = (tuple(symbols), refs.astype(np.uint32).tobytes(), offsets.tobytes())
        numbers = memory.requests.get(request)
        if numbers is None:
            labels = self._looked_up(memory, symbols, refs, offsets, spelt)
            if labels.catalogue is memory.catalogue:
                with self._lock:
                    memory.remember(request, labels.numbers)
            # What a request brought is not kept until the next one comes, where it is very much.
            self._roomy(2 * SPARE_BYTES)
            return labels
        return CataloguedLabels(memory.catalogue, numbers)

    def _looked_up(
        self,
        memory: _Memory,
        symbols: Sequence[bytes],
        refs: Int64s,
        offsets: Int64s,
        spelt: LabelFields,
    ) -> CataloguedLabels:
        """The same, series by series."""
        keys = self._keys(memory, symbols, refs, offsets)
        numbers = list(map(memory.numbers.get, keys))
        missing = [i for i, number in enumerate(numbers) if number is None]
        if not missing:
            return CataloguedLabels(memory.catalogue, np.array(numbers, dtype=np.int64))
        spelt_out = [spelt(i) for i in missing]
        labels = self._known_labels.of(spelt_out, lambda i: int(offsets[missing[i]]))
        if labels.catalogue is not memory.catalogue:
            # What was found before has a number in another catalogue.
            series = range(len(keys))
            return self._known_labels.of([spelt(i) for i in series], lambda i: int(offsets[i]))
        with self._lock:
            for i, number in zip(missing, labels.numbers.tolist(), strict=True):
                numbers[i] = memory.numbers[keys[i]] = number
                memory.size_bytes += _ENTRY_BYTES + len(keys[i])
        return CataloguedLabels(memory.catalogue, np.array(numbers, dtype=np.int64))

    def _keys(
        self, memory: _Memory, symbols: Sequence[bytes], refs: Int64s, offsets: Int64s
    ) -> list[bytes]:
        """What each series is looked up by."""
        numbers = list(map(memory.symbols.get, symbols))
        if None in numbers:
            with self._lock:
                numbers = [self._number(memory, symbol) for symbol in symbols]
        data = np.array(numbers, dtype=np.uint32)[refs].tobytes()
        bounds = (4 * offsets).tolist()
        return [data[low:high] for low, high in pairwise(bounds)]

    def _number(self, memory: _Memory, symbol: bytes) -> int:
        number = memory.symbols.get(symbol)
        if number is None:
            number = memory.symbols[symbol] = len(memory.symbols)
            memory.size_bytes += _ENTRY_BYTES + len(symbol)
        return number

    def _roomy(self, spare_bytes: int) -> _Memory:
        catalogue = self._known_labels.catalogue
        memory = self._memory
        beyond = memory.size_bytes - catalogue.stored_bytes
        if memory.catalogue is not catalogue or beyond > spare_bytes:
            with self._lock:
                memory = self._memory = _Memory(catalogue)
        return memory
