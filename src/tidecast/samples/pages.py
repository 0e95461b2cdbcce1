"""Arrays of numbers as compact bytes that can be read in parts.

    two bytes of pcodec that name its format
    length of each page but the last, u16
    what pcodec has to know for all pages
    pages, each of `PAGE_NUMBERS` numbers but the last

Where a page would be too long for that, `_WHOLE` stands at the beginning and all is one piece. How
many numbers there are is known to whoever reads them.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from pcodec import ChunkConfig, DeltaSpec, PagingSpec, standalone, wrapped

PAGE_NUMBERS = 1024
MOST_ORDERS = 3
"""Differences are taken so many times less one at most."""
VALUE_LEVEL, TIME_LEVEL = 4, 8
_WHOLE = b"\xff\xff"
_MOST_PAGES = 1 << 10
_LONGEST_PAGE = 0xFFFF
DECODED_AT_ONCE = 256
"""Pcodec decodes so many numbers at a time."""

_compressor = wrapped.FileCompressor()
_FORMAT: bytes = bytes(_compressor.write_header())


def encode_pages(
    numbers: npt.NDArray[Any], order: int | None = None, level: int = VALUE_LEVEL
) -> bytes:
    """The numbers (int64, uint64 or float64, at least one) as bytes.

    They are coded as their differences of that order; None leaves it to pcodec, which takes longer.
    """
    count = len(numbers)
    if count > PAGE_NUMBERS * _MOST_PAGES:
        return _encode_whole(numbers, level)
    chunk = _compressor.chunk_compressor(numbers, _config(count, order, level))
    if count <= PAGE_NUMBERS:
        return b"".join((_FORMAT, chunk.write_meta(), chunk.write_page(0)))
    pages = [chunk.write_page(i) for i in range(-(-count // PAGE_NUMBERS))]
    lengths = [len(page) for page in pages[:-1]]
    if max(lengths) > _LONGEST_PAGE:
        return _encode_whole(numbers, level)
    packed = struct.pack(f"<{len(lengths)}H", *lengths)
    return b"".join((_FORMAT, packed, chunk.write_meta(), *pages))


def decode_pages(
    data: bytes, at: int, count: int, wanted: slice, kind: type[np.generic]
) -> npt.NDArray[Any]:
    """Of the `count` numbers whose bytes begin at this place those of the slice."""
    low, high = wanted.start, wanted.stop
    form = data[at : at + 2]
    if form == _WHOLE:
        numbers: npt.NDArray[Any] = standalone.simple_decompress(data[at + 2 :])
        return numbers[low:high]
    others = (count - 1) // PAGE_NUMBERS
    body = data[at + 2 + 2 * others :]
    chunk, place = decompressor(form).chunk_decompressor(body, _NAMES[kind])
    if not others:
        found = np.empty(min(-(-high // DECODED_AT_ONCE) * DECODED_AT_ONCE, count), dtype=kind)
        chunk.read_page_into(body[place:], count, found)
        return found[low:high]
    ends = [*struct.unpack_from(f"<{others}H", data, at + 2), len(body)]
    first, last = low // PAGE_NUMBERS, (high - 1) // PAGE_NUMBERS
    begin = first * PAGE_NUMBERS
    found = np.empty(min(-(-high // DECODED_AT_ONCE) * DECODED_AT_ONCE, count) - begin, dtype=kind)
    place += sum(ends[:first])
    for page in range(first, last + 1):
        held = min(PAGE_NUMBERS, count - page * PAGE_NUMBERS)
        into = (page - first) * PAGE_NUMBERS
        part = found[into : into + PAGE_NUMBERS]
        chunk.read_page_into(body[place : place + ends[page]], held, part)
        place += ends[page]
    return found[low - begin : high - begin]


def read_integers(data: bytes, at: int, count: int, low: int, into: npt.NDArray[np.int64]) -> None:
    """Of `count` integers whose bytes begin at this place those from `low` on that fill the array.

    The same as `decode_pages`, for who reads very many series and has a place for each.
    """
    others = (count - 1) // PAGE_NUMBERS
    form, high = data[at : at + 2], low + len(into)
    if form == _WHOLE:
        into[:] = standalone.simple_decompress(data[at + 2 :])[low:high]
        return
    body = data[at + 2 + 2 * others :]
    chunk, place = decompressor(form).chunk_decompressor(body, "i64")
    ends = [*struct.unpack_from(f"<{others}H", data, at + 2), len(body)] if others else [len(body)]
    first = low // PAGE_NUMBERS
    place += sum(ends[:first])
    for page in range(first, (high - 1) // PAGE_NUMBERS + 1):
        begin = page * PAGE_NUMBERS
        held = min(PAGE_NUMBERS, count - begin)
        coded = body[place : place + ends[page]]
        place += ends[page]
        if low <= begin and begin + held <= high:
            chunk.read_page_into(coded, held, into[begin - low : begin - low + held])
            continue
        behind = min(high - begin, held)
        found = np.empty(min(-(-behind // DECODED_AT_ONCE) * DECODED_AT_ONCE, held), dtype=np.int64)
        chunk.read_page_into(coded, held, found)
        skipped = max(low - begin, 0)
        into[begin + skipped - low : begin + behind - low] = found[skipped:behind]


_NAMES: dict[type[np.generic], str] = {np.int64: "i64", np.uint64: "u64", np.float64: "f64"}


def _encode_whole(numbers: npt.NDArray[Any], level: int) -> bytes:
    coded = standalone.simple_compress(numbers, ChunkConfig(compression_level=level))
    return _WHOLE + bytes(coded)


@lru_cache(maxsize=256)
def _config(count: int, order: int | None, level: int) -> ChunkConfig:
    delta = DeltaSpec.auto() if order is None else DeltaSpec.try_consecutive(order)
    full, rest = divmod(count, PAGE_NUMBERS)
    sizes = [PAGE_NUMBERS] * full + [rest] * bool(rest)
    paging = PagingSpec.exact_page_sizes(sizes)
    return ChunkConfig(compression_level=level, delta_spec=delta, paging_spec=paging)


@lru_cache(maxsize=8)
def decompressor(form: bytes) -> wrapped.FileDecompressor:
    """What reads numbers whose format these two bytes name."""
    return wrapped.FileDecompressor.new(form)[0]
