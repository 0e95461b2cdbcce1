"""Label sets and byte strings as compact bytes.

Nothing here checks for damage: whoever stores these bytes keeps a CRC beside them and checks it
before decoding.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import TypeVar

import cramjam
import numpy as np

from tidecast_collector.labels import Labels


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
