"""Answers of the query API as bytes: enveloped, in pieces, compressed where that is wanted."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

import orjson

from tidecast.promql.encode import encode_pieces
from tidecast.promql.result import QueryResult

CHUNK_BYTES = 1 << 20
"""Answers up to this size leave in one piece, larger ones in pieces of about it."""
GZIP_LEVEL = 1
"""Numbers as text lose three quarters at the first level, and little more at any other."""
_GZIP_FORMAT = 31


def answer_pieces(result: QueryResult, eval_seconds: float | None = None) -> Iterator[bytes]:
    """The envelope around a query's result, in pieces of about `CHUNK_BYTES`.

    With `eval_seconds` it tells what the query has cost.
    """
    notes = {"warnings": list(result.warnings), "infos": list(result.infos)}
    told = {name: lines for name, lines in notes.items() if lines}
    end = (b"," + orjson.dumps(told)[1:-1] if told else b"") + b"}"
    stats = None if eval_seconds is None else _stats(result, eval_seconds)
    return _joined(_enveloped(encode_pieces(result, stats), end))


def zipped(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The pieces as one gzip stream."""
    packer = zlib.compressobj(GZIP_LEVEL, wbits=_GZIP_FORMAT)
    for piece in pieces:
        if packed := packer.compress(piece):
            yield packed
    yield packer.flush()


def _stats(result: QueryResult, seconds: float) -> dict[str, object]:
    """Prometheus' members; what is not told apart here is 0."""
    names = ("resultSortTime", "queryPreparationTime", "execQueueTime")
    timings = dict.fromkeys(names, 0.0)
    timings |= dict.fromkeys(("evalTotalTime", "innerEvalTime", "execTotalTime"), seconds)
    samples = {"totalQueryableSamples": result.samples, "peakSamples": result.samples}
    return {"timings": timings, "samples": samples}


def _enveloped(pieces: Iterable[bytes], end: bytes) -> Iterator[bytes]:
    yield b'{"status":"success","data":'
    yield from pieces
    yield end


def _joined(pieces: Iterable[bytes]) -> Iterator[bytes]:
    held: list[bytes] = []
    size = 0
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size >= CHUNK_BYTES:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)
