from __future__ import annotations

import cramjam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidecast_collector.snappy import InvalidSnappy, compress, decompress

LIMIT = 1 << 22


@given(st.binary(max_size=2000))
def test_round_trip(data: bytes) -> None:
    assert decompress(compress(data), LIMIT) == data


@given(st.binary(max_size=2000))
def test_another_decoder_reads_ours(data: bytes) -> None:
    assert bytes(cramjam.snappy.decompress_raw(compress(data))) == data


@given(st.lists(st.sampled_from([b"abc", b"job", b"node_cpu", b"\x00" * 70, b"x"]), max_size=200))
def test_we_read_another_encoders_copies(parts: list[bytes]) -> None:
    data = b"".join(parts)
    assert decompress(bytes(cramjam.snappy.compress_raw(data)), LIMIT) == data


@given(st.binary(max_size=300))
def test_whatever_comes_is_read_as_the_oracle_reads_it_or_refused(block: bytes) -> None:
    try:
        ours = decompress(block, 1 << 16)
    except InvalidSnappy as error:
        assert "at byte" in str(error)
        return
    assert bytes(cramjam.snappy.decompress_raw(block)) == ours


@given(st.binary(min_size=1, max_size=400), st.data())
def test_a_cut_block_is_refused(data: bytes, draw: st.DataObject) -> None:
    block = bytes(cramjam.snappy.compress_raw(data * 3))
    cut = draw.draw(st.integers(0, len(block) - 1))
    with pytest.raises(InvalidSnappy):
        decompress(block[:cut], LIMIT)


def test_blocks_longer_than_one_literal() -> None:
    data = bytes(range(256)) * 1000
    assert decompress(compress(data), LIMIT) == data
    assert bytes(cramjam.snappy.decompress_raw(compress(data))) == data


def test_an_overlapping_copy_repeats_what_it_wrote() -> None:
    # length 7; literal "ab" (2 bytes: tag (2-1)<<2); copy of 5 from 2 back (1-byte offset:
    # length-4 = 1 in bits 2-4, kind 1)
    assert decompress(b"\x07\x04ab\x05\x02", LIMIT) == b"abababa"


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        (b"", "at byte 0: no valid length"),
        (b"\xff\xff\xff\xff\xff\x01", "at byte 0: no valid length"),
        (b"\xff\xff\xff\xff\x7f", "at byte 0: no valid length"),
        (b"\x81\x80\x80\x02", "over the limit"),
        (b"\x02\x04a", "at byte 1: the literal is cut short"),
        (b"\x05\xf0", "at byte 2: the literal's length is cut short"),
        (b"\x04\x01", "at byte 2: the copy's offset is cut short"),
        (b"\x05\x00a\x01\x00", "at byte 3: copy from 0 bytes back"),
        (b"\x05\x00a\x01\x02", "at byte 3: copy from 2 bytes back"),
        (b"\x01\x04ab", "at byte 1: more than the 1 declared"),
        (b"\x05\x04ab", "at byte 4: it ends after 2 of 5"),
    ],
)
def test_refusals_name_the_byte(block: bytes, reason: str) -> None:
    with pytest.raises(InvalidSnappy, match=reason):
        decompress(block, LIMIT)
