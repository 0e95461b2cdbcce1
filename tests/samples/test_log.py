"""The write-ahead log: what it gives back after a tear or a flipped bit."""

import itertools
import mmap
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidecast.samples import log, recovery
from tidecast.samples.head import Head
from tidecast.samples.log import LogReading, LogWriter, read_log
from tidecast.samples.log_record import LogEntry
from tidecast.samples.recovery import replay_logs

from . import support

UP = support.labels_of("up", host="a")
LOAD = support.labels_of("node_load1", host="a")


def write_log(directory, *batches):
    """A log of these batches; series are numbered as they come. Returns its path and frame ends."""
    numbers = {}
    writer = LogWriter(directory)
    ends = []
    for batch in batches:
        numbered = [numbers.setdefault(labels, len(numbers)) for labels in batch.labels]
        writer.write([LogEntry(np.array(numbered), batch)])
        # Behind the frames there is room for more.
        ends.append(len(next(directory.glob("*.log")).read_bytes().rstrip(b"\xd6")))
    writer.close()
    return next(directory.glob("*.log")), ends


def replayed(path):
    head = Head()
    problems = replay_logs([path], head)
    series = head.recent(np.arange(len(head)), *support.ALL_TIME)
    found = {s.labels: list(zip(*(part.tolist() for part in s.run), strict=True)) for s in series}
    return {labels: samples for labels, samples in found.items() if samples}, problems


THREE = [
    support.batch_of((UP, [1000], [1.0]), (LOAD, [1000], [0.5])),
    support.batch_of((UP, [2000], [0.0])),
    support.batch_of((LOAD, [2000, 3000], [0.25, 0.125])),
]


def test_what_was_written_is_replayed(tmp_path):
    path, _ = write_log(tmp_path, *THREE)
    assert replayed(path) == (
        {UP: [(1000, 1.0), (2000, 0.0)], LOAD: [(1000, 0.5), (2000, 0.25), (3000, 0.125)]},
        [],
    )


@given(
    st.lists(
        st.tuples(
            # Which series a record is of, in which order, and how many samples of each there are.
            st.sampled_from([[0, 1], [0, 1], [0, 1], [2, 3], [1, 2], [0, 0], [3]]),
            st.integers(1, 3),
            st.integers(0, 12),
        ),
        max_size=12,
    ),
    st.sampled_from([1, 4, 1000]),
)
def test_records_go_into_the_head_together_as_they_would_one_by_one(records, together):
    series = [support.labels_of("m", i=str(i)) for i in range(4)]
    batches = [
        support.batch_of(
            *(
                (series[i], [start + tick for tick in range(each)], [float(n * 10 + place)] * each)
                for place, i in enumerate(which)
            )
        )
        for n, (which, each, start) in enumerate(records)
    ]
    head = Head()
    for batch in batches:
        head.add(batch)
    parts = head.recent(np.arange(len(head)), *support.ALL_TIME)
    expected = {s.labels: list(zip(*(part.tolist() for part in s.run), strict=True)) for s in parts}
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(recovery, "_LARGE", 2)
        patch.setattr(recovery, "_TOGETHER", together)
        if batches:
            assert replayed(write_log(Path(folder), *batches)[0]) == (expected, [])


