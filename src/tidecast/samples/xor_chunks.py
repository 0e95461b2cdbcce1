"""Samples as Prometheus' XOR chunks, as remote-read streams them.

A chunk is the count of its samples (two bytes) and a stream of bits, the first one on top: the
first time (varint) and value (64 bits), then for each sample the difference of its time (varint),
later the difference of that, and the bits in which its value differs from the one before it. Here a
value that differs names the stretch of its bits each time, which any reader takes; so no sample has
to wait for the one before it, and all are coded at once.

Source: Prometheus, `tsdb/docs/format/chunks.md`.
"""

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt

from tidecast.samples.batch import Float64s, Int64s

SAMPLES_A_CHUNK = 120
_Words = npt.NDArray[np.uint64]
_FEW = ((14, 0b10, 2), (17, 0b110, 3), (20, 0b1110, 4))
"""Bits of a difference of differences; what stands in front of them, and how many bits that has."""
_MOST_LEADING = 31
_VARINT_BYTES = 8
"""Enough for every time that is kept."""


def encode_chunks(times: Int64s, values: Float64s, starts: Int64s) -> list[bytes]:
    """The data of the chunks that begin at these places; the samples of each ascend in time."""
    counts = np.diff(np.append(starts, len(times)))
    place = np.arange(len(times)) - np.repeat(starts, counts)
    fields = np.zeros((len(times), 4), dtype=np.uint64)
    bits = np.zeros((len(times), 4), dtype=np.int64)
    _put_times(fields, bits, times, place)
    _put_values(fields, bits, values.view(np.uint64), place)
    total = bits.sum(axis=1)
    chunk_bits = np.add.reduceat(total, starts)
    words = -(-chunk_bits // 64)
    base = np.cumsum(words) - words
    before = np.cumsum(total) - total
    offsets = np.repeat(64 * base - before[starts], counts) + before
    at = offsets[:, None] + np.cumsum(bits, axis=1) - bits
    there = bits > 0
    packed = _packed(fields[there], bits[there], at[there], int(words.sum()))
    data = packed.astype(">u8").tobytes()
    return [
        struct.pack(">H", count) + data[8 * first : 8 * first + -(-size // 8)]
        for count, first, size in zip(
            counts.tolist(), base.tolist(), chunk_bits.tolist(), strict=True
        )
    ]


def _put_times(fields: _Words, bits: Int64s, times: Int64s, place: Int64s) -> None:
    """What stands in front of each time, and the time, in the first two columns."""
    delta = np.diff(times, prepend=0)
    again = np.diff(delta, prepend=0)
    fields[:, 0], bits[:, 0], fields[:, 1], bits[:, 1] = 0b1111, 4, again.view(np.uint64), 64
    for size, prefix, prefix_bits in reversed(_FEW):
        fits = (again > -(1 << (size - 1))) & (again <= 1 << (size - 1))
        fields[fits, 0], bits[fits, 0], bits[fits, 1] = prefix, prefix_bits, size
        fields[fits, 1] = again[fits].view(np.uint64) & np.uint64((1 << size) - 1)
    same = again == 0
    fields[same, 0], bits[same, 0], bits[same, 1] = 0, 1, 0
    first, second = place == 0, place == 1
    zigzag = (times[first] << 1) ^ (times[first] >> 63)
    fields[first, 1], bits[first, 1] = _varints(zigzag.view(np.uint64))
    fields[second, 1], bits[second, 1] = _varints(delta[second].view(np.uint64))
    bits[place < 2, 0] = 0


def _put_values(fields: _Words, bits: Int64s, values: _Words, place: Int64s) -> None:
    """What stands in front of each value, and the bits that differ, in the last two columns."""
    differs = values.copy()
    differs[1:] ^= values[:-1]
    trailing = _length(differs & (~differs + np.uint64(1))) - 1
    leading = np.minimum(64 - _length(differs), _MOST_LEADING)
    size = 64 - leading - trailing
    control = 0b11 << 11 | leading << 6 | size & 63
    same = differs == 0
    fields[:, 2], bits[:, 2] = np.where(same, 0, control), np.where(same, 1, 13)
    shift = np.where(same, 0, trailing).astype(np.uint64)
    fields[:, 3], bits[:, 3] = differs >> shift, np.where(same, 0, size)
    first = place == 0
    bits[first, 2] = 0
    fields[first, 3], bits[first, 3] = values[first], 64


def _length(numbers: _Words) -> Int64s:
    """How many bits each number has without the zeros in front."""
    high = np.frexp((numbers >> np.uint64(32)).astype(np.float64))[1]
    low = np.frexp((numbers & np.uint64(0xFFFFFFFF)).astype(np.float64))[1]
    found: Int64s = np.where(high > 0, high + 32, low).astype(np.int64)
    return found


def _varints(numbers: _Words) -> tuple[_Words, Int64s]:
    """The bytes of each varint, the first on top, and how many bits they have."""
    bytes_each = np.maximum(-(-_length(numbers) // 7), 1)
    found = np.zeros(len(numbers), dtype=np.uint64)
    for index in range(_VARINT_BYTES):
        there = index < bytes_each
        more = (index < bytes_each - 1).astype(np.uint64) << np.uint64(7)
        byte = (numbers >> np.uint64(7 * index)) & np.uint64(0x7F) | more
        found = np.where(there, found << np.uint64(8) | byte, found)
    return found, 8 * bytes_each


def _packed(fields: _Words, bits: Int64s, at: Int64s, words: int) -> _Words:
    """So many words with each field at its bit; the fields follow each other."""
    found = np.zeros(words, dtype=np.uint64)
    if not words:
        return found
    word, room = at >> 6, 64 - (at & 63) - bits
    over = room < 0
    left = np.where(over, 0, room).astype(np.uint64)
    right = np.where(over, -room, 0).astype(np.uint64)
    upper = (fields << left) >> right
    begins = np.flatnonzero(np.diff(word, prepend=-1))
    found[word[begins]] = np.bitwise_or.reduceat(upper, begins)
    found[word[over] + 1] |= fields[over] << (64 + room[over]).astype(np.uint64)
    return found
