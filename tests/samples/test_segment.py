"""Segment files: what is written is read back, whole and in parts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidecast.samples import head as heads
from tidecast.samples.batch import SampleBatch
from tidecast.samples.durable import DamagedFile
from tidecast.samples.head import Head
from tidecast.samples.segment import Segment, SegmentMeta
from tidecast.samples.segment_writer import SegmentWriter
from tidecast.samples.value_codec import Reading

from . import support

SERIES = [support.labels_of("load", host=host) for host in ("a", "b", "c")]


def write(path, length):
    times = np.arange(length) * 15_000
    noise = np.random.default_rng(1).random((3, length))
    batch = SampleBatch.of((labels, times, noise[i]) for i, labels in enumerate(SERIES))
    with SegmentWriter(path) as writer:
        writer.add_batch(batch)
        writer.finish(SegmentMeta(0, 10**9, priority=1))
    return Segment(path), times, noise


@pytest.mark.parametrize(("length", "packed"), [(10, True), (5000, False)])
def test_a_segment_gives_back_what_was_written(tmp_path, length, packed):
    segment, times, noise = write(tmp_path / "1_2_3.seg", length)
    assert segment.meta.packed is packed
    assert segment.labels(np.arange(3)) == SERIES
    # Series with the same times share one column.
    assert segment.columns(np.arange(3)).tolist() == [0, 0, 0]
    for number in range(3):
        assert segment.run(number)[0].tolist() == times.tolist()
        assert segment.run(number)[1].tolist() == noise[number].tolist()
    into, asked = Reading(8), np.array([2, 0])
    into.put(3, np.zeros(2))
    into.put(7, np.zeros(1))
    segment.read_values(asked, np.array([3, 1]), np.array([2, 3]), into, np.array([5, 0]))
    assert into.values().tolist() == [*noise[0, 1:4], 0, 0, *noise[2, 3:5], 0]


def test_a_file_of_another_version_says_so(tmp_path):
    path = tmp_path / "1_2_3.seg"
    write(path, 10)
    content = bytearray(path.read_bytes())
    content[7] = content[-1] = 2
    path.write_bytes(content)
    with pytest.raises(DamagedFile, match="of version 2 of the format"):
        Segment(path)


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 400)), min_size=1, max_size=200),
    st.integers(0, 400),
    st.integers(0, 400),
)
def test_a_head_gives_its_series_in_batches(samples, start, end):
    head = Head()
    for i, time in samples:
        head.add(SampleBatch.of([(SERIES[i], np.array([time]), np.array([time / 2]))]))
    order = head.ordered(lambda labels: labels)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(heads, "SAMPLES_AT_ONCE", heads.CHUNK_SLOTS)
        batches = list(head.batches(order, start, end))
    found = [(labels, t.tolist(), v.tolist()) for batch in batches for labels, t, v in batch]
    assert found == [
        (one.labels, one.run[0].tolist(), one.run[1].tolist())
        for one in head.recent(order, start, end)
    ]
