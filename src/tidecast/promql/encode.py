"""Results as the `data` member of Prometheus' HTTP API."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import orjson

from tidecast.promql.numbers import format_value
from tidecast.promql.result import Matrix, QueryResult, Scalar, String, Vector
from tidecast.samples.batch import Float64s, Int64s
from tidecast_collector.labels import Labels

_EXACT_AS_SECONDS = 10**15
"""Milliseconds below this are, as float seconds, written with their three decimals or fewer."""


def encode_result(result: QueryResult) -> bytes:
    """The JSON of a result: `{"resultType": ..., "result": ...}`.

    Values are the shortest decimal strings that read back to the same float (NaN, +Inf, -Inf among
    them), times are seconds with up to three decimals.
    """
    return b"".join(encode_pieces(result))


def encode_pieces(result: QueryResult) -> Iterator[bytes]:
    """The same JSON, one piece for each series, so that a large answer need not be held whole."""
    yield b'{"resultType":"%b","result":' % _kind(result).encode()
    match result.value:
        case Scalar() as scalar:
            yield _point(scalar.at_ms, format_value(scalar.value))
        case String() as string:
            yield _text_point(string.at_ms, string.value)
        case Vector() as vector:
            yield from _list(_vector(vector))
        case Matrix() as matrix:
            yield from _list(_matrix(matrix))
    yield b"}"


def _kind(result: QueryResult) -> str:
    return type(result.value).__name__.lower()


def _list(elements: Iterator[bytes]) -> Iterator[bytes]:
    yield b"["
    before = b""
    for element in elements:
        yield before + element
        before = b","
    yield b"]"


def _matrix(matrix: Matrix) -> Iterator[bytes]:
    # Series of one query mostly share their times: what was written for the last one is kept.
    known, times = np.empty(0, dtype=np.int64), list[str]()
    for labels, timestamps, values in matrix:
        if not np.array_equal(known, timestamps):
            known, times = timestamps, _times(timestamps)
        points = '"],['.join(map("".join, zip(times, _texts(values), strict=True)))
        yield b'{"metric":%b,"values":[[%b"]]}' % (_metric(labels), points.encode())


def _vector(vector: Vector) -> Iterator[bytes]:
    time = _seconds(vector.at_ms).encode()
    for labels, text in zip(vector.labels, _texts(vector.values), strict=True):
        yield b'{"metric":%b,"value":[%b,"%b"]}' % (_metric(labels), time, text.encode())


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


def _times(milliseconds: Int64s) -> list[str]:
    """The seconds, each with the beginning of the value behind it."""
    if len(milliseconds) and np.abs(milliseconds).max() >= _EXACT_AS_SECONDS:
        return [f'{_seconds(each)},"' for each in milliseconds.tolist()]
    return [f'{text},"' for text in _texts(milliseconds / 1000)]


def _texts(values: Float64s) -> list[str]:
    # This runs for every sample of an answer: orjson writes the same digits as repr, all at once.
    raw = orjson.dumps(np.ascontiguousarray(values), option=orjson.OPT_SERIALIZE_NUMPY).decode()
    if "e" in raw or "null" in raw or not len(values):
        return [format_value(value) for value in values.tolist()]
    return f"{raw[1:-1]},".replace(".0,", ",")[:-1].split(",")
