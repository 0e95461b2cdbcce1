"""XXH64, the hash by which Prometheus tells series apart, and so samples them.

Source: the XXH64 algorithm of the xxHash fast digest specification, version 0.1.1, seed 0.
"""

from __future__ import annotations

import struct

from tidecast_collector.labels import Labels

_P1 = 0x9E3779B185EBCA87
_P2 = 0xC2B2AE3D27D4EB4F
_P3 = 0x165667B19E3779F9
_P4 = 0x85EBCA77C2B2AE63
_P5 = 0x27D4EB2F165667C5
_MASK = (1 << 64) - 1
_LONG = 255


def xxh64(data: bytes) -> int:
    """The 64-bit hash of the bytes.

    >>> f"{xxh64(b''):016x}", f"{xxh64(b'abc'):016x}"
    ('ef46db3751d8e999', '44bc2cf5ad770999')
    """
    whole = len(data) // 32 * 32
    value = (_stripes(data[:whole]) if whole else _P5) + len(data)
    rest = data[whole:]
    lanes = len(rest) // 8 * 8
    for (lane,) in struct.iter_unpack("<Q", rest[:lanes]):
        value = _rotate(value ^ _round(0, lane), 27) * _P1 + _P4
    rest = rest[lanes:]
    if len(rest) >= 4:
        value = _rotate((value ^ int.from_bytes(rest[:4], "little") * _P1) & _MASK, 23) * _P2 + _P3
        rest = rest[4:]
    for byte in rest:
        value = _rotate((value ^ byte * _P5) & _MASK, 11) * _P1
    return _avalanche(value & _MASK)


def _stripes(data: bytes) -> int:
    """The four lanes over all stripes of 32 bytes, merged."""
    lanes = [_P1 + _P2 & _MASK, _P2, 0, -_P1 & _MASK]
    for stripe in struct.iter_unpack("<4Q", data):
        lanes = [_round(lane, piece) for lane, piece in zip(lanes, stripe, strict=True)]
    turns = zip(lanes, (1, 7, 12, 18), strict=True)
    value = sum(_rotate(lane, by) for lane, by in turns) & _MASK
    for lane in lanes:
        value = ((value ^ _round(0, lane)) * _P1 + _P4) & _MASK
    return value


def _round(lane: int, piece: int) -> int:
    return _rotate((lane + piece * _P2) & _MASK, 31) * _P1 & _MASK


def _rotate(value: int, by: int) -> int:
    value &= _MASK
    return (value << by | value >> (64 - by)) & _MASK


def _avalanche(value: int) -> int:
    value = (value ^ value >> 33) * _P2 & _MASK
    value = (value ^ value >> 29) * _P3 & _MASK
    return value ^ value >> 32


def labels_hash(labels: Labels) -> int:
    """Prometheus' hash of a label set: names and values in order, each behind its length."""
    pieces = []
    for pair in labels:
        for text in pair:
            raw = text.encode()
            size = len(raw)
            short = size < _LONG
            pieces.append(bytes([size]) if short else b"\xff" + size.to_bytes(3, "little"))
            pieces.append(raw)
    return xxh64(b"".join(pieces))
