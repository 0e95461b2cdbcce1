"""Label sets by number, and the series of each label pair, as arrays that need no unpacking.

They are read where they lie in a memory-mapped file, so a store of many segments of a million
series takes no memory for labels that nobody asks for.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from tidecast.samples.batch import Int64s, distinct
from tidecast_collector.labels import Labels

_ALIGNMENT = 8
Uint32s = npt.NDArray[np.uint32]


class Strings(Sequence[str]):
    """Texts one behind the other, sorted by code point."""

    def __init__(self, starts: Uint32s, text: memoryview) -> None:
        self._starts, self._text = starts, text

    def __len__(self) -> int:
        return len(self._starts) - 1

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        low, high = self._starts[index : index + 2].tolist()
        return str(self._text[low:high], "utf-8")

    def number(self, text: str) -> int | None:
        """The place of that text; None where it is not among them."""
        at = bisect_left(self, text)
        return at if at < len(self) and self[at] == text else None


@dataclass(frozen=True, slots=True)
class LabelTable:
    """Label sets by number.

    Series `i` has the pairs `starts[i]` up to `starts[i + 1]`; pair `j` is (`strings[names[j]]`,
    `strings[values[j]]`). Distinct pairs stand sorted in `key_names` and `key_values`; pair `k` of
    these belongs to the series `postings[bounds[k] : bounds[k + 1]]`, ascending.
    """

    strings: Strings
    starts: Uint32s
    names: Uint32s
    values: Uint32s
    key_names: Uint32s
    key_values: Uint32s
    bounds: Uint32s
    postings: Uint32s

    def __len__(self) -> int:
        return len(self.starts) - 1

    def labels(self, series: Int64s) -> list[Labels]:
        """The label sets of these numbers."""
        starts = self.starts[series].astype(np.int64)
        counts = self.starts[series + 1].astype(np.int64) - starts
        places, ends = _places(starts, counts)
        # Few pairs, of very many series: each is made once, and shared.
        codes = self.names[places].astype(np.int64) << 32 | self.values[places]
        used = distinct(codes).tolist()
        text = self.strings.__getitem__
        pair = {code: (text(code >> 32), text(code & 0xFFFFFFFF)) for code in used}
        named = [pair[code] for code in codes.tolist()]
        bounds = zip((ends - counts).tolist(), ends.tolist(), strict=True)
        return [tuple(named[low:high]) for low, high in bounds]

    def texts(self, series: Int64s, name: str | None) -> set[str]:
        """The label names among these series, or (of a name) the values of that label."""
        starts = self.starts[series].astype(np.int64)
        places, _ = _places(starts, self.starts[series + 1].astype(np.int64) - starts)
        found = self.names[places]
        if name is not None:
            number = self.strings.number(name)
            if number is None:
                return set()
            found = self.values[places][found == number]
        return {self.strings[i] for i in distinct(found.astype(np.int64)).tolist()}


def _places(starts: Int64s, counts: Int64s) -> tuple[Int64s, Int64s]:
    """All places from each start on, so many, and where each run of these ends among them."""
    ends: Int64s = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    places: Int64s = np.arange(total) + np.repeat(starts - ends + counts, counts)
    return places, ends


def encode_label_table(sets: Sequence[Labels]) -> bytes:
    """The label sets, in order, as bytes."""
    strings = sorted({text for labels in sets for pair in labels for text in pair})
    number = {text: i for i, text in enumerate(strings)}
    pairs = np.array(
        [number[text] for labels in sets for pair in labels for text in pair], dtype="<u4"
    )
    counts = np.array([len(labels) for labels in sets], dtype=np.int64)
    encoded = [text.encode() for text in strings]
    names, values = pairs[0::2], pairs[1::2]
    keys = names.astype(np.int64) * max(len(strings), 1) + values
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    first = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)])
    key_names, key_values = np.divmod(ordered[first], max(len(strings), 1))
    arrays = [
        _starts(counts),
        names,
        values,
        _starts(np.array([len(text) for text in encoded], dtype=np.int64)),
        key_names,
        key_values,
        np.append(first, len(keys)),
        np.repeat(np.arange(len(sets)), counts)[order],
    ]
    return align_sections([*(array.astype("<u4").tobytes() for array in arrays), b"".join(encoded)])


def _starts(lengths: Int64s) -> Int64s:
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths)])


def read_label_table(data: memoryview) -> LabelTable:
    """What `encode_label_table` was given; its arrays are parts of `data`."""
    *arrays, text = aligned_sections(data)
    starts, names, values, text_starts, *keys = (read_array(array, "<u4") for array in arrays)
    return LabelTable(Strings(text_starts, text), starts, names, values, *keys)


def align_sections(sections: Sequence[bytes]) -> bytes:
    """Several byte strings as one, such that arrays in it can be used where they lie."""
    lengths = struct.pack(f"<Q{len(sections)}Q", len(sections), *map(len, sections))
    return lengths + b"".join(each + padding(len(each)) for each in sections)


def padding(length: int) -> bytes:
    """The zeros behind so many bytes, up to where an array may begin."""
    return bytes(-length % _ALIGNMENT)


def aligned_sections(data: memoryview) -> list[memoryview]:
    """What `align_sections` was given, as parts of `data`."""
    (count,) = struct.unpack_from("<Q", data)
    lengths = struct.unpack_from(f"<{count}Q", data, _ALIGNMENT)
    at = _ALIGNMENT * (1 + count)
    sections = []
    for length in lengths:
        sections.append(data[at : at + length])
        at += length + len(padding(length))
    return sections


def read_array(section: memoryview, dtype: str) -> npt.NDArray[Any]:
    """The array whose bytes these are, not copied."""
    return np.frombuffer(section, dtype=dtype) if len(section) else np.empty(0, dtype=dtype)
