"""The quick way through a remote-write message in the form that nearly all have.

Usual is: nothing but series; in each its labels, then its samples; each sample a value and a
timestamp of six bytes, or (a value of zero is left out) the timestamp alone. What looks like a
sample is searched for in the whole message at once, and a value may look like one too: so the
lengths that the message gives must then meet exactly, from its first byte to its last. Whatever is
not exactly so is left to the strict decoder.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tidecast.samples.batch import Float64s, Int64s

SERIES_TAG, LABEL_TAG, SAMPLE_TAG, VALUE_TAG, TIME_TAG = 0x0A, 0x0A, 0x12, 0x09, 0x10
"""The tags of a series in the message, of labels and samples in it, of the parts of a sample."""
BOTH_BYTES, TIME_BYTES = 16, 7
"""How long the content of a sample is with a value, and without."""
PADDING = 24
_BLOCK = 120_000
"""Bytes searched through at once: what that makes on the way stays in the cache."""
LONGEST_LENGTH = 3
"""Bytes of a series' length, of seven bits each: two megabytes."""
_NOT_LAST, _VARINT = 0x0000008080808080, 0x0000808080808080
"""Where the six bytes of a timestamp have their continuation bits, and where they might."""

Octets = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class UsualSeries:
    """Where the series of a message stand, and their labels; and by sample, where each ends.

    Series `i` owns the samples from `offsets[i]` to before `offsets[i + 1]`; `whole` says which of
    them have a value besides their timestamp.
    """

    starts: Int64s
    labels_start: Int64s
    labels_end: Int64s
    offsets: Int64s
    ends: Int64s
    whole: npt.NDArray[np.bool_]


def decode_usual(message: bytes) -> UsualSeries | None:
    """The series of a message of the usual form, None for any other.

    What stands between `labels_start` and `labels_end` is not looked at: the caller must see that
    it is label fields and nothing else.
    """
    if not message:
        return None
    data = message + bytes(PADDING)
    octets = np.frombuffer(data, dtype=np.uint8)
    found = find_samples(octets, len(message))
    if found is None or found[1][-1] != len(message):
        return None
    starts, ends, whole = found
    before = np.concatenate([np.zeros(1, dtype=np.int64), ends[:-1]])
    first = (starts != before).nonzero()[0]
    if not len(first) or first[0] != 0:
        return None
    headers = before[first]
    lengths, labels_start = read_lengths(octets, headers + 1)
    labels_end = starts[first]
    series_end = np.append(headers[1:], len(message))
    if not (
        (octets[headers] == SERIES_TAG)
        & (labels_start < labels_end)
        & (labels_start + lengths == series_end)
    ).all():
        return None
    offsets = np.append(first, len(starts))
    return UsualSeries(headers, labels_start, labels_end, offsets, ends, whole)


def find_samples(octets: Octets, size: int) -> tuple[Int64s, Int64s, npt.NDArray[np.bool_]] | None:
    """Where in so many bytes what looks like a sample begins and ends, and which have a value.

    What begins inside another is left out; None where nothing is found. Behind the bytes there are
    `PADDING` more.
    """
    at = np.concatenate(
        [_tags(octets, low, min(low + _BLOCK, size)) for low in range(0, size, _BLOCK)]
    )
    length = octets[at + 1]
    both = (length == BOTH_BYTES) & (octets[at + 2] == VALUE_TAG) & (octets[at + 11] == TIME_TAG)
    alike = both | ((length == TIME_BYTES) & (octets[at + 2] == TIME_TAG))
    starts = at[alike]
    ends = starts + 2 + length[alike]
    usual = _words(octets.data)[ends - 6] & _VARINT == _NOT_LAST
    if not usual.all():
        starts, ends = starts[usual], ends[usual]
    overlaps = starts[1:] < ends[:-1]
    if overlaps.any():
        inside = overlaps.nonzero()[0] + 1
        starts, ends = np.delete(starts, inside), np.delete(ends, inside)
    return (starts, ends, octets[starts + 1] == BOTH_BYTES) if len(starts) else None


def _tags(octets: Octets, low: int, high: int) -> Int64s:
    """Where in this part the tag of a sample stands before a sample's length."""
    length = octets[low + 1 : high + 1]
    found = length == BOTH_BYTES
    found |= length == TIME_BYTES
    found &= octets[low:high] == SAMPLE_TAG
    places: Int64s = found.nonzero()[0] + low
    return places


def read_lengths(octets: Octets, at: Int64s) -> tuple[Int64s, Int64s]:
    """The varints of up to three bytes at these places, and where what follows them begins.

    A longer one gives a length of -1.
    """
    lengths = np.zeros(len(at), dtype=np.int64)
    following = at.copy()
    open_ = np.ones(len(at), dtype=np.bool_)
    for i in range(LONGEST_LENGTH):
        byte = octets[following].astype(np.int64)
        lengths |= np.where(open_, (byte & 0x7F) << (7 * i), 0)
        following += open_
        open_ &= byte >= 0x80
    lengths[open_] = -1
    return lengths, following


def sample_values(
    message: bytes, ends: Int64s, whole: npt.NDArray[np.bool_], series: int
) -> tuple[Int64s, Float64s]:
    """Timestamps and values of the usual samples, of so many series, that end at these places."""
    words = _words(message)
    bits = words[ends - 15]
    bits[~whole] = 0
    varints = words[ends - 8].view(np.int64) >> 16
    if len(ends) % series == 0:
        # Mostly all series are of the same times.
        each = varints.reshape(series, -1)
        if (each == each[0]).all():
            return np.tile(_timestamps(each[0].copy()), series), bits.view(np.float64)
    return _timestamps(varints), bits.view(np.float64)


def _timestamps(varints: Int64s) -> Int64s:
    """The numbers that varints of six bytes spell: neighbours are joined, and these once more."""
    odd = varints & 0x7F007F007F00
    varints &= 0x007F007F007F
    varints |= odd >> 1
    joined: Int64s = varints & 0x3FFF
    joined |= (varints >> 2) & (0x3FFF << 14)
    joined |= (varints >> 4) & (0x3FFF << 28)
    return joined


def _words(data: bytes | memoryview) -> npt.NDArray[np.uint64]:
    """The number of eight bytes that begins at each byte."""
    return np.ndarray(len(data) - 7, dtype="<u8", buffer=data, strides=(1,))
