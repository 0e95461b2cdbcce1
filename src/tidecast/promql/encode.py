"""Results as the `data` member of Prometheus' HTTP API."""

from __future__ import annotations

import numpy as np
import orjson

from tidecast.promql.numbers import format_value
from tidecast.promql.result import Matrix, QueryResult, Scalar, String, Vector
from tidecast_collector.labels import Labels


def encode_result(result: QueryResult) -> bytes:
    """The JSON of a result: `{"resultType": ..., "result": ...}`.

    Values are the shortest decimal strings that read back to the same float (NaN, +Inf, -Inf among
    them), times are seconds with up to three decimals.
    """
    match result.value:
        case Scalar() as scalar:
            kind, body = "scalar", _point(scalar.at_ms, format_value(scalar.value))
        case String() as string:
            kind, body = "string", _text_point(string.at_ms, string.value)
        case Vector() as vector:
            kind, body = "vector", _vector(vector)
        case Matrix() as matrix:
            kind, body = "matrix", _matrix(matrix)
    return b'{"resultType":"%b","result":%b}' % (kind.encode(), body)


def _matrix(matrix: Matrix) -> bytes:
    # Series of one query mostly share their times: what was written for the last one is kept.
    known, times = np.empty(0, dtype=np.int64), list[str]()
    series = []
    for labels, timestamps, values in matrix:
        if not np.array_equal(known, timestamps):
            known, times = timestamps, [f'[{_seconds(at)},"' for at in timestamps.tolist()]
        texts = map(_text, values.tolist())
        points = '"],'.join([time + text for time, text in zip(times, texts, strict=True)])
        series.append(b'{"metric":%b,"values":[%b"]]}' % (_metric(labels), points.encode()))
    return b"[" + b",".join(series) + b"]"


def _vector(vector: Vector) -> bytes:
    time = _seconds(vector.at_ms)
    elements = [
        b'{"metric":%b,"value":[%b,"%b"]}' % (_metric(labels), time.encode(), _text(value).encode())
        for labels, value in vector
    ]
    return b"[" + b",".join(elements) + b"]"


def _metric(labels: Labels) -> bytes:
    return orjson.dumps(dict(labels))


def _point(at_ms: int, text: str) -> bytes:
    return f'[{_seconds(at_ms)},"{text}"]'.encode()


def _text_point(at_ms: int, text: str) -> bytes:
    return b"[%b,%b]" % (_seconds(at_ms).encode(), orjson.dumps(text))


def _seconds(milliseconds: int) -> str:
    whole, rest = divmod(abs(milliseconds), 1000)
    sign = "-" if milliseconds < 0 else ""
    decimals = f".{rest:03d}".rstrip("0") if rest else ""
    return f"{sign}{whole}{decimals}"


def _text(value: float) -> str:
    # The common case first: this runs once for every sample of an answer.
    text = repr(value)
    if text.endswith(".0") and "e" not in text:
        return text[:-2]
    return format_value(value)
