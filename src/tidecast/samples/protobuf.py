"""Walking protobuf messages: every position is checked against the end of what contains it."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from tidecast_collector.errors import InvalidInput

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
"""Wire types."""
MAX_FIELDS = 4_000_000
"""No body of honest size has so many fields; one of empty fields would only burn time."""
_DOUBLE_BITS = struct.Struct("<Q")


class BodyTooLarge(InvalidInput):
    """A body that unpacks to more bytes, or has more fields, than are taken at once."""


class Walker:
    """Walks one message, which stands at byte `base` of the request; counts the fields it meets."""

    def __init__(self, message: bytes, base: int = 0) -> None:
        self.data = message
        self._base = base
        self._fields_left = MAX_FIELDS

    def fields(self, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
        """Number, wire type, start and end of the content of each field."""
        at = start
        while at < end:
            number, wire_type, body, at = self.field(at, end)
            yield number, wire_type, body, at

    def field(self, at: int, end: int) -> tuple[int, int, int, int]:
        """The same of the field at this place."""
        self._fields_left -= 1
        if self._fields_left < 0:
            raise BodyTooLarge(f"byte {self._base + at}: more than {MAX_FIELDS} fields")
        tag, body = self.varint(at, end)
        number, wire_type = tag >> 3, tag & 7
        if not 0 < number < 1 << 29:
            raise self.refusal(at, f"field number {number}")
        if wire_type == LENGTH:
            length, body = self.varint(body, end)
            following = body + length
        elif wire_type == VARINT:
            following = self.varint(body, end)[1]
        elif wire_type in (FIXED64, FIXED32):
            following = body + (8 if wire_type == FIXED64 else 4)
        else:
            raise self.refusal(at, f"wire type {wire_type}")
        if following > end:
            raise self.refusal(at, "a field reaches past the end of its message")
        return number, wire_type, body, following

    def varint(self, at: int, end: int) -> tuple[int, int]:
        """The number at this place, and where it ends."""
        value = shift = 0
        for position in range(at, min(end, at + 10)):
            byte = self.data[position]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if value >= 1 << 64:
                    raise self.refusal(at, "a number of more than 64 bits")
                return value, position + 1
            shift += 7
        raise self.refusal(at, "a number without an end")

    def sample(self, start: int, end: int) -> tuple[int, int]:
        """Timestamp and value bits of the sample in [start, end)."""
        bits = timestamp = 0
        for number, wire_type, body, _ in self.fields(start, end):
            if number == 1:
                self.expect(wire_type, FIXED64, body, "a sample's value")
                bits = _DOUBLE_BITS.unpack_from(self.data, body)[0]
            elif number == 2:
                self.expect(wire_type, VARINT, body, "a sample's timestamp")
                timestamp = _signed(self.varint(body, end)[0])
        return timestamp, bits

    def text(self, start: int, end: int) -> str:
        """The UTF-8 text at these bytes; refuses what is none, naming the first wrong byte."""
        try:
            return self.data[start:end].decode()
        except UnicodeDecodeError as error:
            raise self.refusal(start + error.start, "text that is not UTF-8") from error

    def expect(self, wire_type: int, expected: int, at: int, what: str) -> None:
        """Refuses a field that has not the wire type it should have."""
        if wire_type != expected:
            raise self.refusal(at, f"{what} has wire type {wire_type} instead of {expected}")

    def refusal(self, at: int, what: str) -> InvalidInput:
        """The error that says what is wrong at this place."""
        return InvalidInput(f"byte {self._base + at} of the unpacked request: {what}")


def _signed(value: int) -> int:
    """A 64-bit two's complement number."""
    return value - (1 << 64) if value >= 1 << 63 else value
