"""The quick way through a remote-write 2.0 message in the form that nearly all have.

Usual is: the symbols, then the series, and nothing else; in each series its label references in one
field, its samples as in version 1.0, and perhaps what its metric is. As there, samples are searched
for in the whole message at once, and then all lengths must meet exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tidecast.samples.batch import Int64s
from tidecast.samples.usual_write import PADDING, Octets, find_samples, read_lengths

SYMBOL_TAG, SERIES_TAG, REFS_TAG, METADATA_TAG = 0x22, 0x2A, 0x0A, 0x2A
_CONTINUES = 0x80
_LONGEST_REF = 3
MAX_REFS_BYTES = 1 << 16
"""Of one series."""


@dataclass(frozen=True, slots=True)
class UsualSeries2:
    """The symbols of a message; of each series its references, samples and metadata.

    Series `i` owns the references from `ref_offsets[i]` and the samples from `offsets[i]` to before
    the next one's; `ends` and `whole` are by sample, as in version 1.0. What it says of its metric
    stands from `metadata_start` to `metadata_end`, which are the same where it says nothing.
    """

    symbols: list[bytes]
    symbols_start: list[int]
    refs: Int64s
    ref_offsets: Int64s
    offsets: Int64s
    ends: Int64s
    whole: npt.NDArray[np.bool_]
    metadata_start: Int64s
    metadata_end: Int64s


def decode_usual_2(message: bytes) -> UsualSeries2 | None:
    """The symbols and series of a message of the usual form, None for any other."""
    symbols, symbols_start, at = _symbols(message)
    if at == len(message) or not symbols or symbols[0]:
        return None
    octets = np.frombuffer(message[at:] + bytes(PADDING), dtype=np.uint8)
    found = find_samples(octets, len(message) - at)
    spans = None if found is None else _spans(octets, len(message) - at, *found[:2])
    if found is None or spans is None:
        return None
    refs = _refs(octets, spans.refs_start, spans.refs_end)
    if refs is None or int(refs[0].max()) >= len(symbols):
        return None
    return UsualSeries2(
        symbols,
        symbols_start,
        *refs,
        spans.offsets,
        found[1] + at,
        found[2],
        spans.metadata_start + at,
        spans.end + at,
    )


@dataclass(frozen=True, slots=True)
class _Spans:
    """Where the parts of each series stand; `offsets` count its samples."""

    refs_start: Int64s
    refs_end: Int64s
    offsets: Int64s
    metadata_start: Int64s
    end: Int64s


def _spans(octets: Octets, size: int, starts: Int64s, ends: Int64s) -> _Spans | None:
    """The series that so many bytes with these samples are, None where they are anything else."""
    behind = np.concatenate([np.zeros(1, dtype=np.int64), ends])
    first = np.flatnonzero(starts != behind[:-1])
    if not len(first) or first[0] != 0:
        return None
    # What stands in front of each series' samples: the metadata of the one before, its own header
    # and its references; and behind the last one its metadata.
    offsets = np.append(first, len(starts))
    gaps = behind[offsets]
    headers, body, lengths, refs_start = _headers(octets, gaps[:-1], starts[first])
    end = np.append(headers[1:], size)
    metadata = _metadata(octets, gaps[1:], end)
    if metadata is None or headers[0] != 0 or (lengths < 0).any() or (body + lengths != end).any():
        return None
    return _Spans(refs_start, starts[first], offsets, metadata, end)


def _symbols(message: bytes) -> tuple[list[bytes], list[int], int]:
    """The symbols that the message begins with, where each begins, and where they end."""
    symbols: list[bytes] = []
    starts: list[int] = []
    at, size = 0, len(message)
    while at + 1 < size and message[at] == SYMBOL_TAG:
        length, start = message[at + 1], at + 2
        if length >= _CONTINUES:
            if start == size or message[start] >= _CONTINUES:
                break
            length, start = length & 0x7F | message[start] << 7, start + 1
        if start + length > size:
            break
        symbols.append(message[start : start + length])
        starts.append(start)
        at = start + length
    return symbols, starts, at


def _headers(
    octets: Octets, gaps: Int64s, samples: Int64s
) -> tuple[Int64s, Int64s, Int64s, Int64s]:
    """Of each series: its header, its content, the length of that, and its references.

    The header stands in the gap before its samples, behind what the series before says of its
    metric. The length is -1 where there is none of which references reach up to the samples.
    """
    body, lengths, refs = _header(octets, gaps, samples)
    wrong = np.flatnonzero(lengths < 0)
    if len(wrong):
        gaps = gaps.copy()
        gaps[wrong] = np.minimum(gaps[wrong] + 2 + octets[gaps[wrong] + 1], samples[wrong])
        body[wrong], lengths[wrong], refs[wrong] = _header(octets, gaps[wrong], samples[wrong])
    return gaps, body, lengths, refs


def _header(octets: Octets, at: Int64s, samples: Int64s) -> tuple[Int64s, Int64s, Int64s]:
    """Content, length and references of the series whose headers stand here; a length of -1."""
    lengths, body = read_lengths(octets, at + 1)
    refs_lengths, refs = read_lengths(octets, body + 1)
    good = (octets[at] == SERIES_TAG) & (octets[body] == REFS_TAG)
    good &= (refs_lengths > 0) & (refs + refs_lengths == samples)
    return body, np.where(good, lengths, -1), refs


def _metadata(octets: Octets, ends: Int64s, series_end: Int64s) -> Int64s | None:
    """Where the metadata between samples and end of each series begins, which is its end where
    there is none; None where there is anything else."""
    room = series_end - ends
    length = octets[ends + 1].astype(np.int64)
    there = room > 0
    alike = (octets[ends] == METADATA_TAG) & (length < _CONTINUES) & (length + 2 == room)
    return np.where(there, ends + 2, series_end) if alike[there].all() and room.min() >= 0 else None


def _refs(octets: Octets, starts: Int64s, ends: Int64s) -> tuple[Int64s, Int64s] | None:
    """All references, and where those of each series begin among them (one element more).

    None where a series has a label without a value, or a reference or all are too long.
    """
    sizes = ends - starts
    if sizes.max() > MAX_REFS_BYTES:
        return None
    offsets = np.append(0, np.cumsum(sizes))
    places = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], sizes)
    data = octets[places].astype(np.int64)
    last = data < _CONTINUES
    if not last.all():
        following = np.flatnonzero(last) + 1
        begins = np.append(0, following[:-1])
        if not last[offsets[1:] - 1].all() or (following - begins).max() > _LONGEST_REF:
            return None
        counted = np.append(0, np.cumsum(last))
        offsets = counted[offsets]
        refs = data[begins] & 0x7F
        for i in range(1, _LONGEST_REF):
            more = following - begins > i
            refs[more] |= (data[begins[more] + i] & 0x7F) << (7 * i)
        data = refs
    return None if (offsets & 1).any() else (data, offsets)
