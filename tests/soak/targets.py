"""What is fuzzed: bytes in, nothing out; anything but the documented errors is a finding."""

from __future__ import annotations

from collections.abc import Callable

import cramjam
import numpy as np

from tidecast.promql.errors import ParseError
from tidecast.promql.parser import parse, selectors
from tidecast.promql.tree_json import tree_json
from tidecast.samples.compression import UNPACK
from tidecast.samples.remote_write import (
    VERSION_1,
    VERSION_2,
    decode_body,
    decode_message,
    decode_strictly,
)
from tidecast.samples.remote_write_2 import decode_message_2, decode_strictly_2
from tidecast.samples.write_request import WriteRequest
from tidecast_collector.errors import InvalidInput

MAX_UNPACKED_BYTES = 1 << 20
FORMS = 7
"""The first byte of an input says how the rest is sent."""

Outcome = WriteRequest | str
"""What was decoded, or the error's words."""


class Different(AssertionError):
    """Two ways to the same thing that do not agree."""


def remote_write(data: bytes) -> None:
    """Both messages plain and compressed; the quick ways must say what the strict one says."""
    if not data:
        return
    form, rest = data[0] % FORMS, data[1:]
    if form == 0:
        _same(_outcome(decode_message, rest), _outcome(decode_strictly, rest))
    elif form == 1:
        _same(_outcome(decode_message_2, rest), _outcome(decode_strictly_2, rest))
    elif form == 2:
        _one_after_another(rest)
    else:
        encoding = list(UNPACK)[form % 2]
        proto = VERSION_1 if form < 5 else VERSION_2
        _outcome(lambda body: decode_body(body, MAX_UNPACKED_BYTES, encoding=encoding,
                                          proto=proto), rest)  # fmt: skip


def _one_after_another(rest: bytes) -> None:
    """A message, the same again, then one of the same length that differs in a few bytes.

    What is remembered of the first must not be taken for what the last one says.
    """
    control = rest[0] if rest else 0
    quick, strict = (
        (decode_message_2, decode_strictly_2) if control & 8 else (decode_message, decode_strictly)
    )
    patches = rest[1 : 1 + 3 * (control % 8)]
    message = rest[1 + len(patches) :]
    for _ in range(2):
        _same(_outcome(quick, message), _outcome(strict, message))
    other = bytearray(message)
    for i in range(0, len(patches) - 2, 3):
        if other:
            other[int.from_bytes(patches[i : i + 2]) % len(other)] = patches[i + 2]
    _same(_outcome(quick, bytes(other)), _outcome(strict, bytes(other)))


def _outcome(decode: Callable[[bytes], WriteRequest], data: bytes) -> Outcome:
    try:
        return decode(data)
    except InvalidInput as error:
        return str(error)


def _same(one: Outcome, other: Outcome) -> None:
    if isinstance(one, str) or isinstance(other, str):
        if one != other:
            raise Different(f"{one!r} is not {other!r}")
        return
    same = (
        list(one.batch.labels) == list(other.batch.labels)
        and np.array_equal(one.batch.offsets, other.batch.offsets)
        and np.array_equal(one.batch.timestamps, other.batch.timestamps)
        and np.array_equal(one.batch.values.view("u8"), other.batch.values.view("u8"))
        and (one.metadata, one.exemplars, one.histograms)
        == (other.metadata, other.exemplars, other.histograms)
    )
    if not same:
        raise Different(f"{one} is not {other}")


def promql(data: bytes) -> None:
    """Text parses or is refused with a place in it; what parses is written and parsed again."""
    text = data.decode(errors="replace")
    try:
        tree = parse(text)
    except ParseError as error:
        if error.line < 1 or error.column < 1:
            raise Different(f"no place in the text: {error}") from error
        return
    written = str(tree)
    try:
        again = parse(written)
    except ParseError as error:
        raise Different(f"{text!r} is written as {written!r}, which is refused: {error}") from error
    if again != tree or str(again) != written:
        raise Different(f"{text!r} is written as {written!r}, which is another query")
    selectors(tree)
    tree_json(tree)


TARGETS: dict[str, Callable[[bytes], None]] = {"remote_write": remote_write, "promql": promql}


def pack(form: int, message: bytes) -> bytes:
    """The input that sends this message in this form."""
    if form >= 3:
        pack_ = (cramjam.snappy.compress_raw, cramjam.zstd.compress)[form % 2]
        message = bytes(pack_(message))
    return bytes([form]) + (b"\x00" if form == 2 else b"") + message
