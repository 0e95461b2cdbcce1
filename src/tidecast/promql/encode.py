"""Results as the `data` member of Prometheus' HTTP API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache

import numpy as np
import orjson

from tidecast.promql.numbers import format_sample, format_value
from tidecast.promql.result import Matrix, QueryResult, Scalar, String, Vector
from tidecast.samples.batch import Float64s, Int64s
from tidecast_collector.labels import Labels

_POINTS_AT_ONCE = 1 << 16
_SMALL, _LARGE = 1e-4, 1e15
"""Between these nobody writes a number with an exponent."""
_LEAST_DIGITS_MS = 10**12
"""From here (in 2001) up to ten times that numbers of milliseconds have thirteen digits."""


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
    times = _Times()
    for labels, timestamps, values in matrix:
        yield b'%b{"metric":%b,"values":[' % (behind, _metric(labels))
        for at in range(0, len(values), _POINTS_AT_ONCE):
            part = slice(at, at + _POINTS_AT_ONCE)
            yield (b"," if at else b"") + _points(times.before(timestamps[part]), values[part])
        yield b"]}"
        behind = b","


class _Times:
    """Times as what stands before each value; series mostly have those of the one before them."""

    def __init__(self) -> None:
        self._last: Int64s = np.empty(0, dtype=np.int64)
        self._pieces: list[bytes] = []

    def before(self, timestamps: Int64s) -> list[bytes]:
        """`"],[1.500,"` for each, with three decimals, or none where all are whole seconds."""
        if not np.array_equal(timestamps, self._last):
            self._last, self._pieces = timestamps, _time_pieces(timestamps)
        return self._pieces


def _time_pieces(timestamps: Int64s) -> list[bytes]:
    if not _LEAST_DIGITS_MS <= timestamps.min() <= timestamps.max() < 10 * _LEAST_DIGITS_MS:
        return [f'"],[{_seconds(each)},"'.encode() for each in timestamps.tolist()]
    raw = orjson.dumps(timestamps, option=orjson.OPT_SERIALIZE_NUMPY)
    digits = np.frombuffer(raw, dtype=np.uint8)[1:].reshape(len(timestamps), -1)
    whole = not (timestamps % 1000).any()
    form = b'"],[0000000000,"' if whole else b'"],[0000000000.000,"'
    pieces = np.tile(np.frombuffer(form, dtype=np.uint8), (len(timestamps), 1))
    pieces[:, 4:14] = digits[:, :10]
    if not whole:
        pieces[:, 15:18] = digits[:, 10:13]
    found: list[bytes] = pieces.view(f"S{len(form)}").ravel().tolist()
    return found


def _points(times: list[bytes], values: Float64s) -> bytes:
    """`[1.5,"2"],[3,"4"]`. This runs for every sample of an answer: nothing here may loop."""
    pieces = [b""] * (2 * len(values))
    pieces[0::2] = times
    # orjson writes the same digits as repr: [2.0,4.0].
    raw = orjson.dumps(np.ascontiguousarray(values), option=orjson.OPT_SERIALIZE_NUMPY)
    if b"e" in raw or b"null" in raw:
        pieces[1::2] = [text.encode() for text in _texts(values)]
    else:
        pieces[1::2] = (raw[1:-1] + b",").replace(b".0,", b",")[:-1].split(b",")
    return b"".join(pieces)[3:] + b'"]'


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
            texts[place] = format_sample(float(values[place]))
    return texts
