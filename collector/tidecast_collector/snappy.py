"""Snappy's block format: a literal-only compressor and a strict decompressor.

The compressor does not make anything smaller; it makes valid Snappy in two microseconds without a
dependency. Format: google/snappy, format_description.txt.
"""

from __future__ import annotations

from tidecast_collector.errors import InvalidInput

_LITERAL_BYTES = 1 << 16


class InvalidSnappy(InvalidInput):
    """Bytes that are not one whole Snappy block within the limit."""


def compress(data: bytes) -> bytes:
    """A Snappy block that decompresses to `data`."""
    parts = [_varint(len(data))]
    for start in range(0, len(data), _LITERAL_BYTES):
        chunk = data[start : start + _LITERAL_BYTES]
        # Up to 60 bytes the tag itself must say the length: some decoders read four bytes of a
        # longer form's length at once, and find the block too short.
        if len(chunk) <= 60:
            parts.append(bytes((len(chunk) - 1 << 2,)))
        else:
            parts.append(b"\xf4" + (len(chunk) - 1).to_bytes(2, "little"))
        parts.append(chunk)
    return b"".join(parts)


def decompress(block: bytes, max_bytes: int) -> bytes:
    """What the block holds; raises `InvalidSnappy` with the byte offset, or if over `max_bytes`."""
    expected, at = _read_length(block)
    if expected > max_bytes:
        raise InvalidSnappy(
            f"snappy block at byte 0: it declares {expected} bytes, over the limit of {max_bytes}"
        )
    out = bytearray()
    while at < len(block):
        element = at
        tag = block[at]
        at += 1
        if tag & 3 == 0:
            at, length = _literal_length(block, at, tag >> 2)
            if length > len(block) - at:
                raise InvalidSnappy(f"snappy block at byte {element}: the literal is cut short")
            _room(out, length, expected, element)
            out += block[at : at + length]
            at += length
        else:
            at, offset, length = _copy(block, at, tag)
            if not 0 < offset <= len(out):
                raise InvalidSnappy(
                    f"snappy block at byte {element}: copy from {offset} bytes back, "
                    f"where {len(out)} are written"
                )
            _room(out, length, expected, element)
            _repeat(out, offset, length)
    if len(out) != expected:
        raise InvalidSnappy(
            f"snappy block at byte {at}: it ends after {len(out)} of {expected} declared bytes"
        )
    return bytes(out)


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _read_length(block: bytes) -> tuple[int, int]:
    value = 0
    for at in range(min(5, len(block))):
        value |= (block[at] & 0x7F) << (7 * at)
        if block[at] < 0x80:
            if value >= 1 << 32:
                break
            return value, at + 1
    raise InvalidSnappy("snappy block at byte 0: no valid length")


def _literal_length(block: bytes, at: int, code: int) -> tuple[int, int]:
    if code < 60:
        return at, code + 1
    width = code - 59
    if at + width > len(block):
        raise InvalidSnappy(f"snappy block at byte {at}: the literal's length is cut short")
    return at + width, int.from_bytes(block[at : at + width], "little") + 1


def _copy(block: bytes, at: int, tag: int) -> tuple[int, int, int]:
    """Where the next element starts, how far back the copy reaches, and how long it is."""
    kind = tag & 3
    width = (1, 2, 4)[kind - 1]
    if at + width > len(block):
        raise InvalidSnappy(f"snappy block at byte {at}: the copy's offset is cut short")
    offset = int.from_bytes(block[at : at + width], "little")
    if kind == 1:
        return at + 1, offset | (tag >> 5) << 8, (tag >> 2 & 7) + 4
    return at + width, offset, (tag >> 2) + 1


def _room(out: bytearray, length: int, expected: int, element: int) -> None:
    if len(out) + length > expected:
        raise InvalidSnappy(
            f"snappy block at byte {element}: more than the {expected} declared bytes"
        )


def _repeat(out: bytearray, offset: int, length: int) -> None:
    start = len(out) - offset
    if offset >= length:
        out += out[start : start + length]
    else:
        pattern = bytes(out[start:])
        out += (pattern * (length // offset + 1))[:length]
