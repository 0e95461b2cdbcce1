"""Arrays and label sets as compact bytes, bit-exact both ways.

Nothing here checks for damage: whoever stores these bytes keeps a CRC beside them and checks it
before decoding.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import TypeVar

import cramjam
import numpy as np
import numpy.typing as npt
from pcodec import ChunkConfig, standalone

from tidecast.samples.batch import Float64s, Int64s
from tidecast_collector.labels import Labels

_TIMESTAMP_CONFIG = ChunkConfig(compression_level=8)
_VALUE_CONFIG = ChunkConfig(compression_level=4)

_CONSTANT, _DECIMAL, _FLOATS, _BITS = range(4)
_DECIMAL_HEADER = struct.Struct("<BBI")

_MAX_DECIMALS = 12
_EXACT_INTEGER = float(2**53)
_PROBES = 8
_ADDING_ERROR = 1e-13
_EXCEPTION_SHARE = 16
"""One value in so many may be stored apart (staleness markers, mostly) and decimals still pay."""


def encode_timestamps(timestamps: Int64s) -> bytes:
    """The timestamps (int64, at least one) as bytes."""
    return bytes(standalone.simple_compress(np.ascontiguousarray(timestamps), _TIMESTAMP_CONFIG))


def decode_timestamps(data: bytes) -> Int64s:
    """What `encode_timestamps` was given."""
    timestamps: Int64s = standalone.simple_decompress(data)
    return timestamps


def encode_values(values: Float64s) -> bytes:
    """The values (float64, at least one) as bytes; every bit of every NaN is kept.

    A leading byte names the form: one repeated value, decimals as integers with a few exceptions
    stored apart, floats, or plain bits.
    """
    values = np.ascontiguousarray(values)
    bits = values.view(np.uint64)
    if (bits == bits[0]).all():
        return bytes([_CONSTANT]) + struct.pack("<IQ", len(bits), int(bits[0]))
    decimal = _encode_decimal(values)
    if decimal is not None:
        return decimal
    coded = bytes(standalone.simple_compress(values, _VALUE_CONFIG))
    if np.array_equal(standalone.simple_decompress(coded).view(np.uint64), bits):
        return bytes([_FLOATS]) + coded
    return bytes([_BITS]) + bytes(standalone.simple_compress(bits, _VALUE_CONFIG))


def decode_values(data: bytes) -> Float64s:
    """What `encode_values` was given, bit for bit."""
    form = data[0]
    if form == _CONSTANT:
        count, bits = struct.unpack_from("<IQ", data, 1)
        return np.full(count, bits, dtype=np.uint64).view(np.float64)
    if form == _DECIMAL:
        return _decode_decimal(data)
    plain: npt.NDArray[np.float64] = standalone.simple_decompress(data[1:])
    return plain if form == _FLOATS else plain.view(np.float64)


def _encode_decimal(values: Float64s) -> bytes | None:
    with np.errstate(over="ignore", invalid="ignore"):
        for decimals in range(_fewest_decimals(values), _MAX_DECIMALS + 1):
            integers, exact = _as_integers(values, decimals)
            wrong = np.flatnonzero(~exact)
            if len(wrong) * _EXCEPTION_SHARE > len(values):
                continue
            if len(wrong):
                # An exception takes its left neighbour's integer: so it costs the integers nothing.
                source = np.maximum.accumulate(np.where(exact, np.arange(len(values)), -1))
                source[source < 0] = np.argmax(exact)
                integers = integers[source]
            coded = bytes(standalone.simple_compress(integers, _VALUE_CONFIG))
            header = _DECIMAL_HEADER.pack(_DECIMAL, decimals, len(wrong))
            places = wrong.astype("<u4").tobytes()
            return header + places + values.view(np.uint64)[wrong].tobytes() + coded
    return None


def _decode_decimal(data: bytes) -> Float64s:
    _, decimals, exceptions = _DECIMAL_HEADER.unpack_from(data)
    at = _DECIMAL_HEADER.size
    if not exceptions:
        whole: Float64s = standalone.simple_decompress(data[at:]) / 10.0**decimals
        return whole
    places = np.frombuffer(data, dtype="<u4", count=exceptions, offset=at)
    at += 4 * exceptions
    bits = np.frombuffer(data, dtype="<u8", count=exceptions, offset=at)
    values: Float64s = standalone.simple_decompress(data[at + 8 * exceptions :]) / 10.0**decimals
    values.view(np.uint64)[places] = bits
    return values


def _fewest_decimals(values: Float64s) -> int:
    """How many decimals most of some of the values need, as their shortest spelling shows."""
    some = values[:: len(values) // _PROBES + 1].tolist()
    needed = sorted(len(repr(value).partition(".")[2]) for value in some if value % 1)
    # A spelling like 1e-07 shows too few, which only costs another try.
    return needed[len(needed) // 2] if 2 * len(needed) > len(some) else 0


def _as_integers(values: Float64s, decimals: int) -> tuple[Int64s, npt.NDArray[np.bool_]]:
    """The values times 10^decimals as integers, and which of them come back with the same bits."""
    if not decimals:
        whole = values.astype(np.int64)
        return whole, whole.astype(np.float64).view(np.uint64) == values.view(np.uint64)
    factor = 10.0**decimals
    scaled = np.rint(values * factor)
    scaled[~(np.abs(scaled) < _EXACT_INTEGER)] = 0.0
    integers = scaled.astype(np.int64)
    exact: npt.NDArray[np.bool_] = (integers / factor).view(np.uint64) == values.view(np.uint64)
    return integers, exact


def as_decimals(sums: Float64s, addends: Float64s) -> Float64s:
    """Sums of decimals without the rounding errors of adding them: they are decimals themselves.

    `addends` are some of the values that were added, to tell how many decimals they have.
    """
    decimals = _fewest_decimals(addends)
    if decimals > _MAX_DECIMALS:
        return sums
    factor = 10.0**decimals
    with np.errstate(over="ignore", invalid="ignore"):
        rounded = np.rint(sums * factor) / factor
        near = np.abs(rounded - sums) <= _ADDING_ERROR * np.abs(sums)
    found: Float64s = np.where(near, rounded, sums)
    return found


def pack_sections(sections: Sequence[bytes]) -> bytes:
    """Several byte strings as one."""
    lengths = struct.pack(f"<I{len(sections)}Q", len(sections), *map(len, sections))
    return lengths + b"".join(sections)


Bytes = TypeVar("Bytes", bytes, memoryview)


def unpack_sections(data: Bytes) -> list[Bytes]:
    """What `pack_sections` was given."""
    (count,) = struct.unpack_from("<I", data)
    lengths = struct.unpack_from(f"<{count}Q", data, 4)
    at = 4 + 8 * count
    sections = []
    for length in lengths:
        sections.append(data[at : at + length])
        at += length
    return sections


def compress(data: bytes) -> bytes:
    """The bytes, smaller (zstd)."""
    return bytes(cramjam.zstd.compress(data, 3))


def decompress(data: bytes) -> bytes:
    """What `compress` was given."""
    return bytes(cramjam.zstd.decompress(data))


def encode_label_sets(sets: Sequence[Labels]) -> bytes:
    """The label sets, in order, as bytes."""
    strings = sorted({text for labels in sets for pair in labels for text in pair})
    number = {text: i for i, text in enumerate(strings)}
    pairs = np.array(
        [number[text] for labels in sets for pair in labels for text in pair], dtype="<u4"
    )
    encoded = [text.encode() for text in strings]
    return pack_sections(
        [
            np.array([len(labels) for labels in sets], dtype="<u2").tobytes(),
            pairs[0::2].tobytes(),
            pairs[1::2].tobytes(),
            np.array([len(text) for text in encoded], dtype="<u4").tobytes(),
            b"".join(encoded),
        ]
    )


def decode_label_sets(data: bytes) -> list[Labels]:
    """What `encode_label_sets` was given."""
    counts, names, values, lengths, text = unpack_sections(data)
    ends = np.cumsum(np.frombuffer(lengths, dtype="<u4"), dtype=np.int64).tolist()
    starts = [0, *ends[:-1]]
    strings = [text[start:end].decode() for start, end in zip(starts, ends, strict=False)]
    pairs = [
        (strings[name], strings[value])
        for name, value in zip(
            np.frombuffer(names, dtype="<u4").tolist(),
            np.frombuffer(values, dtype="<u4").tolist(),
            strict=True,
        )
    ]
    behind = np.cumsum(np.frombuffer(counts, dtype="<u2"), dtype=np.int64).tolist()
    return [tuple(pairs[low:high]) for low, high in zip([0, *behind[:-1]], behind, strict=False)]
