"""Results as the `data` member of Prometheus' HTTP API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache

import numpy as np
import orjson

from tidecast.promql.numbers import format_value
from tidecast.promql.result import Matrix, QueryResult, Scalar, String, Vector
from tidecast.samples.batch import Float64s, Int64s
from tidecast_collector.labels import Labels

_POINTS_AT_ONCE = 1 << 16
_SMALL, _LARGE = 1e-4, 1e15
"""Between these no number is written with an exponent."""
_EXACT_SECONDS = 10**11
"""Up to here the float nearest to a number of milliseconds has its digits and no others."""


def encode_result(result: QueryResult) -> bytes:
    """The JSON of a result: `{"resultType": ..., "result": ...}`.

    Values are the shortest decimal strings that read back to the same float (NaN, +Inf, -Inf among
    them), times are seconds with up to three decimals.
    """
    return b"".join(encode_pieces(result))


def encode_pieces(
    result: QueryResult, stats: Mapping[str, object] | None = None
) -> Iterator[bytes]:
    """The same JSON in pieces, so that a large answer need not be held whole.

    `stats` says what the query has cost.
    """
    yield b'{"resultType":"%b","result":' % _kind(result).encode()
    match result.value:
        case Scalar() as scalar:
            yield _point(scalar.at_ms, format_value(scalar.value))
        case String() as string:
            yield _text_point(string.at_ms, string.value)
        case Vector() as vector:
            yield b"["
            yield from _vector(vector)
            yield b"]"
        case Matrix() as matrix:
            yield b"["
            yield from _matrix(matrix)
            yield b"]"
    if stats is not None:
        yield b',"stats":' + orjson.dumps(stats)
    yield b"}"


def _kind(result: QueryResult) -> str:
    return type(result.value).__name__.lower()


def _matrix(matrix: Matrix) -> Iterator[bytes]:
    behind = b""
    for labels, timestamps, values in matrix:
        yield b'%b{"metric":%b,"values":[' % (behind, _metric(labels))
        for at in range(0, len(values), _POINTS_AT_ONCE):
            part = slice(at, at + _POINTS_AT_ONCE)
            yield (b"," if at else b"") + _points(timestamps[part], values[part])
        yield b"]}"
        behind = b","


def _points(timestamps: Int64s, values: Float64s) -> bytes:
    """`[1.5,"2"],[3,"4"]`. This runs for every sample of an answer: nothing here may loop."""
    rows = np.empty((len(values), 2))
    np.divide(timestamps, 1000, out=rows[:, 0])
    rows[:, 1] = values
    # orjson writes the same digits as repr: [[1.5,2.0],[3.0,4.0]].
    raw = orjson.dumps(rows, option=orjson.OPT_SERIALIZE_NUMPY)
    if b"e" in raw or b"null" in raw or abs(rows[-1, 0]) > _EXACT_SECONDS:
        return _unusual_points(timestamps, values)
    for number_end in (b",", b"]"):
        if b".0" + number_end in raw:
            raw = raw.replace(b".0" + number_end, number_end)
    return raw[1:-2].replace(b",", b',"').replace(b'],"[', b'"],[') + b'"]'


def _unusual_points(timestamps: Int64s, values: Float64s) -> bytes:
    """The same where a value is not finite, very large or very small."""
    points = zip(map(_seconds, timestamps.tolist()), _texts(values), strict=True)
    return ",".join([f'[{time},"{text}"]' for time, text in points]).encode()


def _vector(vector: Vector) -> Iterator[bytes]:
    time = _seconds(vector.at_ms).encode()
    behind = b""
    for labels, text in zip(vector.labels, _texts(vector.values), strict=True):
        metric = _metric(labels)
        yield b'%b{"metric":%b,"value":[%b,"%b"]}' % (behind, metric, time, text.encode())
        behind = b","


@lru_cache(maxsize=1 << 14)
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


def _texts(values: Float64s) -> list[str]:
    raw = orjson.dumps(np.ascontiguousarray(values), option=orjson.OPT_SERIALIZE_NUMPY).decode()
    texts = f"{raw[1:-1]},".replace(".0,", ",")[:-1].split(",") if len(values) else []
    if "e" in raw or "null" in raw:
        size = np.abs(values)
        usual = (size == 0) | (size >= _SMALL) & (size < _LARGE)
        for place in np.flatnonzero(~usual).tolist():
            texts[place] = format_value(float(values[place]))
    return texts
