"""The hash that decides which series `limit_ratio` takes."""

from __future__ import annotations

import pytest

from tidecast.promql.xxhash import labels_hash, xxh64
from tidecast_collector.labels import make_labels


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", 0xEF46DB3751D8E999),
        (b"a", 0xD24EC4F1A98C6E5B),
        (b"as", 0x1C330FB2D66BE179),
        (b"asd", 0x631C37CE72A97393),
        (b"asdf", 0x415872F599CEA71E),
        (
            b"Call me Ishmael. Some years ago--never mind how long precisely-",
            0x02A2E85470D6FD96,
        ),
    ],
)
def test_known_hashes(data: bytes, expected: int) -> None:
    assert xxh64(data) == expected


def test_labels_are_hashed_as_lengths_and_texts() -> None:
    long = "é" * 150
    labels = make_labels({"__name__": "foo", "z": long})
    length = b"\xff\x2c\x01\x00"  # 300 bytes
    assert labels_hash(labels) == xxh64(b"\x08__name__\x03foo\x01z" + length + long.encode())
