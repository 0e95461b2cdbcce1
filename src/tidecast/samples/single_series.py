"""One series of a remote-write message in the usual form, read byte by byte."""

from __future__ import annotations

from dataclasses import dataclass

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
_TIME_SIZE = 6


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
    ends: list[int] = []
    whole: list[bool] = []
    at = span.labels_end
    while at < span.end:
        following = _sample_end(message, at, span.end)
        if following is None:
            return None
        ends.append(following)
        whole.append(message[at + 1] == BOTH_BYTES)
        at = following
    return ends, whole


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


def _sample_end(message: bytes, at: int, limit: int) -> int | None:
    """Where the usual sample at this place ends, None where there is none."""
    if at + 2 > limit or message[at] != SAMPLE_TAG:
        return None
    size = message[at + 1]
    end = at + 2 + size
    if end > limit:
        return None
    if size == BOTH_BYTES:
        usual = message[at + 2] == VALUE_TAG and message[at + 11] == TIME_TAG
    else:
        usual = size == TIME_BYTES and message[at + 2] == TIME_TAG
    time = message[end - _TIME_SIZE : end]
    return end if usual and min(time[:-1]) >= _CONTINUES > time[-1] else None
