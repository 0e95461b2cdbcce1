"""Results as the `data` member of Prometheus' HTTP API."""

from __future__ import annotations

import orjson

from tidecast.promql.numbers import format_value
from tidecast.promql.result import Float64s, Int64s, Matrix, QueryResult, Scalar, String, Vector
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
            kind, body = "matrix", b"[" + b",".join(map(_series, *_columns(matrix))) + b"]"
    return b'{"resultType":"%b","result":%b}' % (kind.encode(), body)


def _columns(matrix: Matrix) -> tuple[list[Labels], list[Int64s], list[Float64s]]:
    labels, timestamps, values = [], [], []
    for series in matrix:
        labels.append(series[0])
        timestamps.append(series[1])
        values.append(series[2])
    return labels, timestamps, values


def _series(labels: Labels, timestamps: Int64s, values: Float64s) -> bytes:
    times = map(_seconds, timestamps.tolist())
    texts = map(_text, values.tolist())
    points = ",".join([f'[{time},"{text}"]' for time, text in zip(times, texts, strict=True)])
    return b'{"metric":%b,"values":[%b]}' % (_metric(labels), points.encode())


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