def test_a_log_larger_than_what_stays_in_memory_is_replayed(tmp_path, monkeypatch):
    monkeypatch.setattr(log, "_LET_GO_BYTES", mmap.PAGESIZE)
    times = range(0, 20_000, 500)
    path, _ = write_log(
        tmp_path,
        *(support.batch_of((UP, list(range(at, at + 500)), [float(at)] * 500)) for at in times),
    )
    assert path.stat().st_size > 10 * mmap.PAGESIZE
    found, problems = replayed(path)
    assert found == {UP: [(at, at // 500 * 500.0) for at in range(20_000)]}
    assert problems == []


def test_of_two_values_for_one_time_the_later_stays(tmp_path):
    again = support.batch_of((UP, [1000], [7.0]))
    path, _ = write_log(tmp_path, THREE[0], again, support.batch_of((UP, [500], [9.0])))
    assert replayed(path)[0][UP] == [(500, 9.0), (1000, 7.0)]


def test_a_torn_tail_is_cut_back_at_every_length(tmp_path):
    path, ends = write_log(tmp_path, *THREE)
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        found, problems = replayed(path)
        frames = sum(end <= size for end in ends)
        assert problems == []
        assert sum(map(len, found.values())) == [0, 2, 3, 5][frames]
        assert path.exists() == (frames > 0)
        if frames:
            assert path.stat().st_size == ends[frames - 1]


def test_a_flipped_bit_loses_one_frame_and_is_told(tmp_path):
    path, ends = write_log(tmp_path, *THREE)
    whole = path.read_bytes()
    for at in range(ends[0], ends[1]):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
        found, problems = replayed(path)
        assert found == {UP: [(1000, 1.0)], LOAD: [(1000, 0.5), (2000, 0.25), (3000, 0.125)]}
        assert problems == [f"{path}: bytes {ends[0]} to {ends[1]} are damaged"]


def test_a_file_grown_without_its_bytes_is_torn_and_not_damaged(tmp_path):
    path, ends = write_log(tmp_path, *THREE)
    whole = path.read_bytes()
    # THREE[1] is a value of zero: what zeros stand for must not depend on what was written.
    for start in range(ends[0], ends[2]):
        path.write_bytes(whole[:start] + bytes(ends[2] - start))
        found, problems = replayed(path)
        assert problems == []
        assert sum(map(len, found.values())) == (3 if start >= ends[1] else 2)
        assert path.stat().st_size == (ends[1] if start >= ends[1] else ends[0])


FILLER = b"\xd6"


def test_a_file_with_room_behind_its_frames_is_whole(tmp_path):
    path, ends = write_log(tmp_path, *THREE)
    whole = path.read_bytes()
    path.write_bytes(whole + FILLER * 5000)
    found, problems = replayed(path)
    assert (sum(map(len, found.values())), problems) == (5, [])
    reading = LogReading(path)
    assert len(list(read_log(path, reading))) == 3
    assert reading.good_end == reading.size == ends[2]


def test_a_frame_not_wholly_written_over_the_room_is_torn(tmp_path):
    path, ends = write_log(tmp_path, *THREE)
    whole = path.read_bytes()
    for written in range(ends[1], ends[2]):
        path.write_bytes(whole[:written] + FILLER * 5000)
        found, problems = replayed(path)
        assert problems == []
        assert sum(map(len, found.values())) == 3


def test_sectors_of_a_frame_reach_the_disk_in_any_order(tmp_path):
    times = list(range(500))
    path, ends = write_log(
        tmp_path, THREE[0], support.batch_of((UP, times, [1 / (1 + t) for t in times]))
    )
    whole = path.read_bytes()
    borders = [ends[0], *range(512, ends[1], 512), ends[1]]
    for low, high in itertools.pairwise(borders):
        path.write_bytes(whole[:low] + FILLER * (high - low) + whole[high:] + FILLER * 700)
        found, problems = replayed(path)
        assert problems == []
        assert sum(map(len, found.values())) == 2


def test_damage_in_the_last_frame_with_room_behind_it_is_told(tmp_path):
    path, ends = write_log(tmp_path, *THREE)
    whole = path.read_bytes() + FILLER * 5000
    for at in range(ends[1], ends[2]):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
        found, problems = replayed(path)
        assert found == {UP: [(1000, 1.0), (2000, 0.0)], LOAD: [(1000, 0.5)]}
        assert problems == [f"{path}: the last {len(whole) - ends[1]} bytes are damaged"]


def test_a_log_that_was_left_open_is_whole(tmp_path):
    writer = LogWriter(tmp_path)
    for number, batch in enumerate(THREE * 50):
        writer.write([LogEntry(np.arange(len(batch)) + number, batch)])
    (path,) = tmp_path.glob("*.log")
    room = path.stat().st_size
    reading = LogReading(path)
    assert len(list(read_log(path, reading))) == 150
    assert reading.problems == [] and reading.good_end == reading.size < room
    writer.close()
    assert path.stat().st_size == reading.size


def test_damage_in_the_last_frame_is_told_and_kept(tmp_path):
    path, ends = write_log(tmp_path, *THREE)
    whole = path.read_bytes()
    for at in range(ends[1], ends[2]):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
        found, problems = replayed(path)
        assert found == {UP: [(1000, 1.0), (2000, 0.0)], LOAD: [(1000, 0.5)]}
        assert problems == [f"{path}: the last {ends[2] - ends[1]} bytes are damaged"]
        assert path.with_name(path.name + ".bad").samefile(path)


def test_samples_whose_series_stood_in_a_damaged_frame_are_counted(tmp_path):
    path, ends = write_log(tmp_path, *THREE)
    data = bytearray(path.read_bytes())
    data[ends[0] - 1] ^= 1
    path.write_bytes(data)
    found, problems = replayed(path)
    assert found == {}
    # One sample of `up` in the second frame and two of `node_load1` in the third.
    assert problems[1] == f"{path}: 3 samples are lost, their series stood in a damaged part"


def test_a_damaged_file_header_loses_nothing(tmp_path):
    path, _ = write_log(tmp_path, *THREE)
    path.write_bytes(b"\xff" + path.read_bytes()[1:])
    found, problems = replayed(path)
    assert sum(map(len, found.values())) == 5
    assert problems == [f"{path}: damaged header"]


@given(st.binary(max_size=200), st.integers(0, 400))
def test_noise_is_never_taken_for_samples(new_directory, noise, at):
    path, _ = write_log(new_directory(), *THREE)
    data = path.read_bytes()
    path.write_bytes(data[:at] + noise + data[at:])
    known = {t: v for batch in THREE for t, v in zip(batch.timestamps, batch.values, strict=True)}
    reading = LogReading(path)
    for record in read_log(path, reading):
        assert set(record.timestamps.tolist()) <= set(known)


def test_a_new_file_names_its_series_again(tmp_path):
    writer = LogWriter(tmp_path)
    entry = LogEntry(np.array([0, 1]), THREE[0])
    writer.write([entry])
    assert len(writer.rotate()) == 1
    writer.write([entry])
    writer.close()
    first, second = sorted(tmp_path.glob("*.log"))
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("pieces", [[1, 1, 1], [3], [1, 2]])
def test_entries_of_one_group_are_frames_of_their_own(tmp_path, pieces):
    writer = LogWriter(tmp_path)
    entries = iter([LogEntry(np.array([i]), support.batch_of((UP, [i], [i]))) for i in range(3)])
    for count in pieces:
        writer.write(list(itertools.islice(entries, count)))
    writer.close()
    reading = LogReading(next(tmp_path.glob("*.log")))
    times = [record.timestamps.tolist() for record in read_log(reading.path, reading)]
    assert times == [[0], [1], [2]]
    assert reading.good_end == reading.size
    assert np.array(times).size == 3
