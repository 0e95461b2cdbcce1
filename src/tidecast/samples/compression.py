"""Compressed request bodies, unpacked within a limit."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import cramjam
import numpy as np

from tidecast.samples.protobuf import BodyTooLarge
from tidecast_collector.errors import InvalidInput

_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_ROOM_EXCEEDED = "failed to write whole buffer"
"""What cramjam says where the output has no room for all."""


def unpack_snappy(body: bytes, max_bytes: int) -> bytes:
    """The content of a snappy block.

    Raises `BodyTooLarge` before unpacking more than `max_bytes`, `InvalidInput` for anything else.
    """
    size, start = _snappy_size(body)
    if size > max_bytes:
        raise BodyTooLarge(
            f"byte 0: the body unpacks to {size} bytes, at most {max_bytes} are taken"
        )
    if size and start == len(body):
        raise InvalidInput(f"byte {start}: the snappy block ends after its length")
    try:
        return bytes(cramjam.snappy.decompress_raw(body))
    except cramjam.DecompressionError as error:
        raise InvalidInput(f"byte {start}: not a snappy block: {error}") from error


def _snappy_size(body: bytes) -> tuple[int, int]:
    """The size that a snappy block announces (32 bits), and where its content starts."""
    size = 0
    for at, byte in enumerate(body[:5]):
        size |= (byte & 0x7F) << (7 * at)
        if byte < 0x80:
            if size >= 1 << 32:
                break
            return size, at + 1
    raise InvalidInput(f"byte {min(len(body), 5)}: no length of a snappy block")


def unpack_zstd(body: bytes, max_bytes: int) -> bytes:
    """The content of a zstd frame; raises as `unpack_snappy` does."""
    if body[:4] != _ZSTD_MAGIC:
        raise InvalidInput("byte 0: not a zstd frame")
    # Pages of this room that are never written to cost nothing.
    room = np.empty(max_bytes, dtype=np.uint8)
    try:
        size = cramjam.zstd.decompress_into(body, room.data)
    except cramjam.DecompressionError as error:
        if str(error) == _ROOM_EXCEEDED:
            raise BodyTooLarge(
                f"byte 0: the body unpacks to more than the {max_bytes} bytes that are taken"
            ) from error
        raise InvalidInput(f"byte 0: not a whole zstd frame: {error}") from error
    return room[:size].tobytes()


UNPACK: Mapping[str, Callable[[bytes, int], bytes]] = {
    "snappy": unpack_snappy,
    "zstd": unpack_zstd,
}
"""How to unpack a body, by its Content-Encoding."""
