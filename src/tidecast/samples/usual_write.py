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

_SERIES, _SAMPLE, _VALUE, _TIME = 0x0A, 0x12, 0x09, 0x10
"""The tags of a series in the message, a sample in a series, and the parts of a sample."""
_BOTH_BYTES, _TIME_BYTES = 16, 7
"""How long the content of a sample is with a value, and without."""
_PADDING = 24
_BLOCK = 120_000
"""Bytes searched through at once: what that makes on the way stays in the cache."""
_LONGEST_LENGTH = 3
"""Bytes of a series' length, of seven bits each: two megabytes."""
_NOT_LAST, _VARINT = 0x0000008080808080, 0x0000808080808080
"""Where the six bytes of a timestamp have their continuation bits, and where they might."""

Octets = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class UsualSeries:
    """The series of a message: where the labels of each stand in it, and its samples."""

    labels_start: Int64s
    labels_end: Int64s
    offsets: Int64s
    timestamps: Int64s
    values: Float64s


def decode_usual(message: bytes) -> UsualSeries | None:
    """The series of a message of the usual form, None for any other.

    What stands between `labels_start` and `labels_end` is not looked at: the caller must see that
    it is label fields and nothing else.
    """
    if not message:
        return None
    data = message + bytes(_PADDING)
    octets = np.frombuffer(data, dtype=np.uint8)
    starts, ends = _samples(octets, len(message))
    if not len(starts) or ends[-1] != len(message):
        return None
    before = np.concatenate([np.zeros(1, dtype=np.int64), ends[:-1]])
    first = (starts != before).nonzero()[0]
    if not len(first) or first[0] != 0:
        return None
    headers = before[first]
    lengths, labels_start = _lengths(octets, headers + 1)
    labels_end = starts[first]
    series_end = np.append(headers[1:], len(message))
    if not (
        (octets[headers] == _SERIES)
        & (labels_start < labels_end)
        & (labels_start + lengths == series_end)
    ).all():
        return None
    samples = _values(data, octets, starts, ends)
    if samples is None:
        return None
    return UsualSeries(labels_start, labels_end, np.append(first, len(starts)), *samples)


def _samples(octets: Octets, size: int) -> tuple[Int64s, Int64s]:
    """Where what looks like a sample begins and ends, less what begins inside another."""
    at = np.concatenate(
        [_tags(octets, low, min(low + _BLOCK, size)) for low in range(0, size, _BLOCK)]
    )
    length = octets[at + 1]
    both = (length == _BOTH_BYTES) & (octets[at + 2] == _VALUE) & (octets[at + 11] == _TIME)
    alike = both | ((length == _TIME_BYTES) & (octets[at + 2] == _TIME))
    starts = at[alike]
    ends = starts + 2 + length[alike]
    overlaps = starts[1:] < ends[:-1]
    if overlaps.any():
        inside = overlaps.nonzero()[0] + 1
        starts, ends = np.delete(starts, inside), np.delete(ends, inside)
    return starts, ends


def _tags(octets: Octets, low: int, high: int) -> Int64s:
    """Where in this part the tag of a sample stands before a sample's length."""
    length = octets[low + 1 : high + 1]
    found = length == _BOTH_BYTES
    found |= length == _TIME_BYTES
    found &= octets[low:high] == _SAMPLE
    places: Int64s = found.nonzero()[0] + low
    return places


def _lengths(octets: Octets, at: Int64s) -> tuple[Int64s, Int64s]:
    """The varints of up to three bytes at these places, and where what follows them begins.

    A longer one gives a length of -1.
    """
    lengths = np.zeros(len(at), dtype=np.int64)
    following = at.copy()
    open_ = np.ones(len(at), dtype=np.bool_)
    for i in range(_LONGEST_LENGTH):
        byte = octets[following].astype(np.int64)
        lengths |= np.where(open_, (byte & 0x7F) << (7 * i), 0)
        following += open_
        open_ &= byte >= 0x80
    lengths[open_] = -1
    return lengths, following


def _values(
    data: bytes, octets: Octets, starts: Int64s, ends: Int64s
) -> tuple[Int64s, Float64s] | None:
    """Timestamps and values of the samples, None unless all timestamps have six bytes."""
    # One number of eight bytes at each byte of the message.
    words = np.ndarray(len(data) - 7, dtype="<u8", buffer=data, strides=(1,))
    times = words[ends - 6]
    if (times & _VARINT != _NOT_LAST).any():
        return None
    timestamps = times & 0x7F
    for i in range(1, 6):
        timestamps |= (times >> i) & (0x7F << (7 * i))
    bits = words[starts + 3]
    bits[octets[starts + 1] != _BOTH_BYTES] = 0
    return timestamps.view(np.int64), bits.view(np.float64)
