"""The JSON answers of the Prometheus HTTP API, read into arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tidecast.samples.batch import STALE_NAN, Float64s, Int64s, SampleBatch
from tidecast.samples.matchers import Matcher, Matchers, MatchOp
from tidecast.samples.protocol import MetricMetadata
from tidecast_collector.errors import InvalidInput
from tidecast_collector.labels import Labels, make_labels


class InvalidAnswer(InvalidInput):
    """An answer that does not read as the Prometheus HTTP API says."""


def selector_text(matchers: Matchers) -> str:
    """The matchers as a selector in PromQL."""
    return f"{{{','.join(map(str, matchers))}}}"


def series_text(labels: Labels) -> str:
    """The series as the selector that finds it alone.

    >>> series_text((("__name__", "up"), ("job", "node")))
    '{__name__="up",job="node"}'
    """
    return selector_text([Matcher(name, MatchOp.EQUAL, value) for name, value in labels])


def seconds_text(time_ms: int) -> str:
    """The time, at or after 1970, as the API's parameters want it: Unix seconds.

    >>> seconds_text(1_700_000_000_001)
    '1700000000.001'
    """
    return f"{time_ms // 1000}.{time_ms % 1000:03d}"


def range_query(matchers: Matchers, start_ms: int, end_ms: int) -> str:
    """The range selector that, at `end_ms`, covers [start, end]; its lower end is open."""
    return f"{selector_text(matchers)}[{end_ms - start_ms + 1}ms]"


def answer_data(answer: Any) -> Any:
    """The `data` of a successful answer of the Prometheus HTTP API; raises `InvalidAnswer`."""
    if not isinstance(answer, dict) or answer.get("status") != "success" or "data" not in answer:
        raise InvalidAnswer(f"no answer of the Prometheus HTTP API: {str(answer)[:200]}")
    return answer["data"]


def single_value(data: Any) -> float | None:
    """The value of an instant vector of one element at most; None where it has none.

    Raises `InvalidAnswer`.
    """
    try:
        if data["resultType"] != "vector" or len(data["result"]) > 1:
            raise InvalidAnswer("expected a vector of one element at most")
        return float(data["result"][0]["value"][1]) if data["result"] else None
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise InvalidAnswer(f"the vector does not read as one: {error!r}") from error


def matrix_samples(
    data: Any, start_ms: int, end_ms: int, nan_is_stale: bool = False
) -> SampleBatch:
    """The samples of a matrix that lie in [start, end]; raises `InvalidAnswer`.

    `nan_is_stale`: the server keeps no NaN but staleness markers, and shows those as NaN.
    """
    try:
        if data["resultType"] != "matrix":
            raise InvalidAnswer(f"expected a matrix, got a {data['resultType']}")
        parts = [_series(each, start_ms, end_ms) for each in data["result"]]
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise InvalidAnswer(f"the matrix does not read as one: {error!r}") from error
    if nan_is_stale:
        for _, _, values in parts:
            values[np.isnan(values)] = STALE_NAN
    return SampleBatch.of(part for part in parts if len(part[1]))


def _series(each: Any, start_ms: int, end_ms: int) -> tuple[Labels, Int64s, Float64s]:
    pairs: Sequence[tuple[float, str]] = each.get("values", ())
    times = np.array([round(time * 1000) for time, _ in pairs], dtype=np.int64)
    values = np.array([float(value) for _, value in pairs], dtype=np.float64)
    inside = (start_ms <= times) & (times <= end_ms)
    return labels_of(each["metric"]), times[inside], values[inside]


def labels_of(metric: Any) -> Labels:
    """The label set of an object of texts; raises `TypeError` for anything else."""
    if not isinstance(metric, dict) or not all(isinstance(text, str) for text in metric.values()):
        raise TypeError(f"expected labels, got {str(metric)[:200]}")
    return make_labels(metric)


def texts(data: Any) -> list[str]:
    """The names or values in a list of them; raises `InvalidAnswer`."""
    if not isinstance(data, list) or not all(isinstance(each, str) for each in data):
        raise InvalidAnswer(f"expected a list of texts, got {str(data)[:200]}")
    return data


def label_sets(data: Any) -> list[Labels]:
    """The label sets in the data of a series request; raises `InvalidAnswer`."""
    try:
        return [labels_of(each) for each in data]
    except TypeError as error:
        raise InvalidAnswer(f"expected label sets, got {str(data)[:200]}") from error


def metric_metadata(data: Any) -> dict[str, MetricMetadata]:
    """Metadata by metric name, the first where targets disagree; raises `InvalidAnswer`."""
    try:
        return {
            name: MetricMetadata(told[0]["type"], told[0]["help"], told[0].get("unit", ""))
            for name, told in data.items()
            if told
        }
    except (AttributeError, KeyError, IndexError, TypeError) as error:
        raise InvalidAnswer(f"expected metric metadata, got {str(data)[:200]}") from error
