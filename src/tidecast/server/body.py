"""Request bodies within limits."""

from __future__ import annotations

import zlib

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive

from tidecast.server.problems import Problem


async def read_body(request: Request, limit_bytes: int) -> bytes:
    """The body as sent; raises `Problem` 413 as soon as it exceeds the limit."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > limit_bytes:
            raise Problem(413, f"the body is larger than {limit_bytes} bytes")
        parts.append(part)
    return b"".join(parts)


async def receive_body(receive: Receive, limit_bytes: int) -> bytes:
    """The same of a request that has not been read yet; raises `ClientDisconnect` as well."""
    parts, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        part = message.get("body", b"")
        size += len(part)
        if size > limit_bytes:
            raise Problem(413, f"the body is larger than {limit_bytes} bytes")
        parts.append(part)
        more = message.get("more_body", False)
    return b"".join(parts) if len(parts) > 1 else bytes(parts[0])


async def read_json(request: Request, limit_bytes: int) -> dict[str, object]:
    """The body's JSON object, gzip undone; raises `Problem` where it is none."""
    body = await read_body(request, limit_bytes)
    if request.headers.get("content-encoding", "").lower() == "gzip":
        body = _gunzip(body, limit_bytes)
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Problem(400, f"the body is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise Problem(400, "the body must be a JSON object")
    return value


def _gunzip(body: bytes, limit_bytes: int) -> bytes:
    unpacker = zlib.decompressobj(wbits=31)
    try:
        plain = unpacker.decompress(body, limit_bytes)
    except zlib.error as error:
        raise Problem(400, f"the body is not gzip: {error}") from error
    if unpacker.unconsumed_tail or not unpacker.eof:
        raise Problem(413, f"the unpacked body is cut off or larger than {limit_bytes} bytes")
    return plain
