"""An encoder of remote-write 1.0 messages, independent of what decodes them."""

from __future__ import annotations

import struct


def varint(number):
    number &= (1 << 64) - 1
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def field(number, content):
    """A field of the given content: bytes are length-delimited, numbers are varints."""
    if isinstance(content, bytes):
        return varint(number << 3 | 2) + varint(len(content)) + content
    return varint(number << 3) + varint(content)


def sample(timestamp, bits, *, zeros=False):
    """proto3 leaves zeros out; a writer may spell them."""
    value = b"\x09" + struct.pack("<Q", bits) if bits or zeros else b""
    return field(2, value + (field(2, timestamp) if timestamp or zeros else b""))


def label(name, value):
    return field(1, field(1, name.encode()) + field(2, value.encode()))


def series(labels, samples, extra=b"", *, zeros=False):
    pairs = b"".join(label(name, value) for name, value in labels)
    points = b"".join(sample(at, bits, zeros=zeros) for at, bits in samples)
    return field(1, pairs + points + extra)
