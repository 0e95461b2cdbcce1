"""One series of a remote-write message in the usual form, read byte by byte."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import accumulate

from tidecast.samples.usual_write import (
    BOTH_BYTES,
    LABEL_TAG,
    LONGEST_LENGTH,
    SAMPLE_TAG,
    SERIES_TAG,
    TIME_BYTES,
    TIME_TAG,
    VALUE_TAG,
)

_CONTINUES = 0x80
_SAMPLE = re.compile(
    rb"%c(?:%c%c.{8}|%c)%c[\x80-\xff]{5}[\x00-\x7f]"
    % (SAMPLE_TAG, BOTH_BYTES, VALUE_TAG, TIME_BYTES, TIME_TAG),
    re.DOTALL,
)
_TIME_ALONE = 2 + TIME_BYTES


@dataclass(frozen=True, slots=True)
class SeriesSpan:
    """Where a series stands in a message, and its labels in it; its samples follow these."""

    start: int
    labels_start: int
    labels_end: int
    end: int


@dataclass(frozen=True, slots=True)
class SingleSeries:
    """A series by number, where it stands, and where each of its samples ends.

    `whole` says which samples have a value besides their timestamp.
    """

    number: int
    span: SeriesSpan
    ends: list[int]
    whole: list[bool]


def read_span(message: bytes, at: int) -> SeriesSpan | None:
    """The series of the usual form that begins here, None for anything else.

    That what looks like labels is nothing else must be seen by the caller.
    """
    if message[at] != SERIES_TAG:
        return None
    start, end = _content(message, at + 1, len(message))
    labels_end = start
    while labels_end < end and message[labels_end] == LABEL_TAG:
        labels_end = _content(message, labels_end + 1, end)[1] or end
    return SeriesSpan(at, start, labels_end, end) if start < labels_end < end else None


def read_samples(message: bytes, span: SeriesSpan) -> tuple[list[int], list[bool]] | None:
    """The ends of the series' samples, and which have a value; None where one is unusual."""
    lengths = list(map(len, _SAMPLE.findall(message, span.labels_end, span.end)))
    if sum(lengths) != span.end - span.labels_end:
        return None
    ends = list(accumulate(lengths, initial=span.labels_end))
    return ends[1:], [length > _TIME_ALONE for length in lengths]


def _content(message: bytes, at: int, limit: int) -> tuple[int, int]:
    """Where the content begins whose length stands here, and where it ends; (0, 0) where it would
    end behind the limit, or its length is too long."""
    length = 0
    for i in range(min(LONGEST_LENGTH, limit - at)):
        byte = message[at + i]
        length |= (byte & 0x7F) << (7 * i)
        if byte < _CONTINUES:
            start = at + i + 1
            return (start, start + length) if start + length <= limit else (0, 0)
    return 0, 0
