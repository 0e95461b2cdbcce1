"""Remote-read, remote-write and selectors, against google's protobuf and by round trip."""

from __future__ import annotations

import itertools

import cramjam
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidecast.journeys.imports.prometheus import DAY_MS, Chunk, plan_chunks
from tidecast.journeys.imports.selector import parse_selector
from tidecast.samples.batch import STALE_NAN, SampleBatch
from tidecast.samples.matchers import Matcher, MatchOp
from tidecast.samples.prometheus_answers import (
    InvalidAnswer,
    answer_data,
    matrix_samples,
    range_query,
)
from tidecast.samples.remote_read import InvalidReadResponse, read_request, read_response
from tidecast.samples.routed import is_own
from tidecast.samples.write_requests import MAX_SAMPLES_A_REQUEST, write_requests
from tidecast_collector.errors import InvalidInput
from tidecast_collector.labels import make_labels

LABEL = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
TIMES = st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(2**35 - 2, 2**42 + 2))
VALUES = st.one_of(st.floats(), st.just(float(STALE_NAN)), st.just(0.0), st.just(-0.0))
SERIES = st.tuples(
    st.dictionaries(LABEL, LABEL, min_size=1, max_size=4),
    st.lists(st.tuples(TIMES, VALUES), max_size=8),
)


def batch_of(series) -> SampleBatch:
    return SampleBatch.of(
        (
            make_labels(labels),
            np.array([time for time, _ in samples], dtype=np.int64),
            np.array([value for _, value in samples], dtype=np.float64),
        )
        for labels, samples in series
    )


def flat(batch: SampleBatch) -> list[tuple[object, list[int], list[int]]]:
    """Comparable, NaN by their bits."""
    return [
        (labels, times.tolist(), values.view(np.uint64).tolist())
        for labels, times, values in batch
        if len(times)
    ]


@given(st.lists(SERIES, max_size=5))
def test_what_is_written_protobuf_reads(prompb, series):
    batch = batch_of(series)
    read = []
    for body in write_requests(batch):
        request = prompb["WriteRequest"].FromString(bytes(cramjam.snappy.decompress_raw(body)))
        read += [
            (
                {label.name: label.value for label in each.labels},
                [(sample.timestamp, sample.value) for sample in each.samples],
            )
            for each in request.timeseries
        ]
    assert flat(batch_of(read)) == flat(batch)


def test_a_long_series_is_written_in_bounded_requests(prompb):
    count = 2 * MAX_SAMPLES_A_REQUEST + 7
    times = np.arange(count, dtype=np.int64) + 1_700_000_000_000
    batch = SampleBatch.of([(make_labels({"__name__": "m"}), times, times / 3)])
    lengths, last = [], []
    for body in write_requests(batch):
        request = prompb["WriteRequest"].FromString(bytes(cramjam.snappy.decompress_raw(body)))
        lengths.append(sum(len(each.samples) for each in request.timeseries))
        last.append(request.timeseries[-1].samples[-1])
    assert lengths == [MAX_SAMPLES_A_REQUEST, MAX_SAMPLES_A_REQUEST, 7]
    assert (last[-1].timestamp, last[-1].value) == (int(times[-1]), float(times[-1] / 3))


@given(st.lists(SERIES, max_size=5, unique_by=lambda each: make_labels(each[0])))
def test_what_protobuf_answers_is_read(prompb, series):
    batch = batch_of(series)
    response = prompb["ReadResponse"]()
    result = response.results.add()
    for labels, times, values in batch:
        each = result.timeseries.add()
        for name, value in labels:
            each.labels.add(name=name, value=value)
        for time, value in zip(times.tolist(), values.tolist(), strict=True):
            each.samples.add(timestamp=time, value=value)
        each.histograms.add(sum=1.0)
    read = read_response(bytes(cramjam.snappy.compress_raw(response.SerializeToString())))
    assert flat(read.batch) == flat(batch)
    assert read.histograms == len(batch)


def test_the_staleness_marker_survives_bit_by_bit(prompb):
    values = np.array([1.0, STALE_NAN, np.nan, np.inf, -np.inf, -0.0])
    times = np.arange(6, dtype=np.int64) + 1_700_000_000_000
    batch = SampleBatch.of([(make_labels({"__name__": "m"}), times, values)])
    [body] = write_requests(batch)
    # A WriteRequest nests its series one level less than a ReadResponse does.
    series = bytes(cramjam.snappy.decompress_raw(body))
    response = b"\x0a" + bytes([len(series) & 0x7F | 0x80, len(series) >> 7]) + series
    read = read_response(bytes(cramjam.snappy.compress_raw(response)))
    assert flat(read.batch) == flat(batch)


def test_a_series_found_by_two_selectors_is_read_once(prompb):
    response = prompb["ReadResponse"]()
    for _ in range(2):
        each = response.results.add().timeseries.add()
        each.labels.add(name="__name__", value="up")
        each.samples.add(timestamp=5, value=1.0)
    read = read_response(bytes(cramjam.snappy.compress_raw(response.SerializeToString())))
    assert len(read.batch.timestamps) == 1


