"""Raw samples out of a server that answers as Prometheus does, in the way that it offers."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from tidecast.http_client import HttpClient, Refused
from tidecast.samples.batch import SampleBatch
from tidecast.samples.matchers import Matcher, Matchers, MatchOp
from tidecast.samples.prometheus_answers import (
    answer_data,
    matrix_samples,
    range_query,
    seconds_text,
)
from tidecast.samples.remote_read import ReadSamples, read_request, read_response
from tidecast_collector.labels import NAME

READ_HEADERS = {
    "Content-Encoding": "snappy",
    "Content-Type": "application/x-protobuf",
    "X-Prometheus-Remote-Read-Version": "0.1.0",
    "Accept": "application/x-protobuf",
}
_NO_REMOTE_READ = (400, 404, 405, 501)


class Way(Enum):
    """How raw samples are read."""

    REMOTE_READ = "remote-read, staleness markers included"
    RANGE_SELECTORS = "range selectors, which leave staleness markers out"
    VICTORIA = "range selectors of VictoriaMetrics, which shows staleness markers as NaN"


def find_way(http: HttpClient) -> Way:
    """Remote-read where the server has it, otherwise range selectors; raises `HttpError`."""
    try:
        probe = read_request([[Matcher(NAME, MatchOp.EQUAL, "up")]], 1, 1)
        http.request("POST", "/api/v1/read", probe, READ_HEADERS)
    except Refused as error:
        if error.status not in _NO_REMOTE_READ:
            raise
        return Way.VICTORIA if is_victoria(http) else Way.RANGE_SELECTORS
    return Way.REMOTE_READ


def is_victoria(http: HttpClient) -> bool:
    """Whether it is a VictoriaMetrics: it alone exports, and keeps NaN only as a marker."""
    try:
        http.request("GET", "/api/v1/export?match[]=up&start=1&end=1")
    except Refused:
        return False
    return True


def read_raw(
    http: HttpClient, way: Way, selectors: Sequence[Matchers], start_ms: int, end_ms: int
) -> ReadSamples:
    """The raw samples of the series that pass any of the selectors, in [start, end].

    Raises `HttpError`, `InvalidAnswer` or `InvalidReadResponse`.
    """
    if way is Way.REMOTE_READ:
        request = read_request(selectors, start_ms, end_ms)
        return read_response(http.request("POST", "/api/v1/read", request, READ_HEADERS))
    found = {}
    for matchers in selectors:
        query = range_query(matchers, start_ms, end_ms)
        form = [("query", query), ("time", seconds_text(end_ms))]
        data = answer_data(http.post_form("/api/v1/query", form))
        for part in matrix_samples(data, start_ms, end_ms, way is Way.VICTORIA):
            found[part[0]] = part
    return ReadSamples(SampleBatch.of(found.values()), 0)
