from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidecast_collector.backlog import CycleReader, CycleWriter, InvalidCycle, join_cycles
from tidecast_collector.model import GAUGE, Family
from tidecast_collector.remote_write import Metadata, decode_request

EXTERNAL = (("instance", "web-3"), ("job", "node"))
NAMES = ("node_a", "node_b", "node_c")
CYCLES = st.lists(
    st.tuples(
        st.integers(0, 50),
        st.dictionaries(st.sampled_from(NAMES), st.floats(allow_nan=False), max_size=3),
    ),
    min_size=1,
    max_size=12,
)


def _families(values: dict[str, float]) -> list[Family]:
    return [Family(name, GAUGE, "", (((), value),)) for name, value in values.items()]


@given(CYCLES)
def test_a_request_holds_each_series_once_in_ascending_order(
    cycles: list[tuple[int, dict[str, float]]],
) -> None:
    writer, reader = CycleWriter(EXTERNAL), CycleReader()
    read = [reader.read(writer.write(at_ms, _families(values))) for at_ms, values in cycles]
    decoded = decode_request(join_cycles(read))

    expected: dict[str, dict[int, float]] = {}
    for at_ms, values in cycles:
        for name, value in values.items():
            expected.setdefault(name, {})[at_ms] = value
    assert {dict(labels)["__name__"]: samples for labels, samples in decoded.series} == {
        name: sorted(samples.items()) for name, samples in expected.items()
    }
    assert len(decoded.series) == len(expected)
    assert all(dict(labels)["instance"] == "web-3" for labels, _ in decoded.series)


def test_each_record_can_be_read_alone_and_with_metadata() -> None:
    writer = CycleWriter(EXTERNAL)
    writer.write(1000, _families({"node_a": 1.0}))
    record = writer.write(2000, _families({"node_a": 2.0}))
    metadata = Metadata("gauge", "node_a", "A thing.")
    decoded = decode_request(join_cycles([CycleReader().read(record)], [metadata]))
    labels = (("__name__", "node_a"), *EXTERNAL)
    assert decoded == ([(labels, [(2000, 2.0)])], [metadata], 0, 0)


def test_a_record_is_eight_bytes_a_series_once_the_table_is_known() -> None:
    writer = CycleWriter(EXTERNAL)
    few = len(writer.write(0, _families({f"node_{i}": 1.0 for i in range(100)})))
    assert few < 100 * 8 + 16 + 1000  # 100 float64, the head, the deflated table


@pytest.mark.parametrize("cut", [0, 3, 17, -1])
def test_a_cut_record_is_refused(cut: int) -> None:
    record = CycleWriter(EXTERNAL).write(1000, _families({"node_a": 1.0}))
    with pytest.raises(InvalidCycle):
        CycleReader().read(record[:cut])


def test_a_damaged_table_is_refused() -> None:
    record = bytearray(CycleWriter(EXTERNAL).write(1000, _families({"node_a": 1.0})))
    record[20] ^= 0xFF
    with pytest.raises(InvalidCycle, match="table of series"):
        CycleReader().read(bytes(record))