@given(st.binary(max_size=300))
def test_hostile_bytes_are_refused_or_read(content):
    for body in (content, bytes(cramjam.snappy.compress_raw(content))):
        try:
            read_response(body)
        except InvalidReadResponse:
            continue


def test_a_snappy_bomb_is_refused_before_it_unpacks():
    with pytest.raises(InvalidReadResponse, match="too much at once"):
        read_response(b"\xff\xff\xff\xff\x7f" + b"x")


def test_the_request_says_what_is_wanted(prompb):
    matchers = [
        Matcher("__name__", MatchOp.EQUAL, "up"),
        Matcher("job", MatchOp.NOT_REGEX, "a|ü"),
    ]
    body = read_request([matchers, matchers[:1]], 5, 1_700_000_000_000)
    request = prompb["ReadRequest"].FromString(bytes(cramjam.snappy.decompress_raw(body)))
    assert list(request.accepted_response_types) == [0]
    assert [
        (query.start_timestamp_ms, query.end_timestamp_ms, len(query.matchers))
        for query in request.queries
    ] == [(5, 1_700_000_000_000, 2), (5, 1_700_000_000_000, 1)]
    last = request.queries[0].matchers[1]
    assert (last.type, last.name, last.value) == (3, "job", "a|ü")


def test_a_selector_is_read_into_its_matchers():
    matchers = parse_selector('up{job="node", instance!~"web-.*"}')
    assert sorted(map(str, matchers)) == ['__name__="up"', 'instance!~"web-.*"', 'job="node"']


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "."),
        ("up[5m]", "is not a selector such as"),
        ("sum(up)", "is not a selector such as"),
        ("up offset 5m", "neither offset nor @"),
        ("up @ 5", "neither offset nor @"),
        ("up @ end()", "neither offset nor @"),
        ('{a="1"', "."),
        ('{a=~"("}', "."),
    ],
)
def test_what_is_no_selector_is_refused(text, why):
    with pytest.raises(InvalidInput, match=why):
        parse_selector(text)


@given(
    st.dictionaries(st.text("abc_:", min_size=1, max_size=6), st.integers(0, 20_000), max_size=40),
    st.integers(0, 10 * DAY_MS),
    st.integers(0, 3 * DAY_MS),
)
def test_chunks_cover_each_metric_and_moment_once(counts, start, length):
    end = start + length
    chunks = list(plan_chunks(counts, start, end))
    for name in counts:
        spans = [(each.start_ms, each.end_ms) for each in chunks if name in each.names]
        assert spans[0][0] == start
        assert spans[-1][1] == end
        assert all(a[1] + 1 == b[0] for a, b in itertools.pairwise(spans))
    assert len({each.id for each in chunks}) == len(chunks)


def test_a_later_end_meets_the_same_chunks_again():
    first = [each.id for each in plan_chunks({"up": 3}, DAY_MS, 3 * DAY_MS - 1)]
    later = [each.id for each in plan_chunks({"up": 3}, DAY_MS, 3 * DAY_MS + 500)]
    assert later[: len(first)] == first


def test_a_chunk_narrows_the_selector_to_its_metrics():
    selector = [Matcher("job", MatchOp.EQUAL, "node")]
    chunk = Chunk(("a", "b.c"), 1000, 2000)
    assert [str(each) for each in chunk.matchers(selector)] == [
        'job="node"',
        '__name__=~"a|b\\\\.c"',
    ]
    assert range_query(chunk.matchers(selector)[:1], 1000, 2000) == '{job="node"}[1001ms]'


@pytest.mark.parametrize(
    ("name", "ours"),
    [("tidecast_usage", True), ("tidecast_agent_cycles_total", False), ("node_load1", False)],
)
def test_what_a_server_writes_itself_is_not_imported(name, ours):
    assert is_own(name) is ours


def test_a_matrix_is_cut_to_its_span():
    data = {
        "resultType": "matrix",
        "result": [
            {
                "metric": {"__name__": "m", "empty": ""},
                "values": [[0.999, "1"], [1.0, "NaN"], [1.001, "+Inf"], [2.001, "-1e-3"]],
            }
        ],
    }
    [(labels, times, values)] = matrix_samples(data, 1000, 2000)
    assert labels == (("__name__", "m"),)
    assert times.tolist() == [1000, 1001]
    assert np.isnan(values[0])
    assert values[1] == np.inf


@pytest.mark.parametrize(
    "answer", [None, [], {"status": "error"}, {"status": "success"}, "x", {"data": 1}]
)
def test_what_is_no_answer_is_refused(answer):
    with pytest.raises(InvalidAnswer):
        answer_data(answer)


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"resultType": "vector"},
        {"resultType": "matrix"},
        {"resultType": "matrix", "result": [{"values": [[1]]}]},
        {"resultType": "matrix", "result": [{"values": [[1, "x"]], "metric": {}}]},
    ],
)
def test_what_is_no_matrix_is_refused(data):
    with pytest.raises(InvalidAnswer):
        matrix_samples(data, 0, 5000)
