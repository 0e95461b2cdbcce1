from __future__ import annotations

import os
import resource
import signal
import struct
import subprocess
import sys
from binascii import crc32
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidecast_collector.spool import MAX_RECORD_BYTES, Position, Spool, SpoolUnavailable

ROOMY = 64 << 20
CRC_OF_7 = crc32(struct.pack("<QQ", 7, 0))  # a segment that is not there
HEAD_BYTES = 12  # mark, length, CRC


def _drain(spool: Spool, at_once: int = 3) -> list[bytes]:
    records: list[bytes] = []
    while chunk := spool.read(at_once):
        if not chunk.records:
            return records
        records += chunk.records
        spool.acknowledge(chunk.end)
    return records


@given(st.lists(st.binary(max_size=2000), max_size=30), st.integers(1, 7), st.data())
@settings(max_examples=30)
def test_everything_is_delivered_once_in_order_over_restarts(
    tmp_path_factory: pytest.TempPathFactory,
    payloads: list[bytes],
    at_once: int,
    draw: st.DataObject,
) -> None:
    directory = tmp_path_factory.mktemp("spool")
    delivered: list[bytes] = []
    spool = Spool(directory, ROOMY)
    spool.segment_bytes = 4096  # several segments
    for payload in payloads:
        spool.append(payload)
        match draw.draw(st.sampled_from(["nothing", "deliver", "restart"])):
            case "deliver":
                chunk = spool.read(at_once)
                delivered += chunk.records
                spool.acknowledge(chunk.end)
            case "restart":
                spool.close()
                spool = Spool(directory, ROOMY)
                spool.segment_bytes = 4096
    assert delivered + _drain(spool, at_once) == payloads
    assert spool.pending_bytes == 0
    assert (spool.dropped_records, spool.damaged_records) == (0, 0)
    spool.close()


def test_what_is_not_acknowledged_is_read_again(tmp_path: Path) -> None:
    spool = Spool(tmp_path, ROOMY)
    spool.append(b"one")
    spool.append(b"two")
    assert spool.read(10) == spool.read(10) == ([b"one", b"two"], Position(1, 2 * (HEAD_BYTES + 3)))
    assert spool.read(1).records == [b"one"]
    spool.acknowledge(spool.read(1).end)
    spool.close()
    assert _drain(Spool(tmp_path, ROOMY)) == [b"two"]


@pytest.mark.parametrize("cut", range(1, HEAD_BYTES + 5))
def test_a_torn_tail_is_cut_back(tmp_path: Path, cut: int) -> None:
    spool = Spool(tmp_path, ROOMY)
    spool.append(b"whole")
    spool.append(b"torn")
    spool.close()
    (segment,) = tmp_path.glob("*.seg")
    os.truncate(segment, segment.stat().st_size - cut)

    spool = Spool(tmp_path, ROOMY)
    assert spool.damaged_records == (1 if cut < HEAD_BYTES + 4 else 0)
    spool.append(b"next")
    assert _drain(spool) == [b"whole", b"next"]
    spool.close()


