"""The bands of a forecast as one blob: compressed without loss, and checked.

    magic "TFB1" | steps u32 | CRC-32 of the rest u32 | six times: length u32, pcodec bytes

The six are times_ms (int64), mean, lo80, hi80, lo95 and hi95 (float64, NaN bit-exact);
little-endian. Without steps there is nothing after the CRC.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pcodec import ChunkConfig, standalone

from tidecast.records.errors import RecordsDamaged, UnstorableValue

Int64s = npt.NDArray[np.int64]
Float64s = npt.NDArray[np.float64]

MAX_STEPS = 100_000
BAND_NAMES = ("times_ms", "mean", "lo80", "hi80", "lo95", "hi95")

_MAGIC = b"TFB1"
_HEAD = struct.Struct("<4sII")
_LENGTH = struct.Struct("<I")


@dataclass(frozen=True, slots=True, eq=False)
class Bands:
    """A forecast by its steps: six arrays of one length."""

    times_ms: Int64s
    mean: Float64s
    lo80: Float64s
    hi80: Float64s
    lo95: Float64s
    hi95: Float64s


def write_bands(bands: Bands) -> bytes:
    """The blob; raises `UnstorableValue` for arrays of unequal shape or too many steps."""
    arrays = [_checked(name, getattr(bands, name), len(bands.times_ms)) for name in BAND_NAMES]
    steps = len(arrays[0])
    parts = []
    for array in arrays if steps else ():
        packed = standalone.simple_compress(array, ChunkConfig())
        parts += [_LENGTH.pack(len(packed)), packed]
    body = b"".join(parts)
    return _HEAD.pack(_MAGIC, steps, zlib.crc32(body)) + body


def read_bands(blob: bytes) -> Bands:
    """The bands of a blob; raises `RecordsDamaged` unless it is exactly what was written."""
    if len(blob) < _HEAD.size:
        raise RecordsDamaged("a forecast's bands are cut short; restore the records from a backup")
    magic, steps, crc = _HEAD.unpack_from(blob)
    body = blob[_HEAD.size :]
    if magic != _MAGIC or steps > MAX_STEPS or zlib.crc32(body) != crc:
        raise RecordsDamaged("a forecast's bands are damaged; restore the records from a backup")
    arrays: list[Any] = []
    at = 0
    for name in BAND_NAMES:
        array = np.empty(steps, dtype=_dtype(name))
        if steps:
            (length,) = _LENGTH.unpack_from(body, at)
            at += _LENGTH.size + length
            standalone.simple_decompress_into(body[at - length : at], array)
        arrays.append(array)
    return Bands(*arrays)


def _dtype(name: str) -> Any:
    return np.int64 if name == "times_ms" else np.float64


def _checked(name: str, values: npt.ArrayLike, steps: int) -> npt.NDArray[Any]:
    array = np.asarray(values)
    if array.shape != (steps,) or steps > MAX_STEPS:
        raise UnstorableValue(
            f"a forecast's {name} has the shape {array.shape}; each array must have as many steps "
            f"as times_ms, and at most {MAX_STEPS}"
        )
    if len(array) and not np.can_cast(array.dtype, _dtype(name), casting="safe"):
        raise UnstorableValue(f"a forecast's {name} cannot hold {array.dtype}")
    return np.ascontiguousarray(array, dtype=_dtype(name))