@given(st.data())
@settings(max_examples=60)
def test_a_flipped_bit_costs_its_record_alone(
    tmp_path_factory: pytest.TempPathFactory, draw: st.DataObject
) -> None:
    directory = tmp_path_factory.mktemp("spool")
    payloads = [b"TCR1 looks like a mark %d" % i for i in range(5)]
    spool = Spool(directory, ROOMY)
    for payload in payloads:
        spool.append(payload)
    reopen = draw.draw(st.booleans())
    if reopen:
        spool.close()
    (segment,) = directory.glob("*.seg")
    data = bytearray(segment.read_bytes())
    at = draw.draw(st.integers(0, len(data) - 1))
    data[at] ^= 1 << draw.draw(st.integers(0, 7))
    segment.write_bytes(data)
    if reopen:
        spool = Spool(directory, ROOMY)

    hit = at // (HEAD_BYTES + len(payloads[0]))
    assert _drain(spool, draw.draw(st.integers(1, 6))) == payloads[:hit] + payloads[hit + 1 :]
    assert spool.damaged_records == 1
    spool.append(b"after")
    assert _drain(spool) == [b"after"]
    spool.close()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"\xff" * 20),
        lambda path: path.unlink(),
        lambda path: path.write_bytes(struct.pack("<QQ", 7, 0) + struct.pack("<I", CRC_OF_7)),
    ],
)
def test_a_lost_cursor_delivers_again_rather_than_losing(
    tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    spool = Spool(tmp_path, ROOMY)
    spool.append(b"one")
    spool.append(b"two")
    spool.acknowledge(spool.read(1).end)
    spool.close()
    spoil(tmp_path / "cursor")
    assert _drain(Spool(tmp_path, ROOMY)) == [b"one", b"two"]


def test_the_oldest_segment_makes_room_and_is_counted(tmp_path: Path) -> None:
    # 8 segments of 4096 bytes; each record is 12 + 1000 bytes, so 4 stand in a segment
    spool = Spool(tmp_path, 8 * 4096)
    payloads = [b"%04d" % i + bytes(996) for i in range(50)]
    for payload in payloads:
        spool.append(payload)
    assert sum(path.stat().st_size for path in tmp_path.glob("*.seg")) <= 8 * 4096
    kept = _drain(spool)
    assert kept == payloads[-len(kept) :]
    assert len(kept) + spool.dropped_records == len(payloads)
    assert spool.dropped_records % 4 == 0
    assert len(kept) >= 28
    spool.close()


def test_an_acknowledgement_of_what_was_dropped_meanwhile_changes_nothing(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 8 * 4096)
    spool.append(b"old")
    chunk = spool.read(1)
    payloads = [b"%04d" % i + bytes(996) for i in range(50)]
    for payload in payloads:
        spool.append(payload)
    pending = spool.pending_bytes
    spool.acknowledge(chunk.end)
    assert spool.pending_bytes == pending
    assert _drain(spool)[-1] == payloads[-1]
    spool.close()


def test_acknowledged_segments_are_removed(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 8 * 4096)
    for _ in range(20):
        spool.append(bytes(1000))
    _drain(spool)
    assert len(list(tmp_path.glob("*.seg"))) == 1
    spool.close()


def test_two_agents_cannot_share_a_spool(tmp_path: Path) -> None:
    spool = Spool(tmp_path, ROOMY)
    with pytest.raises(SpoolUnavailable, match="another agent is using it"):
        Spool(tmp_path, ROOMY)
    spool.close()
    Spool(tmp_path, ROOMY).close()


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SpoolUnavailable, match=r"spool .*file.*--spool-dir"):
        Spool(tmp_path / "file", ROOMY)


def test_an_oversized_record_is_refused(tmp_path: Path) -> None:
    spool = Spool(tmp_path, ROOMY)
    with pytest.raises(SpoolUnavailable, match="over the limit"):
        spool.append(bytes(MAX_RECORD_BYTES + 1))
    assert spool.read(1).records == []
    spool.close()


def test_a_full_disk_keeps_what_was_kept_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    spool = Spool(tmp_path, ROOMY)
    spool.append(b"before")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))  # a write ends there half done
    try:
        with pytest.raises(SpoolUnavailable, match="File too large; this cycle is not kept"):
            spool.append(bytes(5000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert spool.read(10).records == [b"before"]
    spool.append(b"after")
    assert _drain(spool) == [b"before", b"after"]
    spool.append(b"last")
    spool.close()
    spool = Spool(tmp_path, ROOMY)
    assert _drain(spool) == [b"last"]
    spool.close()


APPENDER = """
import sys
from binascii import crc32
from pathlib import Path
from tidecast_collector.spool import Spool
spool = Spool(Path(sys.argv[1]), 64 << 20)
spool.segment_bytes = 8192
number = 0
while True:
    spool.append(b"%08d" % number + bytes(number % 700))
    sys.stdout.write(f"{number}\\n")
    sys.stdout.flush()
    number += 1
    if number % 5 == 0:
        spool.acknowledge(spool.read(2).end)
"""


@pytest.mark.parametrize("kept_before_kill", [1, 40, 101])
def test_kill_9_loses_nothing_that_was_kept(tmp_path: Path, kept_before_kill: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", APPENDER, tmp_path],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": "collector"},
        text=True,
    )
    assert process.stdout is not None
    kept = -1
    while kept < kept_before_kill:
        kept = int(process.stdout.readline())
    process.send_signal(signal.SIGKILL)
    kept = max([kept, *(int(line) for line in process.stdout.read().split("\n")[:-1])])
    process.wait()
    process.stdout.close()

    spool = Spool(tmp_path, ROOMY)
    numbers = [int(record[:8]) for record in _drain(spool)]
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
    assert numbers[-1] >= kept
    # two are acknowledged after each fifth append, the last time perhaps without our knowing
    assert numbers[0] <= (numbers[-1] + 1) // 5 * 2
    spool.close()
